/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A whole reply's outcome; octets fed in pieces of at most `step`. */
static enum reply_result run(
    struct reply *r, const char *p, size_t len, size_t step, size_t *end)
{
	enum reply_result result = REPLY_MORE;
	const char *why;

	*end = 0;
	reply_start(r);
	while (result == REPLY_MORE && *end < len) {
		size_t used, n = len - *end < step ? len - *end : step;

		result = reply_feed(r, p + *end, n, &used, &why);
		*end += used;
	}
	return result;
}

/* However the octets are cut, the reply is the same and ends at the same
 * place; its words fit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct reply a, b;
	char words_a[512], words_b[512];
	size_t end_a, end_b, step = len > 0 ? data[0] % 7u + 1 : 1;
	enum reply_result one = run(&a, (const char *)data, len, len, &end_a);
	enum reply_result two = run(&b, (const char *)data, len, step, &end_b);

	if (one != two || end_a != end_b)
		abort();
	if (one != REPLY_DONE)
		return 0;
	reply_words(&a, words_a, sizeof(words_a));
	reply_words(&b, words_b, sizeof(words_b));
	if (strcmp(words_a, words_b) != 0 || strcmp(a.dsn, b.dsn) != 0 ||
	    a.code != b.code || a.code < 200 || a.code > 599)
		abort();
	return 0;
}
