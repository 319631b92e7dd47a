/* SPDX-License-Identifier: ISC */
/*
 * A compressed message (PLACE_ZSTD): chunks of 256 KiB of it, each a zstd
 * frame of its own with a checksum, then the length of each frame in 4 octets,
 * little-endian. So a part of a large message costs the chunks that it lies in.
 */
#ifndef STORE_BODY_ZSTD_H
#define STORE_BODY_ZSTD_H

#include "store/box.h"

#define ZSTD_CHUNK 262144u

/* Appends `in` compressed to out: false where that saves less than an eighth,
 * and out is then empty. */
bool body_compress(struct str in, struct buf *out);

/*
 * Octets [offset, offset + len) of a message of `size` octets, which must lie
 * within it, to `to`. STORE_CORRUPT when the chunks are not what they should
 * be; STORE_GONE when they were erased.
 */
enum store_result body_read_compressed(struct box *b,
    const struct engine_place *place, uint64_t size, uint64_t offset,
    uint64_t len, char *to, struct chunk *last);

/* The same for any message, compressed or not. */
enum store_result message_read(struct box *b, const struct message_place *p,
    const struct message *m, uint64_t offset, uint64_t len, char *to,
    struct chunk *last);

#endif
