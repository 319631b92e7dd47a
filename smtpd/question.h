/* SPDX-License-Identifier: ISC */
/* Questions to lookup, which tells its steps when a session is rehearsed. */
#ifndef SMTPD_QUESTION_H
#define SMTPD_QUESTION_H

#include "ipc/lookup.h"
#include "smtpd/session.h"

/* As peer_call of the lookup peer; why is the same question for a session that
 * is rehearsed. */
int ask_lookup(struct session *s, const struct ipc_type *request,
    const void *question, const struct ipc_type *type, const void **answer,
    const struct lookup_explain *why);

#endif
