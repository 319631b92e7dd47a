/* SPDX-License-Identifier: ISC */
#include "posthouse/trace_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"

#define NOTES_MAX   16384
#define DAMAGED_MAX 1000 /* cells of a file that are counted */
#define PIECE       8192 /* cells read together */

static void note(struct trace_files *t, const struct trace_file *f,
    const char *suffix, const char *what)
{
	char name[TRACE_NAME_MAX];

	trace_file_name(f->hour, suffix, name);
	buf_printf(&t->notes, "%s: %s\n", name, what);
}

/* ---- opening ----------------------------------------------------------------- */

static int open_one(
    const struct trace_files *t, int64_t hour, const char *suffix)
{
	char name[TRACE_NAME_MAX];

	trace_file_name(hour, suffix, name);
	return openat(t->dir, name, O_RDONLY | O_CLOEXEC);
}

uint32_t trace_file_grown(const struct trace_file *f)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return f->cells;
	return (uint32_t)(st.st_size / TRACE_CELL);
}

static void add_part(struct trace_file *f, const struct trace_segment *s)
{
	f->parts = mem_resize(f->parts, f->part_count + 1, sizeof(f->parts[0]));
	f->parts[f->part_count++] = (struct trace_part){.segment = *s};
	f->indexed = s->first_cell + s->cells;
}

/* Whether the events are those that the index was made of. */
static bool fits(const struct trace_file *f)
{
	struct trace_cell last;

	if (f->indexed == 0)
		return true;
	return f->indexed <= f->cells &&
	    file_pread_full(f->fd, &last, sizeof(last),
		(uint64_t)(f->indexed - 1) * TRACE_CELL) == 0 &&
	    trace_cell_sum(&last) ==
	    f->parts[f->part_count - 1].segment.last_sum;
}

static void read_index(struct trace_files *t, struct trace_file *f)
{
	struct trace_segment s;
	uint64_t offset = 0;
	struct stat st;
	int r = 1;

	if (f->index < 0 || fstat(f->index, &st) < 0)
		return;
	while (f->part_count < TRACE_SEGMENTS_MAX &&
	    (r = trace_segment_read(f->index, offset, (uint64_t)st.st_size,
		 f->indexed, &s)) == 0) {
		add_part(f, &s);
		offset += (uint64_t)(s.pages + 1) * TRACE_PAGE;
	}
	if (!fits(f)) {
		note(t, f, ".index",
		    "it belongs to other events: they are read instead");
		f->part_count = 0;
		f->indexed = 0;
	} else if (r < 0) {
		note(t, f, ".index",
		    "damaged: what it lacks is read from the events");
	}
}

/* A segment that is just being written looks damaged: only what logd has left
 * behind for good is told. */
static void note_missing(struct trace_files *t)
{
	int64_t now = clock_seconds() / 3600;

	for (size_t i = 0; i < t->count; i++) {
		const struct trace_file *f = &t->files[i];

		if (f->index < 0 && f->cells > 0 && f->hour != now &&
		    i + 1 < t->count)
			note(t, f, ".index",
			    "missing: the events are read instead");
	}
}

static void add_file(struct trace_files *t, int64_t hour)
{
	struct trace_file *f;
	int fd = open_one(t, hour, ".trace");

	if (fd < 0)
		return;
	t->files = mem_resize(t->files, t->count + 1, sizeof(t->files[0]));
	f = &t->files[t->count++];
	*f = (struct trace_file){
	    .hour = hour, .fd = fd, .index = open_one(t, hour, ".index")};
	f->cells = trace_file_grown(f);
	read_index(t, f);
}

static int compare_hours(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The hours from `least` on, in order. */
static int list_hours(int dir, int64_t least, int64_t **hours, size_t *count)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*hours = NULL;
	*count = 0;
	if (d == NULL) {
		file_close(&fd);
		return -1;
	}
	// cppcheck-suppress readdirCalled
	while ((e = readdir(d)) != NULL) {
		int64_t hour = trace_file_hour(e->d_name, ".trace");

		if (hour < least)
			continue;
		*hours = mem_resize(*hours, *count + 1, sizeof(**hours));
		(*hours)[(*count)++] = hour;
	}
	closedir(d);
	if (*count > 0)
		qsort(*hours, *count, sizeof(**hours), compare_hours);
	return 0;
}

int trace_files_open(struct trace_files *t, const char *directory)
{
	int64_t *hours = NULL;
	size_t count;

	*t = (struct trace_files){.notes = buf_new(NOTES_MAX)};
	t->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0 || list_hours(t->dir, 0, &hours, &count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		add_file(t, hours[i]);
	free(hours);
	note_missing(t);
	return 0;
}

void trace_files_more(struct trace_files *t)
{
	int64_t least = t->count > 0 ? t->files[t->count - 1].hour + 1 : 0;
	int64_t *hours = NULL;
	size_t count;

	if (list_hours(t->dir, least, &hours, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		add_file(t, hours[i]);
	free(hours);
}

void trace_files_close(struct trace_files *t)
{
	for (size_t i = 0; i < t->count; i++) {
		file_close(&t->files[i].fd);
		file_close(&t->files[i].index);
		free(t->files[i].parts);
		free(t->files[i].damaged);
	}
	free(t->files);
	free(t->cells);
	buf_free(&t->notes);
	if (t->dir >= 0)
		file_close(&t->dir);
}

/* ---- reading ------------------------------------------------------------------- */

static void note_cell(struct trace_file *f, uint32_t cell)
{
	if (f->damaged_count == DAMAGED_MAX)
		return;
	for (size_t i = 0; i < f->damaged_count; i++)
		if (f->damaged[i] == cell)
			return;
	f->damaged = mem_resize(
	    f->damaged, f->damaged_count + 1, sizeof(f->damaged[0]));
	f->damaged[f->damaged_count++] = cell;
}

int trace_file_event(
    struct trace_file *f, uint32_t cell, struct trace_record *out)
{
	struct trace_cell cells[TRACE_CELLS_MAX];
	ssize_t n = pread(
	    f->fd, cells, sizeof(cells), (off_t)cell * TRACE_CELL);
	size_t there = n < 0 ? 0 : (size_t)n / TRACE_CELL;

	if (trace_decode(cells, there, out) > 0)
		return 0;
	note_cell(f, cell);
	return -1;
}

void trace_file_find(struct trace_files *t, struct trace_file *f,
    struct trace_part *part, uint32_t hash)
{
	t->cell_count = 0;
	if (part->damaged)
		return;
	if (trace_segment_find(f->index, &part->segment, hash, &t->cells,
		&t->cell_count, &t->cell_room) == 0)
		return;
	t->cell_count = 0;
	part->damaged = true;
	if (!f->damaged_index)
		note(t, f, ".index",
		    "damaged: what it lacks is read from the events");
	f->damaged_index = true;
}

void trace_file_scan(struct trace_file *f, uint32_t from, uint32_t to,
    trace_visit *visit, void *arg)
{
	size_t size = (PIECE + TRACE_CELLS_MAX) * sizeof(struct trace_cell);
	struct trace_cell *cells = mem_alloc(size);
	struct trace_record r;

	while (from < to) {
		ssize_t n = pread(f->fd, cells, size, (off_t)from * TRACE_CELL);
		size_t there = n < 0 ? 0 : (size_t)n / TRACE_CELL;
		size_t count = there < PIECE ? there : PIECE, i = 0;

		if (there == 0)
			break;
		while (i < count && from < to) {
			size_t took = trace_decode(&cells[i], there - i, &r);

			if (took > 0)
				visit(arg, f, from, &r);
			else if (!trace_cell_is_valid(&cells[i]))
				note_cell(f, from);
			i += took > 0 ? took : 1;
			from += took > 0 ? (uint32_t)took : 1;
		}
	}
	free(cells);
}

void trace_file_scan_rest(struct trace_file *f, trace_visit *visit, void *arg)
{
	for (size_t i = 0; i < f->part_count; i++)
		if (f->parts[i].damaged)
			trace_file_scan(f, f->parts[i].segment.first_cell,
			    f->parts[i].segment.first_cell +
				f->parts[i].segment.cells,
			    visit, arg);
	if (f->indexed < f->cells)
		trace_file_scan(f, f->indexed, f->cells, visit, arg);
}

void trace_files_tell(struct trace_files *t)
{
	char text[80];

	for (size_t i = 0; i < t->count; i++) {
		struct trace_file *f = &t->files[i];

		if (f->damaged_count == 0)
			continue;
		snprintf(text, sizeof(text), "%s%zu damaged events were met",
		    f->damaged_count == DAMAGED_MAX ? "at least " : "",
		    f->damaged_count);
		note(t, f, ".trace", text);
		f->damaged_count = 0;
	}
}
