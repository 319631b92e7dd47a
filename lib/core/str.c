/* SPDX-License-Identifier: ISC */
#include "core/str.h"

#include <stdlib.h>

#include "core/memory.h"

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_case_eq(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_of(s.p, prefix.len), prefix);
}

bool str_case_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len &&
	    str_case_eq(str_of(s.p, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	    str_eq(str_of(s.p + s.len - suffix.len, suffix.len), suffix);
}

bool str_case_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	    str_case_eq(str_of(s.p + s.len - suffix.len, suffix.len), suffix);
}

size_t str_find(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.p, c, s.len);

	return at == NULL ? s.len : (size_t)(at - s.p);
}

size_t str_find_last(struct str s, char c)
{
	const char *at = s.len == 0 ? NULL : memrchr(s.p, c, s.len);

	return at == NULL ? s.len : (size_t)(at - s.p);
}

struct str str_sub(struct str s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return str_of(s.p + from, len);
}

struct str str_skip(struct str s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return str_of(s.p + n, s.len - n);
}

struct str str_cut(struct str *rest, char separator)
{
	size_t at = str_find(*rest, separator);
	struct str head = str_of(rest->p, at);

	*rest = str_skip(*rest, at < rest->len ? at + 1 : at);
	return head;
}

struct str str_word(struct str *rest, const char *separators)
{
	size_t start = 0, end;

	while (start < rest->len && rest->p[start] != '\0' &&
	    strchr(separators, rest->p[start]) != NULL)
		start++;
	end = start;
	while (end < rest->len &&
	    (rest->p[end] == '\0' || strchr(separators, rest->p[end]) == NULL))
		end++;
	struct str word = str_of(rest->p + start, end - start);
	*rest = str_skip(*rest, end);
	return word;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.p[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

int str_to_u64(struct str s, uint64_t most, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 20)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_digit(s.p[i]))
			return -1;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(
			value, (uint64_t)(s.p[i] - '0'), &value))
			return -1;
	}
	if (value > most)
		return -1;
	*out = value;
	return 0;
}

int str_copy(char *dst, size_t size, struct str s)
{
	if (size == 0)
		return -1;
	dst[0] = '\0';
	if (s.len >= size || str_find(s, '\0') < s.len)
		return -1;
	if (s.len > 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return 0;
}

char *str_dup(struct str s)
{
	char *copy = mem_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}
