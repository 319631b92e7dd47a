/* SPDX-License-Identifier: ISC */
/*
 * A local submission as one file: what sendmail(1) hands to pickup as a sealed
 * memfd, and what postdrop(1) writes into spool/drop while the suite is down.
 *
 *	posthouse-drop TAB version LF
 *	submission TAB id=... TAB sender=... ... TAB size=N LF
 *	recipient TAB address=... TAB original=... TAB notify=... LF	(each)
 *	N octets of content: header, empty line, body
 *	end TAB size=N LF
 *
 * The lines are those of ipc/ipc.h. Behind the end stands nothing. Anybody can
 * write such a file, so a reader takes nothing in it for granted; who the user
 * is the file does not say.
 */
#ifndef QUEUE_DROP_H
#define QUEUE_DROP_H

#include "ipc/cleanup.h"
#include "ipc/ipc.h"

#define DROP_VERSION 1
/* Octets of content that one read gives at most. */
#define DROP_PIECE 65536

struct drop_submission {
	struct str id;     /* the client's, for asking twice; 22 characters */
	struct str sender; /* without a domain: this site's; empty: <> */
	struct str envid;  /* DSN (RFC 3461) */
	struct str ret;    /* "", "FULL" or "HDRS" */
	struct str body;   /* "7BIT" or "8BITMIME" */
	bool smtputf8;
	uint64_t recipients; /* 1 to QUEUE_RECIPIENTS_MAX */
	uint64_t size;       /* octets of content */
};

struct drop_end {
	uint64_t size; /* once more, so that a torn file shows */
};

extern const struct ipc_type drop_submission, drop_end;

/* ---- writing ---- */
/* Appends the first two lines; -1 when a field is out of bounds. Recipients
 * follow by drop_put_recipient, then the content, then drop_put_end. */
int drop_put_head(struct buf *out, const struct drop_submission *s);
int drop_put_recipient(struct buf *out, const struct cleanup_recipient *r);
int drop_put_end(struct buf *out, uint64_t size);

/* ---- reading, in order ---- */
struct drop_reader;

/* fd stays the caller's and is read with pread(2) from its start. */
struct drop_reader *drop_reader_new(int fd);
void drop_reader_free(struct drop_reader **r);

/*
 * Each is valid until the next call. Returns 0 (drop_recipient: 1, and 0
 * behind the last one; drop_content: 1, and 0 at the end), or -1 when the file
 * is not what it should be, with *why a phrase fit for the log, and errno the
 * reason when it could not be read or else 0.
 */
int drop_head(
    struct drop_reader *r, const struct drop_submission **s, const char **why);
int drop_recipient(struct drop_reader *r, const struct cleanup_recipient **to,
    const char **why);
/* Before the first call all recipients must have been read. At the end the
 * end line is checked, and that nothing follows. */
int drop_content(struct drop_reader *r, struct str *piece, const char **why);

#endif
