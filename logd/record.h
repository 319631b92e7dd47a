/* SPDX-License-Identifier: ISC */
/* The records that a datagram consists of (ipc/trace.h). Pure. */
#ifndef LOGD_RECORD_H
#define LOGD_RECORD_H

#include "core/str.h"
#include "ipc/trace.h"

enum record_kind {
	RECORD_END,   /* nothing is left */
	RECORD_LINE,  /* a log line */
	RECORD_TRACE, /* a trace event */
	RECORD_BAD    /* neither; the rest of the datagram is thrown away */
};

struct record {
	struct str program; /* letters, digits, - and _ */
	struct str level;
	uint64_t lost;   /* records that the sender lost before this one */
	struct str text; /* any octets but LF: to be escaped */
	const struct trace_cell *cells; /* of one event, checked */
	size_t cell_count;
};

/* Cuts the next record off *rest; views in out point into it. */
enum record_kind record_cut(struct str *rest, struct record *out);

#endif
