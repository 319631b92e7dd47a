/* SPDX-License-Identifier: ISC */
/* A report's way into the queue: cleanup-internal, one message at a time,
 * while the loop goes on. */
#ifndef REPORTD_HANDOVER_H
#define REPORTD_HANDOVER_H

#include "core/id.h"
#include "core/str.h"

struct handover {
	struct str session; /* trace id: the report's */
	struct id id; /* of the message; the same when it is tried again */
	struct str sender, to;
	struct str content; /* header and body; stays until done */
};

enum handover_result { HANDOVER_QUEUED, HANDOVER_AGAIN, HANDOVER_REFUSED };

/* done is called once, never before this returns; text says why, or where it
 * is. HANDOVER_REFUSED: for good. */
void handover_start(const struct handover *h, int64_t timeout_ms,
    void (*done)(enum handover_result result, struct str text));
/* Ends what is under way without a call of done. */
void handover_stop(void);

#endif
