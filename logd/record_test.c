/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/file.h"
#include "logd/output.h"
#include "logd/record.h"

/* All records of a datagram, as one line of text. */
static void show(struct str rest, char *out, size_t size)
{
	struct trace_record event;
	struct record r;
	size_t n = 0;

	out[0] = '\0';
	for (;;) {
		switch (record_cut(&rest, &r)) {
		case RECORD_END:
			return;
		case RECORD_LINE:
			n += (size_t)snprintf(out + n, size - n,
			    "[%.*s %.*s %llu %.*s]", STR_FMT(r.program),
			    STR_FMT(r.level), (unsigned long long)r.lost,
			    STR_FMT(r.text));
			break;
		case RECORD_TRACE:
			assert_int_equal(
			    trace_decode(r.cells, r.cell_count, &event),
			    r.cell_count);
			n += (size_t)snprintf(out + n, size - n, "[%s %.*s]",
			    trace_kind_name(event.kind),
			    STR_FMT(event.says.why));
			break;
		case RECORD_BAD:
			snprintf(out + n, size - n, "[bad]");
			return;
		}
	}
}

static const struct {
	const char *in, *want;
} rows[] = {
    {"", ""},
    {"PHL1\tinfo\tsmtpd\t0\thello\n", "[smtpd info 0 hello]"},
    {"PHL1\tinfo\ta\t0\tx\nPHL1\terror\tb\t7\t\n", "[a info 0 x][b error 7 ]"},
    {"PHL1\tinfo\ta\t0\ttab\there\n", "[a info 0 tab\there]"},
    {"PHL1\tinfo\ta\t0\tno end", "[bad]"},
    {"PHL2\tinfo\ta\t0\tx\n", "[bad]"},
    {"PHL1\tinfo\ta b\t0\tx\n", "[bad]"},
    {"PHL1\tinfo\t\t0\tx\n", "[bad]"},
    {"PHL1\tinfo\ta\tmany\tx\n", "[bad]"},
    {"PHL1\tinfo\ta\t0\tx\njunk\n", "[a info 0 x][bad]"},
};

static void datagrams_are_taken_apart(void **state)
{
	char got[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		show(str_from(rows[i].in), got, sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
}

static void events_are_checked(void **state)
{
	struct buf both = buf_new(2000);
	struct trace_cell cells[TRACE_CELLS_MAX];
	struct trace_record r = {.kind = TRACE_QUEUED};
	char got[300], text[200];

	(void)state;
	r.says.why = STR("a\nb\x7f");
	assert_int_equal(trace_encode(&r, cells), 1);
	buf_add_bytes(&both, cells, sizeof(cells[0]));
	buf_add_text(&both, "PHL1\tinfo\ta\t0\tx\n");
	show(buf_str(&both), got, sizeof(got));
	assert_string_equal(got, "[queued a b ][a info 0 x]");
	both.p[100] ^= 1;
	show(buf_str(&both), got, sizeof(got));
	assert_string_equal(got, "[bad]");

	/* A long one whose last cell is missing is none. */
	memset(text, 'x', sizeof(text));
	r.says.why = str_of(text, sizeof(text));
	assert_int_equal(trace_encode(&r, cells), 3);
	buf_clear(&both);
	buf_add_bytes(&both, cells, 2 * sizeof(cells[0]));
	show(buf_str(&both), got, sizeof(got));
	assert_string_equal(got, "[bad]");
	buf_clear(&both);
	buf_add_bytes(&both, &cells[1], sizeof(cells[0]));
	show(buf_str(&both), got, sizeof(got));
	assert_string_equal(got, "[bad]");
	buf_clear(&both);
	buf_add_bytes(&both, &cells[0], 2 * sizeof(cells[0]));
	buf_add_bytes(&both, &cells[0], sizeof(cells[0]));
	show(buf_str(&both), got, sizeof(got));
	assert_string_equal(got, "[bad]");
	buf_free(&both);
}

/* ---- the files ----------------------------------------------------------- */

static char dir[40], log_path[60];
static struct logd_conf conf = {
    .trace_events = true, .trace_lifetime = 3600 * 1000};

static void open_output(void)
{
	const char *path;

	snprintf(dir, sizeof(dir), "/tmp/logd-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	conf.maillog_file = log_path;
	conf.log_destination = "file";
	assert_int_equal(output_destinations(&conf), 0);
	char *folder = output_find(&conf, dir, &path);
	assert_string_equal(folder, dir);
	free(folder);
	assert_int_equal(output_open("host", "posthouse", &path), 0);
}

static void remove_output(void)
{
	char path[100];

	output_close();
	snprintf(path, sizeof(path), "%s/trace", dir);
	assert_int_equal(rmdir(path), 0);
	unlink(log_path);
	rmdir(dir);
}

static void read_text(const char *path, struct buf *out)
{
	buf_clear(out);
	if (file_read(path, out) < 0)
		buf_clear(out);
}

static void lines_are_written_and_a_lost_file_is_made_anew(void **state)
{
	struct buf text = buf_new(10000);
	char other[80];

	(void)state;
	open_output();
	output_line(LOG_LEVEL_INFO, STR("smtpd"), 12, STR("one\x01\n"));
	output_line(LOG_LEVEL_INFO, STR("qmgr"), 13, STR("two"));
	output_flush();
	read_text(log_path, &text);
	assert_non_null(strstr(
	    buf_text(&text), " host posthouse/smtpd[12]: one\\x01\\x0a\n"));
	assert_non_null(strstr(buf_text(&text), "posthouse/qmgr[13]: two\n"));

	snprintf(other, sizeof(other), "%s.1", log_path);
	assert_int_equal(rename(log_path, other), 0);
	usleep(1100000);
	output_line(LOG_LEVEL_INFO, STR("smtpd"), 12, STR("three"));
	output_flush();
	read_text(log_path, &text);
	assert_non_null(strstr(buf_text(&text), "three\n"));
	assert_null(strstr(buf_text(&text), "two\n"));
	unlink(other);
	remove_output();
	buf_free(&text);
}

static void old_trace_files_go(void **state)
{
	static const char *const names[] = {
	    "2001010100.trace", "notes.trace", "2001010100.tracex"};
	char path[100];
	struct stat st;
	FILE *f;

	(void)state;
	open_output();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/trace/%s", dir, names[i]);
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
	}
	output_sweep();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/trace/%s", dir, names[i]);
		assert_int_equal(stat(path, &st), i == 0 ? -1 : 0);
		unlink(path);
	}
	remove_output();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_are_taken_apart),
	    cmocka_unit_test(events_are_checked),
	    cmocka_unit_test(lines_are_written_and_a_lost_file_is_made_anew),
	    cmocka_unit_test(old_trace_files_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
