/* SPDX-License-Identifier: ISC */
/*
 * The octets of a queue file (queue(5)): preamble, slots and envelope between
 * memory and little-endian bytes. Pure; for lib/queue alone.
 */
#ifndef QUEUE_LAYOUT_H
#define QUEUE_LAYOUT_H

#include "core/buf.h"
#include "queue/queue_file.h"

#define QUEUE_VERSION      1
#define QUEUE_FIXED        256 /* octets of preamble before the slots */
#define QUEUE_SLOT         64  /* octets of a slot on disk */
#define QUEUE_INLINE_SLOTS ((QUEUE_PREAMBLE - QUEUE_FIXED) / QUEUE_SLOT)

struct queue_preamble {
	struct id id;
	uint64_t arrived_us;
	struct queue_extent body, header, envelope, slots;
	uint32_t recipient_count;
};

void queue_preamble_encode(
    const struct queue_preamble *p, unsigned char out[QUEUE_FIXED]);
/*
 * Checks magic, version, flags, checksum, id, and every extent and count
 * against the file's size. 0, or -1 and *why.
 */
int queue_preamble_decode(const unsigned char in[QUEUE_FIXED],
    uint64_t file_size, struct queue_preamble *out, const char **why);

void queue_slot_encode(
    const struct queue_slot *slot, unsigned char out[QUEUE_SLOT]);
/* A wrong checksum or a state that is none gives a pending slot with
 * `damaged` set. */
void queue_slot_decode(
    const unsigned char in[QUEUE_SLOT], struct queue_slot *out);

/*
 * Records of a tag (one letter), a length (4 octets) and a value. A capital
 * tag must be understood, a small one may be skipped, so that a later
 * version can add what this one need not know. -1: a value is beyond its
 * bound, or out is full.
 */
int queue_envelope_encode(const struct queue_envelope *e, struct buf *out);
/* Views into `in`, which must outlive out; the recipients in the arena. */
int queue_envelope_decode(struct str in, size_t recipient_count,
    struct arena *arena, struct queue_envelope *out, const char **why);

#endif
