/* SPDX-License-Identifier: ISC */
/*
 * Inside lib/store: mailboxes that messages are brought back into, while a
 * change is decided (undelete.c, restore.c). Nothing is doubled: a message
 * that is there already, or came a moment ago, is left as it is.
 */
#ifndef STORE_TARGET_H
#define STORE_TARGET_H

#include "store/box.h"

/* A set of messages, by what they are and not by where they are. */
struct identities {
	uint64_t *slots; /* 0: free; a power of two of them */
	size_t count, capacity;
};
/* The same for all copies of a message. Never 0. */
uint64_t message_identity(const struct message_place *place);
/* Of the bytes alone: two copies of a message may differ, when one of them is
 * damaged. Never 0. */
uint64_t place_identity(const struct message_place *place);
/* False: it was there. */
bool identities_add(struct identities *set, uint64_t identity);
bool identities_has(const struct identities *set, uint64_t identity);
void identities_free(struct identities *set);

struct target {
	struct folder *f;    /* alive, or made in this frame */
	struct folder *made; /* the latter, ours; or NULL */
	uint32_t next;       /* uid */
	struct identities there;
};

struct targets {
	struct target **list;
	size_t count;
};

/* The mailbox with this id if it lives (0: none does), or the one of this
 * name; should there be none either, it is made. */
enum store_result target_find(struct change *c, struct targets *all,
    uint32_t id, struct str name, struct target **out);
/* Adds a message as it is but for uid, modseq, \Deleted and the time when it
 * came; its keywords are those of `from`. A keyword for which the mailbox has
 * no room is left off. identity: of the message or of its place; if that is
 * there, nothing is done, else *count rises. */
enum store_result target_put(struct change *c, struct target *t,
    const struct mailbox_info *from, const struct message *m,
    const struct message_place *place, uint64_t identity, uint64_t *count);
void targets_free(struct targets *all);

/* The bits of a message's keywords in another mailbox; what finds no room is
 * left off. */
uint64_t change_carry_keywords(struct change *c,
    const struct mailbox_info *from, struct folder *to, uint64_t keywords);

/* Loads every mailbox, dead ones too, with what is gone from it: before the
 * lock, so that a change finds all of it. */
enum store_result box_load_all(struct box *b);

#endif
