/* SPDX-License-Identifier: ISC */
#include "policyd/operator.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/netaddr.h"

/* The keys that an address or a user has. */
struct wanted {
	struct buf network; /* of an address; else as given, in lower case */
	bool any;
};

static struct wanted wanted_new(struct str key)
{
	struct wanted w = {buf_new(2048), key.len == 0};
	struct netaddr a;

	if (netaddr_parse(key, 0, &a) == 0)
		penalties_network(key, &w.network);
	else
		for (size_t i = 0; i < key.len; i++)
			buf_add_char(&w.network, ascii_lower(key.p[i]));
	return w;
}

/* A user without a domain is one of any. */
static bool is_wanted(const struct wanted *w, struct str key)
{
	struct str want = buf_str(&w->network);

	if (w->any || str_case_eq(key, want))
		return true;
	return str_find(want, '@') == want.len &&
	    str_find(key, '@') < key.len &&
	    str_case_eq(str_sub(key, 0, str_find(key, '@')), want);
}

/* ---- list ---- */

struct listing {
	const struct remembered *r;
	struct wire *w;
	struct wanted wanted;
	int64_t now_ms;
	struct policy_listed end;
};

static void put(struct listing *l, struct policy_row *row)
{
	if (l->end.count >= OPERATOR_ROWS_MOST) {
		l->end.cut = true;
		return;
	}
	l->end.count++;
	wire_put(l->w, &policy_row, row);
}

static uint64_t seconds(int64_t ms)
{
	return ms <= 0 ? 0 : (uint64_t)(ms + 999) / 1000;
}

/* "a 192.0.2.1", "l user@example.org"; "b" is both, and counted in these. */
static void list_logins(struct listing *l)
{
	const struct windows *all = &l->r->penalties->windows;
	int64_t window = l->r->conf->login_failure_window;
	const struct window *at = NULL;
	struct str key;

	while (windows_next(all, &at, &key)) {
		struct policy_row row = {.kind = key.p[0] == 'a'
			? POLICY_LOGIN_ADDRESS
			: POLICY_LOGIN_ACCOUNT,
		    .key = str_skip(key, 2)};
		struct policy_penalty p;

		if (key.len < 2 || key.p[0] == 'b' ||
		    !is_wanted(&l->wanted, row.key))
			continue;
		row.count = windows_get(all, key, window, l->now_ms);
		if (row.count == 0)
			continue;
		penalties_ask(l->r->penalties,
		    &(struct policy_ask){
			.client_address = row.kind == POLICY_LOGIN_ADDRESS
			    ? row.key
			    : STR_EMPTY,
			.login = row.kind == POLICY_LOGIN_ADDRESS ? STR_EMPTY
								  : row.key},
		    l->now_ms, &p);
		row.delay_ms = p.delay_ms;
		row.blocked = row.kind == POLICY_LOGIN_ADDRESS && p.blocked;
		row.left_seconds = seconds(
		    windows_left(all, key, window, l->now_ms));
		put(l, &row);
	}
}

/* "name window key" */
static bool parse_counter(
    struct str key, struct str *name, uint64_t *window, struct str *of)
{
	struct str rest = key;

	*name = str_cut(&rest, ' ');
	if (str_to_u64(str_cut(&rest, ' '), 86400 * 31, window) < 0)
		return false;
	*of = rest;
	return true;
}

static void list_counters(struct listing *l)
{
	const struct window *at = NULL;
	struct str key;

	while (windows_next(l->r->counters, &at, &key)) {
		struct policy_row row = {.kind = POLICY_RATE};
		uint64_t window;

		if (!parse_counter(key, &row.name, &window, &row.key) ||
		    !is_wanted(&l->wanted, row.key))
			continue;
		row.count = windows_get(
		    l->r->counters, key, (int64_t)window * 1000, l->now_ms);
		if (row.count == 0)
			continue;
		row.left_seconds = seconds(windows_left(
		    l->r->counters, key, (int64_t)window * 1000, l->now_ms));
		put(l, &row);
	}
}

static void list_memory(struct listing *l)
{
	int64_t until, now = clock_seconds();
	const struct memory_entry *at = NULL;
	struct str key, value;

	while (memory_next(l->r->memory, &at, &key, &value, &until)) {
		struct policy_row row = {
		    .kind = POLICY_MEMORY, .value = str_sub(value, 0, 2000)};

		row.key = key;
		row.name = str_cut(&row.key, ' ');
		if (until <= now || !is_wanted(&l->wanted, row.key))
			continue;
		row.left_seconds = (uint64_t)(until - now);
		put(l, &row);
	}
}

static int list(const struct remembered *r, struct wire *w,
    const struct policy_list *q, int64_t now_ms)
{
	struct listing l = {
	    .r = r, .w = w, .wanted = wanted_new(q->key), .now_ms = now_ms};

	list_logins(&l);
	if (q->all) {
		list_counters(&l);
		list_memory(&l);
	}
	buf_free(&l.wanted.network);
	return wire_put(w, &policy_listed, &l.end);
}

/* ---- clear ---- */

static bool memory_is_wanted(struct str key, void *arg)
{
	str_cut(&key, ' ');
	return is_wanted(arg, key);
}

/* Whether a key of penalties is about the address or the user: "a ADDRESS",
 * "l USER", "b a ADDRESS USER". */
static bool login_is_wanted(const struct wanted *w, struct str key)
{
	struct str rest = str_skip(key, 2);

	if (key.len < 2 || key.p[0] != 'b')
		return is_wanted(w, rest);
	rest = str_skip(rest, 2);
	return is_wanted(w, str_cut(&rest, ' ')) || is_wanted(w, rest);
}

static uint64_t forget_windows(
    struct windows *all, const struct wanted *w, bool are_logins)
{
	const struct window *at = NULL;
	uint64_t count = 0, seconds_of;
	struct str key, name, of;
	bool more = windows_next(all, &at, &key);

	while (more) {
		struct str this = key;
		bool wanted = are_logins
		    ? login_is_wanted(w, key)
		    : parse_counter(key, &name, &seconds_of, &of) &&
			is_wanted(w, of);
		bool told = !are_logins || key.p[0] != 'b';

		more = windows_next(all, &at, &key);
		if (!wanted)
			continue;
		windows_forget(all, this);
		count += told;
	}
	return count;
}

static int clear(
    const struct remembered *r, struct wire *w, const struct policy_clear *q)
{
	struct wanted wanted = wanted_new(q->key);
	struct policy_listed end = {0};
	char name[256];

	end.count = forget_windows(&r->penalties->windows, &wanted, true) +
	    forget_windows(r->counters, &wanted, false);
	if (!wanted.any || q->all)
		end.count += memory_forget_if(
		    r->memory, memory_is_wanted, &wanted);
	log_name(name, sizeof(name), wanted.any ? STR("ALL") : q->key);
	log_info("operator: penalty clear %s: %llu forgotten", name,
	    (unsigned long long)end.count);
	buf_free(&wanted.network);
	return wire_put(w, &policy_listed, &end);
}

bool operator_may(struct wire *w)
{
	unsigned uid = ipc_peer_uid(wire_ipc(w));

	if (uid == 0 || uid == geteuid())
		return true;
	log_warning("uid %u may not ask what is remembered", uid);
	return false;
}

int operator_asks(const struct remembered *r, struct wire *w,
    const struct ipc_type *type, const void *msg, int64_t now_ms)
{
	if (!operator_may(w))
		return -1;
	if (type == &policy_clear)
		return clear(r, w, msg);
	return list(r, w, msg, now_ms);
}
