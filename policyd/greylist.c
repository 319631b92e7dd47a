/* SPDX-License-Identifier: ISC */
#include "policyd/greylist.h"

#include <stdlib.h>

#include "core/memory.h"
#include "net/netaddr.h"

#define TEXT_MOST   320 /* octets of an address that count */
#define SWEEP_MOST  16  /* entries that are over, dropped by one question */
#define TOUCH_PARTS 64  /* of a lifetime: a use within one is not stored anew */
#define FOREVER     0

struct greylist_entry {
	struct greylist_entry *newer, *older;
	/*
	 * A triplet: first seen, and last used. A client: when it was last
	 * counted, and last used. The operator's: since when, and until when.
	 */
	int64_t first, last;
	uint64_t count; /* attempts, or what it has passed */
	uint8_t kind;   /* enum greylist_kind */
	size_t key_len;
	char key[]; /* "t" LF client LF sender LF recipient; "c" LF client */
};

/* ---- keys ---- */

static void add_lower(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_char(out,
		    (unsigned char)s.p[i] < ' ' || s.p[i] == 127
			? '?'
			: ascii_lower(s.p[i]));
}

static void mask(uint8_t *octets, size_t len, int bits)
{
	for (size_t i = 0; i < len; i++, bits -= 8)
		if (bits <= 0)
			octets[i] = 0;
		else if (bits < 8)
			octets[i] &= (uint8_t)(0xff << (8 - bits));
}

/* "ADDRESS" or "ADDRESS/BITS", of a mapped address the IPv4 one. */
static bool read_network(struct str text, struct netaddr *a, int *bits)
{
	struct str rest = text, address = str_cut(&rest, '/');
	char plain[NETADDR_TEXT_MAX];
	uint64_t n = 128;

	if (netaddr_parse(address, 0, a) < 0)
		return false;
	if (address.len < text.len &&
	    str_to_u64(rest, a->u.sa.sa_family == AF_INET ? 32 : 128, &n) < 0)
		return false;
	if (a->u.sa.sa_family == AF_INET6) {
		netaddr_text(a, plain);
		netaddr_parse(str_from(plain), 0, a);
		if (a->u.sa.sa_family == AF_INET && n < 96)
			return false;
		if (a->u.sa.sa_family == AF_INET)
			n -= 96;
	}
	*bits = (int)n;
	return true;
}

static void put_network(struct netaddr a, int bits, struct buf *out)
{
	char text[NETADDR_TEXT_MAX];

	if (a.u.sa.sa_family == AF_INET)
		mask((uint8_t *)&a.u.in.sin_addr, 4, bits);
	else
		mask(a.u.in6.sin6_addr.s6_addr, 16, bits);
	netaddr_text(&a, text);
	buf_printf(out, "%s/%d", text, bits);
}

static int prefix_of(const struct policyd_conf *conf, const struct netaddr *a)
{
	return a->u.sa.sa_family == AF_INET ? conf->greylist_ipv4_prefix
					    : conf->greylist_ipv6_prefix;
}

void greylist_network(
    const struct policyd_conf *conf, struct str address, struct buf *out)
{
	struct netaddr a;
	int bits;

	if (!read_network(address, &a, &bits))
		add_lower(out, address);
	else if (bits < prefix_of(conf, &a))
		put_network(a, bits, out);
	else
		put_network(a, prefix_of(conf, &a), out);
}

/* "SRS0=HHHH=TT=example.org=user" at its forwarder: what changes from day to
 * day is not who it is. */
static struct str without_hash(struct str local)
{
	struct str rest = local;

	if (!str_case_starts(local, STR("SRS0")) &&
	    !str_case_starts(local, STR("SRS1")))
		return local;
	str_cut(&rest, '=');
	str_cut(&rest, '=');
	if (str_case_starts(local, STR("SRS0")))
		str_cut(&rest, '=');
	return rest.len > 0 ? rest : local;
}

void greylist_sender(struct str sender, struct buf *out)
{
	size_t at = str_find_last(sender, '@');
	struct str local = without_hash(str_sub(sender, 0, at));
	struct str plain = str_sub(local, 0, str_find(local, '+'));
	bool number = false;

	if (plain.len > 0)
		local = plain;
	local = str_sub(local, 0, TEXT_MOST);
	for (size_t i = 0; i < local.len; i++) {
		if (!ascii_digit(local.p[i]))
			add_lower(out, str_sub(local, i, 1));
		else if (!number)
			buf_add_char(out, '#');
		number = ascii_digit(local.p[i]);
	}
	add_lower(out, str_sub(str_skip(sender, at), 0, TEXT_MOST));
}

static struct buf client_key(struct str client)
{
	struct buf key = buf_new(GREYLIST_KEY_MAX);

	buf_add_text(&key, "c\n");
	buf_add(&key, client);
	return key;
}

static struct buf triplet_key(
    struct str client, struct str sender, struct str recipient)
{
	struct buf key = buf_new(GREYLIST_KEY_MAX);

	buf_add_text(&key, "t\n");
	buf_add(&key, client);
	buf_add_char(&key, '\n');
	greylist_sender(sender, &key);
	buf_add_char(&key, '\n');
	add_lower(&key, str_sub(recipient, 0, TEXT_MOST));
	return key;
}

/* ---- entries ---- */

struct greylist greylist_new(const struct policyd_conf *conf)
{
	return (struct greylist){.conf = conf, .by_key = table_new()};
}

static void unlink_entry(struct greylist *g, struct greylist_entry *e)
{
	*(e->newer != NULL ? &e->newer->older
			   : &g->of[e->kind].newest) = e->older;
	*(e->older != NULL ? &e->older->newer
			   : &g->of[e->kind].oldest) = e->newer;
	g->of[e->kind].count--;
}

static void link_newest(struct greylist *g, struct greylist_entry *e)
{
	e->newer = NULL;
	e->older = g->of[e->kind].newest;
	*(e->older != NULL ? &e->older->newer : &g->of[e->kind].oldest) = e;
	g->of[e->kind].newest = e;
	g->of[e->kind].count++;
}

static struct str key_of(const struct greylist_entry *e)
{
	return str_of(e->key, e->key_len);
}

static void drop(struct greylist *g, struct greylist_entry *e)
{
	unlink_entry(g, e);
	table_remove(&g->by_key, key_of(e));
	if (g->remove != NULL)
		g->remove(key_of(e));
	free(e);
}

void greylist_free(struct greylist *g)
{
	g->remove = NULL;
	for (int kind = 0; kind < GREYLIST_KINDS; kind++)
		while (g->of[kind].oldest != NULL)
			drop(g, g->of[kind].oldest);
	table_free(&g->by_key);
}

/* When nothing is left of it; FOREVER: never. */
static int64_t end_of(const struct greylist *g, const struct greylist_entry *e)
{
	switch ((enum greylist_kind)e->kind) {
	case GREYLIST_WAITS:
		return e->first + g->conf->greylist_retry_window / 1000;
	case GREYLIST_PROVED:
		return e->last + g->conf->greylist_lifetime / 1000;
	case GREYLIST_ALLOWED:
		break;
	}
	return e->last;
}

static bool is_over(
    const struct greylist *g, const struct greylist_entry *e, int64_t now)
{
	int64_t end = end_of(g, e);

	return end != FOREVER && now >= end;
}

/* NULL: none, or it is over. */
static struct greylist_entry *find(
    const struct greylist *g, const struct buf *key, int64_t now)
{
	struct greylist_entry *e = table_get(&g->by_key, buf_str(key));

	return e != NULL && !is_over(g, e, now) ? e : NULL;
}

static void store(const struct greylist *g, const struct greylist_entry *e)
{
	static const char letters[] = "wpa";
	struct buf value = buf_new(GREYLIST_VALUE_MAX);

	if (g->put == NULL)
		return;
	buf_printf(&value, "1 %c %lld %lld %llu", letters[e->kind],
	    (long long)e->first, (long long)e->last,
	    (unsigned long long)e->count);
	g->put(key_of(e), buf_str(&value));
	buf_free(&value);
}

static void become(
    struct greylist *g, struct greylist_entry *e, enum greylist_kind kind)
{
	unlink_entry(g, e);
	e->kind = (uint8_t)kind;
	link_newest(g, e);
}

/* What was used least recently makes room: of what waits, when that is half
 * of all. false: all that is left is the operator's. */
static bool make_room(struct greylist *g)
{
	size_t most = (size_t)g->conf->greylist_entries_max;

	while (g->by_key.count >= most) {
		enum greylist_kind from = g->of[GREYLIST_WAITS].count >=
			    most / 2 ||
			g->of[GREYLIST_PROVED].count == 0
		    ? GREYLIST_WAITS
		    : GREYLIST_PROVED;

		if (g->of[from].oldest == NULL)
			return false;
		drop(g, g->of[from].oldest);
	}
	return true;
}

/* A new one in the place of one that is over; NULL: there is no room. */
static struct greylist_entry *add(
    struct greylist *g, struct str key, enum greylist_kind kind, int64_t now)
{
	struct greylist_entry *e = table_get(&g->by_key, key);

	if (e != NULL)
		drop(g, e);
	if (!make_room(g))
		return NULL;
	e = mem_alloc(sizeof(*e) + key.len);
	memcpy(e->key, key.p, key.len);
	e->key_len = key.len;
	e->kind = (uint8_t)kind;
	e->first = e->last = now;
	table_put(&g->by_key, key, e);
	link_newest(g, e);
	return e;
}

/* The oldest of each kind come first; where the clock has jumped some stay
 * for longer than they count. */
static void sweep(struct greylist *g, int64_t now)
{
	size_t left = SWEEP_MOST;

	for (int kind = 0; kind < GREYLIST_KINDS; kind++)
		while (left > 0 && g->of[kind].oldest != NULL &&
		    is_over(g, g->of[kind].oldest, now)) {
			drop(g, g->of[kind].oldest);
			left--;
		}
}

/* ---- the question ---- */

/* Used again: not each use is worth a write. */
static void touch(struct greylist *g, struct greylist_entry *e, int64_t now)
{
	unlink_entry(g, e);
	link_newest(g, e);
	if (now >= e->last &&
	    now - e->last < g->conf->greylist_lifetime / 1000 / TOUCH_PARTS)
		return;
	e->last = now;
	store(g, e);
}

/*
 * A message of the client came through after it had waited, now or earlier.
 * One counts in greylist_delay, so that a message with many recipients is one.
 */
static void credit(struct greylist *g, const struct buf *client, int64_t now)
{
	struct greylist_entry *e = find(g, client, now);

	if (g->conf->greylist_client_passes == 0)
		return;
	if (e == NULL) {
		e = add(g, buf_str(client), GREYLIST_PROVED, now);
		if (e == NULL)
			return;
	} else if (e->kind != GREYLIST_PROVED ||
	    (now >= e->first &&
		now - e->first < g->conf->greylist_delay / 1000)) {
		return;
	}
	e->count++;
	e->first = e->last = now;
	become(g, e, GREYLIST_PROVED);
	store(g, e);
}

/* Seconds that it has waited; from now on when the clock has gone back. */
static int64_t waited(const struct greylist_entry *e, int64_t now)
{
	return now > e->first ? now - e->first : 0;
}

/* What is answered, and for how long; changes nothing. */
static enum greylist_state judge(const struct greylist *g,
    const struct greylist_entry *client, const struct greylist_entry *triplet,
    bool invited, int64_t now, int64_t *seconds)
{
	int64_t delay = g->conf->greylist_delay / 1000;

	*seconds = 0;
	if (client != NULL && client->kind == GREYLIST_ALLOWED)
		return GREYLIST_STATE_ALLOWED;
	if (!invited)
		return GREYLIST_STATE_UNINVITED;
	if (client != NULL && g->conf->greylist_client_passes > 0 &&
	    client->count >= (uint64_t)g->conf->greylist_client_passes)
		return GREYLIST_STATE_CLIENT;
	if (triplet == NULL) {
		*seconds = delay;
		return GREYLIST_STATE_NEW;
	}
	if (triplet->kind == GREYLIST_PROVED)
		return GREYLIST_STATE_KNOWN;
	*seconds = waited(triplet, now);
	if (*seconds >= delay)
		return GREYLIST_STATE_PASSED;
	*seconds = delay - *seconds;
	return GREYLIST_STATE_EARLY;
}

static void remember(struct greylist *g, enum greylist_state state,
    const struct buf *client, const struct buf *triplet, int64_t now)
{
	struct greylist_entry *c = find(g, client, now);
	struct greylist_entry *t = find(g, triplet, now);

	switch (state) {
	case GREYLIST_STATE_NEW:
		t = add(g, buf_str(triplet), GREYLIST_WAITS, now);
		if (t == NULL)
			return;
		t->count = 1;
		store(g, t);
		return;
	case GREYLIST_STATE_EARLY:
		t->count++;
		if (now >= t->first)
			return;
		t->first = now; /* the clock has gone back */
		store(g, t);
		return;
	case GREYLIST_STATE_PASSED:
		t->count = 1;
		t->last = now;
		become(g, t, GREYLIST_PROVED);
		store(g, t);
		credit(g, client, now);
		return;
	case GREYLIST_STATE_KNOWN:
		t->count++;
		touch(g, t, now);
		credit(g, client, now);
		return;
	case GREYLIST_STATE_CLIENT:
		touch(g, c, now);
		return;
	case GREYLIST_STATE_UNINVITED:
	case GREYLIST_STATE_ALLOWED:
		return;
	}
}

/* The operator's word for a larger network that the client is of; NULL. */
static struct greylist_entry *find_around(
    const struct greylist *g, struct str client, int64_t now)
{
	struct greylist_entry *e = NULL;
	struct buf network, key;
	struct netaddr a;
	int bits;

	if (g->of[GREYLIST_ALLOWED].count == 0 ||
	    !read_network(client, &a, &bits))
		return NULL;
	network = buf_new(GREYLIST_KEY_MAX);
	for (bits = prefix_of(g->conf, &a); e == NULL && bits-- > 0;) {
		buf_clear(&network);
		put_network(a, bits, &network);
		key = client_key(buf_str(&network));
		e = find(g, &key, now);
		if (e != NULL && e->kind != GREYLIST_ALLOWED)
			e = NULL;
		buf_free(&key);
	}
	buf_free(&network);
	return e;
}

void greylist_ask(struct greylist *g, const struct policy_greylist *q,
    int64_t now, struct policy_greylisted *answer)
{
	struct buf network = buf_new(GREYLIST_KEY_MAX), client, vouched,
		   triplet;
	int64_t seconds;

	if (!q->look)
		sweep(g, now);
	greylist_network(g->conf, q->client_address, &network);
	client = client_key(buf_str(&network));
	/* Who sends from many networks is known by its domain, where that
	 * names the client. */
	if (q->domain.len > 0) {
		buf_clear(&network);
		add_lower(&network, q->domain);
	}
	vouched = client_key(buf_str(&network));
	triplet = triplet_key(buf_str(&network), q->sender, q->recipient);

	const struct greylist_entry *c = find(g, &vouched, now);
	if (c == NULL || c->kind != GREYLIST_ALLOWED)
		c = find_around(g, q->client_address, now);
	if (c == NULL)
		c = find(g, &client, now);
	answer->state = judge(
	    g, c, find(g, &triplet, now), q->invited, now, &seconds);
	answer->seconds = (uint64_t)seconds;
	if (!q->look)
		remember(g, (enum greylist_state)answer->state, &client,
		    &triplet, now);
	buf_free(&network);
	buf_free(&client);
	buf_free(&vouched);
	buf_free(&triplet);
}

/* ---- the operator ---- */

int greylist_allow(
    struct greylist *g, struct str client, uint64_t seconds, int64_t now)
{
	struct buf network = buf_new(GREYLIST_KEY_MAX), key;
	struct greylist_entry *e;

	greylist_network(g->conf, client, &network);
	key = client_key(buf_str(&network));
	e = table_get(&g->by_key, buf_str(&key));
	if (e != NULL)
		become(g, e, GREYLIST_ALLOWED);
	else if (g->of[GREYLIST_ALLOWED].count <
	    (size_t)g->conf->greylist_entries_max / 2)
		e = add(g, buf_str(&key), GREYLIST_ALLOWED, now);
	if (e != NULL) {
		e->first = now;
		e->last = seconds == 0 ? FOREVER : now + (int64_t)seconds;
		e->count = 0;
		store(g, e);
	}
	buf_free(&network);
	buf_free(&key);
	return e != NULL ? 0 : -1;
}

struct greylist_choice greylist_choose(
    const struct greylist *g, struct str key, bool allowed_too)
{
	struct greylist_choice c = {buf_new(GREYLIST_KEY_MAX),
	    buf_new(GREYLIST_KEY_MAX), allowed_too, false};
	struct netaddr a;
	int bits;

	greylist_network(g->conf, key, &c.client);
	c.larger = read_network(key, &a, &bits) &&
	    bits < prefix_of(g->conf, &a);
	if (str_eq(key, STR("<>")))
		return c; /* a sender without a name */
	add_lower(&c.text, key);
	return c;
}

void greylist_choice_free(struct greylist_choice *c)
{
	buf_free(&c->client);
	buf_free(&c->text);
}

static struct str domain_of(struct str address)
{
	return str_skip(address, str_find_last(address, '@') + 1);
}

/* "t" LF client LF sender LF recipient */
static void take_apart(const struct greylist_entry *e, struct str *client,
    struct str *sender, struct str *recipient)
{
	struct str rest = str_skip(key_of(e), 2);

	*client = str_cut(&rest, '\n');
	*sender = str_cut(&rest, '\n');
	*recipient = rest;
}

/* A client is of a network that is larger than those of clients. */
static bool is_within(struct str client, struct str network)
{
	struct netaddr a, around;
	struct str bad;
	int bits, most;

	return read_network(client, &a, &bits) &&
	    read_network(network, &around, &most) && most <= bits &&
	    netaddr_in_list(&a, network, &bad) == 1;
}

static bool is_chosen(
    const struct greylist_choice *c, const struct greylist_entry *e)
{
	struct str client, sender, recipient, want = buf_str(&c->text);
	struct buf known = buf_new(GREYLIST_KEY_MAX);
	bool chosen;

	if (e->kind == GREYLIST_ALLOWED && !c->allowed_too)
		return false;
	if (c->client.len == 0)
		return true;
	take_apart(e, &client, &sender, &recipient);
	if (str_eq(client, buf_str(&c->client)) ||
	    (c->larger && is_within(client, buf_str(&c->client))))
		return true;
	if (e->key[0] == 'c')
		return false;
	if (want.len == 0)
		return sender.len == 0;
	if (str_find(want, '@') == want.len)
		return str_eq(want, domain_of(sender)) ||
		    str_eq(want, domain_of(recipient));
	greylist_sender(want, &known);
	chosen = str_eq(want, recipient) || str_eq(buf_str(&known), sender);
	buf_free(&known);
	return chosen;
}

/* The entry behind e, the kinds in the order of their worth. */
static const struct greylist_entry *behind(
    const struct greylist *g, const struct greylist_entry *e)
{
	int kind = e == NULL ? GREYLIST_KINDS : e->kind;

	if (e != NULL && e->older != NULL)
		return e->older;
	while (kind-- > 0)
		if (g->of[kind].newest != NULL)
			return g->of[kind].newest;
	return NULL;
}

static void fill(const struct greylist *g, const struct greylist_entry *e,
    struct policy_greylist_row *row)
{
	static const int kinds[] = {[GREYLIST_WAITS] = GREYLIST_ROW_WAITS,
	    [GREYLIST_PROVED] = GREYLIST_ROW_PASSED,
	    [GREYLIST_ALLOWED] = GREYLIST_ROW_ALLOWED};
	int64_t end = end_of(g, e);

	*row = (struct policy_greylist_row){
	    .kind = e->key[0] == 'c' && e->kind == GREYLIST_PROVED
		? GREYLIST_ROW_CLIENT
		: kinds[e->kind],
	    .first = (uint64_t)e->first,
	    .last = (uint64_t)(e->kind == GREYLIST_ALLOWED ? e->first
							   : e->last),
	    .ready = e->kind == GREYLIST_WAITS
		? (uint64_t)(e->first + g->conf->greylist_delay / 1000)
		: 0,
	    .end = (uint64_t)end,
	    .count = e->count,
	    .exempt = e->key[0] == 'c' &&
		(e->kind == GREYLIST_ALLOWED ||
		    (g->conf->greylist_client_passes > 0 &&
			e->count >=
			    (uint64_t)g->conf->greylist_client_passes))};
	take_apart(e, &row->client, &row->sender, &row->recipient);
}

bool greylist_next(const struct greylist *g, const struct greylist_choice *c,
    int64_t now, const struct greylist_entry **at,
    struct policy_greylist_row *row)
{
	do
		*at = behind(g, *at);
	while (*at != NULL && (is_over(g, *at, now) || !is_chosen(c, *at)));
	if (*at == NULL)
		return false;
	fill(g, *at, row);
	return true;
}

size_t greylist_forget(struct greylist *g, const struct greylist_choice *c)
{
	size_t count = 0;

	for (int kind = 0; kind < GREYLIST_KINDS; kind++) {
		struct greylist_entry *older, *e = g->of[kind].newest;

		for (; e != NULL; e = older) {
			older = e->older;
			if (!is_chosen(c, e))
				continue;
			drop(g, e);
			count++;
		}
	}
	return count;
}

/* ---- what was stored ---- */

static int take_number(struct str *rest, uint64_t *out)
{
	return str_to_u64(str_cut(rest, ' '), INT64_MAX / 2, out);
}

/* What greylist_ask and greylist_allow make. */
static bool is_key(struct str key, int kind)
{
	struct str rest = key;
	size_t parts = 0;

	if (key.len < 3 || key.len > GREYLIST_KEY_MAX)
		return false;
	for (; rest.len > 0; parts++)
		str_cut(&rest, '\n');
	if (str_starts(key, STR("c\n")))
		return parts == 2 && kind != GREYLIST_WAITS;
	return str_starts(key, STR("t\n")) && parts == 4 &&
	    kind != GREYLIST_ALLOWED;
}

int greylist_load(
    struct greylist *g, struct str key, struct str value, int64_t now)
{
	struct str rest = value, version = str_cut(&rest, ' ');
	struct str letter = str_cut(&rest, ' ');
	uint64_t first, last, count;
	struct greylist_entry *e;
	int kind = letter.len != 1 ? -1
	    : letter.p[0] == 'w'   ? GREYLIST_WAITS
	    : letter.p[0] == 'p'   ? GREYLIST_PROVED
	    : letter.p[0] == 'a'   ? GREYLIST_ALLOWED
				   : -1;

	if (kind < 0 || !str_eq(version, STR("1")) || !is_key(key, kind) ||
	    take_number(&rest, &first) < 0 || take_number(&rest, &last) < 0 ||
	    take_number(&rest, &count) < 0)
		return -1;
	if (g->by_key.count >= (size_t)g->conf->greylist_entries_max)
		return -1;
	e = add(g, key, (enum greylist_kind)kind, now);
	if (e == NULL)
		return -1;
	e->first = (int64_t)first;
	e->last = (int64_t)last;
	e->count = count;
	/* The clock may have gone back while nobody looked: it waits from now
	 * on. What has passed keeps its times, for the clock may not be right
	 * yet. */
	if (kind == GREYLIST_WAITS && e->first > now)
		e->first = now;
	if (!is_over(g, e, now))
		return 0;
	unlink_entry(g, e);
	table_remove(&g->by_key, key);
	free(e);
	return -1;
}

static int64_t age_of(const struct greylist_entry *e)
{
	return e->kind == GREYLIST_PROVED ? e->last : e->first;
}

static int by_age(const void *a, const void *b)
{
	int64_t x = age_of(*(struct greylist_entry *const *)a);
	int64_t y = age_of(*(struct greylist_entry *const *)b);

	return (x > y) - (x < y);
}

void greylist_loaded(struct greylist *g)
{
	for (int kind = 0; kind < GREYLIST_KINDS; kind++) {
		size_t count = g->of[kind].count, n = 0;
		struct greylist_entry **all = mem_array(
		    count + 1, sizeof(struct greylist_entry *));

		for (struct greylist_entry *e = g->of[kind].newest; e != NULL;
		     e = e->older)
			all[n++] = e;
		qsort(all, n, sizeof(struct greylist_entry *), by_age);
		g->of[kind].newest = g->of[kind].oldest = NULL;
		g->of[kind].count = 0;
		for (size_t i = 0; i < n; i++)
			link_newest(g, all[i]);
		free(all);
	}
}

void greylist_put_all(const struct greylist *g)
{
	for (int kind = 0; kind < GREYLIST_KINDS; kind++)
		for (const struct greylist_entry *e = g->of[kind].oldest;
		     e != NULL; e = e->newer)
			store(g, e);
}
