/* SPDX-License-Identifier: ISC */
#include "screen/site.h"

#define WEIGHT_MOST 1000

/* "n" or "n..m" into the set. */
static int add_range(struct str item, uint8_t set[32])
{
	struct str rest = item, first = str_cut(&rest, '.');
	uint64_t from, to;

	if (str_to_u64(first, 255, &from) < 0)
		return -1;
	to = from;
	if (first.len < item.len &&
	    (!str_starts(rest, STR(".")) ||
		str_to_u64(str_skip(rest, 1), 255, &to) < 0 || to < from))
		return -1;
	for (; from <= to; from++)
		set[from / 8] |= (uint8_t)(1u << (from % 8));
	return 0;
}

/* One octet of a filter, cut off *rest with the point behind it. */
static int cut_octet(struct str *rest, uint8_t set[32])
{
	struct str list;

	if (!str_starts(*rest, STR("[")))
		return add_range(str_cut(rest, '.'), set);
	*rest = str_skip(*rest, 1);
	if (str_find(*rest, ']') == rest->len)
		return -1;
	list = str_cut(rest, ']');
	if (rest->len > 0 && rest->p[0] != '.')
		return -1;
	*rest = str_skip(*rest, 1);
	do {
		if (add_range(str_cut(&list, ';'), set) < 0)
			return -1;
	} while (list.len > 0);
	return 0;
}

static int parse_filter(struct str text, struct site *s)
{
	size_t points = 0, depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		depth += text.p[i] == '[';
		depth -= text.p[i] == ']' && depth > 0;
		points += text.p[i] == '.' && depth == 0;
	}
	if (points != 3)
		return -1;
	s->filtered = true;
	for (size_t i = 0; i < 4; i++)
		if (cut_octet(&text, s->octets[i]) < 0)
			return -1;
	return text.len == 0 ? 0 : -1;
}

static int parse_weight(struct str text, struct site *s)
{
	bool negative = str_starts(text, STR("-"));
	uint64_t n;

	if (negative || str_starts(text, STR("+")))
		text = str_skip(text, 1);
	if (str_to_u64(text, WEIGHT_MOST, &n) < 0 || n == 0)
		return -1;
	s->weight = negative ? -(int)n : (int)n;
	return 0;
}

static bool is_domain(struct str d)
{
	if (d.len == 0 || d.len > 150 || d.p[0] == '.' || d.p[d.len - 1] == '.')
		return false;
	for (size_t i = 0; i < d.len; i++)
		if (!ascii_alnum(d.p[i]) && strchr("-_.", d.p[i]) == NULL)
			return false;
	return true;
}

static const char *parse_site(struct str word, struct site *s)
{
	struct str weight = word, filter = str_cut(&weight, '*');
	bool weighted = filter.len < word.len;
	size_t len = filter.len;

	s->domain = str_cut(&filter, '=');
	s->weight = 1;
	if (weighted && parse_weight(weight, s) < 0)
		return "the weight is a number from -1000 to 1000, not 0";
	if (s->domain.len < len && parse_filter(filter, s) < 0)
		return "the filter is an address, of which each octet may be a "
		       "set as [1;4..7]";
	return is_domain(s->domain) ? NULL : "this is no domain";
}

int sites_parse(
    struct str text, struct sites *out, struct str *bad, const char **why)
{
	struct str word;

	out->count = 0;
	while ((word = str_word(&text, " ,\t\r\n")).len > 0) {
		struct site s = {.weight = 0};

		*bad = word;
		*why = out->count == SITES_MAX ? "too many sites"
					       : parse_site(word, &s);
		if (*why != NULL)
			return -1;
		for (size_t i = 0; i < out->count; i++)
			s.again |= str_case_eq(out->site[i].domain, s.domain);
		out->site[out->count++] = s;
	}
	return 0;
}

bool site_matches(const struct site *s, const uint8_t answer[4])
{
	for (size_t i = 0; i < 4 && s->filtered; i++)
		if (!(s->octets[i][answer[i] / 8] & (1u << (answer[i] % 8))))
			return false;
	return true;
}
