/* SPDX-License-Identifier: ISC */
#include "posthouse/queue_tally.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

const unsigned tally_ages[TALLY_AGES - 1] = {
    5, 10, 20, 40, 80, 160, 320, 640, 1280};

static void count(
    struct tally_line *l, uint64_t arrived, uint64_t last, uint64_t now)
{
	uint64_t minutes = now > arrived ? (now - arrived) / 60 : 0;
	size_t age = 0;

	while (age < TALLY_AGES - 1 && minutes >= tally_ages[age])
		age++;
	l->ages[age]++;
	l->total++;
	if (l->oldest == 0 || arrived < l->oldest)
		l->oldest = arrived;
	if (last > l->last)
		l->last = last;
}

void tally_add(struct tally *t, struct str name, uint64_t arrived,
    uint64_t last, uint64_t now)
{
	struct tally_line *l = table_get(&t->names, name);

	count(&t->all, arrived, last, now);
	if (l == NULL && t->names.count >= TALLY_MOST) {
		name = STR("(others)");
		l = table_get(&t->names, name);
	}
	if (l == NULL) {
		l = NEW(struct tally_line);
		l->name = str_dup(name);
		table_put(&t->names, name, l);
	}
	count(l, arrived, last, now);
}

static int by_total(const void *a, const void *b)
{
	const struct tally_line *const *x = a, *const *y = b;

	if ((*x)->total != (*y)->total)
		return (*x)->total > (*y)->total ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

struct tally_line **tally_sorted(const struct tally *t, size_t *n)
{
	struct tally_line **lines = mem_array(
	    t->names.count + 1, sizeof(struct tally_line *));
	size_t at = 0;
	struct str key;
	void *l;

	*n = 0;
	while (table_next(&t->names, &at, &key, &l))
		lines[(*n)++] = l;
	if (*n > 0)
		qsort(lines, *n, sizeof(struct tally_line *), by_total);
	return lines;
}

void tally_free(struct tally *t)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (table_next(&t->names, &at, &key, &value)) {
		struct tally_line *l = value;

		free(l->name);
		free(l);
	}
	table_free(&t->names);
}

/* Where part stands in s; s.len when it does not. */
static size_t find(struct str s, struct str part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (str_eq(str_sub(s, i, part.len), part))
			return i;
	return s.len;
}

/* Without the enhanced status code at its head. */
static struct str without_code(struct str s)
{
	struct str rest = s, code = str_word(&rest, " ");

	return code.len >= 5 && code.p[1] == '.' && ascii_digit(code.p[0])
	    ? str_trim(rest)
	    : s;
}

struct str tally_reason(struct str reason)
{
	static const struct str said = STR_INIT(" said: "),
				suspended = STR_INIT(
				    "delivery temporarily suspended: ");
	size_t at;

	reason = without_code(reason);
	at = find(reason, suspended);
	if (at < reason.len)
		reason = str_skip(reason, at + suspended.len);
	at = find(reason, said);
	if (at < reason.len)
		reason = str_skip(reason, at + said.len);
	return reason.len == 0 ? STR("(not tried yet)") : reason;
}
