/* SPDX-License-Identifier: ISC */
#include "smtp/nexthop.h"

#include <stdlib.h>

static int take_port(struct str text, uint16_t *out)
{
	uint64_t port;

	if (str_to_u64(text, 65535, &port) < 0 || port == 0)
		return -1;
	*out = (uint16_t)port;
	return 0;
}

/* "[host]" or "[host]:port" */
static int parse_brackets(struct str in, struct nexthop *out)
{
	size_t end = str_find(in, ']');
	struct str rest = str_skip(in, end + 1);

	if (end == in.len || end < 2)
		return -1;
	out->kind = NEXTHOP_HOST;
	out->host = str_sub(in, 1, end - 1);
	if (rest.len == 0)
		return 0;
	return rest.p[0] == ':' ? take_port(str_skip(rest, 1), &out->port) : -1;
}

int nexthop_parse(struct str in, struct nexthop *out)
{
	size_t colon;

	*out = (struct nexthop){.kind = NEXTHOP_DOMAIN};
	if (str_starts(in, STR("unix:"))) {
		out->kind = NEXTHOP_UNIX;
		out->host = str_skip(in, 5);
		return out->host.len > 0 ? 0 : -1;
	}
	if (str_starts(in, STR("inet:"))) {
		in = str_skip(in, 5);
		out->kind = NEXTHOP_HOST;
	}
	if (in.len > 0 && in.p[0] == '[')
		return parse_brackets(in, out);
	colon = str_find(in, ':');
	out->host = str_sub(in, 0, colon);
	if (out->host.len == 0)
		return -1;
	if (colon == in.len)
		return 0;
	out->kind = NEXTHOP_HOST;
	return take_port(str_skip(in, colon + 1), &out->port);
}

static int compare(const void *ap, const void *bp)
{
	const struct mx *a = ap, *b = bp;

	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->random != b->random)
		return a->random < b->random ? -1 : 1;
	return 0;
}

void mx_sort(struct mx *list, size_t count)
{
	if (count > 1)
		qsort(list, count, sizeof(list[0]), compare);
}

/* Without final dot. */
static struct str bare(struct str name)
{
	return str_ends(name, STR(".")) ? str_sub(name, 0, name.len - 1) : name;
}

enum mx_verdict mx_choose(struct mx *list, size_t *count, struct str own)
{
	size_t kept = 0;

	if (*count == 1 && bare(list[0].name).len == 0)
		return MX_NULL;
	for (size_t i = 0; i < *count; i++) {
		struct str name = bare(list[i].name);

		if (name.len == 0)
			continue;
		if (str_case_eq(name, own)) {
			uint16_t ours = list[i].preference;

			/* Equal ones before it go too: mail only gets nearer
			 * (RFC 5321 section 5.1). */
			while (kept > 0 && list[kept - 1].preference >= ours)
				kept--;
			*count = kept;
			return kept == 0 ? MX_LOOP : MX_OK;
		}
		list[kept] = list[i];
		list[kept++].name = name;
	}
	*count = kept;
	return kept == 0 ? MX_NULL : MX_OK;
}
