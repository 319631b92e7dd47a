/* SPDX-License-Identifier: ISC */
#include "store/content.h"

#include <stdlib.h>
#include <zstd.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "store/le.h"

#define BLOCK_ROWS 256u
#define ROW_MAX    16384u /* octets of a cache; larger ones are left out */
#define BLOCK_MAX  (BLOCK_ROWS * (ROW_MAX + 12u))
#define COLUMN_MAX ((size_t)1 << 30)
#define LEVEL      1
#define GAP_MAX    16384u  /* octets that are read for nothing */
#define READ_MAX   262144u /* octets that are read at once */
#define PARTS      4u      /* of a cache: three for C, one for K */

/* ---- writing ---- */

/* A row of a block, with its cache. */
struct cached {
	uint32_t row; /* in the block */
	struct engine_place place;
	uint32_t len[PARTS];
	size_t at; /* in the block's space; SIZE_MAX: not read */
};

struct block {
	struct cached rows[BLOCK_ROWS];
	size_t count;
	uint32_t of[BLOCK_ROWS]; /* index + 1 by row; 0: left out */
	struct buf space;        /* caches, as they were read */
	uint32_t all;            /* rows, left out ones too */
};

static void block_add(
    struct block *block, uint32_t row, const struct message_place *p)
{
	struct cached *c = &block->rows[block->count];

	*c = (struct cached){.row = row,
	    .place = place_of_cache(p),
	    .len = {p->envelope_len, p->structure_len, p->body_len,
		p->keys_len},
	    .at = SIZE_MAX};
	if (p->envelope_len > 0 && p->structure_len > 0 && p->body_len > 0 &&
	    c->place.length <= ROW_MAX)
		block->count++;
}

static int by_place(const void *a, const void *b)
{
	const struct engine_place *x = &((const struct cached *)a)->place;
	const struct engine_place *y = &((const struct cached *)b)->place;

	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* How many of these are read with one call: they lie close together. */
static size_t together(const struct cached *c, size_t count)
{
	size_t n = 1;

	for (; n < count; n++) {
		const struct engine_place *last = &c[n - 1].place;
		const struct engine_place *next = &c[n].place;
		uint64_t end = last->offset + last->length;

		if (next->generation != last->generation ||
		    next->offset > end + GAP_MAX ||
		    next->offset + next->length - c->place.offset > READ_MAX)
			break;
	}
	return n;
}

/* Reads neighbours; each is checked. */
static void read_together(
    struct box *b, struct buf *space, struct cached *c, size_t count)
{
	struct engine_place all = c->place;
	size_t len = 0, start = space->len;
	char *room;

	for (size_t i = 0; i < count; i++) {
		size_t end = (size_t)(c[i].place.offset + c[i].place.length -
		    all.offset);

		len = end > len ? end : len;
	}
	room = buf_room(space, len);
	if (room == NULL)
		return;
	all.length = len + 1; /* a part of it has no checksum */
	if (engine_get(b->engine, &all, 0, room, len) != ENGINE_OK) {
		/* Perhaps only one of them cannot be read. */
		for (size_t i = 0; i < count && count > 1; i++)
			read_together(b, space, &c[i], 1);
		return;
	}
	buf_added(space, len);
	for (size_t i = 0; i < count; i++) {
		size_t at = (size_t)(c[i].place.offset - all.offset);

		if (crc32c(0, room + at, c[i].place.length) == c[i].place.crc)
			c[i].at = start + at;
	}
}

static void block_read(struct box *b, struct block *block)
{
	size_t some;

	qsort(block->rows, block->count, sizeof(block->rows[0]), by_place);
	for (size_t i = 0; i < block->count; i += some) {
		some = together(block->rows + i, block->count - i);
		read_together(b, &block->space, block->rows + i, some);
	}
	memset(block->of, 0, sizeof(block->of));
	for (uint32_t i = 0; i < block->count; i++)
		if (block->rows[i].at != SIZE_MAX)
			block->of[block->rows[i].row] = i + 1;
}

/* A column while it is made. */
struct making {
	struct buf index, blocks, raw;
	unsigned first, parts; /* of the caches' parts */
	bool something;
	size_t octets; /* before compression */
	ZSTD_CCtx *zstd;
};

static void making_begin(
    struct making *m, uint32_t rows, unsigned first, unsigned parts)
{
	char p[4];

	put_u32(p, rows);
	*m = (struct making){.index = buf_new(COLUMN_MAX),
	    .blocks = buf_new(COLUMN_MAX),
	    .raw = buf_new(2 * BLOCK_MAX),
	    .first = first,
	    .parts = parts,
	    .zstd = ZSTD_createCCtx()};
	buf_add_bytes(&m->index, p, sizeof(p));
}

static void making_end(struct making *m)
{
	ZSTD_freeCCtx(m->zstd);
	buf_free(&m->index);
	buf_free(&m->blocks);
	buf_free(&m->raw);
}

static void raw_block(struct making *m, const struct block *block)
{
	for (uint32_t row = 0; row < block->all; row++)
		for (unsigned i = m->first; i < m->first + m->parts; i++) {
			uint32_t of = block->of[row];
			char p[4];

			put_u32(p, of == 0 ? 0 : block->rows[of - 1].len[i]);
			buf_add_bytes(&m->raw, p, sizeof(p));
		}
	for (uint32_t row = 0; row < block->all; row++) {
		const struct cached *c;
		size_t skip = 0, len = 0;

		if (block->of[row] == 0)
			continue;
		c = &block->rows[block->of[row] - 1];
		for (unsigned i = 0; i < m->first; i++)
			skip += c->len[i];
		for (unsigned i = m->first; i < m->first + m->parts; i++)
			len += c->len[i];
		buf_add_bytes(&m->raw, block->space.p + c->at + skip, len);
		m->something = m->something || len > 0;
	}
}

static void making_add(struct making *m, const struct block *block)
{
	size_t bound, len;
	char *room, p[8];

	buf_clear(&m->raw);
	raw_block(m, block);
	bound = ZSTD_compressBound(m->raw.len);
	room = buf_room(&m->blocks, bound);
	if (room == NULL)
		return;
	len = ZSTD_compressCCtx(
	    m->zstd, room, bound, m->raw.p, m->raw.len, LEVEL);
	if (ZSTD_isError(len)) {
		m->blocks.overflow = true;
		return;
	}
	buf_added(&m->blocks, len);
	put_u32(p, (uint32_t)len);
	put_u32(p + 4, (uint32_t)m->raw.len);
	buf_add_bytes(&m->index, p, sizeof(p));
	m->octets += m->raw.len;
}

/* Adds it to the snapshot. */
static struct column finished(struct making *m, struct snapshot_writer *w)
{
	size_t start = w->data.len;

	w->content += m->octets;
	if (m->blocks.overflow || m->index.overflow)
		return (struct column){0};
	buf_add(&w->data, buf_str(&m->index));
	buf_add(&w->data, buf_str(&m->blocks));
	return snapshot_column(w, start);
}

/* What a segment has: of so many rows the messages [at, at + count) are left. */
struct extent {
	struct folder *f;
	size_t at, count;
	uint32_t rows;
};

/* The block that begins with a row; *done messages were in those before. */
static void block_fill(struct block *block, struct box *b,
    const struct extent *e, size_t *done, uint32_t first)
{
	block->count = 0;
	buf_clear(&block->space);
	block->all = e->rows - first < BLOCK_ROWS ? e->rows - first
						  : BLOCK_ROWS;
	for (; *done < e->count; ++*done) {
		size_t at = e->at + *done;
		uint32_t row = e->count == e->rows
		    ? (uint32_t)*done
		    : e->f->where[at] % SEGMENT_ROWS;
		const struct message_place *p;

		if (row >= first + block->all)
			break;
		p = folder_place(b, e->f, at);
		if (p != NULL)
			block_add(block, row - first, p);
	}
	block_read(b, block);
}

void content_put(struct snapshot_writer *w, struct folder *f, size_t at,
    size_t count, uint32_t rows, struct column *column_c,
    struct column *column_k)
{
	const struct extent e = {f, at, count, rows};
	struct block *block;
	struct making c, k;
	size_t done = 0;

	*column_c = *column_k = (struct column){0};
	if (w->content >= CONTENT_BUDGET)
		return;
	block = NEW(struct block);
	block->space = buf_new(3 * (size_t)BLOCK_MAX);
	making_begin(&c, rows, 0, 3);
	making_begin(&k, rows, 3, 1);
	for (uint32_t first = 0; first < rows; first += BLOCK_ROWS) {
		block_fill(block, w->b, &e, &done, first);
		making_add(&c, block);
		making_add(&k, block);
	}
	*column_c = finished(&c, w);
	if (k.something)
		*column_k = finished(&k, w);
	making_end(&c);
	making_end(&k);
	buf_free(&block->space);
	free(block);
}

/* ---- reading ---- */

/* A column as it was read last, and one block of it. */
struct content {
	struct column column; /* snapshot 0: none */
	unsigned char *packed;
	uint32_t rows;
	uint32_t block; /* UINT32_MAX: none */
	unsigned char *raw;
	uint32_t starts[BLOCK_ROWS]; /* of the rows, in raw */
};

static void forget(struct content *c)
{
	free(c->packed);
	free(c->raw);
	*c = (struct content){.block = UINT32_MAX};
}

void content_forget(struct box *b)
{
	for (size_t i = 0; i < ARRAY_LEN(b->contents); i++) {
		if (b->contents[i] != NULL)
			forget(b->contents[i]);
		free(b->contents[i]);
		b->contents[i] = NULL;
	}
}

static uint32_t block_count(uint32_t rows)
{
	return (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

/* The blocks fill the column. */
static int check_index(const struct content *c)
{
	uint64_t end = 4 + (uint64_t)block_count(c->rows) * 8;

	if (c->rows == 0 || c->rows > SEGMENT_ROWS || end > c->column.length)
		return -1;
	for (uint32_t i = 0; i < block_count(c->rows); i++) {
		end += get_u32(c->packed + 4 + (size_t)i * 8);
		if (get_u32(c->packed + 8 + (size_t)i * 8) > BLOCK_MAX)
			return -1;
	}
	return end == c->column.length ? 0 : -1;
}

static int read_column(
    struct box *b, struct content *c, const struct column *column)
{
	size_t len;

	if (c->column.snapshot == column->snapshot &&
	    c->column.offset == column->offset &&
	    c->column.hash == column->hash)
		return 0;
	forget(c);
	if (column->length < 4 ||
	    column_get(b, column, &c->packed, &len) != STORE_OK)
		return -1;
	c->column = *column;
	c->rows = get_u32(c->packed);
	if (check_index(c) == 0)
		return 0;
	forget(c);
	return -1;
}

/* The rows of the block fill what was decompressed. */
static int find_rows(
    struct content *c, uint32_t rows, unsigned parts, size_t len)
{
	uint64_t at = (uint64_t)rows * parts * 4;

	if (at > len)
		return -1;
	for (uint32_t row = 0; row < rows; row++) {
		c->starts[row] = (uint32_t)at;
		for (unsigned i = 0; i < parts; i++)
			at += get_u32(c->raw + ((size_t)row * parts + i) * 4);
		if (at > len)
			return -1;
	}
	return at == len ? 0 : -1;
}

static int read_block(struct content *c, uint32_t number, unsigned parts)
{
	uint32_t first = number * BLOCK_ROWS, rows = c->rows - first;
	const unsigned char *index = c->packed + 4;
	size_t at = 4 + (size_t)block_count(c->rows) * 8, len, raw;

	if (c->block == number)
		return 0;
	for (uint32_t i = 0; i < number; i++)
		at += get_u32(index + (size_t)i * 8);
	len = get_u32(index + (size_t)number * 8);
	raw = get_u32(index + (size_t)number * 8 + 4);
	c->block = UINT32_MAX;
	c->raw = mem_resize(c->raw, raw + 1, 1);
	if (ZSTD_decompress(c->raw, raw, c->packed + at, len) != raw ||
	    find_rows(c, rows < BLOCK_ROWS ? rows : BLOCK_ROWS, parts, raw) < 0)
		return -1;
	c->block = number;
	return 0;
}

int content_row(struct box *b, enum column_kind kind,
    const struct column *column, uint32_t row, struct str parts[3])
{
	struct content **kept = &b->contents[kind == COLUMN_K], *c;
	unsigned count = kind == COLUMN_K ? 1 : 3;
	const unsigned char *lens;
	const char *at;
	size_t all = 0;

	if (*kept == NULL) {
		*kept = NEW(struct content);
		(*kept)->block = UINT32_MAX;
	}
	c = *kept;
	if (read_column(b, c, column) < 0 || row >= c->rows ||
	    read_block(c, row / BLOCK_ROWS, count) < 0)
		return -1;
	row %= BLOCK_ROWS;
	lens = c->raw + (size_t)row * count * 4;
	at = (const char *)c->raw + c->starts[row];
	for (unsigned i = 0; i < count; i++) {
		parts[i] = str_of(at + all, get_u32(lens + (size_t)i * 4));
		all += parts[i].len;
	}
	return all > 0;
}
