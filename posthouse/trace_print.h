/* SPDX-License-Identifier: ISC */
/* What trace_search has found, message by message: for people, or as JSON. */
#ifndef POSTHOUSE_TRACE_PRINT_H
#define POSTHOUSE_TRACE_PRINT_H

#include "posthouse/trace_search.h"

/* The stories of all messages and of sessions that had none. now_us: what
 * lasts still is measured to. */
void trace_print_text(
    const struct trace_search *s, uint64_t now_us, struct buf *out);
void trace_print_json(
    const struct trace_search *s, uint64_t now_us, struct buf *out);

/* One event as it happens: a line each. */
void trace_print_event(
    const struct trace_record *r, bool json, struct buf *out);

#endif
