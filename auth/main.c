/* SPDX-License-Identifier: ISC */
/*
 * auth, a front: is it them? The only reader of passwords.
 *
 * exchange.c leads one authentication through its states; sasl.c speaks the
 * mechanisms, scheme.c knows how passwords are stored, pool.c hashes them in
 * threads, cache.c remembers those that were right, ticket.c stands for who
 * was. resume.c lets parked sessions back in, by passes (pass.c). peer.c asks
 * lookup and policyd. Here are the connections.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/exchange.h"
#include "auth/resume.h"
#include "conf/map.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/desk.h"
#include "daemon/roles.h"
#include "ipc/lookup.h"
#include "ipc/policy.h"

#define EXCHANGES_MAX 20000 /* under way on one connection */

struct client {
	struct client *next, **at; /* at: what points here */
	struct wire *wire;
	struct table exchanges; /* by request */
	struct table resumes;   /* likewise */
	uint64_t owner;         /* of the tickets that it was given */
	bool asks;              /* began an exchange */
	bool leaving;           /* was told that we go */
	bool shut;              /* cannot say any more */
};

static struct auth_conf conf;
static struct house house;
static struct client *clients;
/* The user of IMAP's sessions; -1: all roles have the same. */
static unsigned sessions_uid = (unsigned)-1;

static struct str key_of(const uint64_t *request)
{
	return str_of(request, sizeof(*request));
}

/* ---- what exchanges say ---- */

static void put(struct client *c, const struct ipc_type *type, const void *msg)
{
	/* What does not fit ends the connection when it is read again. */
	if (wire_put(c->wire, type, msg) < 0)
		log_error("a peer does not read its answers");
	wire_push(c->wire);
}

static void over(struct client *c, const struct exchange *x)
{
	uint64_t request = exchange_request(x);

	table_remove(&c->exchanges, key_of(&request));
}

static void say_challenge(void *client, const struct auth_challenge *m)
{
	put(client, &auth_challenge, m);
}

static void say_ok(void *client, struct exchange *x, const struct auth_ok *m)
{
	daemon_count("logins", 1);
	over(client, x);
	put(client, &auth_ok, m);
}

static void say_no(void *client, struct exchange *x, const struct auth_no *m)
{
	daemon_count("failures", 1);
	over(client, x);
	put(client, &auth_no, m);
}

static const struct exchange_calls exchange_calls = {
    say_challenge, say_ok, say_no};

/* ---- the next process of auth takes over ---- */

static void say_leave(struct client *c)
{
	static const struct auth_leave m;

	if (c->leaving || !c->asks)
		return;
	c->leaving = true;
	put(c, &auth_leave, &m);
}

/*
 * Nobody is interrupted: who is in the midst of an exchange finishes it here,
 * and closes its connection then. Who only redeems tickets, or has not asked
 * for anything, has what it sent answered, and asks the next process the rest;
 * an exchange that it begins is not taken, since nothing more could be heard of
 * it. Master ends a drain that takes too long.
 */
static void drain(void)
{
	for (struct client *c = clients; c != NULL; c = c->next) {
		if (c->asks) {
			say_leave(c);
		} else {
			shutdown(ipc_fd(wire_ipc(c->wire)), SHUT_RD);
			c->shut = true;
		}
	}
	desk_drain_patiently();
}

/* ---- what peers ask ---- */

/* Passwords do not stay in the connection's buffer. */
static void wipe(struct str s)
{
	if (s.len > 0)
		mem_wipe((void *)(uintptr_t)s.p, s.len);
}

static int begin(struct client *c, const struct auth_begin *m)
{
	struct exchange *x;

	if (c->shut) {
		wipe(m->initial);
		return 0; /* its connection ends at once */
	}
	if (table_get(&c->exchanges, key_of(&m->request)) != NULL ||
	    c->exchanges.count >= EXCHANGES_MAX)
		return -1;
	x = exchange_new(&house, m, &exchange_calls, c, c->owner);
	c->asks = true;
	table_put(&c->exchanges, key_of(&m->request), x);
	exchange_start(x, m);
	wipe(m->initial);
	if (daemon_draining())
		say_leave(c);
	return 0;
}

static void respond(struct client *c, const struct auth_respond *m)
{
	struct exchange *x = table_get(&c->exchanges, key_of(&m->request));

	if (x != NULL)
		exchange_respond(x, m->data);
	wipe(m->data);
}

static void cancel(struct client *c, const struct auth_cancel *m)
{
	struct exchange *x = table_remove(&c->exchanges, key_of(&m->request));

	if (x != NULL)
		exchange_free(x);
}

/* Not login, which keeps what sessions have sealed. */
static bool is_session(const struct client *c)
{
	return sessions_uid == (unsigned)-1 ||
	    ipc_peer_uid(wire_ipc(c->wire)) == sessions_uid;
}

static void redeem(struct client *c, const struct auth_redeem *m)
{
	struct auth_redeemed r = {.request = m->request};
	char login[1025] = "", pass[PASS_MAX + 1] = "", key[PASS_SEAL + 1];

	r.ok = tickets_redeem(&house.tickets, m->ticket, m->service, m->session,
	    loop_now(daemon_loop()), login, sizeof(login), pass);
	r.login = str_from(login);
	if (r.ok && pass[0] != '\0' && is_session(c)) {
		const struct pass_holder who = {
		    m->service, r.login, m->session};

		pass_seal_key(&house.passes, &who, key);
		r.pass = str_from(pass);
		r.key = str_from(key);
	}
	if (!r.ok)
		log_warning("a ticket for %.*s was not good, session=%.*s",
		    STR_FMT(m->service), STR_FMT(m->session));
	put(c, &auth_redeemed, &r);
	mem_wipe(key, sizeof(key));
}

static void say_resumed(
    void *client, struct resume *x, const struct auth_resumed *m)
{
	struct client *c = client;

	(void)x;
	daemon_count(m->ok ? "resumed" : "not resumed", 1);
	table_remove(&c->resumes, key_of(&m->request));
	put(c, &auth_resumed, m);
}

static int resume(struct client *c, const struct auth_resume *m)
{
	struct auth_resumed away = {.request = m->request, .temporary = true};
	struct resume *x;

	if (!is_session(c) || c->resumes.count >= EXCHANGES_MAX ||
	    table_get(&c->resumes, key_of(&m->request)) != NULL)
		return -1;
	x = resume_start(&house, m, say_resumed, c);
	if (x == NULL)
		put(c, &auth_resumed, &away);
	else
		table_put(&c->resumes, key_of(&m->request), x);
	return 0;
}

/* ---- the operator ---- */

static void say_tested(struct client *c, struct exchange *x, bool ok,
    bool temporary, struct str login, struct str reason)
{
	struct auth_tested m = {.request = exchange_request(x),
	    .ok = ok,
	    .temporary = temporary,
	    .login = login,
	    .reason = reason};

	exchange_penalty(x, &m.blocked, &m.delay_ms);
	over(c, x);
	put(c, &auth_tested, &m);
}

static void test_challenge(void *client, const struct auth_challenge *m)
{
	/* Only mechanisms that say all at once are tested. */
	(void)client;
	(void)m;
}

static void test_ok(void *client, struct exchange *x, const struct auth_ok *m)
{
	say_tested(client, x, true, false, m->login, STR_EMPTY);
}

static void test_no(void *client, struct exchange *x, const struct auth_no *m)
{
	say_tested(client, x, false, m->temporary, m->login, m->reason);
}

static bool is_offered(struct str mechanism)
{
	struct str all = str_from(conf.auth_mechanisms), word;

	while ((word = str_word(&all, " ,\t")).len > 0)
		if (str_case_eq(word, mechanism))
			return true;
	return false;
}

/* What is offered all leads to a name and a password, as PLAIN does. */
static int test(struct client *c, const struct auth_test *m)
{
	static const struct exchange_calls calls = {
	    test_challenge, test_ok, test_no};
	struct buf initial = buf_new(4096);
	unsigned uid = ipc_peer_uid(wire_ipc(c->wire));
	struct auth_begin b = {.request = m->request,
	    .service = m->service,
	    .mechanism = STR("PLAIN"),
	    .has_initial = true,
	    .client_address = m->client_address,
	    .tls = m->tls};
	struct auth_tested no = {.request = m->request,
	    .login = m->login,
	    .reason = STR("mechanism not offered")};
	struct exchange *x;

	if (uid != 0 && uid != geteuid()) {
		log_warning("uid %u may not test passwords", uid);
		wipe(m->password);
		return -1;
	}
	if (table_get(&c->exchanges, key_of(&m->request)) != NULL ||
	    c->exchanges.count >= EXCHANGES_MAX)
		return -1;
	if (!is_offered(m->mechanism)) {
		wipe(m->password);
		put(c, &auth_tested, &no);
		return 0;
	}
	buf_add_char(&initial, '\0');
	buf_add(&initial, m->login);
	buf_add_char(&initial, '\0');
	buf_add(&initial, m->password);
	b.initial = buf_str(&initial);
	x = exchange_new(&house, &b, &calls, c, c->owner);
	exchange_only_tests(x);
	table_put(&c->exchanges, key_of(&m->request), x);
	exchange_start(x, &b);
	wipe(m->password);
	mem_wipe(initial.p, initial.capacity);
	buf_free(&initial);
	return 0;
}

static int answer(
    struct wire *w, void *peer, const struct ipc_type *type, const void *msg)
{
	struct client *c = peer;
	int result = 0;

	(void)w;
	if (type == &auth_begin)
		result = begin(c, msg);
	else if (type == &auth_respond)
		respond(c, msg);
	else if (type == &auth_cancel)
		cancel(c, msg);
	else if (type == &auth_redeem)
		redeem(c, msg);
	else if (type == &auth_resume)
		result = resume(c, msg);
	else if (type == &auth_test)
		result = test(c, msg);
	else
		result = -1;
	if (result < 0)
		log_error("a peer sent a %s that is out of order", type->name);
	return result;
}

/* ---- connections ---- */

static void *come(struct wire *w)
{
	static uint32_t number; /* of this process */
	struct client *c = NEW(struct client);

	c->wire = w;
	c->owner = (uint64_t)getpid() << 32 | ++number;
	c->next = clients;
	c->at = &clients;
	if (clients != NULL)
		clients->at = &c->next;
	clients = c;
	return c;
}

static void gone(void *peer)
{
	struct client *c = peer;
	size_t at = 0;
	void *x;

	while (table_next(&c->exchanges, &at, NULL, &x))
		exchange_free(x);
	table_free(&c->exchanges);
	at = 0;
	while (table_next(&c->resumes, &at, NULL, &x))
		resume_free(x);
	table_free(&c->resumes);
	/* Who was asked to close goes on elsewhere. */
	if (c->asks && !c->leaving)
		tickets_forget(&house.tickets, c->owner);
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	free(c);
}

static const struct desk_calls calls = {answer, come, gone};

/* ---- the daemon ---- */

/* The key of passes is nobody's but ours, so it is read while we are still
 * privileged. Passwords may stand elsewhere than beside main.cf. */
static int before_jail(void)
{
	char *folder = map_folder(
	    conf.auth_password_maps, daemon_house()->config_directory);
	char *path, why[160];
	unsigned gid;

	if (folder != NULL)
		daemon_allow(folder, false);
	if (geteuid() == 0 &&
	    role_ids(daemon_house(), "vmail", &sessions_uid, &gid, why,
		sizeof(why)) < 0)
		log_fatal("%s", why);
	if (asprintf(&path, "%s/auth.key", daemon_house()->run_directory) < 0)
		return -1;
	if (passes_open(&house.passes, path) < 0)
		log_fatal("%s: %s", path, strerror(errno));
	free(path);
	house.passes.lifetime = conf.imap_pass_lifetime / 1000;
	return 0;
}

static int start(void)
{
	const char *why;

	house.conf = &conf;
	house.config_directory = daemon_house()->config_directory;
	house.loop = daemon_loop();
	if (tickets_open(&house.tickets, daemon_kept(tickets_size()),
		(size_t)conf.ticket_limit, conf.ticket_lifetime,
		conf.submission_ticket_lifetime) < 0)
		log_fatal("the tickets of the process before are in another "
			  "form: stop and start auth");
	house.sasl = sasl_open(conf.auth_mechanisms, &why);
	if (house.sasl == NULL)
		log_fatal(
		    "auth_mechanisms = %s: %s", conf.auth_mechanisms, why);
	house.pool = pool_new(
	    house.loop, conf.auth_hash_workers, (size_t)conf.auth_hash_queue);
	if (house.pool == NULL ||
	    cache_init(&house.cache, (size_t)conf.auth_cache_size,
		conf.auth_cache_ttl) < 0)
		log_fatal("no threads to hash passwords, or no random bits");
	house.lookup = peer_new(house.loop, "lookup", &lookup_exchange);
	house.policyd = peer_new(house.loop, "policyd", &policy_exchange);
	scheme_dummy(house.dummy, sizeof(house.dummy));
	desk_open(&auth_exchange, &calls);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon auth = {
	    .name = "auth",
	    .kind = DAEMON_FRONT,
	    .params = auth_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = desk_accepted,
	    .drain = drain,
	};

	return daemon_main(&auth, argc, argv);
}
