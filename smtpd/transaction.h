/* SPDX-License-Identifier: ISC */
/* From MAIL to the reply to the final dot. */
#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H

#include "smtpd/session.h"

#define TRANSACTION_ARENA 16777216 /* octets of an envelope, at most */

/* Forgets the envelope; the state goes back to GREETED (or stays before). */
void transaction_reset(struct session *s);

/* The commands MAIL and DATA; RCPT stands in recipient.c. */
void cmd_mail(struct session *s, struct str args);
void cmd_data(struct session *s, struct str args);

#endif
