/* SPDX-License-Identifier: ISC */
/* What strangers write, and what they make us write. */
#include <stdlib.h>

#include "mailauth/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input as a field of a stranger, and as a name that stands in ours: there
 * it must not be able to say anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = str_of(data, len);
	struct results_context c = {.server = STR("here.test"), .user = in};
	struct buf out = buf_new(65536);

	results_are_of(in, STR("here.test"));
	results_passed_dmarc(in, STR("bank.test"));
	results_write(NULL, &c, &out);
	if (!results_are_of(buf_str(&out), STR("here.test")) ||
	    results_passed_dmarc(buf_str(&out), STR("bank.test")))
		abort();
	for (size_t i = 0; i < out.len; i++)
		if (((unsigned char)out.p[i] < ' ' && out.p[i] != '\r' &&
			out.p[i] != '\n' && out.p[i] != '\t') ||
		    (out.p[i] == '\n' &&
			(i == 0 || out.p[i - 1] != '\r' || i + 1 == out.len ||
			    out.p[i + 1] != '\t')))
			abort();
	buf_free(&out);
	return 0;
}
