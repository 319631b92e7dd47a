/* SPDX-License-Identifier: ISC */
/*
 * What master and the daemons say on stderr. Daemons log through logd; what
 * comes here is from the C library, from sanitizers, or from before the log
 * was there. It is logged line by line, and kept as it came in
 * run_directory/master.err, which master itself has as its stderr: the last
 * words of master and logd can go nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "master/master.h"

#define KEPT_MAX (1u << 20) /* octets */

static int kept = -1;
static size_t kept_octets;

static void keep(struct str text)
{
	if (kept < 0 || text.len > KEPT_MAX - kept_octets)
		return;
	kept_octets += text.len;
	if (file_write_full(kept, text.p, text.len) < 0)
		file_close(&kept);
}

/* False when there is nothing more to hear. */
static bool hear(void)
{
	char text[8192];
	ssize_t n = read(master.stderr_pipe[0], text, sizeof(text));
	struct str rest = str_of(text, n > 0 ? (size_t)n : 0);

	keep(rest);
	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		if (line.len > 0)
			log_warning("stderr: %.*s", STR_FMT(line));
	}
	return n > 0;
}

static void heard(unsigned what, void *arg)
{
	(void)what;
	(void)arg;
	hear();
}

void stderr_watch(void)
{
	if (master.foreground || pipe2(master.stderr_pipe, O_CLOEXEC) < 0)
		return;
	/* Nobody shall wait for master to read. */
	file_set_nonblocking(master.stderr_pipe[0]);
	file_set_nonblocking(master.stderr_pipe[1]);
	loop_watch_new(
	    master.loop, master.stderr_pipe[0], LOOP_READ, heard, NULL);
	kept = openat(master.run_fd, "master.err",
	    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (kept < 0)
		log_warning("master.err: %s", strerror(errno));
}

void stderr_state(struct state_house *h)
{
	h->err_read = master.stderr_pipe[0];
	h->err_write = master.stderr_pipe[1];
	h->err_kept = kept;
	h->err_octets = kept_octets;
}

void stderr_inherit(const struct state_house *h)
{
	master.stderr_pipe[0] = (int)h->err_read;
	master.stderr_pipe[1] = (int)h->err_write;
	kept = (int)h->err_kept;
	kept_octets = h->err_octets;
	if (master.stderr_pipe[0] >= 0)
		loop_watch_new(
		    master.loop, master.stderr_pipe[0], LOOP_READ, heard, NULL);
}

void stderr_leave(void)
{
	if (kept >= 0)
		dup2(kept, STDERR_FILENO);
}

void stderr_end(void)
{
	while (master.stderr_pipe[0] >= 0 && hear())
		continue;
}
