/* SPDX-License-Identifier: ISC */
#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "mail/encode.h"

#define NAME_MAX_OCTETS 40
#define REPLACEMENT     STR("\xef\xbf\xbd") /* U+FFFD */

enum builtin { OTHER, ASCII, UTF8, LATIN1, WINDOWS1252 };

static enum builtin builtin_of(struct str charset)
{
	static const struct {
		struct str name;
		enum builtin is;
	} names[] = {{STR_INIT("utf-8"), UTF8}, {STR_INIT("us-ascii"), ASCII},
	    {STR_INIT("iso-8859-1"), LATIN1}, {STR_INIT("ascii"), ASCII},
	    {STR_INIT("utf8"), UTF8}, {STR_INIT("latin1"), LATIN1},
	    {STR_INIT("windows-1252"), WINDOWS1252},
	    {STR_INIT("cp1252"), WINDOWS1252},
	    {STR_INIT("ansi_x3.4-1968"), ASCII}, {STR_INIT(""), ASCII}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_case_eq(charset, names[i].name))
			return names[i].is;
	return OTHER;
}

/* Only names made of what names are made of reach iconv: it takes suffixes
 * ("//IGNORE") and paths. */
static iconv_t open_iconv(struct str charset)
{
	char name[NAME_MAX_OCTETS];

	for (size_t i = 0; i < charset.len; i++) {
		char c = charset.p[i];

		if (!ascii_alnum(c) && c != '-' && c != '_' && c != '.' &&
		    c != ':' && c != '+')
			return (iconv_t)-1;
	}
	if (charset.len == 0 || str_copy(name, sizeof(name), charset) < 0)
		return (iconv_t)-1;
	return iconv_open("UTF-8", name);
}

bool charset_known(struct str charset)
{
	if (builtin_of(charset) != OTHER)
		return true;
	iconv_t cd = open_iconv(charset);
	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

static void put_code(unsigned code, struct buf *out)
{
	char s[3];

	if (code < 0x80) {
		buf_add_char(out, (char)code);
	} else if (code < 0x800) {
		s[0] = (char)(0xc0 | code >> 6);
		s[1] = (char)(0x80 | (code & 63));
		buf_add_bytes(out, s, 2);
	} else {
		s[0] = (char)(0xe0 | code >> 12);
		s[1] = (char)(0x80 | (code >> 6 & 63));
		s[2] = (char)(0x80 | (code & 63));
		buf_add_bytes(out, s, 3);
	}
}

/* The charsets of one octet each; ASCII runs are copied whole. */
static void single_octets(enum builtin from, struct str text, struct buf *out)
{
	/* 0x80 to 0x9f of windows-1252; 0 where it has nothing */
	static const unsigned short c1[32] = {0x20ac, 0, 0x201a, 0x192, 0x201e,
	    0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0,
	    0x17d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	    0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178};
	size_t i = 0;

	while (i < text.len && !out->overflow) {
		size_t start = i;

		while (i < text.len && (unsigned char)text.p[i] < 0x80)
			i++;
		buf_add(out, str_sub(text, start, i - start));
		if (i == text.len)
			break;
		unsigned code = (unsigned char)text.p[i++];
		if (from == WINDOWS1252 && code < 0xa0)
			code = c1[code - 0x80];
		if (from == ASCII || code == 0)
			code = 0xfffd;
		put_code(code, out);
	}
}

static void clean_utf8(struct str text, struct buf *out)
{
	while (text.len > 0 && !out->overflow) {
		size_t good = utf8_valid_length(text);

		buf_add(out, str_sub(text, 0, good));
		text = str_skip(text, good);
		if (text.len == 0)
			break;
		buf_add(out, REPLACEMENT);
		/* One mark for a broken sequence, not one for each octet. */
		size_t bad = 1;
		while (bad < text.len &&
		    ((unsigned char)text.p[bad] & 0xc0) == 0x80)
			bad++;
		text = str_skip(text, bad);
	}
}

static void by_iconv(iconv_t cd, struct str text, struct buf *out)
{
	char *in = (char *)(uintptr_t)text.p; /* iconv does not write there */
	size_t left = text.len;

	while (left > 0 && !out->overflow) {
		char space[1024], *to = space;
		size_t room = sizeof(space);
		size_t got = iconv(cd, &in, &left, &to, &room);
		int error = errno;

		buf_add_bytes(out, space, (size_t)(to - space));
		if (got != (size_t)-1 || error == E2BIG)
			continue;
		buf_add(out, REPLACEMENT);
		in++; /* EILSEQ; EINVAL: cut off at the end */
		left--;
	}
	char space[64], *to = space;
	size_t room = sizeof(space);
	iconv(cd, NULL, NULL, &to, &room);
	buf_add_bytes(out, space, (size_t)(to - space));
}

void charset_to_utf8(struct str charset, struct str text, struct buf *out)
{
	enum builtin from = builtin_of(charset);

	if (text.len == 0)
		return;
	if (from == UTF8) {
		clean_utf8(text, out);
		return;
	}
	iconv_t cd = from == OTHER ? open_iconv(charset) : (iconv_t)-1;
	if (cd == (iconv_t)-1) {
		single_octets(from == OTHER ? ASCII : from, text, out);
		return;
	}
	by_iconv(cd, text, out);
	iconv_close(cd);
}

/* Folds what is valid UTF-8. */
static void fold_valid(struct str text, struct buf *out)
{
	size_t len = 0;
	uint8_t *folded = u8_casefold(
	    (const uint8_t *)text.p, text.len, NULL, UNINORM_NFKD, NULL, &len);

	if (folded != NULL)
		buf_add_bytes(out, folded, len);
	else
		buf_add(out, text);
	free(folded);
}

void text_casefold(struct str utf8, struct buf *out)
{
	while (utf8.len > 0 && !out->overflow) {
		size_t ascii = 0;

		while (ascii < utf8.len && (unsigned char)utf8.p[ascii] < 0x80)
			ascii++;
		char *room = ascii == 0 ? NULL : buf_room(out, ascii);
		for (size_t i = 0; room != NULL && i < ascii; i++)
			room[i] = ascii_lower(utf8.p[i]);
		if (room != NULL)
			buf_added(out, ascii);
		utf8 = str_skip(utf8, ascii);
		/* Up to the next line end, so that a combining mark stays
		 * with its letter and the pieces stay small. */
		size_t good = utf8_valid_length(
		    str_sub(utf8, 0, str_find(utf8, '\n')));
		if (good > 0)
			fold_valid(str_sub(utf8, 0, good), out);
		else if (utf8.len > 0 && (unsigned char)utf8.p[0] >= 0x80)
			buf_add_char(out, utf8.p[good++]);
		utf8 = str_skip(utf8, good);
	}
}
