/* SPDX-License-Identifier: ISC */
/*
 * Whatever the XML, when it is a report: every text of it is valid UTF-8 without control
 * characters, and what is stored of it is read back the same.
 */
#include <stdlib.h>

#include "mail/encode.h"
#include "report/parts.h"

/* What an operator's terminal would take for more than text. */
static void check_texts(struct str json)
{
	if (!utf8_valid(json))
		abort();
	for (size_t i = 0; i + 1 < json.len; i++)
		if ((unsigned char)json.p[i] < ' ' || json.p[i] == 0x7f)
			abort();
}

static void check(struct arena *arena, struct report *r)
{
	struct buf first = buf_new(REPORT_ARENA_MAX);
	struct buf second = buf_new(REPORT_ARENA_MAX);
	struct report back;
	const char *why;

	report_fill(r);
	report_write(r, &first);
	check_texts(buf_str(&first));
	if (report_parse(buf_str(&first), arena, &back, &why) < 0)
		abort();
	report_write(&back, &second);
	if (!str_eq(buf_str(&first), buf_str(&second)))
		abort();
	buf_free(&first);
	buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct report_limits limits = {.expanded = 1 << 20,
	    .ratio = 200,
	    .host = STR_INIT("mail.example.org")};
	struct str in = {(const char *)data, len};
	struct arena arena = arena_new(REPORT_ARENA_MAX);
	struct report report = {.kind = REPORT_UNREADABLE};
	struct report_reader reader = {.limits = &limits, .arena = &arena};

	if (report_read_dmarc(&reader, in, &report) == 0)
		check(&arena, &report);
	arena_free(&arena);
	return 0;
}
