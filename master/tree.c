/* SPDX-License-Identifier: ISC */
/*
 * The directories of the house. As root:
 *
 *	run/            root 0755
 *	run/sockets/    root 0700: every socket of a unix service
 *	run/jail/ROLE/  root:ROLE 0750: hard links to those that ROLE may call
 *	run/public/     root 0755: links to services that are not private
 *	run/notify/     root:vmail 2750: where login is told of new mail
 *	spool           queue:queue 2771, whose folders cleanup and qmgr share
 *	spool/drop      pickup:postdrop 3730, where postdrop(1) may write and
 *	                nobody else may look
 *	store           vmail 0700
 *	log             logd 0750
 *	reports         reportd 0700
 *	feedback        feedback 0700
 *
 * So a role is kept from a socket by the mode of its directory and, when
 * jailed, by its root. An ordinary user owns all of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "master/master.h"
#include "queue/queue_file.h"

static int lock_fd = -1;

/* ---- owners and modes ---------------------------------------------------- */

static void ids(const char *user, uid_t *uid, gid_t *gid)
{
	char why[160];

	if (role_ids(&master.config->house, user, uid, gid, why, sizeof(why)) <
	    0)
		log_fatal("%s", why);
}

/* Opens a directory, making it; NULL users mean root. */
static int make_dir(
    int at, const char *path, mode_t mode, const char *user, const char *group)
{
	uid_t uid = 0, unused_uid;
	gid_t gid = 0, unused_gid;
	struct stat st;
	int fd;

	if (mkdirat(at, path, mode & 0777) < 0 && errno != EEXIST)
		log_fatal("%s: %s", path, strerror(errno));
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		log_fatal("%s: %s", path, strerror(errno));
	if (geteuid() == 0) {
		if (user != NULL)
			ids(user, &uid, &unused_gid);
		if (group != NULL)
			ids(group, &unused_uid, &gid);
		if ((st.st_uid != uid || st.st_gid != gid) &&
		    fchown(fd, uid, gid) < 0)
			log_fatal("%s: owner: %s", path, strerror(errno));
	}
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		log_fatal("%s: mode: %s", path, strerror(errno));
	return fd;
}

static void make_and_close(
    int at, const char *path, mode_t mode, const char *user, const char *group)
{
	int fd = make_dir(at, path, mode, user, group);

	file_close(&fd);
}

static void make_parents(const char *path)
{
	if (file_make_dirs(path, 0755) < 0)
		log_fatal("%s: %s", path, strerror(errno));
}

/* ---- the spool, the store, the secrets ----------------------------------- */

/* Owner and group of what queue_make_spool made. */
static void own_spool(int spool)
{
	static const char *const top[] = {"new", "queue", "corrupt"};
	struct dirent *e;
	DIR *dir;
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(top); i++)
		make_and_close(spool, top[i], 02770, "queue", "queue");
	fd = openat(spool, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL)
		log_fatal("queue: %s", strerror(errno));
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			make_and_close(fd, e->d_name, 02770, "queue", "queue");
	closedir(dir);
}

static void make_spool(const char *path)
{
	int fd;

	make_parents(path);
	fd = make_dir(AT_FDCWD, path, 02771, "queue", "queue");
	if (queue_make_spool(fd, 0770) < 0)
		log_fatal("%s: %s", path, strerror(errno));
	if (geteuid() == 0)
		own_spool(fd);
	make_and_close(fd, "drop", 03730, "pickup", "postdrop");
	make_and_close(fd, "drop/corrupt", 0700, "pickup", "pickup");
	file_close(&fd);
}

/* Keys are root's to write, and cleanup's alone to read. */
static void make_keys(const char *path)
{
	make_parents(path);
	make_and_close(AT_FDCWD, path, 0750, NULL, "cleanup");
}

/* Passwords are auth's alone. The configuration may be on a read-only disk:
 * what is right is not touched. */
static void protect_passwords(void)
{
	struct stat st;
	uid_t uid;
	gid_t gid;
	char *path;

	if (geteuid() != 0 ||
	    asprintf(&path, "%s/passwords", master.config->directory) < 0)
		return;
	ids("auth", &uid, &gid);
	if ((stat(path, &st) < 0 || st.st_uid != 0 || st.st_gid != gid ||
		(st.st_mode & 07777) != 0640) &&
	    (chown(path, 0, gid) < 0 || chmod(path, 0640) < 0) &&
	    errno != ENOENT)
		log_warning("%s: %s", path, strerror(errno));
	free(path);
}

/* ---- run_directory ------------------------------------------------------- */

/* Sockets of an earlier master. */
static void empty_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL)
		log_fatal("%s: %s", path, strerror(errno));
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
}

static void make_jails(void)
{
	char path[160];

	for (const struct role *r = roles; r->name != NULL; r++) {
		snprintf(path, sizeof(path), "jail/%s", r->name);
		make_and_close(master.run_fd, path, 0750, NULL, r->user);
		empty_dir(master.run_fd, path);
	}
}

void tree_make(void)
{
	const struct house_conf *h = &master.config->house;

	make_parents(h->mail_store_directory);
	make_parents(h->log_directory);
	make_parents(h->report_directory);
	make_parents(h->feedback_directory);
	make_parents(h->policy_directory);
	make_and_close(
	    AT_FDCWD, h->mail_store_directory, 0700, "vmail", "vmail");
	make_and_close(AT_FDCWD, h->log_directory, 0750, "logd", "logd");
	make_and_close(
	    AT_FDCWD, h->report_directory, 0700, "reportd", "reportd");
	make_and_close(
	    AT_FDCWD, h->feedback_directory, 0700, "feedback", "feedback");
	make_and_close(
	    AT_FDCWD, h->policy_directory, 0700, "policyd", "policyd");
	make_spool(h->queue_directory);
	make_keys(h->dkim_key_directory);
	protect_passwords();
	make_and_close(master.run_fd, "sockets", 0700, NULL, NULL);
	make_and_close(master.run_fd, "public", 0755, NULL, NULL);
	make_and_close(master.run_fd, "jail", 0755, NULL, NULL);
	make_and_close(master.run_fd, "notify", 02750, NULL, "vmail");
	empty_dir(master.run_fd, "sockets");
	empty_dir(master.run_fd, "public");
	make_jails();
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return fstatat(master.run_fd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(master.run_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A link under the name, in place of an old one. There is always one or the
 * other: somebody may be about to connect. */
static void relink(const char *name, const char *to)
{
	char from[160];

	snprintf(from, sizeof(from), "sockets/%s", name);
	if (same_file(from, to))
		return;
	unlinkat(master.run_fd, "link", 0);
	if (linkat(master.run_fd, from, master.run_fd, "link", 0) < 0 ||
	    renameat(master.run_fd, "link", master.run_fd, to) < 0)
		log_warning("%s: %s", to, strerror(errno));
}

static bool may_call(const struct role *r, const char *name)
{
	for (const char *const *c = r->calls; *c != NULL; c++)
		if (strcmp(*c, name) == 0)
			return true;
	return false;
}

void tree_link(const char *name, bool public)
{
	char to[320];

	for (const struct role *r = roles; r->name != NULL; r++) {
		if (!may_call(r, name))
			continue;
		snprintf(to, sizeof(to), "jail/%s/%s", r->name, name);
		relink(name, to);
	}
	snprintf(to, sizeof(to), "public/%s", name);
	if (public)
		relink(name, to);
	else
		unlinkat(master.run_fd, to, 0);
}

void tree_unlink(const char *name)
{
	char path[320];

	for (const struct role *r = roles; r->name != NULL; r++) {
		snprintf(path, sizeof(path), "jail/%s/%s", r->name, name);
		unlinkat(master.run_fd, path, 0);
	}
	snprintf(path, sizeof(path), "public/%s", name);
	unlinkat(master.run_fd, path, 0);
	snprintf(path, sizeof(path), "sockets/%s", name);
	unlinkat(master.run_fd, path, 0);
}

/* ---- one master, and no more --------------------------------------------- */

int tree_lock(pid_t *pid)
{
	const char *run = master.config->house.run_directory;
	/* One that was just killed, or a child of it that has not yet become a
	 * program of its own, may hold the lock for a moment. */
	int64_t deadline = deadline_in(500);
	char text[32];
	ssize_t n;

	make_parents(run);
	master.run_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (master.run_fd < 0)
		log_fatal("%s: %s", run, strerror(errno));
	lock_fd = openat(
	    master.run_fd, "master.pid", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock_fd < 0)
		log_fatal("%s/master.pid: %s", run, strerror(errno));
	while (flock(lock_fd, LOCK_EX | LOCK_NB) < 0 &&
	    deadline_left(deadline) > 0)
		poll(NULL, 0, 10);
	if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(lock_fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		*pid = (pid_t)strtol(text, NULL, 10);
		return -1;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(lock_fd, 0) < 0 ||
	    file_pwrite_full(lock_fd, text, (size_t)n, 0) < 0)
		log_fatal("%s/master.pid: %s", run, strerror(errno));
	return 0;
}

int tree_lock_fd(void)
{
	return lock_fd;
}

void tree_inherit(int fd)
{
	lock_fd = fd;
}

void tree_unlock(void)
{
	/* Not removed: another master may just be opening it. */
	if (ftruncate(lock_fd, 0) < 0)
		log_warning("master.pid: %s", strerror(errno));
	file_close(&lock_fd);
}

/*
 * Every process of ours inherits a shared lock on run/alive; so it is free
 * when the last of them has ended, however it ended.
 */
void tree_take_over(void)
{
	int64_t deadline = deadline_in(master.conf.takeover_timeout);

	master.alive = openat(
	    master.run_fd, "alive", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (master.alive < 0)
		log_fatal("alive: %s", strerror(errno));
	while (flock(master.alive, LOCK_EX | LOCK_NB) < 0) {
		if (deadline_left(deadline) == 0) {
			log_warning("processes of an earlier master still run; "
				    "starting beside them");
			break;
		}
		poll(NULL, 0, 20);
	}
	if (flock(master.alive, LOCK_SH | LOCK_NB) < 0)
		log_warning("run/alive: %s", strerror(errno));
}
