/* SPDX-License-Identifier: ISC */
#include "qmgr/roll.h"

#include <stdlib.h>

#include "core/memory.h"

static size_t pieces(const struct roll *r)
{
	return (r->count + ROLL_PIECE - 1) / ROLL_PIECE;
}

static size_t piece_end(const struct roll *r, size_t piece)
{
	size_t end = (piece + 1) * ROLL_PIECE;

	return end < r->count ? end : r->count;
}

void roll_all(struct roll *r, const struct messages *ms)
{
	size_t at = 0;
	struct str key;
	void *m;

	*r = (struct roll){
	    .ids = mem_array(ms->by_id.count + 1, sizeof(r->ids[0]))};
	while (table_next(&ms->by_id, &at, &key, &m))
		r->ids[r->count++] = ((struct message *)m)->id;
	r->heads = mem_array(pieces(r) + 1, sizeof(r->heads[0]));
	for (size_t i = 0; i < pieces(r); i++)
		r->heads[i] = i * ROLL_PIECE;
}

void roll_one(struct roll *r, const struct id *id)
{
	*r = (struct roll){.ids = NEW(struct id), .count = 1, .sorted = 1};
	r->ids[0] = *id;
	r->heads = NEW(size_t);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

bool roll_sort(struct roll *r)
{
	size_t end = piece_end(r, r->sorted / ROLL_PIECE);

	if (r->sorted == r->count)
		return false;
	qsort(r->ids + r->sorted, end - r->sorted, sizeof(r->ids[0]), by_id);
	r->sorted = end;
	return r->sorted < r->count;
}

bool roll_next(struct roll *r, struct id *out)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < pieces(r); i++)
		if (r->heads[i] < piece_end(r, i) &&
		    (best == SIZE_MAX ||
			by_id(&r->ids[r->heads[i]], &r->ids[r->heads[best]]) <
			    0))
			best = i;
	if (best == SIZE_MAX)
		return false;
	*out = r->ids[r->heads[best]++];
	return true;
}

void roll_free(struct roll *r)
{
	free(r->ids);
	free(r->heads);
	*r = (struct roll){.ids = NULL};
}
