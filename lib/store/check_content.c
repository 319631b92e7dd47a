/* SPDX-License-Identifier: ISC */
/*
 * Content in snapshots (columns C and K): copies of the caches, and none of
 * what was erased. A copy that was overwritten is all zeroes, and no finding.
 */
#include <stdlib.h>

#include "core/checksum.h"
#include "store/check.h"
#include "store/content.h"

struct copies {
	struct check *c;
	const struct check_snapshot *s;
	const struct record_segment *r;
	unsigned findings;
};

static void content_found(struct copies *x, enum column_kind kind,
    enum finding_kind finding, const char *what)
{
	const struct column *column = &x->r->columns[kind];
	struct check_at at = at_snapshot(column->snapshot, column->offset);

	at.mailbox = x->r->mailbox;
	if (x->findings++ == 0)
		check_found(x->c, finding, &at, "content of snapshot %llu: %s",
		    (unsigned long long)x->s->h.number, what);
}

/* A row's parts, added to what is known of its cache. */
static bool add_row(struct copies *x, enum column_kind kind, uint32_t row,
    uint32_t *crc, uint64_t *len)
{
	const struct column *column = &x->r->columns[kind];
	struct str parts[3] = {{0}, {0}, {0}};

	if (column->snapshot == 0 ||
	    content_row(x->c->other, kind, column, row, parts) <= 0)
		return false;
	for (size_t i = 0; i < (kind == COLUMN_C ? 3 : 1); i++) {
		*crc = crc32c(*crc, parts[i].p, parts[i].len);
		*len += parts[i].len;
	}
	return true;
}

static void check_row(
    struct copies *x, uint32_t row, const struct message_place *p)
{
	uint32_t crc = 0;
	uint64_t len = 0;
	bool c = add_row(x, COLUMN_C, row, &crc, &len);
	bool k = add_row(x, COLUMN_K, row, &crc, &len);

	if (!c && !k)
		return;
	if (check_is_erased(x->c, p))
		content_found(x, c ? COLUMN_C : COLUMN_K, FINDING_READABLE,
		    "of a message that was erased");
	else if (c && (k || p->keys_len == 0) && x->s->kept &&
	    (len != place_of_cache(p).length || crc != p->cache_crc))
		content_found(x, COLUMN_C, FINDING_DERIVED,
		    "not what the message's cache says");
}

static void check_segment(struct copies *x)
{
	const struct column *columns = x->r->columns;
	unsigned char *places;
	size_t len;

	if ((columns[COLUMN_C].snapshot == 0 &&
		columns[COLUMN_K].snapshot == 0) ||
	    columns[COLUMN_I].snapshot == 0 ||
	    column_get(x->c->other, &columns[COLUMN_I], &places, &len) !=
		STORE_OK)
		return; /* what must be there was read before */
	for (uint32_t row = 0; row < len / PLACE_OCTETS; row++) {
		struct message_place p;

		place_decode(places + (size_t)row * PLACE_OCTETS, &p);
		check_row(x, row, &p);
	}
	free(places);
}

static void check_one(struct check *c, const struct check_snapshot *s)
{
	struct copies x = {.c = c, .s = s};
	size_t kept = c->finding_count;
	uint64_t counted = c->out.findings;
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;

	if (snapshot_summary(c->other, s->h.number, &h, &summary) == STORE_OK) {
		rest = buf_str(&summary);
		while (record_next(&rest, &r, NULL) == 1) {
			x.r = &r.segment;
			if (r.type == RECORD_SEGMENT && r.segment.mailbox != 0)
				check_segment(&x);
		}
	}
	buf_free(&summary);
	content_forget(c->other);
	/* Dropped while it was read? */
	if (x.findings > 0 && !check_exists(c, s->h.number)) {
		c->finding_count = kept;
		c->out.findings = counted;
	}
}

void check_content(struct check *c)
{
	for (size_t i = 0; i < c->snapshot_count; i++)
		check_one(c, &c->snapshots[i]);
}
