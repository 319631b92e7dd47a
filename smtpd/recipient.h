/* SPDX-License-Identifier: ISC */
/* RCPT: who is it, and may this client send there? */
#ifndef SMTPD_RECIPIENT_H
#define SMTPD_RECIPIENT_H

#include "smtpd/session.h"

void cmd_rcpt(struct session *s, struct str args);

#endif
