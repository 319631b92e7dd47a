/* SPDX-License-Identifier: ISC */
/* A message on its way from standard input to pickup. */
#ifndef SENDMAIL_DRAFT_H
#define SENDMAIL_DRAFT_H

#include "sendmail/content.h"
#include "sendmail/header.h"
#include "sendmail/sendmail.h"

struct draft {
	struct arena arena;
	struct str sender; /* with a domain, or empty: <> */
	struct addresses recipients;
	struct str envid, ret, notify; /* DSN (RFC 3461) */
	struct str body;               /* "" for what the content needs */
	struct content content;
};

/* 0, or -1 with errno. */
int draft_open(struct draft *d, const struct sendmail *s);
void draft_close(struct draft *d);
/* For the next message. -1 with errno. */
int draft_clear(struct draft *d, const struct sendmail *s);

/*
 * Takes one mailbox as sender, "" or "<>" for the null one. -1 when it is not
 * one.
 */
int draft_sender(
    struct draft *d, const struct sendmail *s, const char *address);

/* What is wrong with it, as a reply of SMTP; code 0: nothing. */
struct verdict {
	unsigned code;
	char dsn[12];
	char text[512];
	char id[32]; /* queue id, "" when it lies in spool/drop */
};

/*
 * After the content's end: completes the header and submits. code 250 when
 * the message is safe.
 */
void draft_send(
    struct draft *d, const struct sendmail *s, struct verdict *verdict);

#endif
