/* SPDX-License-Identifier: ISC */
/* postscreen_access_list: who is not tested, and who is refused. */
#ifndef SCREEN_ACCESS_H
#define SCREEN_ACCESS_H

#include "ipc/explain.h"
#include "net/netaddr.h"

enum access { ACCESS_DUNNO, ACCESS_PERMIT, ACCESS_REJECT };

/* Before the jail: tables are read here. -1 after a line in the log. */
int access_open(const char *list, const char *mynetworks, const char *base);
enum access access_of(const struct netaddr *client);

/* Who wants to know what each entry says; NULL: nobody. */
void access_explain(struct explain *explain);

#endif
