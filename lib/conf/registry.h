/* SPDX-License-Identifier: ISC */
/*
 * All parameter tables of the house. build/registry.c, which the Makefile
 * writes from the names of the *_conf.c files, defines it; only master,
 * posthouse and tests link it (other programs never mention it).
 */
#ifndef CONF_REGISTRY_H
#define CONF_REGISTRY_H

#include "conf/param.h"
#include "core/str.h"

struct conf_table {
	const char *owner; /* "smtpd", "house", ... */
	const struct conf_param *params;
};

/* Ends with owner NULL. */
extern const struct conf_table conf_registry[];

/* The row of a name, or NULL; *owner (may be NULL) is set too. */
const struct conf_param *conf_find(const char *name, const char **owner);
/* How many letters part two names (Levenshtein). */
size_t conf_distance(struct str a, struct str b);
/* The known name with the least edit distance, or NULL when none is near. */
const char *conf_nearest(const char *name);

#endif
