/* SPDX-License-Identifier: ISC */
/*
 * bounce, a worker: it tells senders what became of their mail.
 *
 * session.c takes a request from qmgr, report.c writes the notification
 * (pure), inject.c brings it into the queue through cleanup-internal.
 */
#include <time.h>

#include "bounce/session.h"
#include "daemon/daemon.h"

static struct bounce_conf conf;

/* The time zone is a file that the jail does not have. */
static int before_jail(void)
{
	tzset();
	return 0;
}

static void serve(struct conn *conn)
{
	session_run(conn->fd, &conf, daemon_house());
}

int main(int argc, char **argv)
{
	static const struct daemon daemon = {
	    .name = "bounce",
	    .kind = DAEMON_WORKER,
	    .params = bounce_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .serve = serve,
	};

	return daemon_main(&daemon, argc, argv);
}
