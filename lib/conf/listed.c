/* SPDX-License-Identifier: ISC */
#include "conf/listed.h"

enum map_result listed_find(struct str list, struct listed *l)
{
	struct str word;

	l->by = STR_EMPTY;
	while ((word = map_cut_spec(&list)).len > 0) {
		bool excludes = word.p[0] == '!', matches;
		struct str name = str_skip(word, excludes ? 1 : 0);
		enum map_result r = MAP_ERROR;

		if (map_is_spec(name)) {
			if (l->ask != NULL)
				r = l->ask(l->arg, name, l->keys);
			matches = r == MAP_FOUND;
		} else {
			matches = l->is(l->what, name);
			r = MAP_NONE;
		}
		if (!matches && r == MAP_NONE)
			continue;
		l->by = word;
		if (matches)
			return excludes ? MAP_NONE : MAP_FOUND;
		return MAP_ERROR;
	}
	return MAP_NONE;
}

bool listed_is_domain(const void *domain, struct str word)
{
	struct str d = *(const struct str *)domain;

	if (word.len == 0 || word.p[0] != '.')
		return d.len > 0 && str_case_eq(d, word);
	return d.len > word.len && str_case_ends(d, word);
}

static void add_lower(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(out, ascii_lower(text.p[i]));
}

void listed_domain_keys(struct str domain, struct buf *keys)
{
	add_lower(domain, keys);
	(void)str_cut(&domain, '.');
	while (domain.len > 0) {
		buf_add_text(keys, "\n.");
		add_lower(domain, keys);
		(void)str_cut(&domain, '.');
	}
}

bool listed_domain(struct str list, struct str domain)
{
	struct listed l = {.is = listed_is_domain, .what = &domain};

	return listed_find(list, &l) == MAP_FOUND;
}
