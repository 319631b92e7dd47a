/* SPDX-License-Identifier: ISC */
/* Headers make keys that can be read back; anything else is refused. */
#include <stdlib.h>

#include "mail/sort_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};
	struct buf keys = buf_new(65536);
	struct sort_keys k;

	sort_keys_put(in, &keys);
	if (keys.overflow || sort_keys_get(buf_str(&keys), &k) < 0)
		abort();
	for (size_t i = 0; i < SORT_TEXTS; i++)
		if (k.texts[i].len > SORT_TEXT_MAX)
			abort();
	(void)sort_keys_get(in, &k);
	buf_free(&keys);
	return 0;
}
