/* SPDX-License-Identifier: ISC */
/*
 * Whatever stands in a command: an astring takes no more than there is, says
 * no more octets than it took and holds no line end; a literal's number is
 * what stands between the braces.
 */
#include <stdlib.h>

#include "login/imap_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len}, rest = in;
	struct buf out = buf_new(len);
	uint64_t number;
	bool waits;

	while (imap_cut_astring(&rest, &out) == 0) {
		struct str said = buf_str(&out);

		if (rest.p + rest.len != in.p + in.len || rest.len >= in.len ||
		    said.len > in.len - rest.len ||
		    str_find(said, '\n') < said.len ||
		    str_find(said, '\r') < said.len ||
		    str_find(said, '\0') < said.len)
			abort();
		buf_clear(&out);
		in = rest;
		if (imap_cut_blank(&rest) < 0)
			break;
	}
	in = (struct str){(const char *)data, len};
	if (imap_literal(in, &number, &waits) &&
	    (len < 3 || in.p[len - 1] != '}'))
		abort();
	if (imap_is_tag(in) && (len > 128 || str_find(in, ' ') < len))
		abort();
	imap_wipe(&out);
	return 0;
}
