/* SPDX-License-Identifier: ISC */
/*
 * What the figures on the boards mean: one row for each, for `posthouse
 * stats`, the endpoint of exporter(8), its manual and the dashboard. A name
 * that a daemon counts under has a row here; tests/test_stats.py looks.
 */
#ifndef DAEMON_FIGURES_H
#define DAEMON_FIGURES_H

#include "core/str.h"

enum figure_kind {
	FIGURE_COUNT, /* only grows, until master ends */
	FIGURE_GAUGE,
	FIGURE_TIMES /* a histogram */
};

struct figure {
	/* Whose it is: a program's name; NULL: of every daemon; "": master
	 * knows it of each service; "house": there is one. */
	const char *command;
	const char *name; /* on the board */
	enum figure_kind kind;
	const char *metric; /* of the endpoint; rows of one metric stand
	                     * together, and its help with the first */
	const char *label;  /* "reason=\"network\"", or NULL */
	const char *help;
	bool slow; /* times of minutes and days */
};

extern const struct figure figures[]; /* ends with metric NULL */

/* The row of a name on the board of a service with that program, or NULL. */
const struct figure *figure_find(
    struct str command, struct str name, enum figure_kind kind);
/* "counter", "gauge", "histogram". */
const char *figure_kind_name(enum figure_kind kind);

#endif
