/* SPDX-License-Identifier: ISC */
#include "posthouse/secrets.h"

#include "core/memory.h"
#include "mail/srs.h"
#include "posthouse/password.h"

static bool is_secret(struct str line)
{
	line = str_trim(line);
	return line.len > 0 && line.p[0] != '#';
}

size_t secrets_count(struct str text)
{
	size_t count = 0;

	while (text.len > 0)
		if (is_secret(str_cut(&text, '\n')))
			count++;
	return count;
}

/* 200 bits. */
static void add_fresh(struct buf *out)
{
	char part[21];

	for (int i = 0; i < 2; i++) {
		password_make(part);
		buf_add_text(out, part);
	}
	buf_add_char(out, '\n');
	mem_wipe(part, sizeof(part));
}

void secrets_compose(struct str old, struct buf *out)
{
	size_t count = 1;
	bool added = false;

	if (old.len == 0)
		buf_add_text(out,
		    "# Secrets of rewritten senders (SRS), one on each line: "
		    "the first one signs, all\n# are believed; "
		    "\"posthouse srs rotate\" puts a new one in front. "
		    "lookup(8).\n");
	while (old.len > 0) {
		struct str line = str_cut(&old, '\n');

		if (is_secret(line)) {
			if (!added)
				add_fresh(out);
			added = true;
			if (count++ >= SRS_SECRETS_MAX)
				continue;
		}
		buf_add(out, line);
		buf_add_char(out, '\n');
	}
	if (!added)
		add_fresh(out);
}
