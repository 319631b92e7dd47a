/* SPDX-License-Identifier: ISC */
/* Whatever the XML, see fuzz_check.h. */
#include "report/fuzz_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_report(data, len, report_read_dmarc);
}
