/* SPDX-License-Identifier: ISC */
/* Where a message's octets lie, in the engine's words. */
#include "store/box.h"
#include "store/le.h"

struct engine_place place_of_bytes(
    const struct message_place *p, const struct message *m)
{
	struct engine_place place = {.generation = p->a,
	    .offset = p->b,
	    .length = p->kind & PLACE_ZSTD ? p->stored : m->size,
	    .crc = p->crc};

	if (p->kind & PLACE_BLOB) {
		place.blob = true;
		put_u64(place.id, p->a);
		put_u64(place.id + 8, p->b);
		place.generation = place.offset = 0;
	}
	return place;
}

struct engine_place place_of_cache(const struct message_place *p)
{
	return (struct engine_place){.generation = p->cache_generation,
	    .offset = p->cache_offset,
	    .length = (uint64_t)p->envelope_len + p->structure_len +
		p->body_len + p->keys_len,
	    .crc = p->cache_crc};
}
