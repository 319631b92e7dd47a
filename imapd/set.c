/* SPDX-License-Identifier: ISC */
#include "imapd/set.h"

#include <stdlib.h>

/* A number from 1 to 2^32-1, or "*". */
static int cut_number(struct str *s, uint32_t *out, const char **why)
{
	uint64_t n = 0;
	size_t i = 0;

	if (s->len > 0 && s->p[0] == '*') {
		*s = str_skip(*s, 1);
		*out = SET_STAR;
		return 0;
	}
	while (i < s->len && ascii_digit(s->p[i]) && n <= UINT32_MAX)
		n = n * 10 + (uint64_t)(s->p[i++] - '0');
	if (i == 0 || n == 0 || n > UINT32_MAX || s->p[0] == '0') {
		*why = i == 0 ? "a number is missing in a sequence set"
			      : "a number in a sequence set is out of range";
		return -1;
	}
	*s = str_skip(*s, i);
	*out = (uint32_t)n;
	return 0;
}

static size_t count_ranges(struct str s)
{
	size_t n = 1;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == ',';
	return n;
}

int set_parse(
    struct str s, struct arena *arena, struct set *out, const char **why)
{
	memset(out, 0, sizeof(*out));
	if (str_eq(s, STR("$"))) {
		out->saved = true;
		return 0;
	}
	out->ranges = arena_alloc(
	    arena, count_ranges(s) * sizeof(*out->ranges));
	if (out->ranges == NULL) {
		*why = "the sequence set is too long";
		return -1;
	}
	for (;;) {
		struct set_range *r = &out->ranges[out->count++];

		if (cut_number(&s, &r->first, why) < 0)
			return -1;
		r->last = r->first;
		if (s.len > 0 && s.p[0] == ':') {
			s = str_skip(s, 1);
			if (cut_number(&s, &r->last, why) < 0)
				return -1;
		}
		if (s.len == 0)
			return 0;
		if (s.p[0] != ',') {
			*why = "a sequence set is malformed";
			return -1;
		}
		s = str_skip(s, 1);
	}
}

static int by_first(const void *a, const void *b)
{
	const struct set_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

int set_normalize(
    const struct set *s, uint32_t star, struct arena *arena, struct ranges *out)
{
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (s->count == 0)
		return 0;
	out->r = arena_alloc(arena, s->count * sizeof(*out->r));
	if (out->r == NULL)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		uint32_t a = s->ranges[i].first, b = s->ranges[i].last;

		if (a == SET_STAR)
			a = star;
		if (b == SET_STAR)
			b = star;
		out->r[i].first = a < b ? a : b;
		out->r[i].last = a < b ? b : a;
	}
	qsort(out->r, s->count, sizeof(*out->r), by_first);
	for (size_t i = 1; i < s->count; i++) {
		struct set_range *last = &out->r[n];

		if (out->r[i].first <= last->last ||
		    out->r[i].first == last->last + 1) {
			if (out->r[i].last > last->last)
				last->last = out->r[i].last;
		} else {
			out->r[++n] = out->r[i];
		}
	}
	out->count = n + 1;
	for (size_t i = 0; i < out->count; i++)
		out->total += (uint64_t)out->r[i].last - out->r[i].first + 1;
	return 0;
}

int ranges_add(
    struct ranges *r, size_t *capacity, uint32_t number, struct arena *arena)
{
	if (r->count > 0 && r->r[r->count - 1].last + 1 == number) {
		r->r[r->count - 1].last = number;
		r->total++;
		return 0;
	}
	if (r->count == *capacity) {
		size_t more = *capacity == 0 ? 16 : *capacity * 2;
		struct set_range *grown = arena_alloc(
		    arena, more * sizeof(*grown));

		if (grown == NULL)
			return -1;
		if (r->count > 0)
			memcpy(grown, r->r, r->count * sizeof(*grown));
		r->r = grown;
		*capacity = more;
	}
	r->r[r->count++] = (struct set_range){number, number};
	r->total++;
	return 0;
}

bool ranges_have(const struct ranges *r, uint32_t number)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (number < r->r[mid].first)
			high = mid;
		else if (number > r->r[mid].last)
			low = mid + 1;
		else
			return true;
	}
	return false;
}
