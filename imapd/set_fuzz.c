/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "imapd/set.h"

/* Every number that the set names is in the ranges, which rise, do not touch
 * each other and count right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena arena = arena_new((size_t)16 << 20);
	struct set set;
	struct ranges r;
	const char *why;
	uint64_t total = 0;

	if (set_parse(str_of(data, len), &arena, &set, &why) < 0 || set.saved ||
	    set_normalize(&set, 7, &arena, &r) < 0) {
		arena_free(&arena);
		return 0;
	}
	for (size_t i = 0; i < r.count; i++) {
		if (r.r[i].first == 0 || r.r[i].first > r.r[i].last ||
		    (i > 0 && r.r[i].first <= r.r[i - 1].last + 1))
			abort();
		total += (uint64_t)r.r[i].last - r.r[i].first + 1;
	}
	for (size_t i = 0; i < set.count; i++) {
		uint32_t a = set.ranges[i].first, b = set.ranges[i].last;

		if (!ranges_have(&r, a == SET_STAR ? 7 : a) ||
		    !ranges_have(&r, b == SET_STAR ? 7 : b))
			abort();
	}
	if (total != r.total)
		abort();
	arena_free(&arena);
	return 0;
}
