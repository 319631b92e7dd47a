/* SPDX-License-Identifier: ISC */
/*
 * What greylisting remembers, in a database of policyd's own
 * (daemon/database.h; greylist/ in policy_directory). Changes are committed
 * together, a second after the first one: that is what a policyd that is
 * killed forgets. Only a checkpoint a minute waits for the disk.
 *
 * A database that fails stops nobody: what changes then is in memory, and
 * written when the database takes it again.
 */
#ifndef POLICYD_GREYLIST_STORE_H
#define POLICYD_GREYLIST_STORE_H

#include "net/loop.h"
#include "policyd/greylist.h"

/* Still privileged. 0 or -1, logged. */
int greylist_store_prepare(const char *directory);
/* Reads what is there, and follows what changes from then on. */
void greylist_store_open(struct greylist *g, struct loop *loop);
void greylist_store_close(void);

#endif
