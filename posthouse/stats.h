/* SPDX-License-Identifier: ISC */
/* Figures for people: what `posthouse stats` and `posthouse top` print. */
#ifndef POSTHOUSE_STATS_H
#define POSTHOUSE_STATS_H

#include "core/buf.h"
#include "daemon/reading.h"
#include "posthouse/posthouse.h"

struct stats {
	struct reading now;
	/* What rates and times are counted from; NULL: the start of master. */
	const struct reading *before;
	int64_t ms; /* between the two, at least 1 */
};

/* Asks master. 0, or 1 after a message on stderr. */
int stats_read(struct posthouse *p, const char *command, struct reading *r);
/* now has been read. */
void stats_since(struct stats *s, const struct reading *before);

/* ---- the sections, each with its head ---- */
void stats_add_head(const struct stats *s, struct buf *out);
void stats_add_queue(const struct stats *s, struct buf *out);
/* most: lines at most, the busiest first; 0: all, as master.cf has them, with
 * their memory. */
void stats_add_services(const struct stats *s, size_t most, struct buf *out);
void stats_add_counters(const struct stats *s, struct buf *out);
void stats_add_times(const struct stats *s, struct buf *out);
void stats_add_certificates(const struct stats *s, struct buf *out);
void stats_json(const struct stats *s, struct buf *out);

/* ---- parts ---- */
/* "120 us", "3.4 ms", "1.2 s", "3 min", "5 h", "2 days" */
void stats_add_span(struct buf *out, uint64_t us);
/* What a counter grew by, per second and in thousandths. */
uint64_t stats_rate(const struct stats *s, uint64_t now, uint64_t before);
/* The same for a counter of a service. */
uint64_t stats_counter_rate(const struct stats *s,
    const struct read_service *service, const struct read_counter *c);
/* The times since `before`. */
struct histogram stats_times(const struct stats *s,
    const struct read_service *service, const struct read_times *t);
/* Octets that the processes of a service hold; of the first some 150. */
uint64_t stats_resident(const struct read_service *service);

#endif
