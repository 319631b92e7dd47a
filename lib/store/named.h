/* SPDX-License-Identifier: ISC */
/*
 * Whose bytes are where: every message of a box that is there, and every one
 * that is gone but not erased. What overwrites or drops bytes asks here first.
 */
#ifndef STORE_NAMED_H
#define STORE_NAMED_H

#include "store/box.h"

struct named {
	const struct message *m;
	const struct message_place *place;
	uint64_t modseq; /* of the expunge; 0: it is there */
	int64_t time;    /* likewise */
};

struct named_scan {
	/* May be called again: a snapshot failed us, all is told anew. */
	void (*begin)(void *arg);
	/* Non-zero: enough. What n points at lives as long as the call. Must
	 * not change or refresh the box. */
	int (*visit)(void *arg, const struct named *n);
	void *arg;
	bool gone_only;
};

/*
 * Tells all of them, mailbox by mailbox, as of the folded state. Memory: the
 * rows of one mailbox and the places of one segment, unless records wait for
 * the mailbox. Not while a change is decided.
 */
enum store_result box_each_named(struct box *b, const struct named_scan *scan);

#endif
