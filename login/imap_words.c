/* SPDX-License-Identifier: ISC */
#include "login/imap_words.h"

#include "core/memory.h"

#define TAG_MAX 128

void imap_wipe(struct buf *b)
{
	if (b->p != NULL)
		mem_wipe(b->p, b->capacity);
	buf_free(b);
}

/* ASTRING-CHAR of RFC 9051; "*", "%" and "\" are taken too: passwords of
 * careless clients have them. */
static bool is_atom(char c)
{
	return c > ' ' && c < 127 && strchr("(){\"", c) == NULL;
}

bool imap_is_tag(struct str s)
{
	if (s.len == 0 || s.len > TAG_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_atom(s.p[i]) || strchr("+%*\\", s.p[i]) != NULL)
			return false;
	return true;
}

bool imap_literal(struct str line, uint64_t *len, bool *waits)
{
	size_t open = str_find_last(line, '{');
	struct str number;

	if (open == line.len || line.p[line.len - 1] != '}')
		return false;
	number = str_sub(line, open + 1, line.len - open - 2);
	*waits = true;
	if (number.len > 0 &&
	    (number.p[number.len - 1] == '+' ||
		number.p[number.len - 1] == '-')) {
		*waits = false;
		number.len--;
	}
	if (number.len == 0)
		return false;
	for (size_t i = 0; i < number.len; i++)
		if (!ascii_digit(number.p[i]))
			return false;
	if (str_to_u64(number, UINT32_MAX, len) < 0)
		*len = UINT64_MAX;
	return true;
}

static int cut_quoted(struct str *args, struct buf *out)
{
	for (size_t i = 1; i < args->len; i++) {
		char c = args->p[i];

		if (c == '"') {
			*args = str_skip(*args, i + 1);
			return 0;
		}
		if (c == '\\' && i + 1 < args->len)
			c = args->p[++i];
		if (c == '\0' || c == '\r' || c == '\n' ||
		    buf_add_char(out, c) < 0)
			return -1;
	}
	return -1;
}

static int cut_literal(struct str *args, struct buf *out)
{
	size_t end = str_find(*args, '\n');
	uint64_t len;
	bool waits;

	if (end == args->len || end < 3 ||
	    !imap_literal(str_sub(*args, 0, end - 1), &len, &waits) ||
	    len > args->len - end - 1)
		return -1;
	struct str octets = str_sub(*args, end + 1, (size_t)len);
	if (str_find(octets, '\0') < octets.len ||
	    str_find(octets, '\r') < octets.len ||
	    str_find(octets, '\n') < octets.len)
		return -1;
	*args = str_skip(*args, end + 1 + octets.len);
	return buf_add(out, octets);
}

int imap_cut_astring(struct str *args, struct buf *out)
{
	size_t n = 0;

	if (args->len == 0)
		return -1;
	if (args->p[0] == '"')
		return cut_quoted(args, out);
	if (args->p[0] == '{')
		return cut_literal(args, out);
	while (n < args->len && is_atom(args->p[n]))
		n++;
	if (n == 0 || buf_add(out, str_sub(*args, 0, n)) < 0)
		return -1;
	*args = str_skip(*args, n);
	return 0;
}

int imap_cut_blank(struct str *args)
{
	if (args->len == 0 || args->p[0] != ' ')
		return -1;
	*args = str_skip(*args, 1);
	return 0;
}
