/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "posthouse/check.h"

/* Only root can tell whose a directory should be. */
static void check_owner(
    struct check *c, const char *path, const struct stat *st, const char *user)
{
	char why[160];
	unsigned uid, gid;

	if (geteuid() != 0 || user == NULL)
		return;
	if (role_ids(&c->config->house, user, &uid, &gid, why, sizeof(why)) < 0)
		buf_printf(&c->problems, "%s: %s\n", path, why);
	else if (st->st_uid != uid || st->st_gid != gid)
		buf_printf(&c->warnings,
		    "%s: belongs to %u:%u, not to %s "
		    "(%u:%u); start repairs it\n",
		    path, st->st_uid, st->st_gid, user, uid, gid);
}

/*
 * An ordinary user who looks at a suite of root's may be kept out, which is as
 * it should be. Root may do everything, but for a disk that takes nothing.
 */
static void check_access(
    struct check *c, const char *path, const struct stat *st)
{
	bool foreign = geteuid() != 0 && st->st_uid != geteuid();

	if (access(path, R_OK | W_OK | X_OK) == 0)
		return;
	if (errno == EROFS)
		buf_printf(&c->problems, "%s: nothing can be written: %s\n",
		    path, strerror(errno));
	else
		buf_printf(foreign ? &c->warnings : &c->problems,
		    "%s: cannot be read and written%s: %s\n", path,
		    foreign ? " by you, its owner may" : "", strerror(errno));
}

static void check_directory(
    struct check *c, const char *path, mode_t forbidden, const char *user)
{
	struct statvfs room;
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			buf_printf(&c->warnings,
			    "%s: not there yet; start "
			    "makes it\n",
			    path);
		else
			buf_printf(
			    &c->problems, "%s: %s\n", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		buf_printf(&c->problems, "%s: no directory\n", path);
	if ((st.st_mode & forbidden) != 0)
		buf_printf(&c->problems, "%s: mode %04o lets others in\n", path,
		    st.st_mode & 07777u);
	check_access(c, path, &st);
	if (statvfs(path, &room) == 0 &&
	    (room.f_bavail == 0 || (room.f_files > 0 && room.f_favail == 0)))
		buf_printf(&c->problems, "%s: the disk is full\n", path);
	check_owner(c, path, &st, user);
}

/* One that is a size or a number; 0 where it is wrong. */
static uint64_t size_of(struct check *c, const char *name)
{
	struct buf value = buf_new(1024);
	uint64_t number = 0;
	const char *why;

	check_value_of(c, name, &value);
	if (conf_parse_size(buf_text(&value), &number, &why) < 0)
		number = 0;
	buf_free(&value);
	return number;
}

/* What cleanup would refuse all mail for. */
static void check_room(struct check *c, const char *spool)
{
	uint64_t floor = size_of(c, "queue_minfree");
	uint64_t inodes = size_of(c, "queue_minfree_inodes");
	struct statvfs fs;

	if (statvfs(spool, &fs) < 0)
		return;
	uint64_t free_octets = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_octets < floor)
		buf_printf(&c->problems,
		    "%s: %llu GiB are free, less than queue_minfree: mail is "
		    "refused with 452 4.3.1\n",
		    spool, (unsigned long long)(free_octets >> 30));
	if (fs.f_files > 0 && fs.f_favail < inodes)
		buf_printf(&c->problems,
		    "%s: %llu inodes are free, less than "
		    "queue_minfree_inodes: mail is refused with 452 4.3.1\n",
		    spool, (unsigned long long)fs.f_favail);
}

static void check_passwords(struct check *c)
{
	struct stat st;
	char *path;

	if (asprintf(&path, "%s/passwords", c->config->house.config_directory) <
	    0)
		return;
	if (stat(path, &st) == 0 && (st.st_mode & 07) != 0)
		buf_printf(&c->problems,
		    "%s: mode %04o lets everybody read "
		    "it\n",
		    path, st.st_mode & 07777u);
	free(path);
}

/* The queue's directories must be there before mail comes. */
static void check_spool(struct check *c)
{
	static const char *const names[] = {"new", "queue", "corrupt"};
	const char *spool = c->config->house.queue_directory;
	struct stat st;

	/* postdrop passes through it, to drop/ (master/tree.c). */
	check_directory(c, spool, 06, "queue");
	check_room(c, spool);
	for (size_t i = 0; i < ARRAY_LEN(names) && stat(spool, &st) == 0; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", spool, names[i]) < 0)
			continue;
		check_directory(c, path, 07, "queue");
		free(path);
	}
}

/*
 * Where the suite runs under users of its own, sendmail(1) can leave mail
 * while it is down only with a postdrop that has the folder's group.
 */
static void check_postdrop(struct check *c)
{
	const struct house_conf *house = &c->config->house;
	unsigned uid, gid;
	struct stat st;
	char why[160], *path;

	if (geteuid() != 0 || house->role_uid_base != 0 ||
	    role_ids(house, "postdrop", &uid, &gid, why, sizeof(why)) < 0 ||
	    asprintf(&path, "%s/postdrop", house->daemon_directory) < 0)
		return;
	if (stat(path, &st) < 0)
		buf_printf(&c->warnings, "%s: %s\n", path, strerror(errno));
	else if (st.st_gid != gid || (st.st_mode & S_ISGID) == 0)
		buf_printf(&c->warnings,
		    "%s: is not setgid to %u; users' mail is refused while "
		    "the suite is down (see INSTALL)\n",
		    path, gid);
	free(path);
}

void check_folders(struct check *c)
{
	const struct house_conf *h = &c->config->house;

	check_passwords(c);
	check_spool(c);
	check_postdrop(c);
	check_directory(c, h->mail_store_directory, 077, "vmail");
	check_directory(c, h->log_directory, 02, "logd");
	check_directory(c, h->report_directory, 077, "reportd");
	check_directory(c, h->feedback_directory, 077, "feedback");
	check_directory(c, h->policy_directory, 077, "policyd");
}
