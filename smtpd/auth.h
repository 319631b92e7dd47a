/* SPDX-License-Identifier: ISC */
/* AUTH (RFC 4954): the words go to auth, which alone knows secrets. */
#ifndef SMTPD_AUTH_H
#define SMTPD_AUTH_H

#include "smtpd/session.h"

/* On the submission role, under TLS, before a login. */
bool auth_offered(const struct session *s);
void cmd_auth(struct session *s, struct str args);

#endif
