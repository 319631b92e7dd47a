/* SPDX-License-Identifier: ISC */
/*
 * The ids of all messages, in the order of arrival, which is that of the ids.
 * They are gathered at once and sorted in pieces, each of which is short; then
 * the pieces are merged as they are read. Messages may come and go meanwhile.
 */
#ifndef QMGR_ROLL_H
#define QMGR_ROLL_H

#include "qmgr/message.h"

#define ROLL_PIECE 4096

struct roll {
	struct id *ids;
	size_t count, sorted;
	size_t *heads; /* of each piece: the next one */
};

/* Of all messages, or of one. */
void roll_all(struct roll *r, const struct messages *ms);
void roll_one(struct roll *r, const struct id *id);
/* Sorts one more piece; false: all are. */
bool roll_sort(struct roll *r);
/* The next id, when all are sorted; false at the end. */
bool roll_next(struct roll *r, struct id *out);
void roll_free(struct roll *r);

#endif
