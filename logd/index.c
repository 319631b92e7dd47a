/* SPDX-License-Identifier: ISC */
#include "logd/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace_index.h"

#define PIECE 2048 /* cells read together */

struct indexer {
	int dir;
	int64_t writing; /* the hour that is being written, -1: none yet */
	int64_t *todo;   /* hours to look at */
	size_t todo_count, todo_room;

	int64_t hour;                 /* that is being read, -1: none */
	int trace, index;             /* its files */
	uint32_t at;                  /* cells read */
	struct trace_segment segment; /* being made */
	uint64_t *entries;            /* TRACE_SEGMENT_MOST, or NULL */

	struct trace_cell cells[PIECE + TRACE_CELLS_MAX];
};

/* ---- hours to do ------------------------------------------------------------- */

static void add_todo(struct indexer *x, int64_t hour)
{
	for (size_t i = 0; i < x->todo_count; i++)
		if (x->todo[i] == hour)
			return;
	if (x->todo_count == x->todo_room) {
		x->todo_room = x->todo_room == 0 ? 32 : x->todo_room * 2;
		x->todo = mem_resize(x->todo, x->todo_room, sizeof(x->todo[0]));
	}
	x->todo[x->todo_count++] = hour;
}

/* The earliest, or -1. */
static int64_t take_todo(struct indexer *x)
{
	size_t first = 0;
	int64_t hour;

	if (x->todo_count == 0)
		return -1;
	for (size_t i = 1; i < x->todo_count; i++)
		if (x->todo[i] < x->todo[first])
			first = i;
	hour = x->todo[first];
	x->todo[first] = x->todo[--x->todo_count];
	return hour;
}

static void list_hours(struct indexer *x)
{
	int fd = openat(x->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL) {
		file_close(&fd);
		return;
	}
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL) {
		int64_t hour = trace_file_hour(e->d_name, ".trace");

		if (hour >= 0)
			add_todo(x, hour);
	}
	closedir(dir);
}

/* ---- one hour ---------------------------------------------------------------- */

static void begin_segment(struct indexer *x)
{
	x->segment = (struct trace_segment){
	    .first_cell = x->at, .first_us = UINT64_MAX};
}

/* Whether the trace file has, at its end, the cell that it should. */
static bool fits(const struct indexer *x, const struct trace_segment *s)
{
	struct trace_cell last;
	uint64_t cell = (uint64_t)s->first_cell + s->cells - 1;

	return file_pread_full(
		   x->trace, &last, sizeof(last), cell * TRACE_CELL) == 0 &&
	    trace_cell_sum(&last) == s->last_sum;
}

/* Goes on behind what the index has; what is damaged in it is cut off. */
static int find_end(struct indexer *x)
{
	struct trace_segment s = {.cells = 0};
	uint64_t size, offset = 0;
	struct stat st;
	int r;

	if (fstat(x->index, &st) < 0)
		return -1;
	size = (uint64_t)st.st_size;
	x->at = 0;
	while (
	    (r = trace_segment_read(x->index, offset, size, x->at, &s)) == 0) {
		x->at += s.cells;
		offset += (uint64_t)(s.pages + 1) * TRACE_PAGE;
	}
	if (x->at > 0 && !fits(x, &s)) {
		x->at = 0;
		offset = 0;
	}
	if (offset < size && ftruncate(x->index, (off_t)offset) < 0)
		return -1;
	begin_segment(x);
	return 0;
}

static void close_hour(struct indexer *x)
{
	file_close(&x->trace);
	file_close(&x->index);
	x->hour = -1;
}

static void open_hour(struct indexer *x, int64_t hour)
{
	char name[TRACE_NAME_MAX];

	trace_file_name(hour, ".trace", name);
	x->hour = hour;
	x->trace = openat(x->dir, name, O_RDONLY | O_CLOEXEC);
	if (x->trace < 0) { /* it was removed */
		close_hour(x);
		return;
	}
	trace_file_name(hour, ".index", name);
	x->index = openat(x->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (x->index < 0 || find_end(x) < 0) {
		log_warning("trace index %s: %s", name, strerror(errno));
		close_hour(x);
	}
}

/* Writes the segment. What could not be written is made when logd starts
 * again; searches read the events until then. */
static void end_segment(struct indexer *x)
{
	uint64_t *scratch;

	x->segment.cells = x->at - x->segment.first_cell;
	if (x->segment.cells == 0)
		return;
	scratch = mem_large(x->segment.entries + 1, sizeof(*scratch));
	if (trace_segment_append(x->index, &x->segment, x->entries, scratch) <
	    0) {
		log_warning("the index of trace events cannot be written: %s",
		    strerror(errno));
		close_hour(x);
	}
	free(scratch);
	begin_segment(x);
}

static void note_id(struct trace_segment *s, const struct id *id)
{
	uint64_t ms = id->text[0] == '\0' ? 0 : id_time_ms(id);

	if (ms > s->newest_id)
		s->newest_id = ms;
}

static void add_event(
    struct indexer *x, const struct trace_record *r, uint32_t cell)
{
	struct trace_segment *s = &x->segment;
	struct str keys[TRACE_KEYS_MAX];
	size_t n = trace_keys(r, keys);

	if (x->entries == NULL)
		x->entries = mem_large(
		    TRACE_SEGMENT_MOST, sizeof(x->entries[0]));
	for (size_t i = 0; i < n; i++)
		x->entries[s->entries++] = TRACE_ENTRY(
		    trace_key_hash(keys[i]), cell);
	note_id(s, &r->session);
	note_id(s, &r->message);
	if (r->time_us < s->first_us)
		s->first_us = r->time_us;
	if (r->time_us > s->last_us)
		s->last_us = r->time_us;
}

/* Takes up the events that begin in the first `count` of the cells that are
 * there. */
static void take_cells(struct indexer *x, size_t count, size_t there)
{
	struct trace_record r;
	size_t i = 0, n;

	while (i < count && x->hour >= 0) {
		n = trace_decode(&x->cells[i], there - i, &r);
		if (n > 0)
			add_event(x, &r, x->at);
		else
			n = 1;
		x->segment.last_sum = trace_cell_sum(&x->cells[i + n - 1]);
		i += n;
		x->at += (uint32_t)n;
		if (x->segment.entries + TRACE_KEYS_MAX > TRACE_SEGMENT_MOST)
			end_segment(x);
	}
}

/* false: nothing new is there. */
static bool read_piece(struct indexer *x)
{
	ssize_t n = pread(
	    x->trace, x->cells, sizeof(x->cells), (off_t)x->at * TRACE_CELL);
	size_t there = n < 0 ? 0 : (size_t)n / TRACE_CELL;

	if (there == 0)
		return false;
	take_cells(x, there > PIECE ? PIECE : there, there);
	return true;
}

/* ---- what others see --------------------------------------------------------- */

bool index_step(struct indexer *x, size_t cells)
{
	int64_t hour;

	for (size_t done = 0; done < cells; done += PIECE) {
		if (x->hour < 0) {
			hour = take_todo(x);
			if (hour < 0)
				return false;
			open_hour(x, hour);
			continue;
		}
		if (read_piece(x))
			continue;
		if (x->hour == x->writing)
			return false;
		end_segment(x);
		close_hour(x);
	}
	return true;
}

void index_written(struct indexer *x, int64_t hour)
{
	if (x->writing == hour)
		return;
	x->writing = hour;
	if (x->hour != hour)
		add_todo(x, hour);
}

struct indexer *index_new(int dir)
{
	struct indexer *x = NEW(struct indexer);

	x->dir = dir;
	x->writing = x->hour = -1;
	x->trace = x->index = -1;
	list_hours(x);
	return x;
}

void index_free(struct indexer **xp)
{
	struct indexer *x = *xp;

	*xp = NULL;
	if (x == NULL)
		return;
	close_hour(x);
	free(x->todo);
	free(x->entries);
	free(x);
}
