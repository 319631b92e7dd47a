/* SPDX-License-Identifier: ISC */
/*
 * Writes a delivery status notification: multipart/report of RFC 6522 with a
 * text for people, the status of RFC 3464, and what is returned of the
 * message. Internationalised mail: RFC 6533. Pure: no clock, no files.
 */
#ifndef BOUNCE_REPORT_H
#define BOUNCE_REPORT_H

#include "core/buf.h"
#include "core/id.h"
#include "ipc/bounce.h"

struct report {
	const struct bounce *what;
	const struct bounce_for *to; /* count of them */
	size_t count;
	const char *myhostname, *myorigin, *mail_name;
	struct id id;      /* of the notification */
	int64_t now;       /* seconds since 1970 */
	int64_t give_up;   /* delayed: until when it is tried; or 0 */
	int zone;          /* minutes east of UTC, for dates */
	bool has_original; /* else the message could not be read */
	struct str header; /* of the message, with its empty line */
	bool whole;        /* return header and body */
	struct str body;
};

/*
 * Appends the notification, header and body, CRLF line ends. *eight_bit: it
 * has octets above 127 (BODY=8BITMIME); *utf8: its header or its addresses
 * do (SMTPUTF8). 0, or -1 when out is full.
 */
int report_build(
    const struct report *r, struct buf *out, bool *eight_bit, bool *utf8);

#endif
