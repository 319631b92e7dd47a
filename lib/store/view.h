/* SPDX-License-Identifier: ISC */
/* The inside of a view, for view.c and view_formula.c; nobody else. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/box.h"

struct view {
	struct box *b;
	uint32_t mailbox, uidvalidity;
	struct message *rows;
	struct lent_rows *lent; /* NULL: the rows are ours alone */
	uint32_t count, room;
	uint64_t version; /* of the folder when it was last compared */
	bool waiting;     /* expunges not told yet */
	/* No rows yet: messages below uidnext, as of flags_at. */
	bool late;
	uint32_t uidnext;
	/* The mailbox's modseq when it was last compared, and up to where
	 * every expunge is told. */
	uint64_t flags_at, expunged_at;
};

/* The view's folder with its messages; STORE_GONE when it was deleted. */
enum store_result view_folder(struct view *v, struct folder **out);
/* Opens a view without rows; see view_open_late. */
struct view *view_new(struct box *b, const struct mailbox_info *info);
/* It has just been compared with f; what waits is known. */
void view_is_at(struct view *v, const struct folder *f);

#endif
