/* SPDX-License-Identifier: ISC */
/* Copying a box to another store: engine_copy. */
#include <dirent.h>

#include "store/engine_testing.h"

/* A second store beside the first, below its root, and what is copied. */
static struct engine *copies;
static struct engine_box *copy_box;
static uint64_t copied;
static struct engine_pos copy_end;

static void open_copies(void)
{
	char path[80];
	const char *why;

	snprintf(path, sizeof(path), "%s/copies", root);
	if (mkdir(path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	copies = engine_file_open(path, &faulty, &why);
	assert_non_null(copies);
	assert_ok(engine_box_open(copies, ACCOUNT, &copy_box));
}

static void close_copies(void)
{
	engine_box_close(&copy_box);
	engine_close(&copies);
}

static enum engine_status copy(void)
{
	enum engine_status s;

	open_copies();
	order.watched = true;
	s = engine_copy(box, copy_box, &copy_end, &copied);
	order.watched = false;
	if (s != ENGINE_OK)
		assert_true(engine_why(copy_box)[0] != '\0');
	close_copies();
	return s;
}

/* Does something with the copy as if it were the box. */
static void with_copy(void (*look)(const void *arg), const void *arg)
{
	struct engine *e = engine;
	struct engine_box *b = box;

	open_copies();
	engine = copies;
	box = copy_box;
	look(arg);
	engine = e;
	box = b;
	close_copies();
}

static void look_log(const void *text)
{
	assert_log(text);
}

static void look_body(const void *arg)
{
	assert_ok(get(*(const unsigned *)arg));
}

static void look_no_body(const void *arg)
{
	enum engine_status s = get(*(const unsigned *)arg);

	assert_true(s == ENGINE_CORRUPT || s == ENGINE_GONE);
}

static void look_append(const void *word)
{
	struct reader w = {0};

	assert_ok(append(&w, word));
}

static void look_seal(const void *arg)
{
	(void)arg;
	assert_ok(seal());
}

static void assert_copy(const char *text)
{
	with_copy(look_log, text);
}

static void assert_body_in_copy(unsigned i, bool there)
{
	with_copy(there ? look_body : look_no_body, &i);
}

static bool snapshot_is(uint64_t number, const char *text)
{
	char p[64] = "";
	enum engine_status s = engine_snapshot_get(
	    box, number, 0, p, strlen(text));

	if (s == ENGINE_OK)
		assert_string_equal(p, text);
	else
		assert_int_equal(s, ENGINE_GONE);
	return s == ENGINE_OK;
}

static void look_snapshots(const void *arg)
{
	const char *const *texts = arg;

	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(texts[i - 1] != NULL,
		    snapshot_is(i, texts[i - 1] != NULL ? texts[i - 1] : "x"));
}

static void nothing_is_copied_of_nothing(void **state)
{
	(void)state;
	assert_ok(copy());
	assert_int_equal(copied, 0);
	assert_int_equal(copy_end.generation, 0);
	assert_copy("");
}

static void a_copy_is_brought_up_to_date(void **state)
{
	static const char *const snapshots[3] = {"one"};
	static char large[600];
	struct reader w = {0};

	(void)state;
	bodies_and_a_blob();
	assert_ok(read_on(&w));
	put_snapshot(1, "one");
	assert_ok(copy());
	assert_memory_equal(&copy_end, &w.seen, sizeof(w.seen));
	assert_copy("m m m end ");
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, true);
	with_copy(look_snapshots, snapshots);
	/* Nothing new, nothing written. */
	assert_ok(copy());
	assert_int_equal(copied, 0);
	/* A frame, and only that. */
	store_body(0, &w, "one more");
	assert_ok(copy());
	assert_in_range(copied, FRAME_LEAST, 300);
	assert_copy("m m m end m ");
	assert_body_in_copy(0, true);
	memset(large, 'x', sizeof(large) - 1);
	store_body(0, &w, large);
	assert_ok(copy());
	append(&w, "and");
	assert_ok(copy());
	assert_in_range(copied, FRAME_LEAST, 300);
	assert_ok(seal());
	store_body(2, &w, "in the third generation");
	assert_ok(seal());
	append(&w, "x");
	assert_ok(copy());
	assert_copy("m m m end m m and m x ");
	assert_body_in_copy(2, true);
	with_copy(look_append, "y");
	assert_copy("m m m end m m and m x y ");
}

/* Who has the copy open sees it grow. */
static void a_copy_can_be_read_all_the_time(void **state)
{
	struct reader w = {0}, r = {0};
	struct engine *e;
	struct engine_box *b;

	(void)state;
	append(&w, "a");
	assert_ok(copy());
	open_copies();
	e = copies;
	b = copy_box;
	assert_ok(engine_read(b, &r.seen, on_frame, &r));
	append(&w, "b");
	assert_ok(seal());
	append(&w, "c");
	assert_ok(copy());
	assert_ok(engine_read(b, &r.seen, on_frame, &r));
	assert_string_equal(r.text, "a b c ");
	engine_box_close(&b);
	engine_close(&e);
}

static void a_blob_that_was_half_there(void **state)
{
	unsigned char id[16];
	struct reader w = {0};
	int fd;

	(void)state;
	append(&w, "a");
	assert_ok(engine_blob_new(box, id, &fd));
	assert_ok(engine_blob_write(box, fd, "half", 4, 0));
	assert_ok(copy());
	assert_ok(engine_blob_write(box, fd, " and half", 9, 4));
	assert_ok(engine_blob_sync(box, fd));
	close(fd);
	stored[0] = (struct stored){
	    {.blob = true, .length = 13, .crc = crc32c(0, "half and half", 13)},
	    "half and half"};
	memcpy(stored[0].place.id, id, 16);
	assert_ok(copy());
	assert_body_in_copy(0, true);
}

static void look_erased_snapshot(const void *arg)
{
	char p[9];

	(void)arg;
	assert_ok(engine_snapshot_get(box, 1, 0, p, sizeof(p)));
	assert_memory_equal(p, "aaa\0\0\0bbb", 9);
}

static void what_was_erased_is_erased_in_the_copy(void **state)
{
	(void)state;
	bodies_and_a_blob();
	put_snapshot(1, "aaabbbbbb");
	assert_ok(copy());
	assert_ok(erase_second_and_blob());
	assert_ok(engine_snapshot_erase(box, 1, 3, 3));
	assert_ok(copy());
	assert_in_range(copied, 14, 200);
	assert_copy("m m m end ");
	assert_body_in_copy(0, true);
	assert_body_in_copy(1, false);
	assert_body_in_copy(2, true);
	assert_body_in_copy(3, false);
	with_copy(look_erased_snapshot, NULL);
	assert_ok(copy());
	assert_int_equal(copied, 0);
}

/* Damage in the box is no erasure: the copy keeps what it has. */
static void damage_is_not_copied_over_what_is_good(void **state)
{
	int fd;

	(void)state;
	bodies_and_a_blob();
	assert_ok(copy());
	spoil("g.1", stored[0].place.offset, 4);
	overwrite("g.1", stored[2].place.offset + 2, 4, 0);
	assert_ok(erase_second_and_blob());
	assert_ok(copy());
	assert_int_equal(get(0), ENGINE_CORRUPT);
	assert_int_equal(get(2), ENGINE_CORRUPT);
	assert_body_in_copy(0, true);
	assert_body_in_copy(1, false);
	assert_body_in_copy(2, true);
	/* Nor is what the box lost with the end of a file. */
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)stored[2].place.offset + 1), 0);
	close(fd);
	assert_ok(erase_second_and_blob());
	assert_ok(copy());
	assert_body_in_copy(2, true);
	/* Nor is a log that does not hold. */
	spoil("g.2", FRAMES_AT + 30, 4);
	reopen();
	assert_int_equal(copy(), ENGINE_CORRUPT);
	assert_copy("m m m end ");
}

static void a_damaged_log_is_not_copied(void **state)
{
	(void)state;
	three_generations();
	spoil("g.1", FRAMES_AT + 30, 4);
	assert_int_equal(copy(), ENGINE_CORRUPT);
	assert_copy("");
}

static void what_was_dropped_goes_from_the_copy(void **state)
{
	static const char *const before[3] = {"one", "two"};
	static const char *const after[3] = {NULL, "two", "three"};
	struct reader w = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&w));
	put_snapshot(1, "one");
	put_snapshot(2, "two");
	assert_ok(copy());
	with_copy(look_snapshots, before);
	assert_copy("m b c ");
	put_snapshot(3, "three");
	engine_snapshot_drop(box, 1);
	assert_ok(engine_drop(box, 1));
	assert_ok(copy());
	with_copy(look_snapshots, after);
	assert_body_in_copy(0, false);
	/* Too far behind to be continued: begun anew. */
	assert_ok(engine_drop(box, 2));
	assert_ok(engine_seal(box, &w.seen, on_frame, &w, deadline_in(1000)));
	assert_ok(engine_drop(box, 3));
	assert_ok(copy());
	with_copy(look_snapshots, after);
}

static unsigned set_aside(void)
{
	char path[128];
	unsigned count = 0;
	const struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/copies/%s", root, box->shard);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		count += entry->d_name[0] == '.' && entry->d_name[1] != '.' &&
		    entry->d_name[1] != '\0';
	closedir(d);
	return count;
}

static void look_accounts(const void *arg)
{
	struct found_accounts f = {0};

	(void)arg;
	scan_all(&f);
	assert_string_equal(f.text, "user@example.org ");
}

static void another_life_is_set_aside(void **state)
{
	struct reader w = {0}, again = {0};

	(void)state;
	append(&w, "old");
	assert_ok(seal());
	assert_ok(copy());
	assert_ok(engine_remove(engine, ACCOUNT, deadline_in(1000)));
	assert_ok(copy()); /* there is nothing: it stays */
	assert_int_equal(copied, 0);
	assert_copy("old ");
	assert_ok(append(&again, "new"));
	assert_ok(
	    engine_seal(box, &again.seen, on_frame, &again, deadline_in(1000)));
	assert_ok(copy());
	assert_copy("new ");
	assert_int_equal(set_aside(), 1);
	/* A copy that somebody wrote to is another life too. */
	with_copy(look_append, "mine");
	assert_ok(append(&again, "theirs"));
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 2);
	with_copy(look_append, "mine");
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 3);
	with_copy(look_seal, NULL);
	assert_ok(copy());
	assert_copy("new theirs ");
	assert_int_equal(set_aside(), 4);
	with_copy(look_accounts, NULL);
}

static void a_log_begun_anew_is_copied(void **state)
{
	struct reader anew = {0};

	(void)state;
	three_generations();
	assert_ok(copy());
	spoil("g.2", FRAMES_AT + 8, 16);
	reopen();
	assert_ok(restart(&anew, true));
	assert_ok(copy());
	assert_copy("R ");
	assert_body_in_copy(0, true);
	assert_int_equal(set_aside(), 0);
	/* And as a whole, damage and all. */
	with_copy(look_append, "x");
	assert_ok(append(&anew, "y"));
	assert_ok(copy());
	assert_copy("R y ");
	assert_body_in_copy(0, true);
}

/* The copy has frames that the damaged log has not any more. */
static void a_copy_may_know_more(void **state)
{
	struct reader w = {0}, anew = {0};
	struct engine_pos first;

	(void)state;
	append(&w, "a");
	first = w.seen;
	store_body(0, &w, "body");
	assert_ok(copy());
	spoil("g.1", first.length + 20, 4);
	reopen();
	assert_ok(restart(&anew, true));
	assert_ok(copy());
	assert_copy("R ");
	assert_int_equal(set_aside(), 0);
	assert_body_in_copy(0, true);
}

/* What the copy had is there; what was new may be; then it can be completed.
 */
static void copied_once(void)
{
	struct reader w = {0};

	bodies_and_a_blob();
	put_snapshot(1, "one");
	assert_ok(copy());
	assert_ok(read_on(&w));
	store_body(0, &w, "one more");
	assert_ok(seal());
	store_body(2, &w, "another one");
	assert_ok(erase_second_and_blob());
	store_blob(3, "another blob");
	put_snapshot(2, "two");
	engine_snapshot_drop(box, 1);
}

static void look_prefix(const void *text)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	assert_in_range(strlen(r.text), strlen("m m m end "), strlen(text));
	assert_memory_equal(r.text, text, strlen(r.text));
	if (strlen(r.text) >= strlen("m m m end m "))
		assert_ok(get(0));
	if (strcmp(r.text, text) == 0) {
		assert_ok(get(2));
		assert_ok(get(3));
	}
	assert_true((int)snapshot_is(1, "one") | (int)snapshot_is(2, "two"));
}

static void after_copying(enum engine_status s)
{
	static const char *const snapshots[3] = {NULL, "two"};
	const char *all = "m m m end m m ";

	with_copy(look_prefix, all);
	if (s == ENGINE_OK)
		assert_copy(all);
	assert_ok(copy());
	assert_copy(all);
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, i != 1);
	with_copy(look_snapshots, snapshots);
	assert_int_equal(set_aside(), 0);
	assert_ok(copy());
	assert_int_equal(copied, 0);
}

static void copying_may_fail(void **state)
{
	(void)state;
	each_call_fails(copied_once, copy, after_copying);
}

static void first_of_all(void)
{
	bodies_and_a_blob();
	put_snapshot(1, "one");
}

static void after_the_first(enum engine_status s)
{
	if (s != ENGINE_OK)
		assert_ok(copy());
	assert_copy("m m m end ");
	for (unsigned i = 0; i < 4; i++)
		assert_body_in_copy(i, true);
	assert_int_equal(set_aside(), 0);
}

static void a_first_copy_may_fail(void **state)
{
	(void)state;
	each_call_fails(first_of_all, copy, after_the_first);
}

static struct engine_box *writer;

static void everything_happens(void)
{
	struct reader w = {0};
	struct engine_box *b = box;

	order.watched = false;
	box = writer;
	assert_ok(read_on(&w));
	append(&w, "later");
	assert_ok(
	    engine_seal(writer, &w.seen, on_frame, &w, deadline_in(1000)));
	append(&w, "still");
	assert_ok(engine_erase(writer, &stored[1].place, 1));
	put_snapshot(2, "two");
	engine_snapshot_drop(writer, 1);
	assert_ok(engine_drop(writer, 1));
	box = b;
}

/* Mail arrives, bytes are erased, files go while it is copied: what comes out
 * is what was there at one moment. */
static void a_box_is_copied_while_it_lives(void **state)
{
	unsigned old = 0;
	bool done = false;

	(void)state;
	for (unsigned n = 1; !done; n++) {
		static const char *const both[2][3] = {{"one"}, {NULL, "two"}};

		teardown(NULL);
		setup(NULL);
		first_of_all();
		assert_ok(seal());
		assert_ok(engine_box_open(engine, ACCOUNT, &writer));
		order.meanwhile = everything_happens;
		order.meanwhile_at = n;
		assert_ok(copy());
		done = order.meanwhile_at != 0;
		order.meanwhile_at = 0;
		old += copy_end.modseq == 4;
		if (copy_end.modseq == 4) {
			assert_copy("m m m end ");
			with_copy(look_snapshots, both[0]);
		} else {
			assert_int_equal(copy_end.modseq, 6);
			with_copy(look_snapshots, both[1]);
		}
		engine_box_close(&writer);
		reopen();
		if (!done) {
			assert_ok(copy());
			assert_int_equal(copy_end.modseq, 6);
			with_copy(look_snapshots, both[1]);
		}
	}
	/* Only when all was copied: at the last two syncs, or never. */
	assert_int_equal(old, 3);
}

static void a_snapshot_is_replaced(void)
{
	bool watched = order.watched;

	order.watched = false;
	put_snapshot(2, "two");
	engine_snapshot_drop(box, 1);
	order.watched = watched;
}

/* What a snapshot points into is there if it is still there at the end. */
static void snapshots_are_copied_of_one_moment(void **state)
{
	static const char *const replaced[3] = {NULL, "two"};
	unsigned old = 0;
	bool done = false;

	(void)state;
	for (unsigned n = 1; !done; n++) {
		uint64_t number;

		teardown(NULL);
		setup(NULL);
		first_of_all();
		order.meanwhile = a_snapshot_is_replaced;
		order.meanwhile_at = n;
		assert_ok(copy());
		done = order.meanwhile_at != 0;
		order.meanwhile_at = 0;
		open_copies();
		assert_ok(engine_snapshot_newest(copy_box, 9, &number));
		close_copies();
		old += number == 1;
		if (number != 1)
			with_copy(look_snapshots, replaced);
	}
	assert_int_equal(old, 3); /* as above */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(nothing_is_copied_of_nothing),
	    T(a_copy_is_brought_up_to_date),
	    T(a_copy_can_be_read_all_the_time),
	    T(a_blob_that_was_half_there),
	    T(what_was_erased_is_erased_in_the_copy),
	    T(damage_is_not_copied_over_what_is_good),
	    T(a_damaged_log_is_not_copied),
	    T(what_was_dropped_goes_from_the_copy),
	    T(another_life_is_set_aside),
	    T(a_log_begun_anew_is_copied),
	    T(a_copy_may_know_more),
	    T(copying_may_fail),
	    T(a_first_copy_may_fail),
	    T(a_box_is_copied_while_it_lives),
	    T(snapshots_are_copied_of_one_moment),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
