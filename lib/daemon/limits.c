/* SPDX-License-Identifier: ISC */
/* Resource limits (setrlimit(2)), soft and hard: no way leads back. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/log.h"
#include "daemon/daemon_private.h"

/* Who writes no files may at most fill a pipe; stderr can be a file. */
#define NO_FILES (1u << 20)

static void set(int what, rlim_t value)
{
	struct rlimit r = {value, value}, now;

	if (getrlimit(what, &now) == 0 && now.rlim_max < value)
		r.rlim_cur = r.rlim_max = now.rlim_max;
	if (setrlimit(what, &r) < 0)
		log_warning("resource limit %d: %s", what, strerror(errno));
}

static void raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0)
		set(RLIMIT_NOFILE, r.rlim_max);
}

void limits_enter(const struct rights *rights)
{
	raise_files();
	set(RLIMIT_CORE, 0);
	set(RLIMIT_MSGQUEUE, 0);
	if ((rights->may & MAY_WRITE) == 0) {
		signal(SIGXFSZ, SIG_IGN); /* the write fails */
		set(RLIMIT_FSIZE, NO_FILES);
	}
	/* A user's processes are counted together, and threads with them. */
	if ((rights->may & (MAY_FORK | MAY_THREAD)) == 0)
		set(RLIMIT_NPROC, 0);
#ifndef __SANITIZE_ADDRESS__
	if (self.house.process_memory_limit != 0)
		set(RLIMIT_DATA, self.house.process_memory_limit);
#endif
}

void limits_enter_child(void)
{
	set(RLIMIT_NPROC, 0);
}
