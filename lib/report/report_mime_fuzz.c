/* SPDX-License-Identifier: ISC */
/* Whatever the mail, see fuzz_check.h. */
#include "report/fuzz_check.h"

static int read_it(
    struct report_reader *reader, struct str in, struct report *report)
{
	report_read(in, reader->limits, reader->arena, report);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_report(data, len, read_it);
}
