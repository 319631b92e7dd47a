/* SPDX-License-Identifier: ISC */
#include "ipc/trace_index.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "core/memory.h"

#define MAGIC        0x31495450u /* "PTI1" */
#define RADIX_BITS   11
#define RADIX        (1u << RADIX_BITS)
#define CHUNK_PAGES  64 /* written together */
#define GALLOP_STEPS 4

/* On disk, little-endian; zero up to TRACE_PAGE. */
struct head {
	uint32_t magic;
	uint32_t crc; /* CRC-32C of what follows */
	uint32_t first_cell, cells, entries, pages, last_sum, zero;
	uint64_t newest_id, first_us, last_us;
};

struct page {
	uint32_t crc; /* CRC-32C of what follows */
	uint32_t count;
	uint64_t entries[TRACE_PAGE_ENTRIES];
};

_Static_assert(sizeof(struct page) == TRACE_PAGE, "a format on disk");
_Static_assert(sizeof(struct head) == 56, "a format on disk");

/* ---- names of files ---------------------------------------------------------- */

void trace_file_name(
    int64_t hour, const char *suffix, char name[TRACE_NAME_MAX])
{
	time_t t = (time_t)(hour * 3600);
	char digits[11] = "";
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(digits, sizeof(digits), "%Y%m%d%H", &tm);
	snprintf(name, TRACE_NAME_MAX, "%s%s", digits, suffix);
}

int64_t trace_file_hour(const char *name, const char *suffix)
{
	struct tm tm = {0};
	const char *end = strptime(name, "%Y%m%d%H", &tm);

	if (end == NULL || end != name + 10 || strcmp(end, suffix) != 0)
		return -1;
	return (int64_t)timegm(&tm) / 3600;
}

/* ---- keys ------------------------------------------------------------------ */

static void add_key(struct str out[TRACE_KEYS_MAX], size_t *n, struct str key)
{
	if (key.len > 1 && key.p[0] == '<' && key.p[key.len - 1] == '>')
		key = str_sub(key, 1, key.len - 2);
	if (key.len > 0)
		out[(*n)++] = str_sub(key, 0, TRACE_KEY_MAX);
}

static void add_address(
    struct str out[TRACE_KEYS_MAX], size_t *n, struct str address)
{
	size_t at = str_find_last(address, '@');

	add_key(out, n, address);
	if (at < address.len)
		add_key(out, n, str_skip(address, at));
}

size_t trace_keys(const struct trace_record *r, struct str out[TRACE_KEYS_MAX])
{
	const struct trace_fields *says = &r->says;
	size_t n = 0;

	add_key(out, &n, id_str(&r->message));
	if (r->message.text[0] == '\0' || r->kind == TRACE_QUEUED)
		add_key(out, &n, id_str(&r->session));
	switch (r->kind) {
	case TRACE_CONNECT:
		if (!str_eq(says->where, STR("unknown")))
			add_key(out, &n, says->where);
		add_key(out, &n, says->who);
		break;
	case TRACE_QUEUED:
		add_key(out, &n, says->who);
		add_address(out, &n, says->where);
		break;
	case TRACE_EXPANDED:
		add_address(out, &n, says->where);
		add_address(out, &n, says->who);
		break;
	case TRACE_BOUNCED:
		add_key(out, &n, says->where);
		break;
	case TRACE_STORED:
		/* Of a delivery, scheduled has it. */
		if (r->message.text[0] == '\0')
			add_address(out, &n, says->who);
		break;
	case TRACE_ENVELOPE:
	case TRACE_RECIPIENT:
	case TRACE_REFUSED:
	case TRACE_SCHEDULED:
	case TRACE_LOGIN:
	case TRACE_SCREENED:
		add_address(out, &n, says->who);
		break;
	default:
		break;
	}
	return n;
}

uint32_t trace_key_hash(struct str key)
{
	char lower[TRACE_KEY_MAX];
	size_t len = key.len < sizeof(lower) ? key.len : sizeof(lower);

	for (size_t i = 0; i < len; i++)
		lower[i] = ascii_lower(key.p[i]);
	return (uint32_t)(hash64(0, lower, len) >> 32);
}

bool trace_has_key(const struct trace_record *r, struct str key)
{
	struct str keys[TRACE_KEYS_MAX];
	size_t n = trace_keys(r, keys);

	key = str_sub(key, 0, TRACE_KEY_MAX);
	for (size_t i = 0; i < n; i++)
		if (str_case_eq(keys[i], key))
			return true;
	return false;
}

/* ---- writing ---------------------------------------------------------------- */

/* By hash; cells are ascending already and stay so. */
static void sort(uint64_t *entries, uint64_t *scratch, size_t count)
{
	uint64_t *from = entries, *to = scratch, *other;

	for (unsigned shift = 32; shift < 64; shift += RADIX_BITS) {
		size_t at[RADIX + 1] = {0};

		for (size_t i = 0; i < count; i++)
			at[(from[i] >> shift & (RADIX - 1)) + 1]++;
		for (size_t i = 1; i < RADIX; i++)
			at[i] += at[i - 1];
		for (size_t i = 0; i < count; i++)
			to[at[from[i] >> shift & (RADIX - 1)]++] = from[i];
		other = from;
		from = to;
		to = other;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof(*entries));
}

static void fill_page(struct page *p, const uint64_t *entries, size_t count)
{
	memset(p, 0, sizeof(*p));
	p->count = (uint32_t)count;
	memcpy(p->entries, entries, count * sizeof(*entries));
	p->crc = crc32c(0, &p->count, sizeof(*p) - sizeof(p->crc));
}

static int write_pages(
    int fd, uint64_t offset, const uint64_t *entries, size_t count)
{
	struct page *pages = mem_alloc(CHUNK_PAGES * sizeof(*pages));
	int r = 0;

	while (count > 0 && r == 0) {
		size_t n = 0;

		while (n < CHUNK_PAGES && count > 0) {
			size_t some = count < TRACE_PAGE_ENTRIES
			    ? count
			    : TRACE_PAGE_ENTRIES;

			fill_page(&pages[n++], entries, some);
			entries += some;
			count -= some;
		}
		r = file_pwrite_full(fd, pages, n * sizeof(*pages), offset);
		offset += n * sizeof(*pages);
	}
	free(pages);
	return r;
}

static int write_head(int fd, const struct trace_segment *s)
{
	unsigned char page[TRACE_PAGE] = {0};
	struct head h = {.magic = MAGIC,
	    .first_cell = s->first_cell,
	    .cells = s->cells,
	    .entries = s->entries,
	    .pages = s->pages,
	    .last_sum = s->last_sum,
	    .newest_id = s->newest_id,
	    .first_us = s->first_us,
	    .last_us = s->last_us};
	size_t skip = sizeof(h.magic) + sizeof(h.crc);

	h.crc = crc32c(0, (const char *)&h + skip, sizeof(h) - skip);
	memcpy(page, &h, sizeof(h));
	return file_pwrite_full(fd, page, sizeof(page), s->offset);
}

int trace_segment_append(
    int fd, struct trace_segment *s, uint64_t *entries, uint64_t *scratch)
{
	struct stat st;
	int saved;

	if (fstat(fd, &st) < 0)
		return -1;
	s->offset = (uint64_t)st.st_size;
	s->pages = (s->entries + TRACE_PAGE_ENTRIES - 1) / TRACE_PAGE_ENTRIES;
	sort(entries, scratch, s->entries);
	/* What describes it comes last: before it there is no segment. */
	if (write_pages(fd, s->offset + TRACE_PAGE, entries, s->entries) == 0 &&
	    write_head(fd, s) == 0)
		return 0;
	saved = errno;
	if (ftruncate(fd, st.st_size) < 0)
		saved = errno;
	errno = saved;
	return -1;
}

/* ---- reading ---------------------------------------------------------------- */

int trace_segment_read(int fd, uint64_t offset, uint64_t size,
    uint32_t first_cell, struct trace_segment *out)
{
	size_t skip = offsetof(struct head, first_cell);
	struct head h;

	if (offset >= size)
		return 1;
	if (size - offset < TRACE_PAGE ||
	    file_pread_full(fd, &h, sizeof(h), offset) < 0)
		return -1;
	if (h.magic == 0 && h.crc == 0)
		return 1; /* it is being written */
	if (h.magic != MAGIC ||
	    h.crc != crc32c(0, (const char *)&h + skip, sizeof(h) - skip) ||
	    h.first_cell != first_cell || h.cells == 0 ||
	    h.cells > UINT32_MAX - first_cell ||
	    h.entries > TRACE_SEGMENT_MOST ||
	    h.pages !=
		(h.entries + TRACE_PAGE_ENTRIES - 1) / TRACE_PAGE_ENTRIES ||
	    size - offset < (uint64_t)(h.pages + 1) * TRACE_PAGE)
		return -1;
	*out = (struct trace_segment){.first_cell = h.first_cell,
	    .cells = h.cells,
	    .entries = h.entries,
	    .pages = h.pages,
	    .last_sum = h.last_sum,
	    .newest_id = h.newest_id,
	    .first_us = h.first_us,
	    .last_us = h.last_us,
	    .offset = offset};
	return 0;
}

static int load(
    int fd, const struct trace_segment *s, uint32_t number, struct page *p)
{
	uint64_t offset = s->offset + (uint64_t)(number + 1) * TRACE_PAGE;

	if (file_pread_full(fd, p, sizeof(*p), offset) < 0 ||
	    p->crc != crc32c(0, &p->count, sizeof(*p) - sizeof(p->crc)) ||
	    p->count == 0 || p->count > TRACE_PAGE_ENTRIES)
		return -1;
	return 0;
}

static uint32_t hash_of(uint64_t entry)
{
	return (uint32_t)(entry >> 32);
}

/*
 * The first page whose last hash is not below; s->pages when there is none.
 * The first guess is nearly always right; some steps from it, then halves.
 */
static int first_page(int fd, const struct trace_segment *s, uint32_t hash,
    struct page *p, uint32_t *out)
{
	uint32_t low = 0, high = s->pages;
	uint32_t at = (uint32_t)((uint64_t)hash * s->pages >> 32);

	for (int step = 0; low < high; step++) {
		if (load(fd, s, at, p) < 0)
			return -1;
		if (hash_of(p->entries[p->count - 1]) < hash)
			low = at + 1;
		else if (hash_of(p->entries[0]) < hash || at == low)
			low = high = at;
		else
			high = at;
		if (step >= GALLOP_STEPS)
			at = low + (high - low) / 2;
		else
			at = at < low ? low : high > low ? high - 1 : low;
	}
	*out = low;
	return 0;
}

static void add_cell(
    uint32_t cell, uint32_t **cells, size_t *count, size_t *room)
{
	if (*count == *room) {
		*room = *room == 0 ? 64 : *room * 2;
		*cells = mem_resize(*cells, *room, sizeof(**cells));
	}
	(*cells)[(*count)++] = cell;
}

int trace_segment_find(int fd, const struct trace_segment *s, uint32_t hash,
    uint32_t **cells, size_t *count, size_t *room)
{
	struct page p;
	uint32_t at;

	if (s->pages == 0)
		return 0;
	if (first_page(fd, s, hash, &p, &at) < 0)
		return -1;
	for (; at < s->pages; at++) {
		if (load(fd, s, at, &p) < 0)
			return -1;
		for (uint32_t i = 0; i < p.count; i++) {
			uint32_t cell = (uint32_t)p.entries[i];

			if (hash_of(p.entries[i]) < hash)
				continue;
			if (hash_of(p.entries[i]) > hash)
				return 0;
			if (cell < s->first_cell ||
			    cell - s->first_cell >= s->cells)
				return -1;
			add_cell(cell, cells, count, room);
		}
	}
	return 0;
}
