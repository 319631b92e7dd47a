/* SPDX-License-Identifier: ISC */
/*
 * A snapshot whose summary, or a column of it, has arbitrary bytes under good
 * checksums: a result, never an accident. The first octet of the input says
 * what the rest is: 0 the records of a summary; 1, 2 a column C or K; 3, 4 a
 * block of one before it was compressed, behind the number of its rows.
 *
 * Property: what can be opened has counts that fit, and parts of a row lie
 * side by side.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "store/content.h"
#include "store/engine_file.h"
#include "store/le.h"

#define ACCOUNT   STR("a@b")
#define INPUT_MAX 65536
#define NUMBER    1

static char root[] = "/tmp/snapshot_fuzz.XXXXXX";
static struct store *store;
static struct box *home; /* open all the time, for its directory */
static struct snapshot_header real;
static struct buf columns; /* of a real snapshot, behind its header */

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void end(void)
{
	char name[64];

	box_close(&home);
	buf_free(&columns);
	if (store_remove_account(store, ACCOUNT) != STORE_OK)
		abort();
	store_close(&store);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%s/%02x", root, i);
		rmdir(name);
	}
	rmdir(root);
}

static struct box *opened(void)
{
	struct box *b;

	if (box_open(store, ACCOUNT, DEADLINE_NEVER, &b) != STORE_OK)
		abort();
	return b;
}

static void append(struct box *b)
{
	struct append_item item = {.body = store_body_new(b)};
	uint32_t uidvalidity;

	store_body_add(item.body, "Subject: a\r\n\r\n", 14);
	if (box_append(b, STR("INBOX"), &item, 1, &uidvalidity) != STORE_OK)
		abort();
	store_body_free(&item.body);
}

/* An account with some mail, some of it gone, and a snapshot of it. */
static void fill(struct box *b)
{
	uint32_t uids[] = {3, 5}, uidvalidity;
	struct uid_set set = {uids, 2};

	for (unsigned i = 0; i < 20; i++)
		append(b);
	if (box_create(b, STR("x"), USE_NONE) != STORE_OK ||
	    box_copy(b, 1, set, STR("x"), true, NULL, NULL, NULL,
		&uidvalidity) != STORE_OK ||
	    box_delete(b, STR("x")) != STORE_OK ||
	    snapshot_take(b, false) != STORE_OK ||
	    snapshot_header_read(b, NUMBER, &real) != STORE_OK)
		abort();
	columns = buf_new(1 << 20);
	if (engine_snapshot_get(b->engine, NUMBER, SNAPSHOT_HEADER,
		buf_room(&columns, real.summary_offset - SNAPSHOT_HEADER),
		real.summary_offset - SNAPSHOT_HEADER) != ENGINE_OK)
		abort();
	buf_added(&columns, real.summary_offset - SNAPSHOT_HEADER);
}

static void begin(void)
{
	static struct engine_io io;
	const char *why;

	io = engine_io_system;
	io.fsync = io.fdatasync = no_sync;
	if (mkdtemp(root) == NULL)
		abort();
	store = store_open_with(engine_file_open(root, &io, &why), NULL);
	if (store == NULL || atexit(end) != 0)
		abort();
	store->segment_rows = 8;
	home = opened();
	fill(home);
}

/* Writes it anew: a header, columns, a summary. */
static void write_snapshot(struct str data, struct str summary)
{
	unsigned char header[SNAPSHOT_HEADER];
	struct snapshot_header h = real;
	int fd = openat(box_directory(home), "s.1", O_RDWR | O_TRUNC);

	h.summary_offset = SNAPSHOT_HEADER + data.len;
	h.summary_len = (uint32_t)summary.len;
	h.summary_crc = crc32c(0, summary.p, summary.len);
	snapshot_header_encode(&h, header);
	if (fd < 0 ||
	    write(fd, header, sizeof(header)) != (ssize_t)sizeof(header) ||
	    write(fd, data.p, data.len) != (ssize_t)data.len ||
	    write(fd, summary.p, summary.len) != (ssize_t)summary.len)
		abort();
	close(fd);
}

static void visit(void *arg, const struct expunged *e)
{
	*(uint64_t *)arg += e->m.size;
}

static void look(struct box *b, uint32_t mailbox)
{
	struct arena arena = arena_new(1 << 20);
	struct buf text = buf_new(1 << 20);
	struct message_cache cache;
	struct str keys;
	struct view *v;

	if (view_open(b, mailbox, &v) == STORE_OK) {
		if (box_find_id(b, mailbox)->messages != view_count(v))
			abort();
		for (uint32_t i = 1; i <= view_count(v); i++) {
			view_read(v, i, 0, 1000, &text);
			view_cache(v, i, &arena, &cache);
			view_sort_keys(v, i, &arena, &keys);
		}
		view_close(&v);
	}
	buf_free(&text);
	arena_free(&arena);
}

/* Checksums that fit the columns, as far as there are any. */
static void mend(struct record_segment *s)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		struct column *c = &s->columns[i];
		uint64_t at = c->offset - SNAPSHOT_HEADER;

		if (c->snapshot == NUMBER && at <= columns.len &&
		    c->length <= columns.len - at)
			c->crc = crc32c(0, columns.p + at, c->length);
	}
}

static void mended(struct str records, struct buf *out)
{
	struct record r;
	int next;

	while ((next = record_next(&records, &r, NULL)) == 1) {
		if (r.type == RECORD_SEGMENT)
			mend(&r.segment);
		record_put(out, &r);
	}
	if (next < 0)
		buf_add(out, records);
}

static void try_summary(struct str records)
{
	struct buf summary = buf_new(1 << 20);
	struct box *b;
	uint64_t octets = 0;

	mended(records, &summary);
	write_snapshot(buf_str(&columns), buf_str(&summary));
	buf_free(&summary);
	/* What it says may not fit the frames behind it. */
	if (box_open(store, ACCOUNT, DEADLINE_NEVER, &b) != STORE_OK) {
		box_close(&b);
		return;
	}
	for (size_t i = 0; i < b->state.folder_count; i++)
		folder_each_expunged(b, b->state.folders[i], visit, &octets);
	for (size_t i = 0; i < b->state.dead_count; i++)
		folder_each_expunged(b, b->state.dead[i], visit, &octets);
	for (uint32_t id = 1; id < 10; id++)
		if (box_find_id(b, id) != NULL)
			look(b, id);
	box_close(&b);
}

static void try_column(struct str octets, enum column_kind kind)
{
	struct column c = {NUMBER, SNAPSHOT_HEADER, (uint32_t)octets.len,
	    crc32c(0, octets.p, octets.len), hash64(0, octets.p, octets.len)};
	struct box *b;

	write_snapshot(octets, STR_EMPTY);
	b = opened();
	for (uint32_t row = 0; row < SEGMENT_ROWS + 10; row++) {
		struct str parts[3];
		int found = content_row(b, kind, &c, row, parts);

		if (found < 0)
			break;
		if (found > 0 && kind == COLUMN_C &&
		    (parts[0].p + parts[0].len != parts[1].p ||
			parts[1].p + parts[1].len != parts[2].p))
			abort();
	}
	box_close(&b);
}

static void try_block(struct str block, enum column_kind kind)
{
	size_t bound = ZSTD_compressBound(block.len), len;
	char *p = malloc(12 + bound);
	uint32_t rows;

	if (p == NULL)
		abort();
	rows = block.len > 0 ? (unsigned char)block.p[0] : 1;
	block = str_skip(block, block.len > 0);
	len = ZSTD_compress(p + 12, bound, block.p, block.len, 1);
	put_u32(p, rows);
	put_u32(p + 4, (uint32_t)len);
	put_u32(p + 8, (uint32_t)block.len);
	try_column(str_of(p, 12 + len), kind);
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str rest = str_of((const char *)data, len);

	if (len == 0 || len > INPUT_MAX)
		return 0;
	if (store == NULL)
		begin();
	rest = str_skip(rest, 1);
	switch (data[0]) {
	case 0:
		try_summary(rest);
		break;
	case 1:
	case 2:
		try_column(rest, data[0] == 1 ? COLUMN_C : COLUMN_K);
		break;
	case 3:
	case 4:
		try_block(rest, data[0] == 3 ? COLUMN_C : COLUMN_K);
		break;
	default:
		break;
	}
	return 0;
}
