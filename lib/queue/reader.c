/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/checksum.h"
#include "core/file.h"
#include "queue/layout.h"
#include "queue/queue_file.h"

#define CHUNK 65536

static int damaged(const char **why, const char *what)
{
	*why = what;
	errno = EBADMSG;
	return -1;
}

int queue_read(int fd, struct queue_file *out, const char **why)
{
	unsigned char fixed[QUEUE_FIXED];
	struct queue_preamble p;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		*why = "cannot stat the file";
		return -1;
	}
	if (st.st_size < QUEUE_PREAMBLE)
		return damaged(why, "too short for a preamble");
	if (file_pread_full(fd, fixed, sizeof(fixed), 0) < 0) {
		*why = "cannot read the preamble";
		return -1;
	}
	if (queue_preamble_decode(fixed, (uint64_t)st.st_size, &p, why) < 0)
		return damaged(why, *why);
	*out = (struct queue_file){.fd = fd,
	    .id = p.id,
	    .arrived_us = p.arrived_us,
	    .header = p.header,
	    .body = p.body,
	    .envelope = p.envelope,
	    .slots_offset = p.slots.offset,
	    .recipient_count = p.recipient_count,
	    .unlinked = st.st_nlink == 0};
	return 0;
}

int queue_read_of(
    int fd, const struct id *id, struct queue_file *out, const char **why)
{
	if (queue_read(fd, out, why) < 0)
		return -1;
	if (!str_eq(id_str(&out->id), id_str(id)))
		return damaged(why, "it is another message's file");
	return 0;
}

int queue_read_envelope(const struct queue_file *f, struct arena *arena,
    struct queue_envelope *out, const char **why)
{
	size_t len = (size_t)f->envelope.length;
	char *in = arena_alloc(arena, len);

	if (in == NULL)
		return damaged(why, "envelope too large for the reader");
	if (file_pread_full(f->fd, in, len, f->envelope.offset) < 0) {
		*why = "cannot read the envelope";
		return -1;
	}
	if (crc32c(0, in, len) != f->envelope.crc)
		return damaged(why, "wrong checksum of the envelope");
	if (queue_envelope_decode(
		str_of(in, len), f->recipient_count, arena, out, why) < 0)
		return damaged(why, *why);
	if (!str_eq(id_str(&out->id), id_str(&f->id)))
		return damaged(why, "the envelope is another message's");
	out->arrived_us = f->arrived_us;
	return 0;
}

/* 0, or -1 with errno; EBADMSG for a wrong checksum. */
static int verify(int fd, const struct queue_extent *e, char *chunk)
{
	uint64_t at = e->offset, left = e->length;
	uint32_t crc = 0;

	while (left > 0) {
		size_t len = left < CHUNK ? (size_t)left : CHUNK;

		if (file_pread_full(fd, chunk, len, at) < 0)
			return -1;
		crc = crc32c(crc, chunk, len);
		at += len;
		left -= len;
	}
	if (crc == e->crc)
		return 0;
	errno = EBADMSG;
	return -1;
}

int queue_verify(const struct queue_file *f, const char **why)
{
	char *chunk = malloc(CHUNK);

	if (chunk == NULL) {
		*why = "out of memory";
		return -1;
	}
	*why = NULL;
	if (verify(f->fd, &f->header, chunk) < 0)
		*why = errno == EBADMSG ? "wrong checksum of the header"
					: "cannot read the header";
	else if (verify(f->fd, &f->body, chunk) < 0)
		*why = errno == EBADMSG ? "wrong checksum of the body"
					: "cannot read the body";
	free(chunk);
	return *why == NULL ? 0 : -1;
}

static bool has_slot(const struct queue_file *f, size_t index)
{
	if (index < f->recipient_count)
		return true;
	errno = EINVAL;
	return false;
}

int queue_read_slot(
    const struct queue_file *f, size_t index, struct queue_slot *out)
{
	unsigned char in[QUEUE_SLOT];

	if (!has_slot(f, index) ||
	    file_pread_full(f->fd, in, sizeof(in),
		f->slots_offset + index * QUEUE_SLOT) < 0)
		return -1;
	queue_slot_decode(in, out);
	return 0;
}

int queue_read_slots(const struct queue_file *f, struct queue_slot *out)
{
	unsigned char in[QUEUE_INLINE_SLOTS * QUEUE_SLOT];

	for (size_t i = 0; i < f->recipient_count; i += QUEUE_INLINE_SLOTS) {
		size_t n = f->recipient_count - i;

		if (n > QUEUE_INLINE_SLOTS)
			n = QUEUE_INLINE_SLOTS;
		if (file_pread_full(f->fd, in, n * QUEUE_SLOT,
			f->slots_offset + i * QUEUE_SLOT) < 0)
			return -1;
		for (size_t j = 0; j < n; j++)
			queue_slot_decode(in + j * QUEUE_SLOT, &out[i + j]);
	}
	return 0;
}

int queue_write_slot(
    const struct queue_file *f, size_t index, const struct queue_slot *slot)
{
	unsigned char out[QUEUE_SLOT];

	if (!has_slot(f, index))
		return -1;
	queue_slot_encode(slot, out);
	return file_pwrite_full(
	    f->fd, out, sizeof(out), f->slots_offset + index * QUEUE_SLOT);
}
