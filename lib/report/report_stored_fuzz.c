/* SPDX-License-Identifier: ISC */
/* Whatever the stored document, see fuzz_check.h. */
#include "report/fuzz_check.h"

static int read_it(
    struct report_reader *reader, struct str in, struct report *report)
{
	const char *why;

	return report_parse(in, reader->arena, report, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_report(data, len, read_it);
}
