/* SPDX-License-Identifier: ISC */
#include "sendmail/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "ipc/pickup.h"

#define CONNECT_MS 5000

struct ipc *submit_connect(const struct sendmail *s, const char **why)
{
	struct ipc *c = NULL;
	char *path;

	*why = "out of memory";
	if (asprintf(&path, "%s/public/pickup", s->house.run_directory) < 0)
		return NULL;
	c = ipc_connect(path, &pickup_exchange, deadline_in(CONNECT_MS), why);
	free(path);
	return c;
}

static void take_answer(const struct pickup_submitted *a, struct verdict *v)
{
	v->code = (unsigned)a->code;
	snprintf(v->dsn, sizeof(v->dsn), "%.*s", STR_FMT(a->dsn));
	snprintf(v->text, sizeof(v->text), "%.*s", STR_FMT(a->text));
	if (a->accepted)
		snprintf(v->id, sizeof(v->id), "%.*s", STR_FMT(a->queue_id));
}

/* 0 when pickup has answered, for good or bad; -1 with *why. */
static int ask_pickup(
    const struct sendmail *s, int fd, struct verdict *v, const char **why)
{
	int64_t deadline = deadline_in(2 * s->house.ipc_timeout);
	struct pickup_submit ask = {0};
	const struct ipc_type *type = NULL;
	const void *answer = NULL;
	struct ipc *c = submit_connect(s, why);
	enum ipc_result r = IPC_BROKEN;
	struct stat st;

	if (c == NULL)
		return -1;
	*why = "no answer";
	if (fstat(fd, &st) == 0 && st.st_size >= 0)
		ask.size = (uint64_t)st.st_size;
	if (ipc_put_fd(c, &pickup_submit, &ask, fd) == 0)
		r = ipc_flush(c, deadline);
	if (r == IPC_OK)
		r = ipc_wait(c, &type, &answer, deadline);
	if (r == IPC_OK && type == &pickup_submitted)
		take_answer(answer, v);
	else
		r = IPC_BROKEN;
	ipc_close(&c);
	return r == IPC_OK ? 0 : -1;
}

/* ---- spool/drop ---- */

/* In the child; standard input becomes the submission. */
static void become_postdrop(const struct sendmail *s, const char *path, int fd)
{
	if (lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
		_exit(EX_OSERR);
	if (strcmp(s->options.config_directory, POSTHOUSE_SYSCONFDIR) == 0)
		execl(path, "postdrop", (char *)NULL);
	else
		execl(path, "postdrop", "-C", s->options.config_directory,
		    (char *)NULL);
	complain(s, 0, "%s: %s", path, strerror(errno));
	_exit(EX_UNAVAILABLE);
}

/* The status with which postdrop ended; what was wrong it has said itself. */
static int run_postdrop(const struct sendmail *s, int fd)
{
	char *path;
	int status = 0;
	pid_t pid;

	if (asprintf(&path, "%s/postdrop", s->house.daemon_directory) < 0)
		return EX_OSERR;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_postdrop(s, path, fd);
	free(path);
	if (pid < 0)
		return complain(s, EX_OSERR, "fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* Exit statuses of postdrop as replies. */
static void drop(
    const struct sendmail *s, int fd, const char *why, struct verdict *v)
{
	switch (run_postdrop(s, fd)) {
	case EX_OK:
		*v = (struct verdict){.code = 250, .dsn = "2.0.0"};
		snprintf(v->text, sizeof(v->text),
		    "Ok: left for later (pickup: %s)", why);
		return;
	case EX_NOPERM:
		*v = (struct verdict){550, "5.7.1",
		    "You may not send mail here (authorized_submit_users)", ""};
		return;
	case EX_DATAERR:
		*v = (struct verdict){554, "5.6.0", "Malformed submission", ""};
		return;
	case EX_CANTCREAT:
		*v = (struct verdict){451, "4.3.5", "", ""};
		break;
	default:
		*v = (struct verdict){451, "4.3.0", "", ""};
	}
	snprintf(v->text, sizeof(v->text),
	    "Mail cannot be taken now (pickup: %s)", why);
}

void submit(const struct sendmail *s, int fd, struct verdict *v)
{
	struct verdict said = {.code = 0};
	const char *why = "";

	if (ask_pickup(s, fd, &said, &why) < 0) {
		drop(s, fd, why, v);
	} else if (said.code >= 500 || said.code == 250) {
		*v = said;
	} else {
		drop(s, fd, said.text, v);
	}
}
