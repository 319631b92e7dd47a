/* SPDX-License-Identifier: ISC */
/*
 * The SMTP and LMTP client, a front: brings mail to other hosts.
 *
 * front.c    what qmgr sees: requests, answers, acknowledgements
 * job.c      one request, and the answers it keeps
 * deliver.c  the way of a job: a kept connection, or one target after another
 * route.c    from a next hop to targets, by DNS; nexthop.c (pure)
 * session.c  one connection; dialog.c what is said on it
 * reply.c    what the server says (pure)
 * explain.c  the same search for posthouse route, which only looks
 * content.c  header and body with their dots doubled
 */
#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "smtp/deliver.h"
#include "smtp/explain.h"
#include "smtp/front.h"
#include "smtp/session.h"
#include "smtp/smtp_conf.h"

#define DRAIN_MS 30000 /* for what is being sent */

static struct smtp_conf conf;
static struct delivery delivery;
static struct front *front;
static struct loop_timer *timer;
static int64_t until; /* monotonic ms */

/* Still outside: roots of trust and resolv.conf are read here. */
static int before_jail(void)
{
	const char *why;

	delivery.conf = &conf;
	delivery.house = daemon_house();
	if (conf.smtp_tls_security_level != TLS_NONE) {
		delivery.tls = tls_client_open(
		    conf.smtp_tls_protocols, conf.smtp_tls_CAfile, &why);
		if (delivery.tls == NULL) {
			log_error(
			    "smtp_tls_protocols, smtp_tls_CAfile: %s", why);
			return -1;
		}
	}
	delivery.loop = daemon_loop();
	delivery.router = router_open(delivery.loop, &conf, delivery.house);
	return delivery.router == NULL ? -1 : 0;
}

static int start(void)
{
	front = front_open(delivery.loop, &delivery);
	return 0;
}

static void accepted(struct conn *conn)
{
	front_accepted(front, conn);
}

static void look(void *arg)
{
	(void)arg;
	if (front_busy(front) > 0 && clock_ms() < until)
		loop_timer_set(timer, 50);
	else
		daemon_done();
}

/* What is being sent is finished; its answers are lost when qmgr does not
 * take them in time, and the mail is then sent again. */
static void drain(void)
{
	until = deadline_in(DRAIN_MS);
	deliver_drain(&delivery);
	timer = loop_timer_new(delivery.loop, look, NULL);
	loop_timer_set(timer, 0);
}

static void explain(struct ipc *asker)
{
	explain_next_hop(&delivery, asker);
}

int main(int argc, char **argv)
{
	static const struct daemon smtp = {
	    .name = "smtp",
	    .kind = DAEMON_FRONT,
	    .params = smtp_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = accepted,
	    .drain = drain,
	    .explain = explain,
	};

	return daemon_main(&smtp, argc, argv);
}
