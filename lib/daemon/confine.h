/* SPDX-License-Identifier: ISC */
/*
 * Landlock (landlock(7)): a process reaches its role's folders and no others,
 * and a session one account's files, although all belong to the same user.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/rights.h"

/* A file, or a folder with what is below it. */
struct confine_folder {
	const char *path;
	enum folder_right right;
};

/* TCP ports that may be called. */
struct confine_ports {
	bool any;
	uint16_t port[16];
	size_t count;
};

/*
 * The rules for a process that reaches these files alone, calls these ports
 * alone (Linux 6.7), listens nowhere, and signals only itself and its
 * children (Linux 6.12). What does not exist needs no rule. Returns a
 * descriptor for confine_enter, -1 with errno, or CONFINE_UNKNOWN.
 */
int confine_prepare(const struct confine_folder *folders, size_t count,
    const struct confine_ports *ports);
/* The kernel has no Landlock, or one that cannot move a file from one folder
 * to another (before Linux 5.19). */
#define CONFINE_UNKNOWN (-2)

/* Confines this process for good, and closes the rules. -1 with errno. */
int confine_enter(int *rules);

/*
 * Confines this process for good to the directory (all rights), to opening
 * the directories below `listed` (may be NULL) without the files in them, to
 * reading what lies in `notify`, and to reading and loading what lies below
 * /usr and /lib (character sets). Returns 1, 0 when the kernel has no Landlock, -1 (errno)
 * when it failed.
 */
int confine_to(int directory, const char *listed, const char *notify);

/* The kernel's version of Landlock; 0 where confine_prepare has no use for
 * it. */
int confine_version(void);
/* The kernel has Landlock. */
bool confine_possible(void);

#endif
