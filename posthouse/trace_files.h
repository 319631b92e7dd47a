/* SPDX-License-Identifier: ISC */
/*
 * logd's hourly files of trace events and their indexes (trace(5)), for
 * reading. What an index lacks is read from the events; that, and whatever is
 * damaged, is noted.
 */
#ifndef POSTHOUSE_TRACE_FILES_H
#define POSTHOUSE_TRACE_FILES_H

#include "core/buf.h"
#include "ipc/trace_index.h"

struct trace_part {
	struct trace_segment segment;
	bool damaged; /* its cells are read instead */
};

struct trace_file {
	int64_t hour;
	int fd, index; /* index -1: none */
	uint32_t cells;
	struct trace_part *parts;
	size_t part_count;
	uint32_t indexed;     /* cells that the parts cover */
	bool damaged_index;   /* told once */
	uint32_t *damaged;    /* cells that were met, each once */
	size_t damaged_count; /* at most DAMAGED_MAX */
};

struct trace_files {
	int dir;
	struct trace_file *files; /* by hour */
	size_t count;
	struct buf notes; /* lines: what could not be read as it should */
	uint32_t *cells;  /* of the last find */
	size_t cell_count, cell_room;
};

/* 0, or -1 with errno when the directory cannot be read. Ended by
 * trace_files_close in any case. */
int trace_files_open(struct trace_files *t, const char *directory);
void trace_files_close(struct trace_files *t);
/* Hours that have begun since; the others keep their places. */
void trace_files_more(struct trace_files *t);
/* How many cells the file has now. */
uint32_t trace_file_grown(const struct trace_file *f);

/* The event at a cell; -1: there is none, or it is damaged (and noted). */
int trace_file_event(
    struct trace_file *f, uint32_t cell, struct trace_record *out);

/*
 * The cells of a key in one part of the index, in t->cells; none when the part
 * is damaged: then its cells are to be scanned.
 */
void trace_file_find(struct trace_files *t, struct trace_file *f,
    struct trace_part *part, uint32_t hash);

typedef void trace_visit(
    void *arg, struct trace_file *f, uint32_t cell, struct trace_record *r);
/* Every event that begins in [from, to). */
void trace_file_scan(struct trace_file *f, uint32_t from, uint32_t to,
    trace_visit *visit, void *arg);
/* Every event that no undamaged part has. */
void trace_file_scan_rest(struct trace_file *f, trace_visit *visit, void *arg);

/* Adds what was damaged in the events to the notes; at the end. */
void trace_files_tell(struct trace_files *t);

#endif
