/* SPDX-License-Identifier: ISC */
#include "core/arena.h"

#include <stdlib.h>

#include "core/memory.h"

#define BLOCK_FIRST  1024 /* doubled from block to block up to */
#define BLOCK_OCTETS 16384
#define ALIGN        16

struct arena_block {
	struct arena_block *older;
	size_t size, used;
	_Alignas(ALIGN) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = mem_resize(
	    NULL, sizeof(struct arena_block) + size, 1);

	b->older = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

/* Many arenas hold little, and some programs keep many of them. */
static size_t next_size(const struct arena_block *newest)
{
	if (newest == NULL)
		return BLOCK_FIRST;
	return newest->size >= BLOCK_OCTETS / 2 ? BLOCK_OCTETS
						: newest->size * 2;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;

	if (size > a->most || a->used > a->most - size)
		return NULL;
	size_t aligned = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (b == NULL || aligned > b->size - b->used) {
		size_t next = next_size(b);

		b = block_new(aligned > next ? aligned : next);
		b->older = a->blocks;
		a->blocks = b;
	}
	void *p = b->bytes + b->used;
	b->used += aligned;
	a->used += size;
	memset(p, 0, aligned);
	return p;
}

struct str arena_copy(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len + 1);

	if (p == NULL)
		return str_of(NULL, 0);
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return str_of(p, s.len);
}

void arena_clear(struct arena *a)
{
	struct arena_block *b = a->blocks, *keep = NULL;

	while (b != NULL) {
		struct arena_block *older = b->older;

		if (keep == NULL && b->size <= BLOCK_OCTETS)
			keep = b;
		else
			free(b);
		b = older;
	}
	if (keep != NULL) {
		keep->older = NULL;
		keep->used = 0;
	}
	a->blocks = keep;
	a->used = 0;
}

void arena_free(struct arena *a)
{
	arena_clear(a);
	free(a->blocks);
	a->blocks = NULL;
}
