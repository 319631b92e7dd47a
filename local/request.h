/* SPDX-License-Identifier: ISC */
/* One request of the queue manager: a message and its recipients here. */
#ifndef LOCAL_REQUEST_H
#define LOCAL_REQUEST_H

#include "core/arena.h"
#include "core/dsn.h"
#include "ipc/deliver.h"
#include "queue/queue_file.h"

#include "local/cache.h"
#include "local/local_conf.h"

struct request {
	struct deliver head;   /* strings in the arena */
	struct deliver_to *to; /* strings in the arena */
	size_t count, room;
	int fd; /* the queue file, ours; -1: none */
	struct id queue_id, session;
	struct arena arena;
	/* The content, read once for all recipients. */
	struct queue_file file;
	struct buf content; /* the body when it is small, then the header */
	struct str header;
	bool small;
	const char *why; /* the content cannot be read */
};

void request_init(struct request *r);
/* Takes the message; ends what was there before. */
void request_begin(struct request *r, const struct deliver *head);
/* -1: it belongs to no request, or there are too many. */
int request_add(struct request *r, const struct deliver_to *to);
void request_clear(struct request *r);
void request_free(struct request *r);

/* Reads the header, and the body when it is small. -1 and r->why. */
int request_read(struct request *r);

/* The mailbox that the message is for. */
struct str request_mailbox(const struct request *r);

/* Delivers to one recipient and says how it went. */
struct dsn deliver_one(struct request *r, const struct deliver_to *to,
    struct cache *boxes, const struct local_conf *conf);

/* What happened in the store, as a result for the sender's side; b may be
 * NULL. */
struct dsn deliver_result_of(
    enum store_result result, struct box *b, const struct local_conf *conf);

/* Whether the header says that this address had it before. */
bool loops(struct str header, struct str address);

#endif
