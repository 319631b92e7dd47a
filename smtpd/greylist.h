/* SPDX-License-Identifier: ISC */
/*
 * Greylisting, at RCPT: who is asked to come back, and policyd's word on
 * whether it has. What policyd or a table does not answer delays nobody.
 */
#ifndef SMTPD_GREYLIST_H
#define SMTPD_GREYLIST_H

#include "smtpd/session.h"

/* A recipient would be accepted: true when it is put off, which is replied. */
bool greylist_defers(struct session *s, struct str recipient);

#endif
