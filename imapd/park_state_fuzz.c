/* SPDX-License-Identifier: ISC */
/* What decodes is encoded to the same line again; a "$" too. */
#include <stdlib.h>

#include "imapd/park_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void saved(struct str text)
{
	struct buf again = buf_new(PARK_SAVED_MAX + 1);
	uint32_t *uids, *same;
	size_t count, n;

	if (park_saved_decode(text, 100000, &uids, &count) < 0)
		return;
	if (count > 100000)
		abort();
	for (size_t i = 1; i < count; i++)
		if (uids[i] <= uids[i - 1])
			abort();
	if (park_saved_encode(uids, count, &again) == 0) {
		if (park_saved_decode(buf_str(&again), 100000, &same, &n) < 0 ||
		    n != count || (n > 0 && memcmp(same, uids, n * 4) != 0))
			abort();
		free(same);
	}
	free(uids);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *line = malloc(len + 1);
	struct buf again = buf_new(PARK_PLAIN_MAX * 4);
	struct park_state s;
	const char *why;

	if (line == NULL || len > PARK_PLAIN_MAX) {
		free(line);
		return 0;
	}
	memcpy(line, data, len);
	if (park_state_decode(line, len, &s, &why) == 0) {
		if (park_state_encode(&s, &again) < 0 ||
		    !str_eq(buf_str(&again), str_of(data, len)))
			abort();
		saved(s.saved);
	}
	free(line);
	buf_free(&again);
	saved(str_of(data, len));
	return 0;
}
