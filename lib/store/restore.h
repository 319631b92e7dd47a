/* SPDX-License-Identifier: ISC */
/*
 * Inside lib/store: what a restore wants, and where its bytes are.
 *
 * restore.c chooses and writes the frame that makes everything visible;
 * restore_bytes.c looks for the bytes in the box, and copies what is not
 * there.
 */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

#include "store/recovery.h"
#include "store/target.h"

/* A message of the older box. */
struct wanted {
	struct message m;
	struct message_place then;
	struct message_place now; /* where its bytes are in this box */
	size_t head;              /* the first one with these bytes */
	/* Of heads: */
	bool found; /* bytes are here: named by a message that is not about
	             * to be erased */
	bool good;  /* `now` was read and is what it should be */
	bool lost;  /* nobody has them any more */
};

struct wanted_folder {
	struct folder *f; /* of the older box */
	size_t first, count;
};

struct restore {
	struct box *b, *from;
	const struct restore_choice *choice;
	struct restore_result *out;
	struct wanted *list;
	size_t count, room;
	struct wanted_folder *folders;
	size_t folder_count;
	bool ours;    /* the same account at another time: its bytes are here or
	            * nowhere */
	bool again;   /* the box changed: look for the bytes once more */
	size_t *hash; /* of heads: index + 1 */
	size_t capacity;
};

/* Adds a message of the older box. */
void restore_want(struct restore *p, const struct message *m,
    const struct message_place *place);
/* Looks for the bytes of everything that is wanted in what the box has, or
 * can undelete. read: a place that was not read yet may be, and counts when
 * it holds; a damaged message is no source. */
enum store_result restore_find(struct restore *p, bool read);
/* Copies what was not found. A crash leaves it in mailboxes that were deleted
 * in the frame that made them, and that nobody could select: nobody sees
 * them, upkeep erases them. */
enum store_result restore_copy(struct restore *p);

#endif
