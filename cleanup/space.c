/* SPDX-License-Identifier: ISC */
/* The floors of free space and inodes in the queue's file system. */
#include <sys/statvfs.h>

#include "cleanup/message.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"

#define LOOK_AGAIN_MS 500
/* So far above the floors what was seen holds for a moment; else it is looked
 * at for each message. */
#define PLENTY_OCTETS (1ull << 30)
#define PLENTY_INODES 100000
#define SAY_AGAIN_MS  10000

static uint64_t free_octets(const struct statvfs *fs)
{
	return (uint64_t)fs->f_bavail * fs->f_frsize;
}

static bool is_plenty(const struct cleanup *c, const struct statvfs *fs)
{
	uint64_t inodes = (uint64_t)c->conf->queue_minfree_inodes;

	return free_octets(fs) > c->conf->queue_minfree &&
	    free_octets(fs) - c->conf->queue_minfree > PLENTY_OCTETS &&
	    (fs->f_files == 0 || fs->f_favail > inodes + PLENTY_INODES);
}

/* What is free, not older than a moment. -1 with errno. */
static int look(const struct cleanup *c, struct statvfs *out)
{
	static struct statvfs fs;
	static int64_t look_at;

	if (clock_ms() >= look_at) {
		if (fstatvfs(c->spool_fd, &fs) < 0)
			return -1;
		look_at = is_plenty(c, &fs) ? deadline_in(LOOK_AGAIN_MS) : 0;
	}
	*out = fs;
	return 0;
}

/* Every refusal has its line; why, one in a while. */
static void say(const char *what, uint64_t floor, const char *parameter)
{
	static int64_t say_at;

	if (clock_ms() < say_at)
		return;
	log_warning("queue_directory: less than %llu %s are free (%s)",
	    (unsigned long long)floor, what, parameter);
	say_at = deadline_in(SAY_AGAIN_MS);
}

void space_check(struct cleanup *c, struct message *m, uint64_t size)
{
	uint64_t floor = c->conf->queue_minfree;
	uint64_t inodes = (uint64_t)c->conf->queue_minfree_inodes;
	struct statvfs fs;
	uint64_t free;

	if (look(c, &fs) < 0) {
		message_refuse_disk(m, "statvfs of queue_directory");
		return;
	}
	/* The reserve for notifications and for mail that is here already. */
	if (c->entrance == ENTRANCE_INTERNAL) {
		floor /= 4;
		inodes /= 4;
	}
	free = free_octets(&fs);
	if (free < floor || free - floor < size) {
		daemon_count("below_floor", 1);
		say("octets", floor + size, "queue_minfree");
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	} else if (fs.f_files > 0 && fs.f_favail < inodes) {
		daemon_count("below_floor", 1);
		say("inodes", inodes, "queue_minfree_inodes");
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	}
}
