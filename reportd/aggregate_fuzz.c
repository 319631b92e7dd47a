/* SPDX-License-Identifier: ISC */
/*
 * Whatever smtpd says of a message and whatever the policy record is: what is
 * a row can be stored and read back, the report is a gzip file of well-formed
 * XML, and the message around it has no line that a stranger could have begun.
 */
#include <expat.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "reportd/aggregate.h"
#include "reportd/aggregate_mail.h"
#include "reportd/destinations.h"
#include "reportd/rows_codec.h"

#define MOST 524288

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_xml(struct str file)
{
	static char plain[4u << 20];
	XML_Parser parser = XML_ParserCreate(NULL);
	z_stream z = {.next_in = (Bytef *)(uintptr_t)file.p,
	    .avail_in = (uInt)file.len,
	    .next_out = (Bytef *)plain,
	    .avail_out = sizeof(plain)};

	if (inflateInit2(&z, 15 + 16) != Z_OK ||
	    inflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	if (XML_Parse(parser, plain, (int)z.total_out, 1) != XML_STATUS_OK)
		abort();
	(void)inflateEnd(&z);
	XML_ParserFree(parser);
}

static void check_mail(struct period *p, struct str to, struct str file)
{
	struct buf out = buf_new(4 * MOST);
	struct aggregate_mail m = {.period = p,
	    .sender = STR("a@b.test"),
	    .to = to,
	    .receiver = "b.test",
	    .contact = "a@b.test",
	    .message_id = p->id,
	    .file = file};

	if (aggregate_mail_write(&m, &out) < 0)
		abort();
	for (size_t i = 0; i < out.len; i++)
		if ((unsigned char)out.p[i] > 126 ||
		    (out.p[i] == '\n' && (i == 0 || out.p[i - 1] != '\r')))
			abort();
	buf_free(&out);
}

static void check_destinations(
    struct period *p, const char *record, struct str file)
{
	struct arena arena = arena_new(1u << 20);
	struct destinations d;

	destinations_parse(str_from(record), 10, &arena, &d);
	if (d.count > 10)
		abort();
	for (size_t i = 0; i < d.count; i++)
		check_mail(p, d.list[i].address, file);
	arena_free(&arena);
}

/* Stored and read back it is the same. */
static void check_codec(const struct report_row *row)
{
	struct buf line = buf_new(65536), again = buf_new(65536), copy;
	struct report_row back;

	if (rows_put_row(&line, row) < 0)
		abort();
	copy = buf_new(65536);
	buf_add(&copy, buf_str(&line));
	if (rows_get_row(copy.p, copy.len, &back) < 0 ||
	    rows_put_row(&again, &back) < 0 ||
	    !str_eq(buf_str(&again), buf_str(&line)))
		abort();
	buf_free(&line);
	buf_free(&again);
	buf_free(&copy);
}

static void check_report(const struct report_row *row)
{
	static const struct aggregate_from from = {
	    "<b>&", "a@b.test", "b.test", "x"};
	struct counted_row counted = {.row = *row, .count = 1};
	struct period p = {.domain = STR("a.test"),
	    .begin = 86400,
	    .end = 2 * 86400,
	    .id = STR("0123456789ABCDEFGHJKMN"),
	    .record = row->record,
	    .discovery = row->discovery};
	struct aggregate *a = aggregate_new(&p, &from, MOST);
	char record[REPORT_RECORD_MAX + 1];

	if (a == NULL)
		return;
	if (!aggregate_add(a, &counted))
		abort();
	struct str file = aggregate_end(a);
	check_xml(file);
	if (str_copy(record, sizeof(record), row->record) == 0)
		check_destinations(&p, record, file);
	aggregate_free(&a);
}

/* The message as it comes on the socket, without its LF. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_Alignas(max_align_t) char msg[IPC_STRUCT_MAX];
	struct buf line = buf_new(IPC_LINE_MAX);
	const char *why;

	buf_add_bytes(&line, data, len);
	if (line.len > 0 &&
	    ipc_decode(&report_exchange, line.p, line.len, msg, &why) ==
		&report_row) {
		check_codec((const struct report_row *)msg);
		check_report((const struct report_row *)msg);
	}
	buf_free(&line);
	return 0;
}
