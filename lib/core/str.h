/* SPDX-License-Identifier: ISC */
/*
 * Borrowed strings: a pointer and a length, no closing NUL, any bytes.
 *
 * Parsers take and return these views and allocate nothing. A view lives as
 * long as the bytes that it points into; nothing here owns memory.
 */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct str {
	const char *p;
	size_t len;
};

/* A view of a string literal. STR_INIT is the form for initialisers. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                      \
	{                                                                      \
		"" literal, sizeof(literal) - 1                                \
	}
#define STR_EMPTY ((struct str){"", 0})

/* printf("%.*s", STR_FMT(s)); a view longer than INT_MAX is cut. */
#define STR_FMT(s) str_fmt_len(s), (s).p

static inline int str_fmt_len(struct str s)
{
	return s.len > 0x7fffffff ? 0x7fffffff : (int)s.len;
}

static inline struct str str_of(const void *p, size_t len)
{
	return (struct str){(const char *)p, len};
}

/* A view of a C string; NULL gives the empty string. */
static inline struct str str_from(const char *s)
{
	return s == NULL ? STR_EMPTY : (struct str){s, strlen(s)};
}

bool str_eq(struct str a, struct str b);
bool str_case_eq(struct str a, struct str b); /* ASCII case only */
/* Orders bytewise, as memcmp does; the shorter of two equal starts first. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_case_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_case_ends(struct str s, struct str suffix);

/* Position of the first/last c, or s.len when there is none. */
size_t str_find(struct str s, char c);
size_t str_find_last(struct str s, char c);

/* The part from position `from`, at most len octets; clipped to s. */
struct str str_sub(struct str s, size_t from, size_t len);
/* Without its first n octets. */
struct str str_skip(struct str s, size_t n);

/*
 * Cuts *rest at the first `separator`: returns what stands before it and
 * leaves in *rest what follows. Without a separator everything is returned
 * and *rest becomes empty (with p at its end).
 */
struct str str_cut(struct str *rest, char separator);

/*
 * The next word of *rest, words being separated by any run of the characters
 * of `separators`; an empty string when there is none left.
 */
struct str str_word(struct str *rest, const char *separators);

/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);

/*
 * A decimal number without sign, 1 to 20 digits and nothing else. Returns 0,
 * or -1 when s is not one or it passes `most`; *out is then untouched.
 */
int str_to_u64(struct str s, uint64_t most, uint64_t *out);

/*
 * Copies s into dst, NUL-terminated, for calls that want a C string. Returns
 * 0, or -1 when it does not fit or contains a NUL (dst is then "").
 */
int str_copy(char *dst, size_t size, struct str s);

/* A NUL-terminated heap copy; the caller frees it. Never NULL. */
char *str_dup(struct str s);

/* ASCII only, whatever the locale. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
static inline bool ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}
static inline bool ascii_alnum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

#endif
