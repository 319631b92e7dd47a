/* SPDX-License-Identifier: ISC */
/*
 * A file of the folder is its owner's word and nothing more. It goes the way
 * of every submission, with the owner's uid; when cleanup has it, it is
 * removed. Between the two may lie our end: then it is asked for once more
 * under the same queue id, and cleanup, or the mailbox, folds it.
 *
 * What is not as postdrop makes it, and what is refused for good, is moved to
 * corrupt/, with the reason, and never deleted; a sender that it names is told.
 */
#include "pickup/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "pickup/inject.h"
#include "pickup/notice.h"

#define AT_ONCE    8     /* files under way */
#define SCAN_MOST  10000 /* names of one look */
#define ABANDONED  86400 /* seconds; nobody writes a file for so long */
#define FORBIDDEN  07037 /* of a file's mode: nobody else may have written it */
#define NAME_MOST  255
#define STUCK_MOST 100 /* names that are remembered */

struct slot {
	struct id name; /* "": free */
};

static int dir_fd = -1, notice_fd = -1;
static struct slot slots[AT_ONCE];
static struct id *names; /* of this look, in the order of arrival */
static size_t name_count, name_at;
static bool again; /* something came while we looked */
static struct loop_timer *interval;
static struct loop_watch *notice;

static void take_some(void);

/* ---- what is not as it should be ---- */

static void write_reason(const char *path, const char *reason)
{
	char name[NAME_MOST + 32];
	int fd;

	snprintf(name, sizeof(name), "%s.reason", path);
	fd = openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (file_write_full(fd, reason, strlen(reason)) < 0 ||
	    file_write_full(fd, "\n", 1) < 0)
		unlinkat(dir_fd, name, 0);
	file_close(&fd);
}

/* What we may not move, a folder or a device, is said once and passed over. */
static char *stuck[STUCK_MOST];
static size_t stuck_count;

static bool is_stuck(const char *name)
{
	for (size_t i = 0; i < stuck_count; i++)
		if (strcmp(stuck[i], name) == 0)
			return true;
	return false;
}

static void leave_there(const char *name, const char *reason)
{
	log_error(
	    "drop/%s: %s; it cannot be set aside, remove it", name, reason);
	if (stuck_count < STUCK_MOST)
		stuck[stuck_count++] = str_dup(str_from(name));
}

static void set_aside(const char *name, const char *reason)
{
	char to[NAME_MOST + 16];
	int r = -1;

	for (int i = 0; i < 100 && r < 0; i++) {
		if (i == 0)
			snprintf(to, sizeof(to), "corrupt/%.200s", name);
		else
			snprintf(to, sizeof(to), "corrupt/%.200s.%d", name, i);
		r = renameat2(dir_fd, name, dir_fd, to, RENAME_NOREPLACE);
		if (r < 0 && errno != EEXIST)
			break;
	}
	daemon_count("set_aside", 1);
	if (r < 0) {
		leave_there(name, reason);
		return;
	}
	log_warning("drop/%s: %s; set aside as drop/%s", name, reason, to);
	write_reason(to, reason);
}

/* NULL, or what is wrong with a file of the folder. */
static const char *check(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_nlink != 1)
		return "a file with several names";
	if ((st->st_mode & FORBIDDEN) != 0)
		return "a file that others may read or write";
	return NULL;
}

/* The open file, or -1 when it is gone or was set aside. */
static int open_file(const char *name, unsigned *uid)
{
	const char *wrong;
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	wrong = check(&st);
	if (wrong != NULL) {
		set_aside(name, wrong);
		return -1;
	}
	fd = openat(dir_fd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == ELOOP)) {
		set_aside(name, strerror(errno));
		return -1;
	}
	if (fd < 0) {
		log_warning("drop/%s: %s", name, strerror(errno));
		return -1;
	}
	/* Another one may stand there by now. */
	wrong = fstat(fd, &st) < 0 ? strerror(errno) : check(&st);
	if (wrong == NULL && !user_may(&pickup.submit, st.st_uid))
		wrong = "its owner may not send mail (authorized_submit_users)";
	if (wrong != NULL) {
		file_close(&fd);
		set_aside(name, wrong);
	}
	*uid = st.st_uid;
	return fd;
}

/* ---- one after the other ---- */

static void removed(const char *name)
{
	if (unlinkat(dir_fd, name, 0) < 0)
		log_error(
		    "drop/%s: cannot be removed: %s", name, strerror(errno));
	else if (fsync(dir_fd) < 0)
		log_error("drop: %s", strerror(errno));
	daemon_count("dropped", 1);
}

static void injected(void *arg, const struct outcome *o)
{
	struct slot *slot = arg;
	char reason[600];

	if (o->code == 250) {
		removed(slot->name.text);
	} else if (o->code >= 500) {
		snprintf(reason, sizeof(reason), "%u %s %.*s", o->code, o->dsn,
		    STR_FMT(o->text));
		if (notice_leave(dir_fd, slot->name.text, o) < 0)
			log_warning("drop/%s: its sender cannot be told: %s",
			    slot->name.text, strerror(errno));
		set_aside(slot->name.text, reason);
	}
	/* else it stays for the next look */
	slot->name.text[0] = '\0';
	take_some();
}

static void look(void);

static void take_some(void)
{
	bool busy = false;
	unsigned uid = 0;

	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &slots[i];

		while (slot->name.text[0] == '\0' && name_at < name_count &&
		    !daemon_draining()) {
			int fd = open_file(names[name_at].text, &uid);

			if (fd >= 0) {
				slot->name = names[name_at];
				inject(fd, uid, injected, slot);
			}
			name_at++;
		}
		busy |= slot->name.text[0] != '\0';
	}
	if (busy || daemon_draining())
		return;
	if (again)
		look();
	else
		loop_timer_set(interval, pickup.conf->pickup_scan_interval);
}

/* ---- the folder ---- */

static bool is_abandoned(const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && clock_seconds() - st.st_mtime > ABANDONED;
}

static void note_name(const char *name)
{
	struct id id;

	if (name[0] == '.' || strcmp(name, "corrupt") == 0 || is_stuck(name))
		return;
	if (id_parse(str_from(name), &id) == 0) {
		if (name_count == SCAN_MOST)
			again = true;
		else
			names[name_count++] = id;
	} else if (strncmp(name, "new.", 4) != 0) {
		set_aside(name, "a name that postdrop does not give");
	} else if (is_abandoned(name)) {
		/* Its writer was killed, and told nobody that it is safe. */
		unlinkat(dir_fd, name, 0);
	}
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

static void look(void)
{
	const struct dirent *e;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	loop_timer_stop(interval);
	again = false;
	name_count = name_at = 0;
	if (dir == NULL) {
		log_error("drop: %s", strerror(errno));
		file_close(&fd);
	} else {
		// cppcheck-suppress readdirCalled
		while ((e = readdir(dir)) != NULL)
			note_name(e->d_name);
		closedir(dir);
	}
	qsort(names, name_count, sizeof(names[0]), by_name);
	take_some();
}

static bool is_busy(void)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (slots[i].name.text[0] != '\0')
			return true;
	return false;
}

static void look_again(void *arg)
{
	(void)arg;
	if (is_busy())
		again = true;
	else
		look();
}

static void noticed(unsigned what, void *arg)
{
	char events[4096];

	(void)what;
	while (read(notice_fd, events, sizeof(events)) > 0)
		continue;
	look_again(arg);
}

int drop_open(const char *queue_directory)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/drop", queue_directory);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	notice_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (dir_fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return -1;
	}
	if (notice_fd < 0 ||
	    inotify_add_watch(notice_fd, path, IN_MOVED_TO | IN_ONLYDIR) < 0)
		log_warning("%s: %s; it is looked through every "
			    "pickup_scan_interval",
		    path, strerror(errno));
	return 0;
}

void drop_start(void)
{
	static struct id room[SCAN_MOST];

	names = room;
	interval = loop_timer_new(pickup.loop, look_again, NULL);
	if (notice_fd >= 0)
		notice = loop_watch_new(
		    pickup.loop, notice_fd, LOOP_READ, noticed, NULL);
	loop_timer_set(interval, 0);
}

void drop_drain(void)
{
	loop_watch_free(&notice);
	loop_timer_stop(interval);
}
