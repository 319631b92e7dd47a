/* SPDX-License-Identifier: ISC */
/*
 * Whatever stands in a queue file: no reader reaches beyond it, and what the
 * preamble and envelope say holds together.
 *
 * The input is a whole file. Checksums would keep nearly all of it out, so
 * the first octet's low bit asks for those of the preamble and the envelope
 * to be put right first.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "queue/layout.h"

static void put_u32(unsigned char *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_u64(const unsigned char *from)
{
	uint64_t value = 0;

	for (unsigned i = 8; i > 0; i--)
		value = value << 8 | from[i - 1];
	return value;
}

static void put_right(unsigned char *file, size_t len)
{
	const size_t envelope = 48 + 2 * 24;

	if (len < QUEUE_FIXED)
		return;
	uint64_t offset = get_u64(file + envelope);
	uint64_t length = get_u64(file + envelope + 8);
	if (offset <= len && length <= len - offset)
		put_u32(file + envelope + 16,
		    crc32c(0, file + offset, (size_t)length));
	put_u32(file + QUEUE_FIXED - 4, crc32c(0, file, QUEUE_FIXED - 4));
}

static void read_all(int fd, size_t len)
{
	struct arena arena = arena_new(8 << 20);
	struct queue_envelope e;
	struct queue_file f;
	struct queue_slot slot;
	const char *why = NULL;

	if (queue_read(fd, &f, &why) == 0) {
		if (f.header.offset + f.header.length > len ||
		    f.recipient_count > QUEUE_RECIPIENTS_MAX)
			abort();
		queue_verify(&f, &why);
		/* Slots that are promised are there. */
		if (queue_read_slot(&f, f.recipient_count - 1, &slot) < 0 ||
		    slot.state > QUEUE_EXPIRED)
			abort();
		if (queue_read_envelope(&f, &arena, &e, &why) == 0 &&
		    (e.recipient_count != f.recipient_count ||
			e.recipients[0].address.len == 0))
			abort();
	} else if (why == NULL) {
		abort();
	}
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char *file;
	int fd;

	if (len < 1 || len > 1 << 20)
		return 0;
	file = malloc(len);
	fd = memfd_create("queue", MFD_CLOEXEC);
	if (file == NULL || fd < 0)
		abort();
	memcpy(file, data + 1, len - 1);
	if (data[0] & 1)
		put_right(file, len - 1);
	if (file_write_full(fd, file, len - 1) < 0)
		abort();
	read_all(fd, len - 1);
	free(file);
	close(fd);
	return 0;
}
