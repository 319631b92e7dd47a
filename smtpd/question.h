/* SPDX-License-Identifier: ISC */
/* Questions to lookup, which tells its steps when a session is rehearsed. */
#ifndef SMTPD_QUESTION_H
#define SMTPD_QUESTION_H

#include "conf/map.h"
#include "ipc/lookup.h"
#include "smtpd/session.h"

/* As peer_call of the lookup peer; why is the same question for a session that
 * is rehearsed. */
int ask_lookup(struct session *s, const struct ipc_type *request,
    const void *question, const struct ipc_type *type, const void **answer,
    const struct lookup_explain *why);

/* Whether a table has one of the keys, LF between them; parameter names it.
 * MAP_ERROR: that cannot be known now, with a line in a log. */
enum map_result ask_table(struct session *s, const char *parameter,
    struct str table, struct str keys, int64_t deadline);

#endif
