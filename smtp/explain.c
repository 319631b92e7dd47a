/* SPDX-License-Identifier: ISC */
#include "smtp/explain.h"

#include <stdlib.h>

#include "core/clock.h"
#include "daemon/rehearsal.h"

#define ASKED_MS 10000 /* for the operator's command */
#define TURN_MS  1000

struct finding {
	struct ipc *asker;
	bool done;
};

static void tell_target(
    struct ipc *asker, const struct route *route, const struct target *t)
{
	bool is_unix = t->addr.u.sa.sa_family == AF_UNIX;
	struct explain_target told = {.host = str_from(t->host),
	    .address = str_from(t->address),
	    .port = is_unix ? 0 : netaddr_port(&t->addr),
	    .preference = t->preference,
	    .by_mx = route->by_mx};

	ipc_put(asker, &explain_target, &told);
}

static void routed(const struct route *route, void *arg)
{
	struct explain_end end = {.passed = route->action == DSN_DELIVERED,
	    .temporary = route->action == DSN_DEFERRED,
	    .dsn = STR_EMPTY,
	    .text = STR_EMPTY};
	struct finding *a = arg;

	for (size_t i = 0; end.passed && i < route->count; i++)
		tell_target(a->asker, route, &route->targets[i]);
	if (end.passed) {
		free(route->targets);
	} else {
		end.dsn = str_from(route->code);
		end.text = str_from(route->text);
	}
	ipc_put(a->asker, &explain_end, &end);
	a->done = true;
}

static void told(void *arg, const struct explain_step *step)
{
	ipc_put(arg, &explain_step, step);
}

static void tell_tls(struct explain *x, const struct smtp_conf *conf)
{
	static const char *const words[][2] = {
	    [TLS_NONE] = {"none", "never with TLS"},
	    [TLS_MAY] = {"may", "with TLS where it is offered"},
	    [TLS_ENCRYPT] = {"encrypt", "only with TLS"}};
	const char *const *level = words[conf->smtp_tls_security_level];

	rehearsal_rule(x, "", "smtp_tls_security_level",
	    "smtp_tls_security_level", level[0], "%s", level[1]);
}

void explain_next_hop(struct delivery *d, struct ipc *asker)
{
	struct explain telling = {told, asker, "smtp"};
	struct finding found = {asker, false};
	const struct ipc_type *type;
	struct str nexthop;
	const void *msg;
	char *copy;
	bool lmtp;

	if (ipc_wait(asker, &type, &msg, deadline_in(ASKED_MS)) != IPC_OK ||
	    type != &explain_hop)
		return;
	copy = str_dup(((const struct explain_hop *)msg)->nexthop);
	lmtp = ((const struct explain_hop *)msg)->lmtp;
	nexthop = str_from(copy);
	tell_tls(&telling, d->conf);
	router_explain(d->router, &telling);
	route_find(d->router, nexthop, lmtp, routed, &found);
	while (!found.done) /* every question to DNS has a bound */
		loop_turn(d->loop, TURN_MS);
	ipc_flush(asker, deadline_in(ASKED_MS));
	free(copy);
}
