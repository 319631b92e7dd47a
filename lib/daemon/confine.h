/* SPDX-License-Identifier: ISC */
/*
 * A session can reach one account's files and no other's, although all belong
 * to the same user: Landlock (landlock(7)).
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <stdbool.h>

/*
 * Confines this process for good to the directory (all rights), to opening
 * the directories below those of `listed` (NULL-terminated paths) without the
 * files in them, and to reading and loading what lies below /usr and /lib
 * (character sets). Returns 1, 0 when the kernel has no Landlock, -1 (errno)
 * when it failed.
 */
int confine_to(int directory, const char *const *listed);
/* The kernel has Landlock. */
bool confine_possible(void);

#endif
