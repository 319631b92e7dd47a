/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "ipc/trace_index.h"
#include "logd/output.h"

static char dir[40];
static int64_t moved;
static struct logd_conf conf = {.maillog_file = "/dev/null",
    .log_destination = "file",
    .trace_events = true,
    .trace_lifetime = 36000 * 1000};

static void open_output(void)
{
	const char *path;
	char *folder;

	assert_int_equal(output_destinations(&conf), 0);
	folder = output_find(&conf, dir, &path);
	assert_non_null(folder);
	free(folder);
	assert_int_equal(output_open("host", "posthouse", &path), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/index-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	/* The middle of an hour, so that none ends during a test. */
	moved = 1800 - clock_seconds() % 3600;
	clock_step(moved);
	open_output();
	return 0;
}

static void each_file(void (*act)(const char *path))
{
	char folder[60], path[400];
	struct dirent *e;
	DIR *d;

	snprintf(folder, sizeof(folder), "%s/trace", dir);
	d = opendir(folder);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			act(path);
	}
	closedir(d);
}

static void unlink_one(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static int teardown(void **state)
{
	char folder[60];

	(void)state;
	output_close();
	each_file(unlink_one);
	snprintf(folder, sizeof(folder), "%s/trace", dir);
	rmdir(folder);
	rmdir(dir);
	clock_step(-moved);
	return 0;
}

static void step_clock(int64_t seconds)
{
	clock_step(seconds);
	moved += seconds;
}

static int64_t hour_now(void)
{
	return clock_seconds() / 3600;
}

static void path_of(int64_t hour, const char *suffix, char *out, size_t size)
{
	char name[TRACE_NAME_MAX];

	trace_file_name(hour, suffix, name);
	snprintf(out, size, "%s/trace/%s", dir, name);
}

static void write_event(unsigned number)
{
	struct trace_cell cells[TRACE_CELLS_MAX];
	struct trace_record r = {
	    .time_us = clock_us(), .kind = TRACE_RECIPIENT};
	char who[300];

	/* Every third needs a second cell, every tenth a third. */
	snprintf(who, sizeof(who), "%0*u@example.test",
	    number % 10 == 0      ? 200
		: number % 3 == 0 ? 80
				  : 6,
	    number);
	r.session = id_new();
	r.says.who = str_from(who);
	output_trace(cells, trace_encode(&r, cells));
}

static void write_events(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		write_event(i);
	output_flush();
}

static void index_all(void)
{
	for (int i = 0; i < 10000; i++)
		if (!output_index())
			return;
	fail_msg("the index has no end");
}

/* How many of the events [from, to) are found in the hour's index, each at the
 * cell where it stands. */
static unsigned found(int64_t hour, unsigned from, unsigned to)
{
	char path[100], key[40];
	struct trace_segment s[20];
	size_t segments = 0, count, room = 0;
	uint32_t *cells = NULL, covered = 0;
	uint64_t offset = 0;
	unsigned n = 0;
	struct stat st;
	int fd, trace;

	path_of(hour, ".trace", path, sizeof(path));
	trace = open(path, O_RDONLY);
	path_of(hour, ".index", path, sizeof(path));
	fd = open(path, O_RDONLY);
	if (fd < 0 || trace < 0)
		return 0;
	assert_int_equal(fstat(fd, &st), 0);
	while (segments < ARRAY_LEN(s) &&
	    trace_segment_read(
		fd, offset, (uint64_t)st.st_size, covered, &s[segments]) == 0) {
		covered += s[segments].cells;
		offset += (s[segments++].pages + 1ull) * TRACE_PAGE;
	}
	for (unsigned i = from; i < to; i++) {
		int len = snprintf(key, sizeof(key), "%06u@EXAMPLE.test", i);
		struct trace_cell at[TRACE_CELLS_MAX];
		struct trace_record r;

		if (i % 10 == 0 || i % 3 == 0)
			continue;
		count = 0;
		for (size_t k = 0; k < segments; k++)
			assert_int_equal(
			    trace_segment_find(fd, &s[k],
				trace_key_hash(str_of(key, (size_t)len)),
				&cells, &count, &room),
			    0);
		for (size_t k = 0; k < count; k++) {
			assert_true(pread(trace, at, sizeof(at),
					(off_t)cells[k] * TRACE_CELL) > 0);
			assert_int_not_equal(trace_decode(at, 1, &r), 0);
			n += trace_has_key(&r, str_of(key, (size_t)len));
		}
	}
	free(cells);
	file_close(&fd);
	file_close(&trace);
	return n;
}

/* Those with short names. */
static unsigned short_ones(unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += i % 10 != 0 && i % 3 != 0;
	return n;
}

static void an_hour_that_is_over_is_indexed(void **state)
{
	int64_t first = hour_now();

	(void)state;
	write_events(0, 5000);
	index_all();
	assert_int_equal(found(first, 0, 5000), 0);
	step_clock(3600);
	write_events(5000, 5100);
	index_all();
	assert_int_equal(found(first, 0, 5000), short_ones(0, 5000));
	assert_int_equal(found(first + 1, 5000, 5100), 0);
}

static void a_busy_hour_is_indexed_as_it_goes(void **state)
{
	int64_t hour = hour_now();
	unsigned most = TRACE_SEGMENT_MOST / 3 + 1000; /* three keys each */

	(void)state;
	for (unsigned i = 0; i < most; i += 10000) {
		write_events(i, i + 10000 < most ? i + 10000 : most);
		index_all();
	}
	/* The first segment is there, the rest is not full. */
	assert_int_equal(found(hour, 0, 100000), short_ones(0, 100000));
	assert_int_equal(found(hour, most - 500, most), 0);
	step_clock(3600);
	write_events(0, 1);
	index_all();
	assert_int_equal(
	    found(hour, most - 500, most), short_ones(most - 500, most));
}

static void what_was_left_is_made_at_the_start(void **state)
{
	int64_t hour = hour_now();

	(void)state;
	write_events(0, 300);
	output_close(); /* before anything was indexed */
	open_output();
	index_all();
	assert_int_equal(found(hour, 0, 300), short_ones(0, 300));
	/* It goes on behind what there is. */
	write_events(300, 400);
	index_all();
	output_close();
	open_output();
	index_all();
	assert_int_equal(found(hour, 0, 400), short_ones(0, 400));
}

static void a_torn_write_is_cut_off(void **state)
{
	int64_t hour = hour_now();
	char path[100];
	struct stat st;
	int fd;

	(void)state;
	write_events(0, 100);
	output_close();
	path_of(hour, ".trace", path, sizeof(path));
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "half of a cell", 14), 14);
	file_close(&fd);
	open_output();
	write_events(100, 200);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size % TRACE_CELL, 0);
	step_clock(3600);
	write_events(0, 1);
	index_all();
	assert_int_equal(found(hour, 0, 200), short_ones(0, 200));
}

static void damage(const char *path, off_t at, bool cut)
{
	unsigned char octet;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	if (cut) {
		assert_int_equal(ftruncate(fd, at), 0);
	} else {
		assert_int_equal(pread(fd, &octet, 1, at), 1);
		octet ^= 4;
		assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	}
	file_close(&fd);
}

static void a_damaged_index_is_made_anew(void **state)
{
	static const struct {
		off_t at;
		bool cut;
	} ways[] = {{0, false}, {12, false}, {100, true}, {5000, true}};
	int64_t hour = hour_now();
	char path[100];

	(void)state;
	write_events(0, 300);
	path_of(hour, ".index", path, sizeof(path));
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		output_close();
		open_output();
		index_all();
		assert_int_equal(found(hour, 0, 300), short_ones(0, 300));
		damage(path, ways[i].at, ways[i].cut);
		assert_int_equal(found(hour, 0, 300), 0);
	}
	output_close();
	open_output();
	index_all();
	assert_int_equal(found(hour, 0, 300), short_ones(0, 300));
}

static void an_index_of_other_events_is_made_anew(void **state)
{
	int64_t hour = hour_now();
	char path[100], other[100];

	(void)state;
	write_events(1000, 1300);
	step_clock(3600);
	write_events(0, 300);
	output_close();
	open_output();
	index_all();
	path_of(hour, ".index", path, sizeof(path));
	path_of(hour + 1, ".index", other, sizeof(other));
	assert_int_equal(rename(path, other), 0);
	output_close();
	open_output();
	index_all();
	assert_int_equal(found(hour, 1000, 1300), short_ones(1000, 1300));
	assert_int_equal(found(hour + 1, 0, 300), short_ones(0, 300));
}

static void a_clock_that_goes_back_does_no_harm(void **state)
{
	int64_t hour = hour_now();

	(void)state;
	write_events(0, 300);
	step_clock(3600);
	write_events(300, 600);
	index_all();
	step_clock(-3600);
	write_events(600, 900);
	index_all();
	assert_int_equal(found(hour, 0, 300), short_ones(0, 300));
	assert_int_equal(found(hour + 1, 300, 600), short_ones(300, 600));
	step_clock(2 * 3600);
	write_events(900, 901);
	index_all();
	assert_int_equal(
	    found(hour, 0, 900), short_ones(0, 300) + short_ones(600, 900));
}

static unsigned files;

static void count_one(const char *path)
{
	(void)path;
	files++;
}

static void old_hours_go_with_their_index(void **state)
{
	(void)state;
	files = 0;
	write_events(0, 300);
	step_clock(3600);
	write_events(300, 600);
	index_all();
	each_file(count_one);
	assert_int_equal(files, 4);
	/* Ten hours later only the second hour is young enough. */
	step_clock(36000 - 1800);
	output_sweep();
	files = 0;
	each_file(count_one);
	assert_int_equal(files, 2);
	step_clock(3600);
	output_sweep();
	files = 0;
	each_file(count_one);
	assert_int_equal(files, 0);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_FOLDER(an_hour_that_is_over_is_indexed),
	    IN_A_FOLDER(a_busy_hour_is_indexed_as_it_goes),
	    IN_A_FOLDER(what_was_left_is_made_at_the_start),
	    IN_A_FOLDER(a_torn_write_is_cut_off),
	    IN_A_FOLDER(a_damaged_index_is_made_anew),
	    IN_A_FOLDER(an_index_of_other_events_is_made_anew),
	    IN_A_FOLDER(a_clock_that_goes_back_does_no_harm),
	    IN_A_FOLDER(old_hours_go_with_their_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
