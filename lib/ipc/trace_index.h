/* SPDX-License-Identifier: ISC */
/*
 * The index beside an hourly file of trace events: YYYYMMDDHH.index. It is
 * derived: what it lacks, or what is damaged in it, is read from the file of
 * events itself (trace(5)).
 *
 * It is a sequence of segments, each for the cells behind those of the one
 * before it: a page of 4096 octets that describes it, and pages of entries
 * (hash of a key, cell), sorted. Hashes are spread evenly, so that the page of
 * a key is found by its value, with one or two reads.
 */
#ifndef IPC_TRACE_INDEX_H
#define IPC_TRACE_INDEX_H

#include "ipc/trace_record.h"

#define TRACE_PAGE         4096
#define TRACE_PAGE_ENTRIES 511
#define TRACE_SEGMENT_MOST 524288 /* entries of one segment */
#define TRACE_SEGMENTS_MAX 4096   /* of one file that are looked at */
#define TRACE_KEYS_MAX     8      /* of one event */
#define TRACE_KEY_MAX      TRACE_WHO_MAX

/* ---- names of files ---------------------------------------------------------- */

#define TRACE_NAME_MAX 20 /* octets, with NUL */

/* hour: hours since 1970; suffix: ".trace" or ".index". */
void trace_file_name(
    int64_t hour, const char *suffix, char name[TRACE_NAME_MAX]);
/* The hour that a file is of, or -1 when it is none with this suffix. */
int64_t trace_file_hour(const char *name, const char *suffix);

/* ---- keys ------------------------------------------------------------------ */

/*
 * What an event is found by: its message or, without one, its session; and by
 * kind sender, recipient, "@domain", client, user, Message-ID, the other id.
 * Views into r. Returns how many.
 */
size_t trace_keys(const struct trace_record *r, struct str out[TRACE_KEYS_MAX]);
/* Of a key in any case; what is longer than TRACE_KEY_MAX is cut. */
uint32_t trace_key_hash(struct str key);
/* Whether one of the event's keys is this one, in any case. */
bool trace_has_key(const struct trace_record *r, struct str key);

/* ---- segments --------------------------------------------------------------- */

struct trace_segment {
	uint32_t first_cell, cells; /* that it covers */
	uint32_t entries, pages;
	uint32_t last_sum;  /* trace_cell_sum of the last cell: its place */
	uint64_t newest_id; /* ms: no message or session in it is younger */
	uint64_t first_us;  /* of the earliest event */
	uint64_t last_us;   /* of the latest */
	uint64_t offset;    /* in the index file; not on disk */
};

/* An entry: the key's hash in the upper half, the cell in the lower. */
#define TRACE_ENTRY(hash, cell) ((uint64_t)(hash) << 32 | (cell))

/*
 * Sorts the entries (scratch: room for as many) and appends the segment at the
 * end of fd, whose size is a multiple of TRACE_PAGE. 0, or -1 with errno; then
 * the file has its old size again, if that is possible.
 */
int trace_segment_append(
    int fd, struct trace_segment *s, uint64_t *entries, uint64_t *scratch);

/* The segment that begins at offset. 0; 1: none does; -1: it is damaged. */
int trace_segment_read(int fd, uint64_t offset, uint64_t size,
    uint32_t first_cell, struct trace_segment *out);

/*
 * The cells of a key in a segment, ascending, appended to *cells (grown with
 * mem_resize). 0, or -1: damaged.
 */
int trace_segment_find(int fd, const struct trace_segment *s, uint32_t hash,
    uint32_t **cells, size_t *count, size_t *room);

#endif
