/* SPDX-License-Identifier: ISC */
#include "core/json.h"

#include <inttypes.h>

/* Octets of the UTF-8 character at p, or 0 when it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	size_t need = p[0] < 0x80          ? 1
	    : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
	    : (p[0] & 0xf0) == 0xe0        ? 3
	    : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
					   : 0;

	if (need == 0 || need > left)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return need;
}

static void quoted(struct buf *out, struct str s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.len;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t n = utf8_len(p, s.len - i);

		if (n == 0) {
			buf_add_text(out, "\xef\xbf\xbd");
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)*p);
		} else if (*p < 0x20 || *p == 0x7f) {
			buf_printf(out, "\\u%04x", *p);
		} else {
			buf_add_bytes(out, p, n);
		}
		i += n;
	}
	buf_add_char(out, '"');
}

/* A comma if one is due, and the name if there is one. */
static void item(struct json *j, const char *name)
{
	uint32_t bit = (uint32_t)1 << (j->depth & 31);

	if (j->has_items & bit)
		buf_add_char(j->out, ',');
	j->has_items |= bit;
	if (name != NULL) {
		quoted(j->out, str_from(name));
		buf_add_char(j->out, ':');
	}
}

static void deeper(struct json *j, bool array)
{
	uint32_t bit;

	j->depth++;
	bit = (uint32_t)1 << (j->depth & 31);
	j->has_items &= ~bit;
	j->is_array = array ? j->is_array | bit : j->is_array & ~bit;
	buf_add_char(j->out, array ? '[' : '{');
}

void json_object(struct json *j, const char *name)
{
	item(j, name);
	deeper(j, false);
}

void json_array(struct json *j, const char *name)
{
	item(j, name);
	deeper(j, true);
}

void json_end(struct json *j)
{
	uint32_t bit = (uint32_t)1 << (j->depth & 31);

	buf_add_char(j->out, j->is_array & bit ? ']' : '}');
	j->depth--;
	if (j->depth == 0)
		buf_add_char(j->out, '\n');
}

void json_text(struct json *j, const char *name, struct str value)
{
	item(j, name);
	quoted(j->out, value);
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
	item(j, name);
	buf_add_u64(j->out, value);
}

void json_i64(struct json *j, const char *name, int64_t value)
{
	item(j, name);
	buf_printf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	item(j, name);
	buf_add_text(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
	item(j, name);
	buf_add_text(j->out, "null");
}
