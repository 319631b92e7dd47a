/* SPDX-License-Identifier: ISC */
/*
 * Privileges are given up here, once: as root the process becomes its role's
 * user, in the directory of the sockets that the role may call, which becomes
 * its root where the role is jailed. An ordinary user's instance has the same
 * working directory and no other user. Landlock, limits and the list of
 * system calls need no root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "net/netaddr.h"

#define DNS_PORT 53

/* ---- files and ports: Landlock --------------------------------------------- */

void daemon_allow(const char *path, bool write)
{
	if (self.allowed_count == ALLOWED_MAX)
		log_fatal("%s: too many tables and files", path);
	self.allowed[self.allowed_count++] = (struct confine_folder){
	    path, write ? FOLDER_WRITE : FOLDER_READ};
}

static void allow_folder(enum folder folder, enum folder_right right)
{
	static char notify[4200], drop[4200];
	const struct house_conf *h = &self.house;
	const char *paths[2] = {NULL, NULL};

	switch (folder) {
	case FOLDER_NONE:
		break;
	case FOLDER_CONFIG:
		paths[0] = h->config_directory;
		break;
	case FOLDER_SPOOL:
		paths[0] = h->queue_directory;
		break;
	case FOLDER_DROP:
		snprintf(drop, sizeof(drop), "%s/drop", h->queue_directory);
		paths[0] = drop;
		break;
	case FOLDER_STORE:
		paths[0] = h->mail_store_directory;
		break;
	case FOLDER_KEYS:
		paths[0] = h->dkim_key_directory;
		break;
	case FOLDER_LOG:
		paths[0] = h->log_directory;
		break;
	case FOLDER_REPORTS:
		paths[0] = h->report_directory;
		break;
	case FOLDER_FEEDBACK:
		paths[0] = h->feedback_directory;
		break;
	case FOLDER_POLICY:
		paths[0] = h->policy_directory;
		break;
	case FOLDER_NOTIFY:
		snprintf(notify, sizeof(notify), "%s/notify", h->run_directory);
		paths[0] = notify;
		break;
	case FOLDER_LIBRARIES:
		paths[0] = "/usr";
		paths[1] = "/lib";
		break;
	case FOLDER_SYSTEM:
		paths[0] = "/etc";
		paths[1] = "/run";
		break;
	}
	for (int i = 0; i < 2 && paths[i] != NULL; i++) {
		daemon_allow(paths[i], false);
		self.allowed[self.allowed_count - 1].right = right;
	}
}

/* Resolvers may listen at ports of their own: dns_servers. */
static void add_resolvers(struct confine_ports *ports)
{
	struct str list = str_from(self.house.dns_servers), word;
	uint64_t port;

	ports->port[ports->count++] = DNS_PORT;
	while ((word = str_word(&list, " \t,")).len > 0 &&
	    ports->count < ARRAY_LEN(ports->port)) {
		size_t colon = str_find_last(word, ':');

		if (colon < word.len &&
		    str_to_u64(str_skip(word, colon + 1), 65535, &port) == 0)
			ports->port[ports->count++] = (uint16_t)port;
	}
}

/* Rules are made while the folders can still be seen. */
static int landlock_prepare(void)
{
	struct confine_ports ports = {
	    .any = (self.rights->may & MAY_CONNECT) != 0};
	int rules;

	for (size_t i = 0; i < ARRAY_LEN(self.rights->folders); i++)
		allow_folder(self.rights->folders[i].folder,
		    self.rights->folders[i].right);
	if (self.rights->may & MAY_RESOLVE)
		add_resolvers(&ports);
	rules = confine_prepare(self.allowed, self.allowed_count, &ports);
	if (rules == -1)
		log_fatal("Landlock: %s", strerror(errno));
	return rules;
}

static void landlock_enter(int rules)
{
	if (rules == CONFINE_UNKNOWN)
		daemon_count("without_landlock", 1);
	else if (confine_enter(&rules) < 0)
		log_fatal("Landlock: %s", strerror(errno));
}

/* ---- what was inherited ----------------------------------------------------- */

/* No terminal can send signals, and no key of root's can be read. */
static void leave_session(void)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (tty >= 0)
		ioctl(tty, TIOCNOTTY);
	file_close(&tty);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

/* For good: no program that is executed, and no set-uid bit, brings them back.
 * With these bits a change of the uid leaves capabilities alone. */
static void bound_capabilities(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			log_fatal("capability %d: %s", cap, strerror(errno));
	if (prctl(PR_SET_SECUREBITS,
		SECURE_ALL_BITS | SECURE_ALL_LOCKS |
		    SECBIT_NO_CAP_AMBIENT_RAISE |
		    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		0, 0, 0) < 0)
		log_fatal("securebits: %s", strerror(errno));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		log_fatal("capabilities: %s", strerror(errno));
}

/* ---- the steps -------------------------------------------------------------- */

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
	bound_capabilities();
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		log_fatal("uid %u: %s", uid, strerror(errno));
	drop_capabilities();
	if (setuid(0) == 0)
		log_fatal("privileges could not be given up");
}

void jail_enter(void)
{
	int rules, r;

	limits_enter(self.rights);
	tzset(); /* the jail has no /etc/localtime */
	leave_session();
	enter_directory();
	umask(0007);
	rules = landlock_prepare();
	if (geteuid() == 0)
		become();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("no_new_privs: %s", strerror(errno));
	if (!self.debug)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	landlock_enter(rules);
	/* Credentials reset it, so it comes after them: a master that is
	 * killed must not leave listening sockets open in a busy process, or
	 * the next master could not bind. */
	if (!self.by_hand)
		prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	r = seccomp_enter(
	    self.rights, (enum seccomp_mode)self.house.seccomp_mode);
	if (r < 0)
		log_warning(
		    "system calls are not restricted: %s", strerror(-r));
}
