/* SPDX-License-Identifier: ISC */
/* One request of the queue manager: a mail with a report in it. */
#ifndef FEEDBACK_REQUEST_H
#define FEEDBACK_REQUEST_H

#include "core/arena.h"
#include "core/dsn.h"
#include "core/id.h"
#include "feedback/feedback_conf.h"
#include "ipc/deliver.h"

struct request {
	struct deliver head;   /* texts in the arena */
	struct deliver_to *to; /* texts in the arena */
	size_t count;
	int fd; /* the queue file, -1: none came */
	struct id queue_id, session;
	struct arena arena;
};

void request_init(struct request *r);
/* Takes the message; ends what was there before. -1: it is malformed. */
int request_begin(struct request *r, const struct deliver *head);
/* -1: it belongs to no request, or there are too many. */
int request_add(struct request *r, const struct deliver_to *to);
void request_clear(struct request *r);

/*
 * Reads the report and stores it. Never fails for what is in the mail: what
 * cannot be read is stored as such.
 */
struct dsn request_run(struct request *r, const struct feedback_conf *conf);

#endif
