/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>

#include "exporter/http.h"

#define MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A head is found or refused in the same way however it arrives, and its
 * length lies within what came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct http_request whole, part;
	struct str in = {(const char *)data, len};
	long n = http_parse(in, MOST, &whole), m;

	if (n > (long)len || n > MOST || (n == 0 && len >= MOST))
		abort();
	if (n > 0 && (whole.path.len == 0 || (whole.get && whole.head)))
		abort();
	if (n <= 0)
		return 0;
	m = http_parse(str_sub(in, 0, (size_t)n), MOST, &part);
	if (m != n || part.get != whole.get || part.last != whole.last)
		abort();
	if (http_parse(str_sub(in, 0, (size_t)n - 1), MOST, &part) > 0)
		abort();
	return 0;
}
