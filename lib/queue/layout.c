/* SPDX-License-Identifier: ISC */
#include "queue/layout.h"

#include <assert.h>

#include "core/checksum.h"

/*
 * Where what stands; octets that no name covers are zero.
 *
 *	0   magic          8   version (2)    10  flags (2)
 *	12  recipients (4) 16  id (22, 2 NUL) 40  arrival, us (8)
 *	48  extents, each offset (8) length (8) CRC-32C (4) and four NUL:
 *	    body, header, envelope, slots
 *	252 CRC-32C of octets 0 to 251
 */
enum {
	AT_VERSION = 8,
	AT_FLAGS = 10,
	AT_RECIPIENTS = 12,
	AT_ID = 16,
	AT_ARRIVED = 40,
	AT_EXTENTS = 48,
	EXTENT = 24,
	AT_CRC = QUEUE_FIXED - 4
};

static const unsigned char magic[8] = {'P', 'H', 'Q', 'U', 'E', 'U', 'E', '\n'};

static_assert(QUEUE_FIXED % QUEUE_SLOT == 0 && QUEUE_INLINE_SLOTS == 60,
    "a slot never crosses a sector, so that it is never half written");

static void put(unsigned char *out, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *in, size_t len)
{
	uint64_t value = 0;

	for (size_t i = len; i > 0; i--)
		value = value << 8 | in[i - 1];
	return value;
}

/* ---- the preamble ---- */

void queue_preamble_encode(
    const struct queue_preamble *p, unsigned char out[QUEUE_FIXED])
{
	const struct queue_extent *extents[] = {
	    &p->body, &p->header, &p->envelope, &p->slots};

	memset(out, 0, QUEUE_FIXED);
	memcpy(out, magic, sizeof(magic));
	put(out + AT_VERSION, 2, QUEUE_VERSION);
	put(out + AT_RECIPIENTS, 4, p->recipient_count);
	memcpy(out + AT_ID, p->id.text, ID_LEN);
	put(out + AT_ARRIVED, 8, p->arrived_us);
	for (size_t i = 0; i < ARRAY_LEN(extents); i++) {
		unsigned char *to = out + AT_EXTENTS + i * EXTENT;

		put(to, 8, extents[i]->offset);
		put(to + 8, 8, extents[i]->length);
		put(to + 16, 4, extents[i]->crc);
	}
	put(out + AT_CRC, 4, crc32c(0, out, AT_CRC));
}

static void get_extent(const unsigned char *in, struct queue_extent *out)
{
	out->offset = get(in, 8);
	out->length = get(in + 8, 8);
	out->crc = (uint32_t)get(in + 16, 4);
}

/* Where the extent ends, or 0 when it does not lie behind `start` and within
 * the file. */
static uint64_t end_of(
    const struct queue_extent *e, uint64_t start, uint64_t file_size)
{
	if (e->offset < start || e->offset > file_size ||
	    e->length > file_size - e->offset)
		return 0;
	return e->offset + e->length;
}

/* The extents follow each other, so that none can lie over another. */
static int check_extents(
    const struct queue_preamble *p, uint64_t file_size, const char **why)
{
	uint64_t at;

	if ((at = end_of(&p->body, QUEUE_PREAMBLE, file_size)) == 0) {
		*why = "body out of place";
		return -1;
	}
	if ((at = end_of(&p->header, at, file_size)) == 0) {
		*why = "header out of place";
		return -1;
	}
	if ((at = end_of(&p->envelope, at, file_size)) == 0) {
		*why = "envelope out of place";
		return -1;
	}
	if (p->recipient_count <= QUEUE_INLINE_SLOTS) {
		at = p->slots.offset == QUEUE_FIXED ? 1 : 0;
	} else {
		at = end_of(&p->slots, at, file_size);
	}
	if (at == 0 || p->slots.offset % QUEUE_SLOT != 0 ||
	    p->slots.length != (uint64_t)p->recipient_count * QUEUE_SLOT) {
		*why = "slots out of place";
		return -1;
	}
	return 0;
}

int queue_preamble_decode(const unsigned char in[QUEUE_FIXED],
    uint64_t file_size, struct queue_preamble *out, const char **why)
{
	*why = NULL;
	if (file_size < QUEUE_PREAMBLE)
		*why = "too short for a preamble";
	else if (memcmp(in, magic, sizeof(magic)) != 0)
		*why = "bad magic";
	else if (get(in + AT_VERSION, 2) != QUEUE_VERSION)
		*why = "unknown version of the queue file format";
	else if (get(in + AT_FLAGS, 2) != 0)
		*why = "unknown flags in the preamble";
	else if (get(in + AT_CRC, 4) != crc32c(0, in, AT_CRC))
		*why = "wrong checksum of the preamble";
	else if (id_parse(str_of(in + AT_ID, ID_LEN), &out->id) < 0)
		*why = "bad id";
	if (*why != NULL)
		return -1;
	out->arrived_us = get(in + AT_ARRIVED, 8);
	out->recipient_count = (uint32_t)get(in + AT_RECIPIENTS, 4);
	get_extent(in + AT_EXTENTS, &out->body);
	get_extent(in + AT_EXTENTS + EXTENT, &out->header);
	get_extent(in + AT_EXTENTS + 2 * EXTENT, &out->envelope);
	get_extent(in + AT_EXTENTS + 3 * EXTENT, &out->slots);
	if (out->recipient_count == 0 ||
	    out->recipient_count > QUEUE_RECIPIENTS_MAX) {
		*why = "bad number of recipients";
		return -1;
	}
	return check_extents(out, file_size, why);
}

/* ---- slots ---- */

enum {
	SLOT_ATTEMPTS = 4,
	SLOT_NEXT = 8,
	SLOT_LAST = 16,
	SLOT_CODE = 24,
	SLOT_ROUND = 26,
	SLOT_DSN = 28,
	SLOT_CRC = QUEUE_SLOT - 4
};

void queue_slot_encode(
    const struct queue_slot *slot, unsigned char out[QUEUE_SLOT])
{
	memset(out, 0, QUEUE_SLOT);
	out[0] = slot->state;
	out[1] = slot->hold;
	out[2] = slot->notify;
	out[3] = slot->notified;
	put(out + SLOT_ATTEMPTS, 4, slot->attempts);
	put(out + SLOT_NEXT, 8, slot->next);
	put(out + SLOT_LAST, 8, slot->last);
	put(out + SLOT_CODE, 2, slot->code);
	put(out + SLOT_ROUND, 2, slot->round);
	memcpy(
	    out + SLOT_DSN, slot->dsn, strnlen(slot->dsn, sizeof(slot->dsn)));
	put(out + SLOT_CRC, 4, crc32c(0, out, SLOT_CRC));
}

void queue_slot_decode(
    const unsigned char in[QUEUE_SLOT], struct queue_slot *out)
{
	memset(out, 0, sizeof(*out));
	if (get(in + SLOT_CRC, 4) != crc32c(0, in, SLOT_CRC) ||
	    in[0] > QUEUE_EXPIRED) {
		out->state = QUEUE_PENDING;
		out->damaged = 1;
		return;
	}
	out->state = in[0];
	out->hold = in[1];
	out->notify = in[2];
	out->notified = in[3];
	out->attempts = (uint32_t)get(in + SLOT_ATTEMPTS, 4);
	out->next = get(in + SLOT_NEXT, 8);
	out->last = get(in + SLOT_LAST, 8);
	out->code = (uint16_t)get(in + SLOT_CODE, 2);
	out->round = (uint16_t)get(in + SLOT_ROUND, 2);
	memcpy(out->dsn, in + SLOT_DSN, sizeof(out->dsn));
	out->dsn[sizeof(out->dsn) - 1] = '\0';
}
