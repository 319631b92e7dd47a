/* SPDX-License-Identifier: ISC */
/*
 * For the fuzz targets of this folder: what must hold of a report, whatever it
 * was made of: every text is valid UTF-8 without control characters, and what
 * is stored of it is read back the same.
 */
#ifndef REPORT_FUZZ_CHECK_H
#define REPORT_FUZZ_CHECK_H

#include <stdlib.h>

#include "mail/encode.h"
#include "report/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What an operator's terminal would take for more than text. */
static inline void fuzz_check_texts(struct str json)
{
	if (!utf8_valid(json))
		abort();
	for (size_t i = 0; i < json.len; i++)
		if ((unsigned char)json.p[i] < ' ' || json.p[i] == 0x7f)
			abort();
}

/* The head is found with no more than its longest length read. */
static inline void fuzz_check_head(
    struct arena *arena, const struct report *r, struct str stored)
{
	struct report_head want, got;
	const char *why;

	report_head_of(r, &want);
	if (report_parse_head(
		str_sub(stored, 0, REPORT_HEAD_MAX), arena, &got, &why) < 0 ||
	    got.kind != want.kind || got.total != want.total ||
	    got.failed != want.failed || got.received != want.received ||
	    !str_eq(got.domain, want.domain) ||
	    !str_eq(got.reason, want.reason))
		abort();
}

static inline void fuzz_check(struct arena *arena, struct report *r)
{
	struct buf first = buf_new(REPORT_ARENA_MAX);
	struct buf second = buf_new(REPORT_ARENA_MAX);
	struct report back;
	const char *why;

	report_fill(r);
	report_write(r, &first);
	struct str rest = buf_str(&first);
	fuzz_check_texts(str_cut(&rest, '\n'));
	fuzz_check_texts(str_cut(&rest, '\n'));
	if (rest.len > 0)
		abort();
	fuzz_check_head(arena, r, buf_str(&first));
	if (report_parse(buf_str(&first), arena, &back, &why) < 0)
		abort();
	report_write(&back, &second);
	if (!str_eq(buf_str(&first), buf_str(&second)))
		abort();
	buf_free(&first);
	buf_free(&second);
}

/* read: makes a report of the octets; 0 when it is one. */
static inline int fuzz_report(const uint8_t *data, size_t len,
    int (*read)(
	struct report_reader *reader, struct str in, struct report *report))
{
	static const struct report_limits limits = {.expanded = 1 << 20,
	    .ratio = 200,
	    .host = STR_INIT("mail.example.org"),
	    .site = STR_INIT("example.org")};
	struct arena arena = arena_new(REPORT_ARENA_MAX);
	struct report report = {.kind = REPORT_UNREADABLE};
	struct report_reader reader = {.limits = &limits, .arena = &arena};

	if (read(&reader, str_of((const char *)data, len), &report) == 0)
		fuzz_check(&arena, &report);
	arena_free(&arena);
	return 0;
}

#endif
