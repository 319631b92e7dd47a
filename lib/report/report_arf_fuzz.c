/* SPDX-License-Identifier: ISC */
/* Whatever the fields and the message, parted by a NUL, see fuzz_check.h. */
#include "report/fuzz_check.h"

static int read_it(
    struct report_reader *reader, struct str in, struct report *report)
{
	struct str fields = str_cut(&in, '\0');

	return report_read_arf(reader, fields, in, report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_report(data, len, read_it);
}
