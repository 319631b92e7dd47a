/* SPDX-License-Identifier: ISC */
/* Whatever the datagram: the records come to an end, what is a line has a
 * program's name, and what is an event is a whole and valid record. */
#include <stdint.h>
#include <stdlib.h>

#include "logd/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_event(const struct record *r)
{
	struct trace_record event;

	if (r->cell_count == 0 || r->cell_count > TRACE_CELLS_MAX ||
	    trace_decode(r->cells, r->cell_count, &event) > r->cell_count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str rest = str_of(data, len);
	struct record r;

	for (;;) {
		size_t before = rest.len;
		enum record_kind kind = record_cut(&rest, &r);

		if (kind == RECORD_END && before != 0)
			abort();
		if (kind == RECORD_END || kind == RECORD_BAD)
			return 0;
		if (rest.len >= before)
			abort();
		if (kind == RECORD_LINE &&
		    (r.program.len == 0 ||
			str_find(r.text, '\n') != r.text.len))
			abort();
		if (kind == RECORD_TRACE)
			read_event(&r);
	}
}
