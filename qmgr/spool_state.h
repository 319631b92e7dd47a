/* SPDX-License-Identifier: ISC */
/* What spool.c and scan.c share. */
#ifndef QMGR_SPOOL_STATE_H
#define QMGR_SPOOL_STATE_H

#include <dirent.h>

#include "qmgr/spool.h"

struct spool {
	int fd; /* queue_directory */
	int lock_fd;
	size_t files, files_most; /* queue files that are open */
	/* scan.c */
	struct loop_timer *timer;
	DIR *top, *dir; /* queue/ and one directory below it */
	char dir_name[32];
	uint64_t found; /* messages that this walk read */
	unsigned walks; /* that ended */
};

#endif
