/* SPDX-License-Identifier: ISC */
/*
 * Any entry of the passwords file against any password, parted by a line
 * feed. Nothing matches but {PLAIN} and the password itself; real hashes are
 * left to the unit test, for the input could ask for years of hashing.
 */
#include <stdlib.h>

#include "auth/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str password = str_of(data, len);
	struct str stored = str_cut(&password, '\n'), rest = stored;

	if (str_find(stored, '$') < stored.len)
		return 0;
	if (scheme_verify(stored, password) != SCHEME_MATCH)
		return 0;
	if (!str_case_eq(str_sub(stored, 0, 7), STR("{PLAIN}")) ||
	    !str_eq(str_skip(rest, 7), password))
		abort();
	return 0;
}
