/* SPDX-License-Identifier: ISC */
#include "screen/known.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"
#include "ipc/policy.h"
#include "ipc/wire.h"

#define NAME     "screen"
#define AGAIN_MS 1000  /* between two looks for a policyd that is away */
#define SAY_AWAY 60000 /* between two lines about it */

/* What a client waits for; all its questions have one number. */
struct asking {
	uint64_t request;
	struct client *client;
	int answers; /* still to come */
	bool again;  /* it was asked before, of one that went */
	int counted; /* of them counts: of the client, then of its network */
	struct known known;
};

static struct {
	const struct screen_conf *conf;
	struct wire *wire;
	uint64_t last;
	struct table asking; /* number -> struct asking */
	int64_t away_until, said;
	bool only_looks; /* nothing is counted or remembered */
} policy;

static struct str key_of(const uint64_t *request)
{
	return str_of(request, sizeof(*request));
}

static void forget(struct asking *a)
{
	table_remove(&policy.asking, key_of(&a->request));
	a->client->asking = NULL;
	free(a);
}

/* ---- answers ---- */

/* "greet=1763778000 dnsbl=1763700000" */
static void read_value(struct str value, struct known *known)
{
	struct str word;
	uint64_t until;

	while ((word = str_word(&value, " ")).len > 0) {
		struct str rest = word, name = str_cut(&rest, '=');

		if (str_to_u64(rest, INT64_MAX, &until) < 0)
			continue;
		if (str_eq(name, STR("greet")))
			known->greet_until = (int64_t)until;
		else if (str_eq(name, STR("dnsbl")))
			known->dnsbl_until = (int64_t)until;
	}
}

static void answered(struct asking *a)
{
	struct client *c = a->client;
	struct known known = a->known;

	if (--a->answers > 0)
		return;
	forget(a);
	client_known(c, &known);
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct asking *a;

	(void)w;
	(void)arg;
	if (type == &policy_recalled) {
		const struct policy_recalled *m = msg;

		a = table_get(&policy.asking, key_of(&m->request));
		if (a == NULL)
			return;
		if (m->known)
			read_value(m->value, &a->known);
		answered(a);
	} else if (type == &policy_counted) {
		const struct policy_counted *m = msg;

		a = table_get(&policy.asking, key_of(&m->request));
		if (a == NULL)
			return;
		a->counted++;
		if (!m->within) {
			a->known.too_often = m->count;
			a->known.of_network = a->counted == 2 ||
			    policy.conf
				    ->postscreen_client_connection_rate_limit ==
				0;
		}
		answered(a);
	} else {
		log_warning("policyd sent %s, which is not for us", type->name);
	}
}

static void say_away(const char *why)
{
	policy.away_until = deadline_in(AGAIN_MS);
	if (policy.said != 0 && clock_ms() - policy.said < SAY_AWAY)
		return;
	policy.said = clock_ms();
	log_warning("policyd: %s; nobody is known, and nothing is limited",
	    why[0] != '\0' ? why : "it closed the connection");
}

static int ask(struct asking *a);

/* The next policyd is asked what this one did not answer; without one, who
 * waits is unknown. */
static void lost(struct wire *w, void *arg, const char *why)
{
	struct table asking = policy.asking;
	void *value;
	size_t at = 0;

	(void)w;
	(void)arg;
	policy.wire = NULL;
	policy.asking = table_new();
	if (why[0] != '\0')
		log_warning("policyd: %s", why);
	while (table_next(&asking, &at, NULL, &value)) {
		struct asking *a = value;
		struct client *c = a->client;
		struct known unknown = {0};

		if (!a->again && ask(a) == 0) {
			a->again = true;
			continue;
		}
		say_away(why);
		c->asking = NULL;
		free(a);
		client_known(c, &unknown);
	}
	table_free(&asking);
}

/* ---- questions ---- */

static int connected(void)
{
	static const struct wire_calls calls = {message, lost, NULL};
	const char *why;

	if (policy.wire != NULL)
		return 0;
	if (deadline_left(policy.away_until) > 0)
		return -1;
	struct ipc *c = ipc_connect(
	    "policyd", &policy_exchange, deadline_in(0), &why);
	if (c == NULL) {
		say_away(why);
		return -1;
	}
	policy.wire = wire_new(daemon_loop(), c, &calls, NULL);
	return 0;
}

/* The network of a client: a /24 of IPv4, a /48 of IPv6. */
static void network_of(const struct netaddr *client, char out[80])
{
	struct netaddr a = *client, plain;
	char text[NETADDR_TEXT_MAX];

	netaddr_text(&a, text);
	/* An IPv4 address that is mapped becomes one. */
	if (netaddr_parse(str_from(text), 0, &plain) == 0)
		a = plain;
	if (a.u.sa.sa_family == AF_INET)
		a.u.in.sin_addr.s_addr &= htonl(0xffffff00);
	else
		memset(a.u.in6.sin6_addr.s6_addr + 6, 0, 10);
	netaddr_text(&a, text);
	snprintf(out, 80, "%s/%d", text, a.u.sa.sa_family == AF_INET ? 24 : 48);
}

static void count(struct asking *a, const char *name, const char *key, int most)
{
	struct policy_count m = {
	    .request = a->request,
	    .name = str_from(name),
	    .key = str_from(key),
	    .amount = 1,
	    .limit = (uint64_t)most,
	    .window = (uint64_t)daemon_house()->anvil_rate_time_unit / 1000,
	};

	struct policy_peek peek = {
	    m.request, m.name, m.key, m.amount, m.limit, m.window};

	if (most > 0 &&
	    (policy.only_looks ? wire_put(policy.wire, &policy_peek, &peek)
			       : wire_put(policy.wire, &policy_count, &m)) == 0)
		a->answers++;
}

static int ask(struct asking *a)
{
	const struct screen_conf *conf = policy.conf;
	char address[NETADDR_TEXT_MAX], network[80];

	if (connected() < 0)
		return -1;
	netaddr_text(&a->client->peer, address);
	network_of(&a->client->peer, network);
	struct policy_recall recall = {
	    a->request, STR(NAME), str_from(address)};
	struct policy_look look = {recall.request, recall.name, recall.key};
	if ((policy.only_looks
		    ? wire_put(policy.wire, &policy_look, &look)
		    : wire_put(policy.wire, &policy_recall, &recall)) < 0)
		return -1;
	a->known = (struct known){0};
	a->answers = 1;
	a->counted = 0;
	count(a, "postscreen_client_connection_rate_limit", address,
	    conf->postscreen_client_connection_rate_limit);
	count(a, "postscreen_network_connection_rate_limit", network,
	    conf->postscreen_network_connection_rate_limit);
	table_put(&policy.asking, key_of(&a->request), a);
	wire_push(policy.wire);
	return 0;
}

int known_ask(struct client *c)
{
	struct asking *a = NEW(struct asking);

	a->request = ++policy.last;
	a->client = c;
	if (ask(a) < 0) {
		free(a);
		return -1;
	}
	c->asking = a;
	return 0;
}

void known_cancel(struct client *c)
{
	if (c->asking != NULL)
		forget(c->asking);
}

void known_remember(
    const struct client *c, int64_t greet_until, int64_t dnsbl_until)
{
	int64_t last = greet_until > dnsbl_until ? greet_until : dnsbl_until;
	int64_t now = clock_seconds();
	char address[NETADDR_TEXT_MAX], value[80];

	if (policy.only_looks || last <= now || connected() < 0)
		return;
	netaddr_text(&c->peer, address);
	snprintf(value, sizeof(value), "greet=%lld dnsbl=%lld",
	    (long long)greet_until, (long long)dnsbl_until);
	struct policy_remember m = {STR(NAME), str_from(address),
	    str_from(value), (uint64_t)(last - now)};
	if (wire_put(policy.wire, &policy_remember, &m) == 0)
		wire_push(policy.wire);
}

void known_only_look(void)
{
	policy.only_looks = true;
}

void known_open(const struct screen_conf *conf)
{
	policy.conf = conf;
}
