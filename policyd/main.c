/* SPDX-License-Identifier: ISC */
/*
 * policyd, a front: how often, and is it known? For everybody who asks.
 *
 * window.c counts in sliding windows, penalty.c makes delays and refusals of
 * failed logins, memory.c remembers for others what they found out, greylist.c
 * who has come back, and operator.c answers the operator; what is here is the
 * conversation. A restart forgets the counters. The memory is written to a
 * file of policyd's own, now and then and at the end: it can all be found out
 * again. What greylisting knows cannot, but from mail that has waited:
 * greylist_store.c keeps it in a database.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/desk.h"
#include "policyd/greylist_operator.h"
#include "policyd/greylist_store.h"
#include "policyd/memory.h"
#include "policyd/operator.h"
#include "policyd/penalty.h"

#define SAVE_MS (300 * 1000)

static struct policyd_conf conf;
static struct memory memory;
static int memory_file = -1;
static struct loop_timer *saving;
static struct windows counters;
static struct penalties penalties;
static struct greylist greylist;

/* The key of a counter: its name, its window, and of whom. */
static struct buf counter_key(struct str name, struct str of, uint64_t window)
{
	struct buf key = buf_new(2048);

	buf_add(&key, name);
	buf_printf(&key, " %llu ", (unsigned long long)window);
	if (str_find(of, '/') == of.len)
		penalties_network(of, &key);
	else
		buf_add(&key, of);
	return key;
}

static int count(struct wire *w, const struct policy_count *q, int64_t now)
{
	struct policy_counted r = {.request = q->request};
	struct buf key = counter_key(q->name, q->key, q->window);

	r.count = windows_add(&counters, buf_str(&key), q->amount,
	    (int64_t)q->window * 1000, now);
	r.within = q->limit == 0 || r.count <= q->limit;
	buf_free(&key);
	return wire_put(w, &policy_counted, &r);
}

static int peek(struct wire *w, const struct policy_peek *q, int64_t now)
{
	struct policy_counted r = {.request = q->request};
	struct buf key = counter_key(q->name, q->key, q->window);

	r.count = q->amount +
	    windows_get(
		&counters, buf_str(&key), (int64_t)q->window * 1000, now);
	r.within = q->limit == 0 || r.count <= q->limit;
	buf_free(&key);
	return wire_put(w, &policy_counted, &r);
}

static int failure(struct wire *w, const struct policy_failure *q, int64_t now)
{
	struct policy_penalty r = {.request = q->request};

	penalties_failure(&penalties, q, now, &r);
	if (r.blocked && !q->success &&
	    r.failures == (uint64_t)conf.login_failure_block)
		log_warning("%.*s: %llu failed logins; refused until there "
			    "are fewer (login_failure_block)",
		    STR_FMT(q->client_address), (unsigned long long)r.failures);
	return wire_put(w, &policy_penalty, &r);
}

static int ask(struct wire *w, const struct policy_ask *q, int64_t now)
{
	struct policy_penalty r = {.request = q->request};

	penalties_ask(&penalties, q, now, &r);
	return wire_put(w, &policy_penalty, &r);
}

static int recall(struct wire *w, const struct policy_recall *q)
{
	struct policy_recalled r = {.request = q->request, .value = STR_EMPTY};

	r.known = memory_recall(
	    &memory, q->name, q->key, clock_seconds(), &r.value);
	return wire_put(w, &policy_recalled, &r);
}

static int look(struct wire *w, const struct policy_look *q)
{
	struct policy_recalled r = {.request = q->request, .value = STR_EMPTY};

	r.known = memory_look(
	    &memory, q->name, q->key, clock_seconds(), &r.value);
	return wire_put(w, &policy_recalled, &r);
}

static int remember(const struct policy_remember *q)
{
	if (memory_remember(&memory, q, clock_seconds()) == 0)
		return 0;
	log_error("a peer wants a control character remembered");
	return -1;
}

/* ---- greylisting ---- */

static void count_greylisted(int state)
{
	static const char *const names[] = {
	    [GREYLIST_STATE_UNINVITED] = "greylist_uninvited",
	    [GREYLIST_STATE_ALLOWED] = "greylist_allowed",
	    [GREYLIST_STATE_CLIENT] = "greylist_client",
	    [GREYLIST_STATE_KNOWN] = "greylist_known",
	    [GREYLIST_STATE_PASSED] = "greylist_passed",
	    [GREYLIST_STATE_NEW] = "greylist_new",
	    [GREYLIST_STATE_EARLY] = "greylist_early"};

	daemon_count(names[state], 1);
}

static void show_greylist(void)
{
	daemon_gauge(
	    "greylist_entries_waiting", greylist.of[GREYLIST_WAITS].count);
	daemon_gauge(
	    "greylist_entries_passed", greylist.of[GREYLIST_PROVED].count);
	daemon_gauge(
	    "greylist_entries_allowed", greylist.of[GREYLIST_ALLOWED].count);
}

/* Who guesses passwords is asked to come back, whatever smtpd knows. */
static bool is_suspect(
    const struct policy_greylist *q, int64_t now_ms, uint64_t *failures)
{
	const struct policy_ask from = {
	    .client_address = q->client_address, .login = STR_EMPTY};
	struct policy_penalty p = {.failures = 0};

	*failures = 0;
	if (conf.greylist_login_failures == 0)
		return false;
	penalties_ask(&penalties, &from, now_ms, &p);
	if (p.failures < (uint64_t)conf.greylist_login_failures)
		return false;
	*failures = p.failures;
	return true;
}

static int ask_greylist(
    struct wire *w, const struct policy_greylist *q, int64_t now_ms)
{
	struct policy_greylisted r = {.request = q->request};
	struct policy_greylist with = *q;

	if (!q->invited)
		with.invited = is_suspect(q, now_ms, &r.failures);
	greylist_ask(&greylist, &with, clock_seconds(), &r);
	if (!q->look) {
		count_greylisted(r.state);
		show_greylist();
	}
	return wire_put(w, &policy_greylisted, &r);
}

static int greylist_operator(
    struct wire *w, const struct ipc_type *type, const void *msg)
{
	int r = greylist_operator_asks(&greylist, w, type, msg);

	show_greylist();
	return r;
}

/* ---- the conversation ---- */

static const struct remembered remembered = {
    &conf, &counters, &penalties, &memory};

static int answer(
    struct wire *w, void *peer, const struct ipc_type *type, const void *msg)
{
	int64_t now = loop_now(daemon_loop());

	(void)peer;
	/* An explanation leaves no trace in the figures either. */
	if (type == &policy_peek)
		return peek(w, msg, now);
	if (type == &policy_look)
		return look(w, msg);
	if (type == &policy_greylist &&
	    ((const struct policy_greylist *)msg)->look)
		return ask_greylist(w, msg, now);
	daemon_count("questions", 1);
	if (type == &policy_count)
		return count(w, msg, now);
	if (type == &policy_failure)
		return failure(w, msg, now);
	if (type == &policy_ask)
		return ask(w, msg, now);
	if (type == &policy_recall)
		return recall(w, msg);
	if (type == &policy_remember)
		return remember(msg);
	if (type == &policy_greylist)
		return ask_greylist(w, msg, now);
	if (type == &policy_greylist_list || type == &policy_greylist_allow ||
	    type == &policy_greylist_forget)
		return greylist_operator(w, type, msg);
	if (type == &policy_list || type == &policy_clear)
		return operator_asks(&remembered, w, type, msg, now);
	log_error("a peer sent %s, which is an answer", type->name);
	return -1;
}

static const struct desk_calls calls = {answer, NULL, NULL};

static void save(void *arg)
{
	(void)arg;
	if (memory_file >= 0 && memory_save(&memory, memory_file) < 0)
		log_warning("policyd.memory: %s", strerror(errno));
	loop_timer_set(saving, SAVE_MS);
}

/* Still privileged: the jail has no files. */
static int before_jail(void)
{
	char *path;

	if (conf.greylist_retry_window <= conf.greylist_delay) {
		log_error("greylist_retry_window must be longer than "
			  "greylist_delay, or nobody comes back in time");
		return -1;
	}
	if (greylist_store_prepare(daemon_house()->policy_directory) < 0)
		return -1;
	if (asprintf(
		&path, "%s/policyd.memory", daemon_house()->run_directory) < 0)
		return -1;
	memory_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (memory_file < 0)
		log_warning("%s: %s; a restart forgets", path, strerror(errno));
	free(path);
	return 0;
}

static void drain(void)
{
	save(NULL);
	greylist_store_close();
	desk_drain();
}

static int start(void)
{
	memory = memory_new((size_t)conf.policy_memory_max);
	if (memory_file >= 0)
		memory_load(&memory, memory_file, clock_seconds());
	saving = loop_timer_new(daemon_loop(), save, NULL);
	loop_timer_set(saving, SAVE_MS);
	counters = windows_new((size_t)conf.policy_counters_max);
	penalties = penalties_new(&conf);
	greylist = greylist_new(&conf);
	greylist_store_open(&greylist, daemon_loop());
	show_greylist();
	desk_open(&policy_exchange, &calls);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon policyd = {
	    .name = "policyd",
	    .kind = DAEMON_FRONT,
	    .params = policyd_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = desk_accepted,
	    .drain = drain,
	};

	return daemon_main(&policyd, argc, argv);
}
