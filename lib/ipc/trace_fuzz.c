/* SPDX-License-Identifier: ISC */
/*
 * Cells and index of trace events. What is encoded comes back as it was given,
 * and whatever an index file holds, its segments lie within it and its entries
 * lead to cells of theirs.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/trace_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct str take(struct str *rest, size_t most)
{
	struct str s = STR_EMPTY;
	size_t n;

	if (rest->len < 2)
		return s;
	n = (size_t)((unsigned char)rest->p[0] << 8 |
	    (unsigned char)rest->p[1]);
	s = str_sub(str_skip(*rest, 2), 0, n % (most + 50));
	*rest = str_skip(*rest, 2 + s.len);
	return s;
}

static void same(struct str got, struct str given, size_t most)
{
	if (given.len > most)
		given.len = most;
	if (got.len != given.len)
		abort();
	for (size_t i = 0; i < got.len; i++)
		if (got.p[i] != given.p[i] &&
		    (got.p[i] != ' ' ||
			((unsigned char)given.p[i] >= ' ' &&
			    given.p[i] != 127)))
			abort();
}

static void round_trip(struct str in)
{
	struct trace_cell cells[TRACE_CELLS_MAX];
	struct str keys[TRACE_KEYS_MAX];
	struct trace_record given = {.kind = 1}, got;
	size_t n, keys_count;

	given.says.who = take(&in, TRACE_WHO_MAX);
	given.says.where = take(&in, TRACE_WHERE_MAX);
	given.says.code = take(&in, TRACE_CODE_MAX);
	given.says.why = take(&in, TRACE_WHY_MAX);
	if (in.len > 0)
		given.kind = (unsigned char)in.p[0];
	n = trace_encode(&given, cells);
	if (n == 0 || n > TRACE_CELLS_MAX ||
	    trace_cell_begins(&cells[0]) != n ||
	    trace_decode(cells, n, &got) != n || got.torn)
		abort();
	same(got.says.who, given.says.who, TRACE_WHO_MAX);
	same(got.says.where, given.says.where, TRACE_WHERE_MAX);
	same(got.says.code, given.says.code, TRACE_CODE_MAX);
	same(got.says.why, given.says.why, TRACE_WHY_MAX);
	keys_count = trace_keys(&got, keys);
	for (size_t i = 0; i < keys_count; i++)
		if (!trace_has_key(&got, keys[i]))
			abort();
	/* Without its last cell it says less. */
	if (n > 1 && (trace_decode(cells, n - 1, &got) != n - 1 || !got.torn))
		abort();
}

static void walk(int fd, uint64_t size)
{
	size_t count = 0, room = 0;
	uint32_t *cells = NULL, covered = 0;
	struct trace_segment s;
	uint64_t offset = 0;

	while (trace_segment_read(fd, offset, size, covered, &s) == 0) {
		if (s.first_cell != covered || s.cells == 0 ||
		    offset + (s.pages + 1ull) * TRACE_PAGE > size)
			abort();
		for (uint32_t hash = 0; hash < 0xf0000000u;
		     hash += 0x0fffffffu) {
			count = 0;
			if (trace_segment_find(
				fd, &s, hash, &cells, &count, &room) < 0)
				continue;
			for (size_t i = 0; i < count; i++)
				if (cells[i] < s.first_cell ||
				    cells[i] - s.first_cell >= s.cells)
					abort();
		}
		covered += s.cells;
		offset += (s.pages + 1ull) * TRACE_PAGE;
	}
	free(cells);
}

/* A real index, made of the data, with some of its octets changed. */
static void index_of(struct str in)
{
	static uint64_t entries[2000], scratch[2000];
	struct trace_segment s = {.cells = 1 + (uint32_t)in.len};
	int fd = memfd_create("index", MFD_CLOEXEC);
	off_t size;

	for (size_t i = 0; i + 4 <= in.len && s.entries < 2000; i += 4) {
		uint32_t hash;

		memcpy(&hash, in.p + i, sizeof(hash));
		entries[s.entries++] = TRACE_ENTRY(hash, (uint32_t)i);
	}
	if (trace_segment_append(fd, &s, entries, scratch) < 0)
		abort();
	size = lseek(fd, 0, SEEK_END);
	walk(fd, (uint64_t)size);
	for (size_t i = 0; i + 3 <= in.len; i += 3) {
		off_t at = (unsigned char)in.p[i] << 8 |
		    (unsigned char)in.p[i + 1];

		if (pwrite(fd, in.p + i + 2, 1, at % size) != 1)
			abort();
	}
	walk(fd, (uint64_t)size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = str_of(data, len);
	struct trace_record r;

	for (size_t at = 0; at + TRACE_CELL <= len; at += TRACE_CELL)
		(void)trace_decode(
		    (const void *)(data + at), (len - at) / TRACE_CELL, &r);
	round_trip(in);
	index_of(in);
	return 0;
}
