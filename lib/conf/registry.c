/* SPDX-License-Identifier: ISC */
#include "conf/registry.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/str.h"

const struct conf_param *conf_find(const char *name, const char **owner)
{
	for (const struct conf_table *t = conf_registry; t->owner; t++) {
		for (const struct conf_param *p = t->params; p->name; p++) {
			if (strcmp(p->name, name) != 0)
				continue;
			if (owner != NULL)
				*owner = t->owner;
			return p;
		}
	}
	return NULL;
}

/* Levenshtein's distance, in one row of memory. */
size_t conf_distance(struct str a, struct str b)
{
	size_t *row = mem_array(b.len + 1, sizeof(*row)), result;

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			size_t change = diagonal + (a.p[i] != b.p[j]);
			size_t least = row[j] < row[j + 1] ? row[j]
							   : row[j + 1];

			diagonal = row[j + 1];
			row[j + 1] = change < least + 1 ? change : least + 1;
		}
	}
	result = row[b.len];
	free(row);
	return result;
}

const char *conf_nearest(const char *name)
{
	struct str wanted = str_from(name);
	size_t best = wanted.len / 3 + 1;
	const char *nearest = NULL;

	for (const struct conf_table *t = conf_registry; t->owner; t++) {
		for (const struct conf_param *p = t->params; p->name; p++) {
			struct str known = str_from(p->name);
			size_t d = conf_distance(wanted, known);

			if (d < best) {
				best = d;
				nearest = p->name;
			}
		}
	}
	return nearest;
}
