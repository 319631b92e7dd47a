/* SPDX-License-Identifier: ISC */
/* The floor of free space and inodes in the queue's file system. */
#include <sys/statvfs.h>

#include "cleanup/message.h"
#include "core/clock.h"
#include "core/log.h"

#define LOOK_AGAIN_MS 1000
#define INODES_FLOOR  256

void space_check(struct cleanup *c, struct message *m)
{
	static struct statvfs fs;
	static int64_t looked = INT64_MIN;
	uint64_t floor = c->conf->queue_minfree;
	uint64_t inodes = INODES_FLOOR;
	int64_t now = clock_ms();

	if (looked == INT64_MIN || now - looked >= LOOK_AGAIN_MS) {
		if (fstatvfs(c->spool_fd, &fs) < 0) {
			message_refuse_disk(m, "statvfs of queue_directory");
			return;
		}
		looked = now;
	}
	if (floor == 0)
		return;
	/* The reserve for notifications and for mail that is here already. */
	if (c->entrance == ENTRANCE_INTERNAL) {
		floor /= 4;
		inodes /= 4;
	}
	if ((uint64_t)fs.f_bavail * fs.f_frsize < floor) {
		log_warning("queue_directory: less than %llu octets are free "
			    "(queue_minfree)",
		    (unsigned long long)floor);
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	} else if (fs.f_files > 0 && fs.f_favail < inodes) {
		log_warning("queue_directory: less than %llu inodes are free",
		    (unsigned long long)inodes);
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	}
}
