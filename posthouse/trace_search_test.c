/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "posthouse/trace_print.h"
#include "posthouse/trace_story.h"

#define HOURS 3

static char dir[40];
static int64_t first_hour;
static uint64_t now_us; /* of the next event */
static struct id session, other_session;

/* ---- files --------------------------------------------------------------------- */

static void path_of(int64_t hour, const char *suffix, char *out, size_t size)
{
	char name[TRACE_NAME_MAX];

	trace_file_name(first_hour + hour, suffix, name);
	snprintf(out, size, "%s/%s", dir, name);
}

/* An id that was made at that time. */
static struct id id_at(uint64_t us)
{
	int64_t step = (int64_t)(us / 1000000) - clock_seconds();
	struct id id;

	clock_step(step);
	id = id_new();
	clock_step(-step);
	return id;
}

static void event(int64_t hour, enum trace_kind kind, const struct id *from,
    const struct id *message, struct trace_fields says)
{
	struct trace_cell cells[TRACE_CELLS_MAX];
	struct trace_record r = {
	    .time_us = now_us, .kind = kind, .daemon = "test", .says = says};
	char path[80];
	size_t n;
	int fd;

	if (from != NULL)
		r.session = *from;
	if (message != NULL)
		r.message = *message;
	n = trace_encode(&r, cells);
	path_of(hour, ".trace", path, sizeof(path));
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, cells, n * sizeof(cells[0])), 0);
	file_close(&fd);
	now_us += 1000;
}

static void start_hour(int64_t hour)
{
	now_us = (uint64_t)(first_hour + hour) * 3600000000u + 1000000;
}

/* In segments of few cells, so that there are several. */
static void make_index(int64_t hour)
{
	uint64_t *entries = mem_alloc(100000 * sizeof(*entries));
	uint64_t *scratch = mem_alloc(100000 * sizeof(*scratch));
	struct trace_files t;
	char path[80];
	int fd;

	path_of(hour, ".index", path, sizeof(path));
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(trace_files_open(&t, dir), 0);
	for (size_t i = 0; i < t.count; i++) {
		struct trace_file *f = &t.files[i];

		for (uint32_t at = 0;
		     f->hour == first_hour + hour && at < f->cells;) {
			struct trace_segment s = {
			    .first_cell = at, .first_us = UINT64_MAX};
			struct trace_cell last;

			while (at < f->cells && at - s.first_cell < 5) {
				struct str keys[TRACE_KEYS_MAX];
				struct trace_record r;
				uint32_t cell = at++;

				assert_int_equal(
				    file_pread_full(f->fd, &last, sizeof(last),
					(uint64_t)cell * TRACE_CELL),
				    0);
				s.last_sum = trace_cell_sum(&last);
				if (trace_cell_begins(&last) == 0 ||
				    trace_file_event(f, cell, &r) < 0)
					continue;
				for (size_t n = trace_keys(&r, keys); n > 0;
				     n--)
					entries[s.entries++] = TRACE_ENTRY(
					    trace_key_hash(keys[n - 1]), cell);
				if (r.time_us < s.first_us)
					s.first_us = r.time_us;
				if (r.time_us > s.last_us)
					s.last_us = r.time_us;
				s.newest_id = UINT64_MAX;
			}
			s.cells = at - s.first_cell;
			assert_int_equal(
			    trace_segment_append(fd, &s, entries, scratch), 0);
		}
	}
	trace_files_close(&t);
	file_close(&fd);
	free(entries);
	free(scratch);
}

static void flip(int64_t hour, const char *suffix, off_t at)
{
	unsigned char octet;
	char path[80];
	int fd;

	path_of(hour, suffix, path, sizeof(path));
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= 1;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	file_close(&fd);
}

/* ---- a small world -------------------------------------------------------------- */

/*
 * Hour 0: m[0], Anna to Bert, put off; in the same session m[1], Anna to Carl,
 * delivered. Hour 1: m[0] is tried again and fails; m[2] is the notification.
 * Hour 2: another session, in which only a recipient was refused.
 */
static struct id m[3];

#define ANNA STR("Anna@Example.Test")
#define BERT STR("bert@far.test")
#define CARL STR("carl@here.test")

static void accept_mail(struct id *id, struct str to, const char *message_id)
{
	event(0, TRACE_ENVELOPE, &session, NULL,
	    (struct trace_fields){.who = ANNA});
	event(0, TRACE_RECIPIENT, &session, NULL,
	    (struct trace_fields){.who = to});
	*id = id_at(now_us);
	event(0, TRACE_QUEUED, &session, id,
	    (struct trace_fields){
		.who = str_from(message_id), .where = ANNA, .number = 500});
}

static void attempt(int64_t hour, const struct id *id, struct str to)
{
	event(hour, TRACE_SCHEDULED, &session, id,
	    (struct trace_fields){.who = to, .where = STR("smtp:far.test")});
	event(hour, TRACE_ATTEMPT, &session, id,
	    (struct trace_fields){.where = STR("smtp:far.test"), .number = 1});
}

static int make_world(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/search-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	first_hour = clock_seconds() / 3600 - 10;
	start_hour(0);
	session = id_at(now_us);
	event(0, TRACE_CONNECT, &session, NULL,
	    (struct trace_fields){
		.who = STR("2001:db8::1"), .where = STR("client.example")});
	accept_mail(&m[0], BERT, "<One@example.test>");
	attempt(0, &m[0], BERT);
	event(0, TRACE_DEFERRED, &session, &m[0],
	    (struct trace_fields){.who = BERT,
		.where = STR("mx.far.test[192.0.2.9]:25"),
		.code = STR("450 4.7.1"),
		.why = STR("greylisted"),
		.number = now_us / 1000000 + 3600});
	accept_mail(&m[1], CARL, "<two@example.test>");
	attempt(0, &m[1], CARL);
	event(0, TRACE_DELIVERED, &session, &m[1],
	    (struct trace_fields){.who = CARL, .why = STR("stored")});
	event(0, TRACE_REMOVED, &session, &m[1], (struct trace_fields){0});
	event(0, TRACE_SESSION_END, &session, NULL,
	    (struct trace_fields){.who = STR("2001:db8::1")});

	start_hour(1);
	attempt(1, &m[0], BERT);
	event(1, TRACE_FAILED, &session, &m[0],
	    (struct trace_fields){.who = BERT,
		.code = STR("550 5.1.1"),
		.why = STR("no such user")});
	m[2] = id_at(now_us);
	event(1, TRACE_BOUNCED, &session, &m[0],
	    (struct trace_fields){.who = ANNA,
		.where = id_str(&m[2]),
		.why = STR("non-delivery")});
	event(1, TRACE_QUEUED, &session, &m[2],
	    (struct trace_fields){.who = STR("<dsn@here.test>")});
	event(1, TRACE_REMOVED, &session, &m[0], (struct trace_fields){0});
	event(1, TRACE_REMOVED, &session, &m[2], (struct trace_fields){0});

	start_hour(2);
	other_session = id_at(now_us);
	event(2, TRACE_CONNECT, &other_session, NULL,
	    (struct trace_fields){
		.who = STR("192.0.2.77"), .where = STR("unknown")});
	event(2, TRACE_ENVELOPE, &other_session, NULL,
	    (struct trace_fields){.who = STR("spam@evil.test")});
	event(2, TRACE_REFUSED, &other_session, NULL,
	    (struct trace_fields){.who = STR("dora@here.test"),
		.where = STR("RCPT"),
		.code = STR("550 5.1.1"),
		.why = STR("User unknown")});
	for (int64_t hour = 0; hour < HOURS; hour++)
		make_index(hour);
	return 0;
}

static int end_world(void **state)
{
	char path[80];

	(void)state;
	for (int64_t hour = 0; hour < HOURS; hour++) {
		path_of(hour, ".trace", path, sizeof(path));
		unlink(path);
		path_of(hour, ".index", path, sizeof(path));
		unlink(path);
	}
	rmdir(dir);
	return 0;
}

static struct trace_query query;

static void search(struct trace_search *s, const char *key)
{
	query = (struct trace_query){
	    .key = str_from(key), .until_us = UINT64_MAX, .most = 50};
	assert_int_equal(trace_search(s, dir, &query), 0);
}

/* What is printed as stories: "012" for the three messages, "s" for the first
 * session, "o" for the other. */
static void stories(const char *key, char *out)
{
	struct buf text = buf_new(100000);
	struct trace_search s;
	char head[120];

	search(&s, key);
	trace_print_text(&s, now_us, &text);
	for (int i = 0; i < 3; i++) {
		snprintf(head, sizeof(head), "message %s", m[i].text);
		if (strstr(buf_text(&text), head) != NULL)
			*out++ = (char)('0' + i);
	}
	snprintf(head, sizeof(head), "\nsession %s", session.text);
	if (strstr(buf_text(&text), head) != NULL)
		*out++ = 's';
	snprintf(head, sizeof(head), "session %s", other_session.text);
	if (strstr(buf_text(&text), head) != NULL)
		*out++ = 'o';
	*out = '\0';
	buf_free(&text);
	trace_search_free(&s);
}

static void check_all_keys(void)
{
	const struct {
		const char *key, *want;
	} rows[] = {
	    {m[0].text, "02"}, /* with its notification */
	    {m[1].text, "1"},
	    {m[2].text, "02"}, /* and with what it is about */
	    {session.text, "012"},
	    {other_session.text, "o"},
	    {"<One@example.test>", "02"},
	    {"one@example.test", "02"},
	    {"two@example.test", "1"},
	    {"anna@example.test", "012"},
	    {"ANNA@EXAMPLE.TEST", "012"},
	    {"bert@far.test", "02"},
	    {"carl@here.test", "1"},
	    {"@far.test", "02"},
	    {"far.test", "02"},
	    {"@here.test", "1o"},
	    {"dora@here.test", "o"},
	    {"spam@evil.test", "o"},
	    {"2001:db8::1", "012"},
	    {"2001:DB8:0::1", "012"},
	    {"[2001:db8::1]", "012"},
	    {"client.example", "012"},
	    {"192.0.2.77", "o"},
	    {"192.0.2.7", ""},
	    {"ann@example.test", ""},
	    {"example", ""},
	    {"unknown", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[8];

		stories(rows[i].key, got);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].key,
			    got, rows[i].want);
	}
}

/* ---- tests ------------------------------------------------------------------------ */

static void everything_is_found(void **state)
{
	(void)state;
	check_all_keys();
}

static char notes[1000];

static void note_of(const char *key)
{
	struct trace_search s;

	search(&s, key);
	snprintf(notes, sizeof(notes), "%s", buf_text(&s.files.notes));
	trace_search_free(&s);
}

static void without_an_index_too(void **state)
{
	char path[80];

	(void)state;
	note_of("bert@far.test");
	assert_string_equal(notes, "");
	path_of(0, ".index", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	check_all_keys();
	note_of("bert@far.test");
	assert_non_null(strstr(notes, ".index: missing"));
	path_of(1, ".index", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	path_of(2, ".index", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	check_all_keys();
}

static void with_a_damaged_index_too(void **state)
{
	char path[80];
	struct stat st;

	(void)state;
	path_of(0, ".index", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 8; at < st.st_size; at += 1021) {
		make_index(0);
		flip(0, ".index", at);
		check_all_keys();
	}
	/* In an entry of the first segment. */
	make_index(0);
	flip(0, ".index", TRACE_PAGE + 20);
	note_of("bert@far.test");
	assert_non_null(strstr(notes, ".index: damaged"));
	/* Every length. */
	for (off_t size = st.st_size; size >= 0; size -= 1021) {
		make_index(0);
		assert_int_equal(truncate(path, size), 0);
		check_all_keys();
	}
}

static void with_another_hours_index_too(void **state)
{
	char path[80], other[80];

	(void)state;
	path_of(1, ".index", path, sizeof(path));
	path_of(0, ".index", other, sizeof(other));
	assert_int_equal(rename(path, other), 0);
	make_index(1);
	check_all_keys();
	note_of("bert@far.test");
	assert_non_null(strstr(notes, "belongs to other events"));
}

static void damaged_events_are_told(void **state)
{
	char got[8];

	(void)state;
	/* The first cell: where the session began. */
	flip(0, ".trace", 80);
	stories("2001:db8::1", got);
	assert_string_equal(got, "");
	note_of("2001:db8::1");
	assert_non_null(strstr(notes, ".trace: 1 damaged events were met"));
	stories("bert@far.test", got);
	assert_string_equal(got, "02");
}

static void torn_files_are_read_to_their_end(void **state)
{
	char path[80];
	struct stat st;

	(void)state;
	path_of(2, ".trace", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = st.st_size; size >= 0; size -= 64) {
		struct trace_search s;

		assert_int_equal(truncate(path, size), 0);
		search(&s, "192.0.2.77");
		assert_int_equal(s.found_count,
		    size / TRACE_CELL > 0 ? size / TRACE_CELL : 0);
		trace_search_free(&s);
	}
}

static void times_and_limits(void **state)
{
	struct trace_search s;

	(void)state;
	query = (struct trace_query){.key = STR("anna@example.test"),
	    .since_us = (uint64_t)(first_hour + 1) * 3600000000u,
	    .until_us = UINT64_MAX,
	    .most = 50};
	assert_int_equal(trace_search(&s, dir, &query), 0);
	assert_int_equal(s.found_count, 0);
	trace_search_free(&s);
	query.since_us = 0;
	query.most = 1;
	assert_int_equal(trace_search(&s, dir, &query), 0);
	assert_true(s.cut);
	assert_non_null(trace_search_message(&s, &m[1]));
	assert_null(trace_search_message(&s, &m[0]));
	trace_search_free(&s);
}

static void what_comes_later_is_taken_up(void **state)
{
	struct trace_search s;
	struct id late;
	size_t before;

	(void)state;
	search(&s, "late@far.test");
	assert_int_equal(s.found_count, 0);
	assert_false(trace_search_ended(&s));
	now_us += 1000000;
	late = id_at(now_us);
	event(2, TRACE_QUEUED, &other_session, &late,
	    (struct trace_fields){
		.who = STR("<late@far.test>"), .where = ANNA});
	before = trace_search_more(&s);
	assert_int_equal(before, 0);
	/* It, and how its session began. */
	assert_true(s.found_count > 1);
	assert_false(trace_search_goes_on(&s));
	before = s.found_count;
	assert_int_equal(trace_search_more(&s), before);
	assert_int_equal(s.found_count, before);
	/* The hour changes. */
	first_hour++;
	event(
	    2, TRACE_REMOVED, &other_session, &late, (struct trace_fields){0});
	assert_int_equal(trace_search_more(&s), before);
	assert_int_equal(s.found_count, before + 1);
	assert_true(trace_search_ended(&s));
	trace_search_free(&s);
	char path[80];
	path_of(2, ".trace", path, sizeof(path));
	unlink(path);
	first_hour--;
}

/* ---- the story --------------------------------------------------------------------- */

static void print(const char *key, struct buf *out)
{
	struct trace_search s;

	search(&s, key);
	buf_clear(out);
	trace_print_text(&s, now_us, out);
	trace_search_free(&s);
}

static void waits_are_told(void **state)
{
	struct buf text = buf_new(100000);

	(void)state;
	print(m[0].text, &text);
	assert_non_null(strstr(buf_text(&text),
	    "waited 59 min 59 s: 450 4.7.1 greylisted "
	    "(mx.far.test[192.0.2.9]:25)"));
	assert_non_null(strstr(buf_text(&text), "state: bounced"));
	assert_non_null(
	    strstr(buf_text(&text), "the sender was told: posthouse trace"));
	/* Nothing of the session's other message. */
	assert_null(strstr(buf_text(&text), "carl"));
	print(m[1].text, &text);
	assert_null(strstr(buf_text(&text), "bert"));
	assert_null(strstr(buf_text(&text), "waited"));
	assert_non_null(strstr(buf_text(&text), "state: delivered\n"));
	buf_free(&text);
}

static void a_queued_message_says_what_is_next(void **state)
{
	struct buf text = buf_new(100000);
	struct id id;

	(void)state;
	start_hour(2);
	id = id_at(now_us);
	event(2, TRACE_SCHEDULED, NULL, &id,
	    (struct trace_fields){.who = BERT, .where = STR("smtp:far.test")});
	event(2, TRACE_WAITS, NULL, &id,
	    (struct trace_fields){.who = BERT,
		.where = STR("smtp:far.test"),
		.why = STR("the destination has enough")});
	now_us += 7000000;
	event(2, TRACE_ATTEMPT, NULL, &id,
	    (struct trace_fields){
		.where = STR("smtp:far.test"), .wait_ms = 7000, .number = 1});
	event(2, TRACE_DEFERRED, NULL, &id,
	    (struct trace_fields){.who = BERT,
		.code = STR("4.4.1"),
		.why = STR("no route"),
		.number = now_us / 1000000 + 720});
	print(id.text, &text);
	assert_non_null(strstr(
	    buf_text(&text), "waited 7.000 s: the destination has enough"));
	assert_non_null(strstr(buf_text(&text), "state: queued"));
	assert_non_null(strstr(buf_text(&text), "(in 12 min 0 s): 4.4.1 no"));

	event(2, TRACE_OPERATOR, NULL, &id,
	    (struct trace_fields){.why = STR("hold")});
	print(id.text, &text);
	assert_non_null(strstr(buf_text(&text), "state: held"));
	now_us += 60000000;
	event(2, TRACE_OPERATOR, NULL, &id,
	    (struct trace_fields){.why = STR("release")});
	print(id.text, &text);
	assert_non_null(
	    strstr(buf_text(&text), "waited 1 min 0 s: held by the operator"));
	assert_non_null(strstr(buf_text(&text), "state: queued"));
	event(2, TRACE_OPERATOR, NULL, &id,
	    (struct trace_fields){.why = STR("delete")});
	print(id.text, &text);
	assert_non_null(strstr(buf_text(&text), "state: deleted"));
	buf_free(&text);
}

#define IN_A_WORLD(test)                                                       \
	cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_WORLD(everything_is_found),
	    IN_A_WORLD(without_an_index_too),
	    IN_A_WORLD(with_a_damaged_index_too),
	    IN_A_WORLD(with_another_hours_index_too),
	    IN_A_WORLD(damaged_events_are_told),
	    IN_A_WORLD(torn_files_are_read_to_their_end),
	    IN_A_WORLD(times_and_limits),
	    IN_A_WORLD(what_comes_later_is_taken_up),
	    IN_A_WORLD(waits_are_told),
	    IN_A_WORLD(a_queued_message_says_what_is_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
