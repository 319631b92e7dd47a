/* SPDX-License-Identifier: ISC */
/* What strangers write, and what they make us write. */
#include <stdlib.h>

#include "mailauth/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Nothing in it ends the field. */
static void check_lines(const struct buf *out)
{
	for (size_t i = 0; i < out->len; i++)
		if (((unsigned char)out->p[i] < ' ' && out->p[i] != '\r' &&
			out->p[i] != '\n' && out->p[i] != '\t') ||
		    (out->p[i] == '\n' &&
			(i == 0 || out->p[i - 1] != '\r' || i + 1 == out->len ||
			    out->p[i + 1] != '\t')))
			abort();
}

/* The input as what a client says: there is one receiver, which is ours. */
static void check_received_spf(struct str in)
{
	struct spf_verdict spf = {
	    .result = SPF_FAIL, .term = in, .problem = STR_EMPTY};
	struct results_context c = {
	    .server = STR("here.test"), .helo = in, .sender = in};
	struct buf out = buf_new(65536);

	results_write_spf(&spf, &c, &out);
	check_lines(&out);
	if (!results_spf_is_of(buf_str(&out), STR("here.test")) ||
	    results_spf_is_of(buf_str(&out), STR("there.test")))
		abort();
	buf_free(&out);
}

/* The input as a field of a stranger, and as a name that stands in ours: there
 * it must not be able to say anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = str_of(data, len);
	struct results_context c = {.server = STR("here.test"), .user = in};
	struct buf out = buf_new(65536);

	results_are_of(in, STR("here.test"));
	results_are_readable(in);
	results_spf_is_of(in, STR("here.test"));
	results_passed_dmarc(in, STR("bank.test"));
	results_write(NULL, &c, &out);
	if (!results_are_of(buf_str(&out), STR("here.test")) ||
	    results_passed_dmarc(buf_str(&out), STR("bank.test")))
		abort();
	check_lines(&out);
	buf_free(&out);
	check_received_spf(in);
	return 0;
}
