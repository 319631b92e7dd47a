/* SPDX-License-Identifier: ISC */
/*
 * policyd, a front: how often? Counters in memory, for everybody who asks.
 *
 * window.c counts in sliding windows, penalty.c makes delays and refusals of
 * failed logins; what is here is the conversation. A restart forgets all.
 */
#include "core/log.h"
#include "daemon/desk.h"
#include "policyd/penalty.h"

static struct policyd_conf conf;
static struct windows counters;
static struct penalties penalties;

static int count(struct wire *w, const struct policy_count *q, int64_t now)
{
	struct policy_counted r = {.request = q->request};
	struct buf key = buf_new(2048);

	buf_add(&key, q->name);
	buf_printf(&key, " %llu ", (unsigned long long)q->window);
	if (str_find(q->key, '/') == q->key.len)
		penalties_network(q->key, &key);
	else
		buf_add(&key, q->key);
	r.count = windows_add(&counters, buf_str(&key), q->amount,
	    (int64_t)q->window * 1000, now);
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

static int answer(
    struct wire *w, void *peer, const struct ipc_type *type, const void *msg)
{
	int64_t now = loop_now(daemon_loop());

	(void)peer;
	daemon_count("questions", 1);
	if (type == &policy_count)
		return count(w, msg, now);
	if (type == &policy_failure)
		return failure(w, msg, now);
	if (type == &policy_ask)
		return ask(w, msg, now);
	log_error("a peer sent %s, which is an answer", type->name);
	return -1;
}

static const struct desk_calls calls = {answer, NULL, NULL};

static int start(void)
{
	counters = windows_new((size_t)conf.policy_counters_max);
	penalties = penalties_new(&conf);
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
	    .start = start,
	    .accepted = desk_accepted,
	    .drain = desk_drain,
	};

	return daemon_main(&policyd, argc, argv);
}
