/* SPDX-License-Identifier: ISC */
/* One value, by its kind. */
#include "conf/conf_private.h"

/* The digits at the start of text; *unit is what follows them. */
static int number(const char *text, uint64_t *value, struct str *unit)
{
	struct str s = str_trim(str_from(text));
	size_t digits = 0;

	while (digits < s.len && ascii_digit(s.p[digits]))
		digits++;
	*unit = str_skip(s, digits);
	return str_to_u64(str_sub(s, 0, digits), INT64_MAX, value);
}

int conf_parse_time(const char *text, int64_t *ms, const char **why)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000},
	    {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
	struct str unit;
	uint64_t n;

	*why = "a time is a number with ms, s, m, h, d or w behind it";
	if (number(text, &n, &unit) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq(unit, str_from(units[i].name)))
			continue;
		if (__builtin_mul_overflow((int64_t)n, units[i].ms, ms)) {
			*why = "the time is too long";
			return -1;
		}
		return 0;
	}
	return -1;
}

int conf_parse_size(const char *text, uint64_t *octets, const char **why)
{
	static const char letters[] = "KMGT";
	struct str unit;
	uint64_t n;
	unsigned shift = 0;

	*why = "a size is a number of octets, or one with K, M, G or T "
	       "behind it";
	if (number(text, &n, &unit) < 0 || unit.len > 1)
		return -1;
	if (unit.len == 1) {
		const char *at = memchr(
		    letters, ascii_upper(unit.p[0]), sizeof(letters) - 1);
		if (at == NULL)
			return -1;
		shift = 10 * (unsigned)(at - letters + 1);
	}
	if (n > (uint64_t)INT64_MAX >> shift) {
		*why = "the size is too large";
		return -1;
	}
	*octets = n << shift;
	return 0;
}

int conf_parse_bool(const char *text, bool *value, const char **why)
{
	*why = "this is yes or no";
	if (str_case_eq(str_from(text), STR("yes")))
		*value = true;
	else if (str_case_eq(str_from(text), STR("no")))
		*value = false;
	else
		return -1;
	return 0;
}

static int parse_int(const char *text, int64_t *value, const char **why)
{
	struct str s = str_trim(str_from(text));
	bool negative = s.len > 0 && s.p[0] == '-';
	uint64_t n;

	*why = "this is a whole number";
	if (str_to_u64(str_skip(s, negative ? 1 : 0), INT32_MAX, &n) < 0)
		return -1;
	*value = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

static int choose(const struct conf_param *row, const char *text, int *index)
{
	for (int i = 0; row->choices[i] != NULL; i++) {
		if (str_case_eq(str_from(row->choices[i]), str_from(text))) {
			*index = i;
			return 0;
		}
	}
	return -1;
}

static void say_choices(const struct conf_param *row, struct buf *why)
{
	buf_add_text(why, "this is one of ");
	for (int i = 0; row->choices[i] != NULL; i++)
		buf_printf(why, "%s%s", i == 0 ? "" : ", ", row->choices[i]);
}

/* Bounds in the row's own unit; times are told in seconds. */
static int bounded(const struct conf_param *row, int64_t value, int64_t unit,
    const char *what, struct buf *why)
{
	int64_t most = row->most;

	if (__builtin_mul_overflow(most, unit, &most))
		most = INT64_MAX;
	if (value >= row->least * unit && value <= most)
		return 0;
	if (why == NULL)
		return -1;
	if (row->most == INT64_MAX)
		buf_printf(
		    why, "the least is %lld%s", (long long)row->least, what);
	else
		buf_printf(why, "it lies between %lld and %lld%s",
		    (long long)row->least, (long long)row->most, what);
	return -1;
}

/* Of the right length, and of the form that the row wants. */
static int store_text(
    const struct conf_param *row, const char *text, struct buf *why)
{
	struct buf ignored = buf_new(4096);
	int result = bounded(row, (int64_t)strlen(text), 1, " octets", why);

	if (result == 0 && row->form != NULL)
		result = row->form(text, why != NULL ? why : &ignored);
	buf_free(&ignored);
	return result;
}

static void *member(const struct conf_param *row, void *into)
{
	return (char *)into + row->offset;
}

int conf_store(
    const struct conf_param *row, const char *text, void *into, struct buf *why)
{
	const char *reason = NULL;
	int64_t n = 0;
	uint64_t octets = 0;
	int result = 0, index = 0;
	bool flag = false;

	switch (row->kind) {
	case CONF_KIND_TEXT:
		return store_text(row, text, why);
	case CONF_KIND_INT:
		result = parse_int(text, &n, &reason);
		if (result == 0 && bounded(row, n, 1, "", why) < 0)
			return -1;
		if (result == 0 && into != NULL)
			*(int *)member(row, into) = (int)n;
		break;
	case CONF_KIND_BOOL:
		result = conf_parse_bool(text, &flag, &reason);
		if (result == 0 && into != NULL)
			*(bool *)member(row, into) = flag;
		break;
	case CONF_KIND_TIME:
		result = conf_parse_time(text, &n, &reason);
		if (result == 0 && bounded(row, n, 1000, " seconds", why) < 0)
			return -1;
		if (result == 0 && into != NULL)
			*(int64_t *)member(row, into) = n;
		break;
	case CONF_KIND_SIZE:
		result = conf_parse_size(text, &octets, &reason);
		if (result == 0 &&
		    bounded(row, (int64_t)octets, 1, " octets", why) < 0)
			return -1;
		if (result == 0 && into != NULL)
			*(uint64_t *)member(row, into) = octets;
		break;
	case CONF_KIND_CHOICE:
		result = choose(row, text, &index);
		if (result < 0 && why != NULL)
			say_choices(row, why);
		if (result == 0 && into != NULL)
			*(int *)member(row, into) = index;
		break;
	}
	if (result < 0 && reason != NULL && why != NULL)
		buf_add_text(why, reason);
	return result;
}
