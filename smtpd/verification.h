/* SPDX-License-Identifier: ISC */
/*
 * Where a message comes from, found out while it arrives (lib/mailauth): SPF
 * from MAIL on, DKIM, ARC and DMARC while its content goes on to cleanup. What
 * is made of it disposition.c decides.
 *
 * One for the process, as it serves one client at a time. Nothing is asked of
 * clients in mail_authentication_exempt_networks, nor of who logs in.
 */
#ifndef SMTPD_VERIFICATION_H
#define SMTPD_VERIFICATION_H

#include "ipc/cleanup.h"
#include "mail/splitter.h"
#include "mailauth/results.h"
#include "smtpd/disposition.h"
#include "smtpd/session.h"

struct verification {
	struct verdict *verdict; /* NULL: nobody was checked yet */
	struct public_suffixes *suffixes;
	struct splitter content;
	struct buf results, received_spf;
	int64_t tables_until; /* deadline of all tables of a message */
	bool checks;          /* this message is being checked */
	bool acted; /* SPF has refused or delayed it, at the first recipient */
};

/* Before the jail: opens what it reads. 0 or -1, which is logged. */
int verification_open(struct server *server);

/* MAIL was accepted; nothing waits. */
void verification_begin(struct session *s);
/* A recipient would be accepted: true when SPF forbids it, which is replied.
 * Waits for SPF where a parameter lets its result decide something, and
 * holds the client up where one says delay. */
bool verification_refuses(struct session *s, struct str recipient);
/* SPF's result, which is waited for; NULL: it is not checked. */
const struct spf_verdict *verification_spf(struct session *s);
/* Content, in order, as cleanup gets it. */
void verification_content(struct session *s, struct str octets);
/*
 * After the last octet: waits for what is still open, and traces what was
 * found. *out is what is to become of the message, and *verdict what cleanup
 * is told, whose texts are valid until the next message; false: there is
 * nothing to tell.
 */
bool verification_end(struct session *s, struct disposition *out,
    struct cleanup_verdict *verdict);

/* What was found, in a line of the log; nothing when it was not checked. */
void verification_line(
    const struct session *s, const struct disposition *d, struct buf *out);

/* The message was accepted, or refused for its disposition: whoever counts is
 * told. */
void verification_report(const struct session *s, const struct disposition *d);

/* posthouse explain: what is known of it before there is content. */
void verification_explain(struct session *s);

#endif
