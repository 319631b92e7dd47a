/* SPDX-License-Identifier: ISC */
/*
 * Privileges are given up here, once: as root the process becomes its role's
 * user, in the directory of the sockets that the role may call, which becomes
 * its root where the role is jailed. An ordinary user's instance has the same
 * working directory and no other user.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "daemon/daemon_private.h"

static void raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void enter_directory(void)
{
	char path[4200];
	int n = snprintf(path, sizeof(path), "%s/jail/%s",
	    self.house.run_directory, self.role->name);

	if (n < 0 || (size_t)n >= sizeof(path))
		log_fatal("run_directory is too long");
	if (chdir(path) < 0 && !self.by_hand)
		log_fatal("%s: %s", path, strerror(errno));
}

static void become(void)
{
	unsigned uid, gid, second, ignored;
	gid_t groups[1];
	char why[160];

	if (role_ids(
		&self.house, self.role->user, &uid, &gid, why, sizeof(why)) < 0)
		log_fatal("%s", why);
	if (self.role->group != NULL &&
	    role_ids(&self.house, self.role->group, &ignored, &second, why,
		sizeof(why)) < 0)
		log_fatal("%s", why);
	if (self.role->group != NULL)
		groups[0] = second;
	if (setgroups(self.role->group != NULL ? 1 : 0, groups) < 0)
		log_fatal("setgroups: %s", strerror(errno));
	if (self.chroot && self.role->jailed && chroot(".") < 0)
		log_fatal("chroot: %s", strerror(errno));
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		log_fatal("uid %u: %s", uid, strerror(errno));
	if (setuid(0) == 0)
		log_fatal("privileges could not be given up");
}

void jail_enter(void)
{
	raise_limits();
	tzset(); /* the jail has no /etc/localtime */
	enter_directory();
	umask(0007);
	if (geteuid() == 0)
		become();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("no_new_privs: %s", strerror(errno));
	if (self.role->jailed)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	seccomp_enter();
	/* Credentials reset it, so it stands last: a master that is killed
	 * must not leave listening sockets open in a busy process, or the
	 * next master could not bind. */
	if (!self.by_hand)
		prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
}
