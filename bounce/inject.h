/* SPDX-License-Identifier: ISC */
/* A notification's way into the queue: cleanup-internal. */
#ifndef BOUNCE_INJECT_H
#define BOUNCE_INJECT_H

#include "core/id.h"
#include "core/str.h"

struct injection {
	struct str session; /* trace id, "" */
	struct id id;       /* of the notification */
	struct str to;
	bool eight_bit, utf8;
	struct str content; /* header and body */
};

enum inject_result { INJECT_QUEUED, INJECT_AGAIN, INJECT_REFUSED };
/*
 * Asks cleanup; over a connection that is kept, and once more over a new one
 * when that was dead. INJECT_REFUSED: for good. text (size octets) says why.
 */
enum inject_result inject(
    const struct injection *i, int64_t timeout_ms, char *text, size_t size);

#endif
