/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "net/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * A header that is read is within its bounds, does not depend on what stands
 * behind it, and every shorter piece of it asks for more; what it says about
 * addresses has an address and a family.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str input = str_of(data, len);
	struct proxy_header h, again;
	const char *why;

	if (len > 2 * PROXY_HEADER_MAX ||
	    proxy_parse(input, &h, &why) != PROXY_OK)
		return 0;
	if (h.len == 0 || h.len > len || h.len > PROXY_HEADER_MAX)
		abort();
	if (!h.local &&
	    (h.from.len == 0 || h.to.len != h.from.len ||
		h.from.u.sa.sa_family != h.to.u.sa.sa_family))
		abort();
	if (proxy_parse(str_sub(input, 0, h.len), &again, &why) != PROXY_OK ||
	    again.len != h.len || again.local != h.local)
		abort();
	for (size_t i = 0; i < h.len; i++)
		if (proxy_parse(str_sub(input, 0, i), &again, &why) !=
		    PROXY_MORE)
			abort();
	return 0;
}
