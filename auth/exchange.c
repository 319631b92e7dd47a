/* SPDX-License-Identifier: ISC */
#include "auth/exchange.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/lookup.h"
#include "ipc/policy.h"
#include "ipc/trace.h"
#include "mail/address.h"

#define LOGIN_MAX 1024

enum state { SASL, ASKING, HASHING, COUNTING, DELAY };

struct exchange {
	struct house *house;
	const struct exchange_calls *calls;
	void *client;
	uint64_t owner; /* of the ticket */
	uint64_t request;
	enum state state;
	char *service, *address, *mechanism;
	struct id session;
	bool tls;
	bool tests; /* for the operator: nothing comes of it */
	struct sasl_session *sasl;
	struct loop_timer *timer;
	/* ASKING */
	uint64_t policy_question, lookup_question; /* 0: not waited for */
	bool blocked;      /* policyd refuses the address */
	bool has_failures; /* policyd remembers some */
	int64_t delay;     /* ms, of a failure; as policyd says */
	enum resolve_status status;
	struct buf login; /* normalised, then as lookup says */
	/* HASHING */
	struct buf stored;
	unsigned char mark[CACHE_MARK];
	struct pool_job *job;
	/* COUNTING, DELAY */
	const char *reason; /* for the log, a constant */
	bool temporary;
};

/* ---- the end ---- */

static struct str given_name(const struct exchange *x)
{
	return x->login.len > 0 ? buf_str(&x->login)
	    : x->sasl != NULL   ? sasl_authid(x->sasl)
				: STR_EMPTY;
}

/* One line for each outcome, in a shape that fail2ban can read. */
static void log_outcome(const struct exchange *x, const char *outcome)
{
	char user[256];

	log_name(user, sizeof(user), given_name(x));
	if (x->tests) {
		log_info("operator: authentication test: user=<%s>, "
			 "service=%s, method=%s: %s",
		    user, x->service, x->mechanism,
		    x->reason != NULL ? x->reason : "good");
		return;
	}
	log_info("%s: user=<%s>, service=%s, method=%s, rip=%s%s%s%s, "
		 "session=%s",
	    outcome, user, x->service, x->mechanism, x->address,
	    x->tls ? ", TLS" : "", x->reason != NULL ? ", reason=" : "",
	    x->reason != NULL ? x->reason : "", x->session.text);
}

static void trace_refusal(const struct exchange *x, struct str name)
{
	if (x->tests)
		return;
	trace_event(TRACE_REFUSED, &x->session, NULL,
	    &(struct trace_fields){.who = name,
		.where = str_from(x->service),
		.code = x->temporary ? STR("4.7.0") : STR("5.7.8"),
		.why = str_from(x->reason)});
}

static void say_no(struct exchange *x)
{
	struct auth_no m = {.request = x->request, .temporary = x->temporary};

	m.login = given_name(x);
	if (m.login.len > LOGIN_MAX)
		m.login.len = LOGIN_MAX;
	m.reason = str_from(x->reason);
	if (x->temporary)
		m.text = STR("Authentication is not available now, try later");
	else if (x->blocked)
		m.text = STR("Too many failed logins, try later");
	else
		m.text = STR("Authentication failed");
	trace_refusal(x, m.login);
	x->calls->no(x->client, x, &m);
	exchange_free(x);
}

static void temporary(struct exchange *x, const char *reason)
{
	x->reason = reason;
	x->temporary = true;
	log_outcome(x, "authentication put off");
	say_no(x);
}

/* Told without a ticket. */
static void say_good(struct exchange *x)
{
	struct auth_ok m = {.request = x->request, .login = buf_str(&x->login)};

	log_outcome(x, "good");
	x->calls->ok(x->client, x, &m);
	exchange_free(x);
}

static void say_ok(struct exchange *x)
{
	char word[TICKET_LEN + 1], pass[PASS_MAX + 1] = "";
	const struct pass_holder who = {
	    str_from(x->service), buf_str(&x->login), id_str(&x->session)};
	struct auth_ok m = {.request = x->request};

	/* Only IMAP's sessions are parked. */
	if (str_eq(who.service, STR("imap")))
		pass_make(&x->house->passes, &who, buf_str(&x->stored),
		    clock_seconds(), pass);
	if (tickets_make(&x->house->tickets, x->owner, who.login, who.service,
		who.session, str_from(pass), loop_now(x->house->loop),
		word) < 0) {
		temporary(x, "no ticket could be made");
		return;
	}
	m.login = buf_str(&x->login);
	m.ticket = str_from(word);
	log_outcome(x, "login");
	trace_event(TRACE_LOGIN, &x->session, NULL,
	    &(struct trace_fields){.who = m.login,
		.where = str_from(x->service),
		.why = str_from(x->mechanism)});
	x->calls->ok(x->client, x, &m);
	mem_wipe(word, sizeof(word));
	exchange_free(x);
}

/* ---- a failure: counted, delayed, told ---- */

static void delay(struct exchange *x, int64_t ms)
{
	x->state = DELAY;
	loop_timer_set(x->timer, ms);
}

static void counted(const struct ipc_type *type, const void *msg, void *arg)
{
	struct exchange *x = arg;
	const struct policy_penalty *p = msg;

	x->policy_question = 0;
	if (msg == NULL || type != &policy_penalty)
		delay(x, x->house->conf->auth_failure_delay);
	else
		delay(x, (int64_t)p->delay_ms);
}

/* The name as far as it can be a counter's key. */
static struct str counted_name(const struct exchange *x)
{
	struct str name = given_name(x);

	return str_sub(name, 0, LOGIN_MAX);
}

static void fail(struct exchange *x, const char *reason)
{
	struct policy_failure f = {0};

	x->reason = reason;
	log_outcome(x, "authentication failed");
	if (x->tests) {
		say_no(x);
		return;
	}
	f.client_address = str_from(x->address);
	f.login = counted_name(x);
	x->state = COUNTING;
	x->policy_question = peer_ask(
	    x->house->policyd, &policy_failure, &f, counted, x);
	if (x->policy_question == 0)
		delay(x, x->house->conf->auth_failure_delay);
}

/* ---- the password ---- */

static void ignore(const struct ipc_type *type, const void *msg, void *arg)
{
	(void)type;
	(void)msg;
	(void)arg;
}

static void succeed(struct exchange *x)
{
	if (x->tests) {
		say_good(x);
		return;
	}
	if (x->has_failures) {
		struct policy_failure f = {.success = true};

		f.client_address = str_from(x->address);
		f.login = counted_name(x);
		peer_ask(x->house->policyd, &policy_failure, &f, ignore, NULL);
	}
	say_ok(x);
}

static void verified(enum scheme_result r, void *arg)
{
	struct exchange *x = arg;
	struct house *h = x->house;

	x->job = NULL;
	if (x->status == RESOLVE_REFUSED) {
		fail(x, "account disabled");
	} else if (x->status != RESOLVE_OK || x->stored.len == 0) {
		fail(x,
		    x->status != RESOLVE_OK ? "unknown user"
					    : "no password set");
	} else if (r == SCHEME_UNKNOWN) {
		log_error("the password of %.*s is stored in a form that is "
			  "not known; \"posthouse user passwd\" sets a new one",
		    STR_FMT(buf_str(&x->login)));
		fail(x, "unknown password scheme");
	} else if (r == SCHEME_MISMATCH) {
		fail(x, "password mismatch");
	} else {
		cache_add(&h->cache, x->mark, loop_now(h->loop));
		succeed(x);
	}
}

/* The table, opened when it can be. */
static struct map *passwords(struct house *h)
{
	int64_t now = clock_ms();
	const char *why;

	if (h->passwords != NULL || now < h->next_open)
		return h->passwords;
	h->next_open = now + 1000;
	h->passwords = map_open(
	    h->conf->auth_password_maps, h->config_directory, &why);
	if (h->passwords == NULL)
		log_error("auth_password_maps: %s", why);
	return h->passwords;
}

enum map_result house_find_password(
    struct house *h, struct str login, struct buf *stored)
{
	struct map *map = passwords(h);
	struct buf warning = buf_new(1024);
	enum map_result r;

	if (map == NULL)
		return MAP_ERROR;
	r = map_find(map, login, stored);
	if (r == MAP_ERROR)
		log_error("auth_password_maps: %s", map_why(map));
	if (map_take_warning(map, &warning))
		log_warning("auth_password_maps: %s; the old content goes on "
			    "serving",
		    buf_text(&warning));
	buf_free(&warning);
	return r;
}

/* For somebody and for nobody alike: a hash is computed. What one of this
 * site's costs, nobody's shall cost too. */
static void hash(struct exchange *x)
{
	struct house *h = x->house;
	struct str stored = buf_str(&x->stored);
	struct str password = sasl_password(x->sasl);

	if (stored.len == 0)
		stored = str_from(h->dummy);
	else if (str_starts(stored, STR("{CRYPT}")))
		str_copy(h->dummy, sizeof(h->dummy), stored);
	x->state = HASHING;
	x->job = pool_verify(h->pool, stored, password, verified, x);
	if (x->job == NULL)
		temporary(x, "too many passwords wait to be hashed");
}

static void decide(struct exchange *x)
{
	struct house *h = x->house;

	if (x->blocked && !x->tests) {
		x->reason = "too many failed logins";
		log_outcome(x, "authentication refused");
		delay(x, x->delay);
		return;
	}
	if (x->status == RESOLVE_TEMPORARY) {
		temporary(x, "the directory is away");
		return;
	}
	if (x->status == RESOLVE_OK &&
	    house_find_password(h, buf_str(&x->login), &x->stored) ==
		MAP_ERROR) {
		temporary(x, "the passwords cannot be read");
		return;
	}
	if (x->stored.len > 0) {
		cache_mark(&h->cache, buf_str(&x->login),
		    sasl_password(x->sasl), buf_str(&x->stored), x->mark);
		if (cache_has(&h->cache, x->mark, loop_now(h->loop))) {
			succeed(x);
			return;
		}
	}
	hash(x);
}

/* ---- who is it, and may the address ask? ---- */

static void asked(struct exchange *x)
{
	if (x->policy_question == 0 && x->lookup_question == 0)
		decide(x);
}

/* policyd away: passwords are looked at all the same; a failure then has its
 * fixed delay. */
static void policy_said(const struct ipc_type *type, const void *msg, void *arg)
{
	struct exchange *x = arg;
	const struct policy_penalty *p = msg;

	x->policy_question = 0;
	if (msg != NULL && type == &policy_penalty) {
		x->blocked = p->blocked;
		x->has_failures = p->delay_ms > 0;
		x->delay = (int64_t)p->delay_ms;
	}
	asked(x);
}

static void lookup_said(const struct ipc_type *type, const void *msg, void *arg)
{
	struct exchange *x = arg;
	const struct lookup_resolved *r = msg;

	x->lookup_question = 0;
	x->status = RESOLVE_TEMPORARY;
	if (msg != NULL && type == &lookup_resolved) {
		x->status = (enum resolve_status)r->status;
		/* An alias, or a user of another kind, has no password. */
		if (x->status == RESOLVE_OK &&
		    !str_case_eq(r->account, buf_str(&x->login)))
			x->status = RESOLVE_UNKNOWN;
		if (x->status == RESOLVE_REFUSED && r->account.len == 0)
			x->status = RESOLVE_UNKNOWN;
	}
	asked(x);
}

/* "user" and "User@Example.Org" become "user@example.org". -1: no login. */
static int normalize(struct exchange *x, struct str name)
{
	struct buf whole = buf_new(LOGIN_MAX);
	int result = -1;

	buf_add(&whole, name);
	if (str_find(name, '@') == name.len &&
	    x->house->conf->auth_default_domain[0] != '\0')
		buf_printf(&whole, "@%s", x->house->conf->auth_default_domain);
	if (!whole.overflow)
		result = address_normalize(buf_str(&whole), true, &x->login);
	buf_free(&whole);
	return result;
}

static void ask(struct exchange *x)
{
	struct house *h = x->house;
	struct lookup_resolve q = {0};
	struct policy_ask p = {0};

	x->state = ASKING;
	x->status = RESOLVE_UNKNOWN;
	if (normalize(x, sasl_authid(x->sasl)) == 0) {
		q.address = buf_str(&x->login);
		x->lookup_question = peer_ask(
		    h->lookup, &lookup_resolve, &q, lookup_said, x);
		if (x->lookup_question == 0)
			x->status = RESOLVE_TEMPORARY;
	}
	p.client_address = str_from(x->address);
	p.login = counted_name(x);
	x->policy_question = peer_ask(
	    h->policyd, &policy_ask, &p, policy_said, x);
	asked(x);
}

/* ---- SASL ---- */

static void take_step(struct exchange *x, enum sasl_result r,
    const struct buf *out, const char *why)
{
	struct auth_challenge m = {x->request, STR_EMPTY};

	switch (r) {
	case SASL_CHALLENGE:
		m.data = buf_str(out);
		x->calls->challenge(x->client, &m);
		break;
	case SASL_CREDENTIALS:
		ask(x);
		break;
	case SASL_MALFORMED:
		fail(x, why);
		break;
	}
}

static void fired(void *arg)
{
	struct exchange *x = arg;

	if (x->state != DELAY) {
		/* It was going on for too long: no fault of a password. */
		temporary(x, "auth_exchange_timeout");
		return;
	}
	say_no(x);
}

struct exchange *exchange_new(struct house *h, const struct auth_begin *m,
    const struct exchange_calls *calls, void *client, uint64_t owner)
{
	struct exchange *x = NEW(struct exchange);

	x->house = h;
	x->calls = calls;
	x->client = client;
	x->owner = owner;
	x->request = m->request;
	x->service = str_dup(m->service);
	x->address = str_dup(m->client_address);
	x->mechanism = str_dup(m->mechanism);
	if (id_parse(m->session, &x->session) < 0)
		x->session = (struct id){""};
	x->tls = m->tls;
	x->login = buf_new(LOGIN_MAX);
	x->stored = buf_new(STORED_MAX);
	x->timer = loop_timer_new(h->loop, fired, x);
	loop_timer_set(x->timer, h->conf->auth_exchange_timeout);
	return x;
}

void exchange_start(struct exchange *x, const struct auth_begin *m)
{
	struct buf out = buf_new(SASL_DATA_MAX);
	const char *why = "";
	enum sasl_result r;

	x->sasl = sasl_start(x->house->sasl, m->mechanism);
	if (x->sasl == NULL) {
		fail(x, "mechanism not offered");
		return;
	}
	/* smtpd sees to it too; a password never counts in the clear. */
	if (!x->tls && str_eq(m->service, STR("submission"))) {
		fail(x, "no TLS");
		return;
	}
	r = sasl_first(x->sasl, m->has_initial, m->initial, &out, &why);
	take_step(x, r, &out, why);
	buf_free(&out);
}

void exchange_respond(struct exchange *x, struct str data)
{
	struct buf out = buf_new(SASL_DATA_MAX);
	const char *why = "";

	if (x->state != SASL)
		return; /* a response too many changes nothing */
	enum sasl_result r = sasl_step(x->sasl, data, &out, &why);
	take_step(x, r, &out, why);
	buf_free(&out);
}

void exchange_only_tests(struct exchange *x)
{
	x->tests = true;
}

void exchange_penalty(
    const struct exchange *x, bool *blocked, uint64_t *delay_ms)
{
	*blocked = x->blocked;
	*delay_ms = (uint64_t)x->delay;
}

void exchange_free(struct exchange *x)
{
	if (x->policy_question != 0)
		peer_cancel(x->house->policyd, x->policy_question);
	if (x->lookup_question != 0)
		peer_cancel(x->house->lookup, x->lookup_question);
	if (x->job != NULL)
		pool_cancel(x->job);
	loop_timer_free(&x->timer);
	sasl_end(&x->sasl);
	if (x->stored.p != NULL)
		mem_wipe(x->stored.p, x->stored.capacity);
	buf_free(&x->stored);
	buf_free(&x->login);
	free(x->service);
	free(x->address);
	free(x->mechanism);
	free(x);
}

uint64_t exchange_request(const struct exchange *x)
{
	return x->request;
}
