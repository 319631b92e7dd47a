/* SPDX-License-Identifier: ISC */
/*
 * The header of a message on its way into the queue. Pure: bytes in, bytes
 * out, no clock.
 */
#ifndef CLEANUP_HEADER_H
#define CLEANUP_HEADER_H

#include "core/buf.h"
#include "ipc/cleanup.h"
#include "mail/header.h"
#include "mail/splitter.h"

/* ---- what a header says ---- */

struct header_facts {
	size_t fields;                         /* in all */
	size_t received;                       /* Received fields */
	size_t from, sender, date, message_id; /* how many of each */
	bool resent, resent_date;
	struct str from_value; /* of the first From; raw, folded */
	struct str sender_value;
	struct str message_id_value; /* raw; "" when there is none */
};
void header_look(struct str header, struct header_facts *out);

/*
 * From and Sender as RFC 5322 section 3.6.2 wants them: NULL, or the reason
 * for a refusal.
 */
const char *header_check_author(const struct header_facts *facts);

/* Whether text can be the value of a field: each line end in it is CRLF with a
 * blank behind, and there are no other control octets. */
bool header_is_folded(struct str value);

/* ---- the final header ---- */

struct header_completion {
	const struct cleanup_message *from;
	struct str only_recipient; /* of a message with one; else "" */
	const char *myhostname, *mail_name;
	const char *id;   /* queue id */
	const char *date; /* now, RFC 5322 */
	bool name_login;  /* smtpd_sasl_authenticated_header */
	bool add_missing; /* Date, Message-ID */
	bool drop_bcc;
	/* Values of Authentication-Results and Received-SPF; "": none. */
	struct str results, received_spf;
	/* Authentication-Results of this name, and Received-SPF of it, of
	 * myhostname or of nobody, are forged; "": all stay. */
	struct str forged_results;
};

/* Appends what was found about the message (RFC 8601 section 4, on top of the
 * Received of this hop), Received (RFC 5321 section 4.4), the fields that
 * stay, those that were missing, and the empty line. */
void header_complete(const struct header_completion *c, struct str header,
    const struct header_facts *facts, struct buf *out);

#endif
