/* SPDX-License-Identifier: ISC */
/*
 * One user's POP3 session: RFC 1939's TRANSACTION and UPDATE states. The box
 * is locked and the view does not change while it lasts.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "core/buf.h"
#include "core/id.h"
#include "net/stream.h"
#include "store/mailbox.h"

#include "pop3d/pop3d_conf.h"

struct session {
	const struct pop3d_conf *conf;
	struct stream *stream;
	struct buf early; /* came with the PASS, before the stream */
	size_t early_used;
	struct buf joined;          /* a line that began in early */
	const char *login, *client; /* the account; an address */
	struct id id;
	bool quit;         /* no further commands */
	bool dead;         /* the client is gone: write no more */
	const char *ended; /* why, for the log */
	int bad_in_a_row;

	struct box *box;
	struct view *view;
	uint32_t uidvalidity;
	uint32_t count;             /* messages */
	unsigned char *marks;       /* by sequence number - 1 */
	uint32_t deleted;           /* how many are marked so */
	uint64_t octets;            /* of those not deleted */
	struct buf chunk;           /* of a message on its way */
	uint32_t retrieved, topped; /* for the log */
	uint64_t octets_out;
};

#define MARK_DELETED 1
#define MARK_SEEN    2 /* sent whole */

/* Greets and serves the client until it is gone, and unlocks the box before the
 * last answer goes out. early is what it sent before its socket came here.
 * Everything stays the caller's. */
void session_run(const struct pop3d_conf *conf, int fd, struct box *box,
    struct view *view, const char *login, const char *client,
    const struct id *id, struct str early);

/* Sends what is pending when it is much; marks a dead client. */
void session_flush_some(struct session *s);
void session_printf(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
