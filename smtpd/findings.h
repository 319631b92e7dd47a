/* SPDX-License-Identifier: ISC */
/* What was found of a message, for the log, the trace and the counters. */
#ifndef SMTPD_FINDINGS_H
#define SMTPD_FINDINGS_H

#include "core/buf.h"
#include "core/id.h"
#include "smtpd/disposition.h"

/* One line of it, "spf=pass (example.org) dkim=none ..."; appended. */
void findings_line(
    struct verdict *v, const struct disposition *d, struct buf *out);
/* A trace event for each part. */
void findings_trace(
    const struct id *session, struct verdict *v, const struct disposition *d);
/* For SPF that refuses before there is more. */
void findings_trace_spf(
    const struct id *session, const struct spf_verdict *spf);
void findings_count_spf(const struct spf_verdict *spf);
/* All of it, SPF too. */
void findings_count(struct verdict *v, const struct disposition *d);

#endif
