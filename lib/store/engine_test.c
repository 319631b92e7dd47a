/* SPDX-License-Identifier: ISC */
/* The engine of local files, below everything that knows mailboxes. */
#include "store/engine_testing.h"

/* ---- reading ---- */

static void a_reader_may_have_enough(void **state)
{
	struct reader w = {0}, r = {.stop = 3};
	struct engine_pos before;

	(void)state;
	append(&w, "a");
	append(&w, "b");
	before = w.seen;
	append(&w, "c");
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "a b ");
	assert_memory_equal(&r.seen, &before, sizeof(before));
	assert_ok(read_on(&r)); /* and no further when asked again */
	assert_int_equal(r.frames, 2);
	assert_int_equal(append(&r, "d"), ENGINE_REFUSED);
	r.stop = 0;
	assert_ok(append(&r, "d"));
	assert_string_equal(r.text, "a b c d ");
	assert_log("a b c d ");
}

/* ---- sealing ---- */

static void sealing_ends_a_generation(void **state)
{
	struct reader w = {0}, r = {0};
	struct engine_box *other;

	(void)state;
	assert_ok(seal());
	assert_int_equal(newest(), 0);
	assert_ok(append(&w, "a"));
	assert_ok(read_on(&r));
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_ok(engine_seal(other, &r.seen, on_frame, &r, deadline_in(1000)));
	assert_int_equal(r.seen.generation, 2);
	assert_int_equal(newest(), 2);
	assert_ok(seal()); /* nothing is in it */
	assert_int_equal(newest(), 2);
	assert_ok(append(&w, "b"));
	assert_int_equal(w.seen.generation, 2);
	assert_log("a b ");
	engine_box_close(&other);
}

static void after_sealing(enum engine_status s)
{
	assert_in_range(newest(), s == ENGINE_OK ? 2 : 1, 2);
	still_writable("a b ");
	if (s == ENGINE_OK)
		assert_int_equal(newest(), 2);
}

static void sealing_may_fail(void **state)
{
	(void)state;
	each_call_fails(two_frames, seal, after_sealing);
}

/* The name of a generation was linked and not synced: nobody says that a
 * frame in it is durable before it is. */
static void a_name_is_synced_by_the_next(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	append(&w, "a");
	fault.syncs = 0;
	fault.fail_sync = 2; /* of the directory */
	assert_int_equal(seal(), ENGINE_DOWN);
	assert_int_equal(newest(), 2);
	fault.syncs = fault.fail_sync = 0;
	assert_ok(append(&w, "b"));
	assert_int_equal(fault.syncs, 2);
	assert_ok(append(&w, "c"));
	assert_int_equal(fault.syncs, 3);
	assert_ok(read_on(&r));
	assert_int_equal(fault.syncs, 3);
}

/* ---- erasing ---- */

static void after_erasing(enum engine_status s)
{
	assert_ok(get(0));
	assert_ok(get(2));
	if (s == ENGINE_OK) {
		assert_int_equal(get(1), ENGINE_CORRUPT);
		assert_int_equal(get(3), ENGINE_GONE);
	}
	assert_ok(erase_second_and_blob());
	assert_ok(erase_second_and_blob());
	assert_int_equal(get(1), ENGINE_CORRUPT);
	assert_int_equal(get(3), ENGINE_GONE);
	assert_ok(get(0));
	assert_ok(get(2));
	still_writable("m m m end ");
}

static void erasing_may_fail(void **state)
{
	(void)state;
	each_call_fails(
	    bodies_and_a_blob, erase_second_and_blob, after_erasing);
}

static void erased_bytes_are_gone(void **state)
{
	static const char zeroes[14];
	struct engine_place places[4];
	struct engine_place place;
	uint64_t offset;
	char p[14];
	int fd;

	(void)state;
	bodies_and_a_blob();
	for (unsigned i = 0; i < 4; i++)
		places[i] = stored[3 - i].place; /* in any order */
	place = stored[1].place;
	assert_ok(engine_file(box, &place, &fd, &offset));
	assert_int_equal(pread(fd, p, 14, (off_t)offset), 14);
	assert_memory_equal(p, "the second one", 14);
	fault.syncs = 0;
	assert_ok(engine_erase(box, places, 4));
	/* The directory, the zeroes, the holes, the blobs' directory. */
	assert_int_equal(fault.syncs, 4);
	assert_int_equal(pread(fd, p, 14, (off_t)offset), 14);
	assert_memory_equal(p, zeroes, 14);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(get(i), ENGINE_CORRUPT);
	assert_log("m m m end ");
}

static void what_lies_between_stays(void **state)
{
	struct engine_place places[2];

	(void)state;
	bodies_and_a_blob();
	places[0] = stored[2].place;
	places[1] = stored[0].place;
	assert_ok(engine_erase(box, places, 2));
	assert_int_equal(get(0), ENGINE_CORRUPT);
	assert_ok(get(1));
	assert_int_equal(get(2), ENGINE_CORRUPT);
	assert_ok(get(3));
}

static uint64_t allocated(void)
{
	struct engine_size size;

	assert_ok(engine_box_size(box, &size));
	return size.octets;
}

static enum engine_status get_large(unsigned i)
{
	static char p[10000];

	return engine_get(box, &stored[i].place, 0, p, sizeof(p));
}

/* Blocks that two bodies share go with the second one. */
static void space_is_given_back(void **state)
{
	static char large[10001];
	struct reader w = {0};
	uint64_t before;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	for (unsigned i = 0; i < 3; i++)
		store_body(i, &w, large);
	assert_ok(seal());
	before = allocated();
	assert_ok(engine_erase(box, &stored[1].place, 1));
	assert_int_equal(before - allocated(), 4096); /* it began at 1,808 */
	assert_ok(get_large(0));
	assert_int_equal(get_large(1), ENGINE_CORRUPT);
	assert_ok(get_large(2));
	assert_ok(engine_erase(box, &stored[2].place, 1));
	assert_ok(get_large(0));
	assert_ok(engine_erase(box, &stored[0].place, 1));
	assert_int_equal(before - allocated(), 8 * 4096);
}

static int no_punch(int fd, off_t at, off_t len)
{
	(void)fd, (void)at, (void)len;
	errno = EOPNOTSUPP;
	return -1;
}

static void zeroes_stay_where_nothing_can_be_punched(void **state)
{
	(void)state;
	bodies_and_a_blob();
	faulty.punch = no_punch;
	assert_ok(erase_second_and_blob());
	assert_int_equal(get(1), ENGINE_CORRUPT);
}

static void only_sealed_bodies_are_erased(void **state)
{
	struct reader w = {0};
	struct engine_place bad;

	(void)state;
	store_body(0, &w, "of the newest generation");
	assert_int_equal(
	    engine_erase(box, &stored[0].place, 1), ENGINE_REFUSED);
	assert_ok(get(0));
	assert_ok(seal());
	bad = stored[0].place;
	bad.offset = FRAMES_AT;
	assert_int_equal(engine_erase(box, &bad, 1), ENGINE_CORRUPT);
	assert_ok(engine_erase(box, &stored[0].place, 1));
	/* Beyond the end nothing is written. */
	bad = stored[0].place;
	bad.length = UINT64_MAX - bad.offset;
	assert_ok(engine_erase(box, &bad, 1));
	still_writable("m ");
}

/* After a power loss the mark may be an older one. */
static void an_erased_body_is_no_torn_frame(void **state)
{
	unsigned char mark[16];
	uint64_t at = FRAMES_AT;
	int fd;

	(void)state;
	bodies_and_a_blob();
	assert_ok(erase_second_and_blob());
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	put_u64(mark, at);
	put_u64(mark + 8, ~at);
	assert_int_equal(pwrite(fd, mark, 16, MARK_AT), 16);
	close(fd);
	reopen();
	still_writable("m m m end ");
}

static void snapshots_are_erased_in_part(void **state)
{
	char p[10];

	(void)state;
	assert_ok(engine_snapshot_erase(box, 1, 0, 10)); /* no account */
	two_frames();
	assert_ok(engine_snapshot_erase(box, 1, 0, 10)); /* no such one */
	put_snapshot(1, "one two three");
	assert_ok(engine_snapshot_erase(box, 1, 4, 3));
	assert_ok(engine_snapshot_get(box, 1, 0, p, 10));
	assert_memory_equal(p, "one \0\0\0 th", 10);
	assert_ok(engine_snapshot_erase(box, 1, 8, UINT64_MAX));
	assert_ok(engine_snapshot_get(box, 1, 3, p, 10));
	assert_memory_equal(p, " \0\0\0 \0\0\0\0\0", 10);
}

/* ---- dropping ---- */

static void the_oldest_generation_is_dropped(void **state)
{
	uint64_t oldest, first, last;
	struct reader in_first = {.stop = 2}, r = {.stop = 3}, none = {0};
	struct reader newcomer = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&r));
	assert_int_equal(r.seen.generation, 3);
	in_first.stop = 1;
	assert_ok(read_on(&in_first));
	assert_int_equal(engine_drop(box, 2), ENGINE_REFUSED);
	assert_int_equal(engine_drop(box, 3), ENGINE_REFUSED);
	assert_ok(engine_drop(box, 1));
	assert_int_equal(engine_drop(box, 1), ENGINE_REFUSED);
	fault.syncs = 0;
	assert_ok(engine_drop(box, 2));
	assert_int_equal(fault.syncs, 1); /* of what was dropped before */
	assert_int_equal(engine_drop(box, 3), ENGINE_REFUSED);
	assert_ok(engine_generations(box, &oldest, &first, &last));
	assert_int_equal(oldest, 3);
	assert_int_equal(first, 1);
	assert_int_equal(last, 3);
	assert_int_equal(get(0), ENGINE_GONE);
	assert_ok(engine_erase(box, &stored[0].place, 1)); /* gone already */
	/* Who knows what was there reads on; who does not is told so. */
	r.stop = 0;
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "m b c ");
	reopen();
	assert_int_equal(read_on(&none), ENGINE_CORRUPT);
	assert_non_null(strstr(engine_why(box), "dropped"));
	assert_int_equal(append(&newcomer, "d"), ENGINE_CORRUPT);
	assert_ok(append(&r, "d"));
}

/* A session that was far back: its state is of no use any more, its lock
 * is. */
static void who_was_far_back_begins_again(void **state)
{
	struct reader r = {.stop = 2};
	struct engine_box *other;

	(void)state;
	three_generations();
	assert_ok(append(&r, "d") == ENGINE_REFUSED ? ENGINE_OK : ENGINE_DOWN);
	assert_int_equal(r.seen.generation, 2);
	reopen();
	assert_ok(engine_session_lock(box, true));
	assert_ok(engine_drop(box, 1));
	assert_ok(engine_drop(box, 2));
	assert_int_equal(read_on(&r), ENGINE_GONE);
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_int_equal(engine_session_lock(other, true), ENGINE_BUSY);
	engine_box_close(&other);
}

static enum engine_status drop_first(void)
{
	return engine_drop(box, 1);
}

static void after_dropping(enum engine_status s)
{
	struct reader r = {.seen = {0}};
	enum engine_status now = read_on(&r);

	if (s == ENGINE_OK)
		assert_int_equal(now, ENGINE_CORRUPT);
	else if (now == ENGINE_OK)
		still_writable("m b c ");
}

static void dropping_may_fail(void **state)
{
	(void)state;
	each_call_fails(three_generations, drop_first, after_dropping);
}

/* ---- beginning anew ---- */

static void the_log_begins_anew(void **state)
{
	struct reader w = {0}, behind = {.stop = 2}, none = {0};
	uint64_t oldest, first, last;
	struct engine_box *other;

	(void)state;
	store_body(0, &w, "body");
	append(&w, "b");
	assert_ok(read_on(&behind));
	assert_ok(engine_box_open(engine, ACCOUNT, &other));
	assert_ok(engine_read(other, &none.seen, on_frame, &none));
	store_body(1, &w, "in the old generation");
	w.body = "in the new one";
	assert_ok(restart(&w, false));
	w.body = NULL;
	assert_string_equal(w.text, "m b m R ");
	assert_int_equal(w.seen.generation, 2);
	assert_int_equal(w.seen.modseq, 4);
	assert_ok(engine_generations(box, &oldest, &first, &last));
	assert_int_equal(oldest, 1);
	assert_int_equal(first, 2);
	assert_int_equal(last, 2);
	assert_log("R ");
	/* Others are told what they lack, and then this. */
	behind.stop = 0;
	assert_ok(read_on(&behind));
	assert_string_equal(behind.text, "m b m R ");
	assert_memory_equal(&behind.seen, &w.seen, sizeof(w.seen));
	none.word = "c";
	assert_ok(engine_append(
	    other, &none.seen, on_frame, decide, &none, deadline_in(1000)));
	assert_string_equal(none.text, "m b m R c ");
	assert_ok(get(0));
	assert_ok(get(1));
	assert_ok(seal());
	assert_ok(append(&w, "d"));
	assert_log("R c d ");
	assert_ok(restart(&w, false));
	assert_log("R ");
	assert_ok(engine_drop(box, 1));
	assert_ok(engine_drop(box, 2));
	assert_ok(engine_drop(box, 3));
	still_writable("R ");
	engine_box_close(&other);
}

static void a_restart_may_be_refused(void **state)
{
	struct reader w = {0};

	(void)state;
	append(&w, "a");
	w.refuse = true;
	assert_int_equal(restart(&w, false), ENGINE_REFUSED);
	assert_int_equal(newest(), 1);
	w.refuse = false;
	w.modseq = 1000;
	assert_ok(restart(&w, false));
	assert_int_equal(w.seen.modseq, 1000);
	still_writable("R ");
}

static void an_empty_log_begins_too(void **state)
{
	struct reader w = {0};

	(void)state;
	assert_ok(restart(&w, false));
	assert_int_equal(w.seen.generation, 1);
	assert_int_equal(w.seen.modseq, 1);
	still_writable("R ");
}

/* Wherever the damage is: nobody gets past it, a restart does, and everybody
 * goes on behind it. */
static void damage_is_left_behind(void **state)
{
	static const struct damage {
		const char *name;
		uint64_t at;
	} damages[] = {{"g.1", FRAMES_AT + 40}, {"g.2", FRAMES_AT + 8},
	    {"g.3", FRAMES_AT + 60}, {"g.2", 30}, {"g.3", 30}, {"g.3", 0},
	    {"g.1", 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		struct reader r = {0}, old = {0}, w = {0};
		struct engine_box *other;

		teardown(NULL);
		setup(NULL);
		three_generations();
		assert_ok(engine_box_open(engine, ACCOUNT, &other));
		assert_ok(engine_read(other, &old.seen, on_frame, &old));
		spoil(damages[i].name, damages[i].at, 16);
		engine_box_close(&box);
		assert_ok(engine_box_open(engine, ACCOUNT, &box));
		assert_int_equal(append(&w, "x"), ENGINE_CORRUPT);
		assert_int_equal(restart(&w, false), ENGINE_CORRUPT);
		assert_ok(restart(&w, true));
		/* As much as can be known of what was there. */
		assert_int_equal(
		    w.seen.modseq, damages[i].at != FRAMES_AT + 60 ? 4 : 3);
		assert_int_equal(w.seen.generation, 4);
		assert_log("R ");
		assert_ok(get(0));
		assert_ok(read_on(&r));
		old.word = "y";
		assert_ok(engine_append(other, &old.seen, on_frame, decide,
		    &old, deadline_in(1000)));
		assert_string_equal(old.text, "m b c R y ");
		still_writable("R y ");
		engine_box_close(&other);
	}
}

static void who_was_before_the_damage_jumps(void **state)
{
	struct reader r = {.stop = 2}, w = {0};

	(void)state;
	three_generations();
	assert_ok(read_on(&r));
	spoil("g.2", FRAMES_AT + 8, 16);
	assert_ok(restart(&w, true));
	r.stop = 0;
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "m R ");
	assert_memory_equal(&r.seen, &w.seen, sizeof(r.seen));
}

/* Where the log begins is known although the newest generation cannot say
 * it. */
static void a_lost_header_hides_no_beginning(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	two_frames();
	assert_ok(restart(&w, false));
	assert_ok(seal());
	append(&w, "c");
	spoil("g.3", 30, 4);
	reopen();
	assert_int_equal(read_on(&r), ENGINE_CORRUPT);
	assert_int_equal(r.seen.generation, 2);
}

static void the_damaged_mark_of_a_restarted_log(void **state)
{
	struct reader w = {0};

	(void)state;
	two_frames();
	assert_ok(restart(&w, false));
	spoil("g.2", MARK_AT, 16);
	reopen();
	still_writable("R ");
}

static enum engine_status do_restart(void)
{
	struct reader r = {.body = "some body"};

	return restart(&r, false);
}

static void after_restarting(enum engine_status s)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	if (s == ENGINE_OK || strcmp(r.text, "R ") == 0)
		still_writable("R ");
	else
		still_writable("a b ");
}

static void restarting_may_fail(void **state)
{
	(void)state;
	each_call_fails(two_frames, do_restart, after_restarting);
}

static void a_restart_that_is_not_durable_is_not_said_to_be(void **state)
{
	struct reader w = {0}, r = {0};

	(void)state;
	append(&w, "a");
	fault.syncs = 0;
	fault.fail_sync = 2;
	assert_int_equal(restart(&w, false), ENGINE_UNKNOWN);
	reopen();
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "R ");
	assert_int_equal(fault.syncs, 1);
}

/* Frames of which it is told that something before them is missing have a
 * question mark. */
static void on_salvaged(
    void *arg, struct str heads, const struct engine_frame_info *info, bool gap)
{
	struct reader *r = arg;

	if (gap)
		snprintf(r->text + strlen(r->text),
		    sizeof(r->text) - strlen(r->text), "?");
	on_frame(r, heads, info);
}

static uint64_t skipped;

static void on_lost(void *arg, uint64_t generation, uint64_t offset,
    uint64_t octets, const char *what)
{
	(void)arg, (void)generation, (void)offset, (void)what;
	skipped += octets;
}

static void what_can_be_read_is_salvaged(void **state)
{
	struct engine_pos none = {0}, from;
	struct reader w = {0}, r = {0};
	struct engine_salvage to = {
	    .frame = on_salvaged, .lost = on_lost, .arg = &r};
	char p[FRAME_LEAST + 8];
	int fd;

	(void)state;
	append(&w, "a");
	none = w.seen;
	append(&w, "b");
	append(&w, "c");
	assert_ok(seal());
	append(&w, "d");
	append(&w, "e");
	spoil("g.1", none.length + 20, 4);
	skipped = 0;
	from = none;
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "?c d e ");
	/* From where it ended: only what comes later. */
	append(&w, "f");
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "?c d e f ");
	assert_int_equal(skipped, FRAME_LEAST + 8);
	/* A frame is told once, wherever it stands. */
	fd = openat(engine_box_directory(box), "g.1", O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, p, sizeof(p), FRAMES_AT), sizeof(p));
	assert_int_equal(
	    pwrite(fd, p, sizeof(p), (off_t)none.length), sizeof(p));
	close(fd);
	from = (struct engine_pos){0};
	r = (struct reader){0};
	spoil("g.2", 30, 4);
	reopen();
	assert_ok(engine_salvage(box, &from, &to));
	assert_string_equal(r.text, "a ?c d e f ");
}

/* ---- a full disk ---- */

#define MIB (1u << 20)

static uint64_t reserve(uint64_t octets)
{
	uint64_t have;

	assert_ok(engine_reserve(engine, octets, &have));
	return have;
}

static uint64_t reserved(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/reserve", root);
	if (stat(path, &st) < 0)
		return 0;
	assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	return (uint64_t)st.st_size;
}

static void the_reserve_never_fills_the_disk(void **state)
{
	(void)state;
	assert_int_equal(reserve(0), 0);
	disk.small = true;
	disk.left = 16 * MIB;
	assert_int_equal(reserve(5 * MIB), 5 * MIB);
	assert_int_equal(reserved(), 5 * MIB);
	assert_int_equal(disk.left, 11 * MIB);
	assert_int_equal(reserve(10 * MIB), 6 * MIB); /* 10 stay free */
	assert_int_equal(reserve(10 * MIB), 6 * MIB);
	disk.left = 3 * MIB;
	assert_int_equal(reserve(10 * MIB), 6 * MIB);
	disk.left = 100 * MIB;
	assert_int_equal(reserve(10 * MIB), 10 * MIB);
	assert_int_equal(reserve(2 * MIB), 2 * MIB);
	assert_int_equal(reserved(), 2 * MIB);
	assert_int_equal(disk.left, 104 * MIB);
}

/* The room that was said to be there is not. */
static void the_reserve_takes_what_it_gets(void **state)
{
	(void)state;
	fault.error = ENOSPC;
	fault.fail_at = 4; /* open, twice 4 MiB, and then no more */
	disk.left = 1000 * MIB;
	assert_int_equal(reserve(64 * MIB), 8 * MIB);
	assert_int_equal(reserved(), 8 * MIB);
	assert_int_equal(reserve(64 * MIB), 64 * MIB);
}

static void only_what_frees_space_spends_the_reserve(void **state)
{
	static char large[700000];
	struct reader w = {0};
	const char *body;

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(4 * MIB);
	disk.small = true;
	disk.left = 50;
	w.body = "a message that is of a certain length, so that it needs some "
		 "room on the disk of this test, which has none";
	fault.syncs = 0;
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(fault.syncs, 0);
	body = w.body;
	w.body = NULL; /* the head alone finds no block */
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(fault.syncs, 0);
	assert_int_equal(reserved(), 4 * MIB);
	w.body = body;
	w.frees = true;
	assert_ok(append(&w, "c"));
	/* The file system's, the frame's. */
	assert_int_equal(fault.syncs, 2);
	assert_int_equal(reserved(), 4 * MIB - 262144);
	fault.syncs = 0;
	assert_ok(append(&w, "d"));
	assert_int_equal(fault.syncs, 1);
	assert_int_equal(reserved(), 4 * MIB - 262144);
	/* Bodies count too: in steps, twice as much each time. */
	memset(large, 'x', sizeof(large) - 1);
	w.body = large;
	disk.left = 0;
	assert_ok(append(&w, "e"));
	assert_int_equal(reserved(), 4 * MIB - 4 * 262144);
	assert_log("a c d e ");
	w.refuse = true;
	fault.syncs = 0;
	disk.left = 0;
	assert_int_equal(append(&w, "f"), ENGINE_REFUSED);
	assert_int_equal(fault.syncs, 0);
	w.refuse = false;
	/* And when all of it is spent: no more. */
	for (int i = 0; i < 9; i++) {
		disk.left = 0;
		if (append(&w, "g") != ENGINE_OK)
			break;
	}
	assert_int_equal(reserved(), 0);
	assert_int_equal(append(&w, "h"), ENGINE_NO_SPACE);
	disk.left = 10 * MIB;
	assert_int_equal(reserve(4 * MIB), 4 * MIB);
	disk.left = 0;
	assert_ok(append(&w, "h"));
	/* All of them prove themselves. */
	spoil("g.1", MARK_AT, 16);
	reopen();
	assert_log(w.text);
}

static void a_full_disk_can_be_sealed_and_begun_anew(void **state)
{
	struct reader w = {0};

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(MIB);
	reopen(); /* the reserve is open, whoever can still open it */
	disk.small = true;
	disk.left = 0;
	assert_ok(seal());
	assert_int_equal(newest(), 2);
	assert_int_equal(reserved(), MIB - 65536);
	disk.left = 0;
	assert_int_equal(restart(&w, false), ENGINE_NO_SPACE);
	w.frees = true;
	assert_ok(restart(&w, false));
	assert_int_equal(reserved(), MIB - 65536 - 262144);
	assert_log("R ");
}

static void nobody_spends_the_reserve_twice(void **state)
{
	struct engine *other;
	struct reader w = {.frees = true};
	const char *why;

	(void)state;
	append(&w, "a");
	disk.left = 1000 * MIB;
	reserve(MIB);
	other = engine_file_open(root, &faulty, &why);
	assert_int_equal(faulty.lock(other->reserve, 0, true), 0);
	disk.small = true;
	disk.left = 50;
	w.body = "a message that is of a certain length, so that it needs some "
		 "room on the disk of this test, which has none";
	assert_int_equal(append(&w, "b"), ENGINE_NO_SPACE);
	assert_int_equal(reserved(), MIB);
	engine_close(&other);
	assert_ok(append(&w, "b"));
}

/* ---- removing ---- */

static void a_removal_is_completed_by_the_next_writer(void **state)
{
	struct reader w = {0}, r = {0}, none = {0};
	struct generation *g;
	struct mark m;

	(void)state;
	append(&w, "a");
	assert_ok(engine_generation(box, 1, &g));
	assert_int_equal(engine_mark_read(box, g, &m), 0);
	m.state = STATE_REMOVED;
	assert_int_equal(engine_mark_write(box, g, &m), 0);
	reopen();
	assert_int_equal(read_on(&r), ENGINE_GONE);
	assert_int_equal(append(&w, "b"), ENGINE_GONE);
	assert_ok(append(&none, "c"));
	assert_log("c ");
}

/* ---- what is there ---- */

static void generations_are_named(void **state)
{
	uint64_t oldest, first, newest;
	struct reader w = {0};

	(void)state;
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest + first + newest, 0);
	engine_set_seal(engine, 700, SEAL_BODIES);
	for (int i = 0; i < 6; i++)
		assert_ok(append(&w, "a"));
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest, 1);
	assert_int_equal(first, 1);
	assert_int_equal(newest, 3);
}

struct found_blobs {
	unsigned count;
	uint64_t octets;
	unsigned char id[16];
	int64_t modified;
};

static void found_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct found_blobs *f = arg;

	f->count++;
	f->octets += octets;
	memcpy(f->id, id, 16);
	f->modified = modified;
}

static void blobs_are_found(void **state)
{
	struct found_blobs f = {0};
	unsigned char a[16], b[16];

	(void)state;
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 0);
	new_blob("four", a);
	new_blob("seven!!", b);
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 2);
	assert_int_equal(f.octets, 11);
	engine_blob_drop(box, a);
	memset(&f, 0, sizeof(f));
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 1);
	assert_memory_equal(f.id, b, 16);
	assert_in_range(f.modified, clock_seconds() - 60, clock_seconds() + 60);
}

static void a_box_has_a_size(void **state)
{
	struct reader w = {0};
	struct engine_size size;
	unsigned char id[16];

	(void)state;
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.files, 0);
	assert_ok(append(&w, "a"));
	new_blob("blob", id);
	put_snapshot(1, "snapshot");
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.generations, 1);
	assert_int_equal(size.snapshots, 1);
	assert_int_equal(size.blobs, 1);
	assert_int_equal(size.files, 4); /* and the lock */
	/* Allocated: the hole between frames and bodies is none of it. */
	assert_in_range(size.octets, 4 * 512, 65536);
}

/* ---- accounts ---- */

static void make_account(struct str account)
{
	struct reader w = {0};

	engine_box_close(&box);
	assert_ok(engine_box_open(engine, account, &box));
	assert_ok(append(&w, "a"));
}

static void accounts_are_found(void **state)
{
	struct found_accounts f = {0};
	char path[400], name[512], *end;

	(void)state;
	scan_all(&f);
	assert_int_equal(f.count, 0);
	make_account(STR("user@example.org"));
	make_account(STR(".%41 \xc3\xa4/x@example.org")); /* and escapes */
	memset(name, 'x', sizeof(name));
	name[100] = ' ';
	make_account(str_of(name, 250));
	make_account(str_of(name, 500));
	memset(name, '%', sizeof(name));
	make_account(str_of(name, 300));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	assert_non_null(strstr(f.text, "user@example.org "));
	assert_non_null(strstr(f.text, ".%41 \xc3\xa4/x@example.org "));
	/* What only looks like an account is none. */
	engine_box_close(&box);
	assert_ok(engine_box_open(engine, ACCOUNT, &box));
	snprintf(path, sizeof(path), "%s/%s/Other%%20", root, box->shard);
	assert_int_equal(mkdir(path, 0700), 0);
	end = strrchr(path, '/') + 1;
	/* A removal that a crash interrupted is completed. */
	strcpy(end, ".removed.01ARZ3NDEKTSV4RRFFQ69G");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/b");
	assert_int_equal(mkdir(path, 0700), 0);
	memset(&f, 0, sizeof(f));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	*strrchr(path, '/') = '\0';
	assert_int_equal(access(path, F_OK), -1);
	f = (struct found_accounts){.stop = 1};
	assert_ok(engine_scan(engine, (unsigned)strtoul(box->shard, NULL, 16),
	    found_account, &f));
	assert_int_equal(f.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_reader_may_have_enough),
	    T(sealing_ends_a_generation),
	    T(sealing_may_fail),
	    T(a_name_is_synced_by_the_next),
	    T(erasing_may_fail),
	    T(erased_bytes_are_gone),
	    T(what_lies_between_stays),
	    T(space_is_given_back),
	    T(zeroes_stay_where_nothing_can_be_punched),
	    T(only_sealed_bodies_are_erased),
	    T(an_erased_body_is_no_torn_frame),
	    T(snapshots_are_erased_in_part),
	    T(the_oldest_generation_is_dropped),
	    T(who_was_far_back_begins_again),
	    T(dropping_may_fail),
	    T(the_log_begins_anew),
	    T(a_restart_may_be_refused),
	    T(an_empty_log_begins_too),
	    T(damage_is_left_behind),
	    T(who_was_before_the_damage_jumps),
	    T(a_lost_header_hides_no_beginning),
	    T(the_damaged_mark_of_a_restarted_log),
	    T(restarting_may_fail),
	    T(a_restart_that_is_not_durable_is_not_said_to_be),
	    T(what_can_be_read_is_salvaged),
	    T(the_reserve_never_fills_the_disk),
	    T(the_reserve_takes_what_it_gets),
	    T(only_what_frees_space_spends_the_reserve),
	    T(a_full_disk_can_be_sealed_and_begun_anew),
	    T(nobody_spends_the_reserve_twice),
	    T(a_removal_is_completed_by_the_next_writer),
	    T(generations_are_named),
	    T(blobs_are_found),
	    T(a_box_has_a_size),
	    T(accounts_are_found),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
