/* SPDX-License-Identifier: ISC */
#include "store/record.h"

#include "store/le.h"
#include "store/seeded.h"

/* ---- writing ---- */

static void add_u32(struct buf *out, uint32_t v)
{
	char p[4];

	put_u32(p, v);
	buf_add_bytes(out, p, sizeof(p));
}

static void add_u64(struct buf *out, uint64_t v)
{
	char p[8];

	put_u64(p, v);
	buf_add_bytes(out, p, sizeof(p));
}

/* Length, then the octets; the record's padding follows. */
static void add_text(struct buf *out, struct str s)
{
	add_u32(out, (uint32_t)s.len);
	buf_add(out, s);
}

void place_encode(const struct message_place *in, unsigned char *p)
{
	put_u64(p, in->a);
	put_u64(p + 8, in->b);
	put_u32(p + 16, in->crc);
	put_u32(p + 20, in->kind);
	put_u64(p + 24, in->cache_generation);
	put_u64(p + 32, in->cache_offset);
	put_u32(p + 40, in->header_len);
	put_u32(p + 44, in->envelope_len);
	put_u32(p + 48, in->structure_len);
	put_u32(p + 52, in->body_len);
	put_u32(p + 56, in->cache_crc);
	put_u32(p + 60, in->keys_len);
	put_u64(p + 64, (uint64_t)in->saved);
	put_u64(p + 72, in->message_id);
	put_u64(p + 80, in->reference);
	put_u64(p + 88, in->email_id);
	put_u64(p + 96, in->delivery);
	put_u64(p + 104, in->stored);
}

void place_decode(const unsigned char *p, struct message_place *out)
{
	out->a = get_u64(p);
	out->b = get_u64(p + 8);
	out->crc = get_u32(p + 16);
	out->kind = get_u32(p + 20);
	out->cache_generation = get_u64(p + 24);
	out->cache_offset = get_u64(p + 32);
	out->header_len = get_u32(p + 40);
	out->envelope_len = get_u32(p + 44);
	out->structure_len = get_u32(p + 48);
	out->body_len = get_u32(p + 52);
	out->cache_crc = get_u32(p + 56);
	out->keys_len = get_u32(p + 60);
	out->saved = (int64_t)get_u64(p + 64);
	out->message_id = get_u64(p + 72);
	out->reference = get_u64(p + 80);
	out->email_id = get_u64(p + 88);
	out->delivery = get_u64(p + 96);
	out->stored = get_u64(p + 104);
}

void message_encode(
    const struct message *in, unsigned char *m, unsigned char *d)
{
	put_u32(m, in->uid);
	put_u32(m + 4, in->flags);
	put_u64(m + 8, in->keywords);
	put_u64(m + 16, in->modseq);
	put_u64(d, in->size);
	put_u64(d + 8, (uint64_t)in->internal_date);
}

void message_decode(
    const unsigned char *m, const unsigned char *d, struct message *out)
{
	out->uid = get_u32(m);
	out->flags = get_u32(m + 4);
	out->keywords = get_u64(m + 8);
	out->modseq = get_u64(m + 16);
	out->size = get_u64(d);
	out->internal_date = (int64_t)get_u64(d + 8);
}

void expunged_encode(const struct expunged *in, unsigned char *p)
{
	message_encode(&in->m, p, p + M_OCTETS);
	p += M_OCTETS + D_OCTETS;
	place_encode(&in->place, p);
	put_u64(p + PLACE_OCTETS, in->modseq);
	put_u64(p + PLACE_OCTETS + 8, (uint64_t)in->time);
}

void expunged_decode(const unsigned char *p, struct expunged *out)
{
	message_decode(p, p + M_OCTETS, &out->m);
	p += M_OCTETS + D_OCTETS;
	place_decode(p, &out->place);
	out->modseq = get_u64(p + PLACE_OCTETS);
	out->time = (int64_t)get_u64(p + PLACE_OCTETS + 8);
}

static void put_message(struct buf *out, const struct record_message *r)
{
	char *place;

	add_u32(out, r->mailbox);
	add_u32(out, r->m.uid);
	add_u64(out, r->m.modseq);
	add_u64(out, r->m.keywords);
	add_u64(out, r->m.size);
	add_u64(out, (uint64_t)r->m.internal_date);
	add_u32(out, r->m.flags);
	add_u32(out, 0);
	place = buf_room(out, PLACE_OCTETS);
	if (place != NULL) {
		place_encode(&r->place, (unsigned char *)place);
		buf_added(out, PLACE_OCTETS);
	}
}

static void put_flags(struct buf *out, const struct record_flags *r)
{
	add_u32(out, r->mailbox);
	add_u32(out, r->flags);
	add_u64(out, r->keywords);
	add_u64(out, r->modseq);
	add_u64(out, (uint64_t)r->unseen);
	add_u64(out, (uint64_t)r->deleted);
	add_u32(out, r->count);
	buf_add_bytes(out, r->ranges, (size_t)r->count * 8);
}

static void put_expunge(struct buf *out, const struct record_expunge *r)
{
	add_u32(out, r->mailbox);
	add_u32(out, 0);
	add_u64(out, r->modseq);
	add_u64(out, (uint64_t)r->time);
	add_u64(out, r->messages);
	add_u64(out, r->octets);
	add_u64(out, r->unseen);
	add_u64(out, r->deleted);
	add_u32(out, r->count);
	buf_add_bytes(out, r->ranges, (size_t)r->count * 8);
}

static void put_summary(struct buf *out, const struct record_summary *r)
{
	add_u32(out, r->id);
	add_u32(out, r->uidvalidity);
	add_u32(out, r->use);
	add_u32(out, r->options);
	add_u32(out, r->uidnext);
	add_u32(out, 0);
	add_u64(out, r->highest_modseq);
	add_u64(out, r->messages);
	add_u64(out, r->unseen);
	add_u64(out, r->deleted);
	add_u64(out, r->octets);
	add_u64(out, r->vanish_floor);
	add_u64(out, r->dead_modseq);
	add_u64(out, (uint64_t)r->dead_time);
	add_text(out, r->name);
}

/* Only the columns that are there, each behind its kind. */
static void put_segment(struct buf *out, const struct record_segment *r)
{
	uint32_t there = 0;

	for (size_t i = 0; i < COLUMNS; i++)
		there += r->columns[i].snapshot != 0;
	add_u32(out, r->mailbox);
	add_u32(out, r->count);
	add_u64(out, r->modseq);
	add_u32(out, there);
	add_u32(out, r->uid);
	for (uint32_t i = 0; i < COLUMNS; i++) {
		const struct column *c = &r->columns[i];

		if (c->snapshot == 0)
			continue;
		add_u32(out, i);
		add_u32(out, 0);
		add_u64(out, c->snapshot);
		add_u64(out, c->offset);
		add_u32(out, c->length);
		add_u32(out, c->crc);
		add_u64(out, c->hash);
	}
	add_u64(out, (uint64_t)r->newest);
}

static void put_snapshot(struct buf *out, const struct record_snapshot *r)
{
	add_u64(out, r->number);
	add_u64(out, r->at.generation);
	add_u64(out, r->at.length);
	add_u64(out, r->at.chain);
	add_u64(out, r->at.modseq);
	add_u64(out, r->at.bodies);
}

static void put_fields(struct buf *out, const struct record *r)
{
	switch (r->type) {
	case RECORD_MAILBOX:
		add_u32(out, r->mailbox.id);
		add_u32(out, r->mailbox.uidvalidity);
		add_u32(out, r->mailbox.use);
		add_u32(out, r->mailbox.options);
		add_u64(out, r->mailbox.modseq);
		add_text(out, r->mailbox.name);
		break;
	case RECORD_RENAME:
		add_u32(out, r->rename.id);
		add_u32(out, 0);
		add_u64(out, r->rename.modseq);
		add_text(out, r->rename.name);
		break;
	case RECORD_DELETE:
		add_u32(out, r->delete.id);
		add_u32(out, 0);
		add_u64(out, r->delete.modseq);
		add_u64(out, r->delete.messages);
		add_u64(out, r->delete.octets);
		add_u64(out, (uint64_t)r->delete.time);
		break;
	case RECORD_SUBSCRIBE:
		add_u32(out, r->subscribe.on);
		add_text(out, r->subscribe.name);
		break;
	case RECORD_MESSAGE:
		put_message(out, &r->message);
		break;
	case RECORD_FLAGS:
		put_flags(out, &r->flags);
		break;
	case RECORD_EXPUNGE:
		put_expunge(out, &r->expunge);
		break;
	case RECORD_KEYWORD:
		add_u32(out, r->keyword.mailbox);
		add_u32(out, r->keyword.index);
		add_text(out, r->keyword.name);
		break;
	case RECORD_DELIVERY:
		add_u64(out, r->delivery.id[0]);
		add_u64(out, r->delivery.id[1]);
		add_u64(out, (uint64_t)r->delivery.time);
		break;
	case RECORD_SNAPSHOT:
		put_snapshot(out, &r->snapshot);
		break;
	case RECORD_HORIZON:
	case RECORD_ERASED:
		add_u64(out, r->horizon.modseq);
		add_u64(out, (uint64_t)r->horizon.gone_since);
		break;
	case RECORD_RESTATE:
		add_u32(out, r->restate.next_mailbox);
		add_u32(out, r->restate.last_uidvalidity);
		add_u64(out, r->restate.horizon);
		add_u64(out, r->restate.erased);
		break;
	case RECORD_UIDNEXT:
		add_u32(out, r->uidnext.mailbox);
		add_u32(out, r->uidnext.uidnext);
		break;
	case RECORD_BOX:
		add_u32(out, r->box.next_mailbox);
		add_u32(out, r->box.last_uidvalidity);
		add_u64(out, r->box.octets);
		add_u64(out, r->box.messages);
		add_u64(out, r->box.horizon);
		add_u64(out, r->box.erased);
		add_u64(out, r->box.gone_last);
		add_u64(out, (uint64_t)r->box.gone_since);
		break;
	case RECORD_SUMMARY:
		put_summary(out, &r->summary);
		break;
	case RECORD_SEGMENT:
		put_segment(out, &r->segment);
		break;
	}
}

void record_put(struct buf *out, const struct record *r)
{
	static const char zeroes[8];
	size_t start = out->len;

	add_u32(out, (uint32_t)r->type | RECORD_MANDATORY << 16);
	add_u32(out, 0);
	put_fields(out, r);
	buf_add_bytes(out, zeroes, (8 - (out->len - start) % 8) % 8);
	if (!out->overflow)
		put_u32(out->p + start + 4, (uint32_t)(out->len - start));
}

uint32_t ranges_put(struct buf *out, const uint32_t *uids, size_t count)
{
	uint32_t ranges = 0;

	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && uids[end] == uids[end - 1] + 1)
			end++;
		add_u32(out, uids[i]);
		add_u32(out, uids[end - 1]);
		ranges++;
		i = end;
	}
	return ranges;
}

/* ---- reading ---- */

struct cursor {
	const char *p;
	size_t left;
	bool bad; /* a field beyond the record's end */
};

static const char *take(struct cursor *c, size_t len)
{
	const char *p = c->p;

	if (len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->p += len;
	c->left -= len;
	return p;
}

static uint32_t take_u32(struct cursor *c)
{
	const char *p = take(c, 4);

	return p == NULL ? 0 : get_u32(p);
}

static uint64_t take_u64(struct cursor *c)
{
	const char *p = take(c, 8);

	return p == NULL ? 0 : get_u64(p);
}

static struct str take_text(struct cursor *c)
{
	uint32_t len = take_u32(c);
	const char *p = take(c, len);

	return p == NULL ? STR_EMPTY : str_of(p, len);
}

void range_get(const char *ranges, uint32_t i, uint32_t *first, uint32_t *last)
{
	*first = get_u32(ranges + (size_t)i * 8);
	*last = get_u32(ranges + (size_t)i * 8 + 4);
}

/* Ranges that rise and do not touch zero. */
static const char *take_ranges(struct cursor *c, uint32_t *count)
{
	const char *p;
	uint64_t before = 0;

	*count = take_u32(c);
	p = take(c, (size_t)*count * 8);
	for (uint32_t i = 0; p != NULL && i < *count; i++) {
		uint32_t first, last;

		range_get(p, i, &first, &last);
		if (first <= before || last < first)
			c->bad = true;
		before = last;
	}
	return p;
}

static void take_message(struct cursor *c, struct record_message *r)
{
	const char *place;

	r->mailbox = take_u32(c);
	r->m.uid = take_u32(c);
	r->m.modseq = take_u64(c);
	r->m.keywords = take_u64(c);
	r->m.size = take_u64(c);
	r->m.internal_date = (int64_t)take_u64(c);
	r->m.flags = take_u32(c);
	take_u32(c);
	place = take(c, PLACE_OCTETS);
	if (place != NULL)
		place_decode((const unsigned char *)place, &r->place);
	if (r->m.uid == 0 || r->m.size > INT64_MAX)
		c->bad = true;
}

static void take_flags(struct cursor *c, struct record_flags *r)
{
	r->mailbox = take_u32(c);
	r->flags = take_u32(c);
	r->keywords = take_u64(c);
	r->modseq = take_u64(c);
	r->unseen = (int64_t)take_u64(c);
	r->deleted = (int64_t)take_u64(c);
	r->ranges = take_ranges(c, &r->count);
}

static void take_expunge(struct cursor *c, struct record_expunge *r)
{
	r->mailbox = take_u32(c);
	take_u32(c);
	r->modseq = take_u64(c);
	r->time = (int64_t)take_u64(c);
	r->messages = take_u64(c);
	r->octets = take_u64(c);
	r->unseen = take_u64(c);
	r->deleted = take_u64(c);
	r->ranges = take_ranges(c, &r->count);
}

static void take_summary(struct cursor *c, struct record_summary *r)
{
	r->id = take_u32(c);
	r->uidvalidity = take_u32(c);
	r->use = take_u32(c);
	r->options = take_u32(c);
	r->uidnext = take_u32(c);
	take_u32(c);
	r->highest_modseq = take_u64(c);
	r->messages = take_u64(c);
	r->unseen = take_u64(c);
	r->deleted = take_u64(c);
	r->octets = take_u64(c);
	r->vanish_floor = take_u64(c);
	r->dead_modseq = take_u64(c);
	r->dead_time = (int64_t)take_u64(c);
	r->name = take_text(c);
}

static void take_segment(struct cursor *c, struct record_segment *r)
{
	uint32_t there;

	r->mailbox = take_u32(c);
	r->count = take_u32(c);
	r->modseq = take_u64(c);
	there = take_u32(c);
	r->uid = take_u32(c);
	for (uint32_t i = 0; i < there && !c->bad; i++) {
		uint32_t kind = take_u32(c);
		struct column column;

		take_u32(c);
		column.snapshot = take_u64(c);
		column.offset = take_u64(c);
		column.length = take_u32(c);
		column.crc = take_u32(c);
		column.hash = take_u64(c);
		if (kind < COLUMNS) /* else of a later version */
			r->columns[kind] = column;
	}
	r->newest = (int64_t)take_u64(c);
}

static void take_snapshot(struct cursor *c, struct record_snapshot *r)
{
	r->number = take_u64(c);
	r->at.generation = take_u64(c);
	r->at.length = take_u64(c);
	r->at.chain = take_u64(c);
	r->at.modseq = take_u64(c);
	r->at.bodies = take_u64(c);
}

/* False: a type that we do not know. */
static bool take_fields(struct cursor *c, struct record *r)
{
	switch (r->type) {
	case RECORD_MAILBOX:
		r->mailbox.id = take_u32(c);
		r->mailbox.uidvalidity = take_u32(c);
		r->mailbox.use = take_u32(c);
		r->mailbox.options = take_u32(c);
		r->mailbox.modseq = take_u64(c);
		r->mailbox.name = take_text(c);
		return true;
	case RECORD_RENAME:
		r->rename.id = take_u32(c);
		take_u32(c);
		r->rename.modseq = take_u64(c);
		r->rename.name = take_text(c);
		return true;
	case RECORD_DELETE:
		r->delete.id = take_u32(c);
		take_u32(c);
		r->delete.modseq = take_u64(c);
		r->delete.messages = take_u64(c);
		r->delete.octets = take_u64(c);
		r->delete.time = (int64_t)take_u64(c);
		return true;
	case RECORD_SUBSCRIBE:
		r->subscribe.on = take_u32(c) != 0;
		r->subscribe.name = take_text(c);
		return true;
	case RECORD_MESSAGE:
		take_message(c, &r->message);
		return true;
	case RECORD_FLAGS:
		take_flags(c, &r->flags);
		return true;
	case RECORD_EXPUNGE:
		take_expunge(c, &r->expunge);
		return true;
	case RECORD_KEYWORD:
		r->keyword.mailbox = take_u32(c);
		r->keyword.index = take_u32(c);
		r->keyword.name = take_text(c);
		return true;
	case RECORD_DELIVERY:
		r->delivery.id[0] = take_u64(c);
		r->delivery.id[1] = take_u64(c);
		r->delivery.time = (int64_t)take_u64(c);
		return true;
	case RECORD_SNAPSHOT:
		take_snapshot(c, &r->snapshot);
		return true;
	case RECORD_HORIZON:
	case RECORD_ERASED:
		r->horizon.modseq = take_u64(c);
		r->horizon.gone_since = (int64_t)take_u64(c);
		return true;
	case RECORD_RESTATE:
		r->restate.next_mailbox = take_u32(c);
		r->restate.last_uidvalidity = take_u32(c);
		r->restate.horizon = take_u64(c);
		r->restate.erased = take_u64(c);
		return true;
	case RECORD_UIDNEXT:
		r->uidnext.mailbox = take_u32(c);
		r->uidnext.uidnext = take_u32(c);
		return true;
	case RECORD_BOX:
		r->box.next_mailbox = take_u32(c);
		r->box.last_uidvalidity = take_u32(c);
		r->box.octets = take_u64(c);
		r->box.messages = take_u64(c);
		r->box.horizon = take_u64(c);
		r->box.erased = take_u64(c);
		r->box.gone_last = take_u64(c);
		r->box.gone_since = (int64_t)take_u64(c);
		return true;
	case RECORD_SUMMARY:
		take_summary(c, &r->summary);
		return true;
	case RECORD_SEGMENT:
		take_segment(c, &r->segment);
		return true;
	}
	return false;
}

int record_next(struct str *rest, struct record *r, struct str *whole)
{
	while (rest->len > 0) {
		struct cursor c;
		uint32_t word, length;

		if (rest->len < 8)
			return -1;
		word = get_u32(rest->p);
		length = get_u32(rest->p + 4);
		if (length < 8 || length % 8 != 0 || length > rest->len)
			return -1;
		c = (struct cursor){rest->p + 8, length - 8, false};
		if (whole != NULL)
			*whole = str_of(rest->p, length);
		*rest = str_skip(*rest, length);
		memset(r, 0, sizeof(*r));
		r->type = (enum record_type)(word & 0xffff);
		if (take_fields(&c, r))
			return c.bad ? -1 : 1;
		if (word >> 16 & RECORD_MANDATORY &&
		    !seeded("unknown-records-skipped"))
			return -2;
	}
	return 0;
}
