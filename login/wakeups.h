/* SPDX-License-Identifier: ISC */
/* Who wants to hear that an account has changed (store/notify.h). */
#ifndef LOGIN_WAKEUPS_H
#define LOGIN_WAKEUPS_H

#include <stdbool.h>

#include "core/str.h"

/* Part of who listens. */
struct listener {
	struct listener *next, *before; /* of the same account */
	char *account;                  /* NULL: it does not listen */
};

struct notify_filter;

/* notify_fd: of notify_listen, or -1, with its filter. changed is called for
 * each listener of an account that has reached a modseq, and may remove that
 * one. */
void wakeups_open(int notify_fd, struct notify_filter *filter,
    void (*changed)(struct listener *l, uint64_t modseq));
/* Hears what has been said up to now. False: nothing is ever heard. */
bool wakeups_hear(void);
/* What is changed from now on is heard; what was changed before is for who
 * looks now. */
void wakeups_add(struct listener *l, struct str account);
/* Does nothing for one that does not listen. */
void wakeups_remove(struct listener *l);

#endif
