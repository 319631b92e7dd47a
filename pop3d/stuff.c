/* SPDX-License-Identifier: ISC */
#include "pop3d/stuff.h"

struct str stuff_next(struct stuffer *st, struct str *chunk, bool *dot)
{
	struct str all = *chunk;
	size_t at = 0;

	*dot = !st->inside && all.len > 0 && all.p[0] == '.';
	while (at < all.len) {
		at += str_find(str_skip(all, at), '\n');
		st->inside = at == all.len;
		if (st->inside)
			break;
		at++;
		if (at < all.len && all.p[at] == '.')
			break;
	}
	*chunk = str_skip(all, at);
	return str_sub(all, 0, at);
}

struct str stuff_end(const struct stuffer *st)
{
	return st->inside ? STR("\r\n.\r\n") : STR(".\r\n");
}
