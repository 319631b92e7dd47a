/* SPDX-License-Identifier: ISC */
/*
 * cleanup, the only way into the queue: a worker for one injector (smtpd,
 * pickup, bounce, local) at a time.
 *
 * session.c speaks with the injector; header.c splits header from body and
 * completes the header (pure); sign.c signs what leaves in our name, with
 * whose keys signers.c and signing_table.c say (and explain.c for who asks),
 * keys.c reads them, and seal.c seals what an alias
 * sends on; expand.c asks lookup for virtual aliases, forward.c for the sender
 * of what they send on to other hosts; proof.c asks auth whether a
 * submission's login is true; space.c keeps the
 * floor of free space, pace.c the pace of those behind us; commit.c puts the
 * queue file together; cut_through.c asks whether the queue needs it at all;
 * offer.c speaks with qmgr. neighbour.c keeps the connections to those who are
 * asked; message.c and message.h are the message itself.
 *
 * It serves four sockets under one program: cleanup (mail from other hosts),
 * cleanup-submit (submissions), cleanup-pickup (local users), cleanup-internal
 * (bounce, local).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup/explain.h"
#include "cleanup/message.h"
#include "cleanup/session.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "ipc/auth.h"
#include "ipc/lookup.h"

/* Seconds after which nobody can still be writing a file of new/: longer than
 * the longest silence of a client. */
#define ABANDONED (24 * 3600)

static struct cleanup_conf conf;
static struct cleanup cleanup = {
    .conf = &conf,
    .spool_fd = -1,
    .lookup = {.name = "lookup", .exchange = &lookup_exchange},
    .auth = {.name = "auth", .exchange = &auth_exchange},
};

static int before_jail(void)
{
	const char *spool = daemon_house()->queue_directory;

	cleanup.spool_fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cleanup.spool_fd < 0) {
		log_error("queue_directory %s: %s", spool, strerror(errno));
		return -1;
	}
	cleanup.house = daemon_house();
	sign_open(&cleanup);
	return 0;
}

static int start(void)
{
	const char *service = daemon_service();

	if (strcmp(service, "cleanup-submit") == 0)
		cleanup.entrance = ENTRANCE_SUBMIT;
	else if (strcmp(service, "cleanup-pickup") == 0)
		cleanup.entrance = ENTRANCE_PICKUP;
	else if (strcmp(service, "cleanup-internal") == 0)
		cleanup.entrance = ENTRANCE_INTERNAL;
	else
		cleanup.entrance = ENTRANCE_MX;
	/* qmgr, of another user and the same group, writes into our files. */
	umask(0007);
	/* A file that may not grow is an error of the write, not our end. */
	signal(SIGXFSZ, SIG_IGN);
	queue_keep_dirs(cleanup.spool_fd);
	if (cleanup.entrance == ENTRANCE_MX &&
	    queue_sweep_new(cleanup.spool_fd, ABANDONED) < 0)
		log_warning("queue_directory/new: %s", strerror(errno));
	return 0;
}

static void serve(struct conn *conn)
{
	session_run(&cleanup, conn->fd);
}

static void explain(struct ipc *asker)
{
	explain_signing_of(&cleanup, asker);
}

int main(int argc, char **argv)
{
	static const struct daemon daemon = {
	    .name = "cleanup",
	    .kind = DAEMON_WORKER,
	    .params = cleanup_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .serve = serve,
	    .explain = explain,
	};

	return daemon_main(&daemon, argc, argv);
}
