/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "mailauth/key_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is published for a key that was read is read as the same key. */
static void publish(
    const struct dkim_key *key, enum dkim_algorithm algorithm, struct buf *out)
{
	struct dkim_key_flags flags;
	const char *why = "";

	buf_clear(out);
	if (dkim_key_algorithm(key) != algorithm ||
	    dkim_key_record(key, out) < 0)
		abort();
	struct dkim_key *again = dkim_key_parse(
	    buf_str(out), algorithm, &flags, &why);
	if (again == NULL || dkim_key_bits(again) != dkim_key_bits(key))
		abort();
	dkim_key_free(&again);
}

/* The input is a key record, asked for twice: once it is read, once it is
 * perhaps remembered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct key_cache *cache = key_cache_new(2);
	struct buf record = buf_new(65536);

	for (int i = 0; i < 4; i++) {
		enum dkim_algorithm algorithm = i % 2 == 0
		    ? DKIM_RSA_SHA256
		    : DKIM_ED25519_SHA256;
		struct dkim_key_flags flags;
		const char *why = NULL;
		const struct dkim_key *key = key_cache_parse(
		    cache, str_of(data, len), algorithm, &flags, &why);
		if (key != NULL)
			publish(key, algorithm, &record);
		else if (why == NULL || why[0] == '\0')
			abort();
		if (key != NULL && flags.revoked)
			abort();
	}
	buf_free(&record);
	key_cache_free(&cache);
	return 0;
}
