/* SPDX-License-Identifier: ISC */
#include "reportd/xml.h"

#include "mail/encode.h"

void xml_begin(struct buf *out, const char *name)
{
	buf_printf(out, "<%s>", name);
}

void xml_end(struct buf *out, const char *name)
{
	buf_printf(out, "</%s>\n", name);
}

/* U+FFFE and U+FFFF are the two that valid UTF-8 has and XML has not. */
static bool is_no_character(struct str s)
{
	return s.len >= 3 && (unsigned char)s.p[0] == 0xef &&
	    (unsigned char)s.p[1] == 0xbf && (unsigned char)s.p[2] >= 0xbe;
}

static void put_ascii(struct buf *out, char c)
{
	switch (c) {
	case '&':
		buf_add(out, STR("&amp;"));
		break;
	case '<':
		buf_add(out, STR("&lt;"));
		break;
	case '>':
		buf_add(out, STR("&gt;"));
		break;
	default:
		buf_add_char(out, c < ' ' || c == 127 ? '?' : c);
	}
}

static void put_escaped(struct buf *out, struct str s)
{
	while (s.len > 0) {
		size_t len = 1;

		if ((unsigned char)s.p[0] < 128) {
			put_ascii(out, s.p[0]);
			s = str_skip(s, 1);
			continue;
		}
		while (len < s.len && len < 4 &&
		    ((unsigned char)s.p[len] & 0xc0) == 0x80)
			len++;
		if (utf8_valid(str_sub(s, 0, len)) && !is_no_character(s)) {
			buf_add(out, str_sub(s, 0, len));
		} else {
			buf_add_char(out, '?');
			len = is_no_character(s) ? 3 : 1;
		}
		s = str_skip(s, len);
	}
}

void xml_text(struct buf *out, const char *name, struct str text)
{
	buf_printf(out, "<%s>", name);
	put_escaped(out, text);
	buf_printf(out, "</%s>\n", name);
}

void xml_u64(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(
	    out, "<%s>%llu</%s>\n", name, (unsigned long long)value, name);
}
