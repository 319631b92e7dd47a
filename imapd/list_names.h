/* SPDX-License-Identifier: ISC */
/*
 * The tree of names that LIST and LSUB choose from: mailboxes, subscribed
 * names without a mailbox, and the levels above them.
 */
#ifndef IMAPD_LIST_NAMES_H
#define IMAPD_LIST_NAMES_H

#include "core/arena.h"
#include "store/mailbox.h"

struct list_name {
	struct str name;
	const struct mailbox_info *info; /* NULL: no mailbox */
	bool subscribed;
	bool has_children; /* a mailbox lies below */
	bool subscribed_below;
	bool use_below;          /* one with a special use lies below */
	bool hidden_below;       /* LIST: one that is meant, but not shown */
	struct list_name *above; /* NULL at the first level */
};

struct list_names {
	struct list_name **names; /* by name, INBOX first */
	size_t count;
};

/*
 * All of the box, in the arena; valid as long as the box is neither changed
 * nor refreshed. false when the arena is full.
 */
bool list_names(struct box *b, struct arena *arena, struct list_names *out);

#endif
