/* SPDX-License-Identifier: ISC */
/* Names in the spool; for lib/queue alone. */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include "core/id.h"

/* A directory of queue/, for one commit. */
struct queue_dir {
	int fd;
	bool kept; /* not to be closed */
};
/* Where the id belongs. 0, or -1 with errno. */
int queue_dir_open(int spool_fd, const struct id *id, struct queue_dir *out);
void queue_dir_close(struct queue_dir *dir);
/* Where directories are kept: gives the id last characters that name one. */
void queue_dir_steer(int spool_fd, struct id *id);

/*
 * Moves a file to a name that does not exist; EEXIST otherwise. Where the
 * file system cannot rename so, by link and unlink.
 */
int queue_move(int from_fd, const char *from, int to_fd, const char *to);

#endif
