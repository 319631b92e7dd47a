/* SPDX-License-Identifier: ISC */
/*
 * All figures at one moment, as master answers "figures" (lib/ipc/master.h):
 * for `posthouse stats` and `posthouse top`, and for exporter(8).
 */
#ifndef DAEMON_READING_H
#define DAEMON_READING_H

#include "core/arena.h"
#include "core/histogram.h"
#include "daemon/figures.h"
#include "ipc/master.h"

/* Every text is NUL-terminated. */
struct read_counter {
	struct read_counter *next;
	const struct figure *row; /* NULL: a name without one */
	const char *name;
	bool gauge;
	uint64_t value;
};

struct read_times {
	struct read_times *next;
	const struct figure *row; /* NULL: a name without one */
	const char *name;
	struct histogram h;
};

struct read_service {
	struct read_service *next;
	const char *name, *type, *command, *state, *pids, *error;
	uint64_t processes, busy, parked, old, limit, served, restarts;
	struct read_counter *counters;
	struct read_times *times;
};

struct read_certificate {
	struct read_certificate *next;
	const char *path, *subject, *services, *error;
	uint64_t expires; /* seconds since 1970; 0: see error */
};

struct reading {
	struct arena arena;
	struct read_service *services, **last;
	struct read_certificate *certificates;
	uint64_t pid, started, generation; /* of master */
	int64_t at;                        /* seconds since 1970 */
	int64_t at_ms;                     /* clock_ms */
};

void reading_init(struct reading *r);
void reading_clear(struct reading *r);
/* One message of master's answer. 1: it was the last; 0: go on; -1: that is
 * no answer to this question. */
int reading_take(
    struct reading *r, const struct ipc_type *type, const void *msg);

/* The same service in another reading, or NULL. */
const struct read_service *reading_find(
    const struct reading *r, const struct read_service *s);
/* What the counter of that name shows; 0 when there is none. */
uint64_t reading_counter(const struct read_service *s, const char *name);
/* The times of that name, or NULL. */
const struct read_times *reading_times(
    const struct read_service *s, const char *name);
/* The sum over all services with that program. */
uint64_t reading_sum(
    const struct reading *r, const char *command, const char *name);

#endif
