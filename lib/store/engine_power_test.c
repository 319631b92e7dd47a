/* SPDX-License-Identifier: ISC */
/*
 * Simulated power loss (store/testing_disk.h) below everything that knows
 * mailboxes: a log that is begun anew, and a copy in another store that is
 * brought up to date. power_test has the rest.
 */
#include "store/testing_disk.h"

static struct engine_io recorded;
static struct engine_io afterwards; /* nothing has to outlive the machine */

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- a log of words ---- */

struct reader {
	struct engine_pos seen;
	char text[400];
	const char *word, *body; /* of the frame that is appended */
	struct engine_place place;
};

static int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct reader *r = arg;
	size_t len = strlen(r->text);

	(void)info;
	snprintf(r->text + len, sizeof(r->text) - len, "%.*s ", STR_FMT(heads));
	return 0;
}

static int decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	static struct iovec body;
	struct reader *r = arg;
	union {
		const char *from;
		void *to;
	} base = {.from = r->body};

	(void)end;
	frame->heads = str_from(r->word);
	frame->count = 1;
	if (r->body == NULL)
		return 0;
	body = (struct iovec){base.to, strlen(r->body)};
	frame->bodies = &body;
	frame->body_count = 1;
	r->place = (struct engine_place){.generation = frame->generation,
	    .offset = frame->body_offset,
	    .length = body.iov_len,
	    .crc = crc32c(0, body.iov_base, body.iov_len)};
	return 0;
}

static enum engine_status append(
    struct engine_box *b, struct reader *r, const char *word)
{
	r->word = word;
	return engine_append(
	    b, &r->seen, on_frame, decide, r, deadline_in(1000));
}

static enum engine_status begin_anew(struct engine_box *b, struct reader *r)
{
	r->word = "R";
	return engine_restart(
	    b, &r->seen, on_frame, decide, r, false, deadline_in(1000));
}

static struct engine *open_at(
    const char *path, const struct engine_io *io, struct engine_box **b)
{
	const char *why;
	struct engine *e = engine_file_open(path, io, &why);

	assert_non_null(e);
	assert_int_equal(engine_box_open(e, ACCOUNT, b), ENGINE_OK);
	return e;
}

#define assert_ok(e) assert_int_equal(e, ENGINE_OK)

/* The disk as it may be when the power fails before event `end`, where it can
 * be opened. */
static void lose_power(const struct tape *t, size_t end)
{
	struct disk *d = disk_after(t, end);

	snprintf(root, sizeof(root), "%s/store_test.XXXXXX", fast_directory());
	assert_non_null(mkdtemp(root));
	disk_out(d, root);
	for (int i = 0; i < d->file_count; i++)
		free(d->files[i].p);
	free(d);
}

/* ---- a log begins anew ---- */

static void check_log(const struct tape *t, size_t end, size_t said)
{
	struct reader r = {0};
	struct engine_box *b;
	struct engine *e;
	enum engine_status s;

	lose_power(t, end);
	e = open_at(root, &afterwards, &b);
	s = engine_read(b, &r.seen, on_frame, &r);
	if (s != ENGINE_OK)
		fail_msg("after event %zu: %s", end, engine_why(b));
	/* said: 1 after "a", 2 after "b", 3 when it was begun anew, 4 "c". */
	if (said == 4)
		assert_string_equal(r.text, "R c ");
	else if (said == 3)
		assert_true(strncmp(r.text, "R ", 2) == 0);
	else if (r.text[0] != 'R')
		assert_true(strlen(r.text) >= 2 * said);
	s = append(b, &r, "z");
	if (s != ENGINE_OK)
		fail_msg("after event %zu: %s", end, engine_why(b));
	engine_box_close(&b);
	engine_close(&e);
	remove_tree(root);
}

static void a_log_begins_anew_or_does_not(void **state)
{
	struct reader w = {.body = "a body"};
	struct engine_box *b;
	struct engine *e;
	size_t said = 0;

	(void)state;
	begin_chance(4711);
	tape = tape_new(NULL);
	e = open_at(tape->root, &recorded, &b);
	assert_ok(append(b, &w, "a"));
	record(SAID)->said = 1;
	assert_ok(append(b, &w, "b"));
	record(SAID)->said = 2;
	assert_ok(begin_anew(b, &w));
	record(SAID)->said = 3;
	assert_ok(append(b, &w, "c"));
	record(SAID)->said = 4;
	engine_box_close(&b);
	engine_close(&e);
	find_durable(tape);
	for (size_t end = 0; end <= tape->count; end++) {
		if (end > 0 && tape->events[end - 1].kind == SAID)
			said = tape->events[end - 1].said;
		for (unsigned i = rounds(6, 60); i > 0; i--)
			check_log(tape, end, said);
	}
	tape_free(&tape);
}

/* ---- a copy ---- */

#define MESSAGES_MAX 40

/* The box that is copied lives on a disk that never fails. */
static struct {
	char root[64];
	struct engine *engine;
	struct engine_box *box;
	struct reader w;
	struct {
		struct engine_place place;
		size_t after;  /* it belongs to a log that is so long */
		size_t erased; /* by that copy; 0: never */
	} messages[MESSAGES_MAX];
	unsigned count;
	uint64_t snapshot, generation; /* the newest, the oldest */
	size_t copies, lengths[20];
} from;

/* What a snapshot of this test holds. */
struct summary {
	struct engine_pos seen;
	char text[400];
};

static void add_message(bool blob)
{
	static char text[2000];
	struct engine_place *place = &from.messages[from.count].place;
	size_t len = 100 + below(1500);

	memset(text, 'a' + (int)from.count % 26, len);
	text[len] = '\0';
	from.w.body = blob ? NULL : text;
	if (blob) {
		int fd;

		*place = (struct engine_place){
		    .blob = true, .length = len, .crc = crc32c(0, text, len)};
		assert_ok(engine_blob_new(from.box, place->id, &fd));
		assert_ok(engine_blob_write(from.box, fd, text, len, 0));
		close(fd);
	}
	assert_ok(append(from.box, &from.w, blob ? "blob" : "mail"));
	if (!blob)
		*place = from.w.place;
	from.messages[from.count++].after = strlen(from.w.text);
}

static void take_snapshot(void)
{
	struct summary s = {.seen = from.w.seen};
	struct iovec part = {&s, sizeof(s)};

	memcpy(s.text, from.w.text, sizeof(s.text));
	assert_ok(engine_snapshot_put(from.box, ++from.snapshot, &part, 1));
	if (from.snapshot > 2)
		engine_snapshot_drop(from.box, from.snapshot - 2);
}

static void erase_message(unsigned i)
{
	if (i >= from.count || from.messages[i].erased != 0 ||
	    (!from.messages[i].place.blob &&
		from.messages[i].place.generation == from.w.seen.generation))
		return;
	assert_ok(engine_erase(from.box, &from.messages[i].place, 1));
	from.messages[i].erased = from.copies + 1;
}

static void seal_from(void)
{
	assert_ok(engine_seal(
	    from.box, &from.w.seen, on_frame, &from.w, deadline_in(1000)));
}

/* All that stood in it was erased before. */
static void drop_oldest(void)
{
	for (unsigned i = 0; i < from.count; i++)
		if (!from.messages[i].place.blob &&
		    from.messages[i].place.generation == from.generation)
			erase_message(i);
	assert_ok(engine_drop(from.box, from.generation++));
}

static void live(unsigned turn)
{
	for (unsigned i = 0; i < 3; i++)
		add_message(turn % 2 == 1 && i == 1);
	if (turn % 3 != 0)
		seal_from();
	add_message(false);
	take_snapshot();
	erase_message(turn);
	erase_message(2 * turn + 1);
	if (turn > 3)
		drop_oldest();
}

static void copy_on_tape(void)
{
	struct engine_box *b;
	struct engine *e = open_at(tape->root, &recorded, &b);
	struct engine_pos end;
	uint64_t written;
	enum engine_status s = engine_copy(from.box, b, &end, &written);

	if (s != ENGINE_OK)
		fail_msg("copy: %s", engine_why(b));
	assert_memory_equal(&end, &from.w.seen, sizeof(end));
	from.lengths[++from.copies] = strlen(from.w.text);
	record(SAID)->said = from.copies;
	engine_box_close(&b);
	engine_close(&e);
}

/* From the newest snapshot that is there, or from nothing. */
static enum engine_status read_copy(struct engine_box *b, struct reader *r)
{
	uint64_t number;
	struct summary s;

	assert_ok(engine_snapshot_newest(b, UINT64_MAX, &number));
	*r = (struct reader){0};
	if (number != 0) {
		assert_ok(engine_snapshot_get(b, number, 0, &s, sizeof(s)));
		r->seen = s.seen;
		memcpy(r->text, s.text, sizeof(r->text));
	}
	return engine_read(b, &r->seen, on_frame, r);
}

static void check_bodies(
    struct engine_box *b, size_t end, size_t said, size_t length)
{
	static char text[2000];

	for (unsigned i = 0; i < from.count; i++) {
		const struct engine_place *place = &from.messages[i].place;
		size_t erased = from.messages[i].erased;
		enum engine_status s;

		if (from.messages[i].after > length)
			break;
		s = engine_get(b, place, 0, text, place->length);
		if (erased == 0 && s != ENGINE_OK)
			fail_msg("after event %zu: message %u: %s", end, i,
			    engine_why(b));
		if (erased != 0 && erased <= said && s == ENGINE_OK)
			fail_msg(
			    "after event %zu: message %u was erased", end, i);
	}
}

static void check_copy(const struct tape *t, size_t end, size_t said)
{
	struct engine_box *b;
	struct engine *e;
	struct engine_pos pos;
	struct reader r;
	uint64_t written;
	enum engine_status s;

	lose_power(t, end);
	e = open_at(root, &afterwards, &b);
	s = read_copy(b, &r);
	if (said > 0 && s != ENGINE_OK) {
		tell_events(t, end);
		fail_msg("after event %zu: %s", end, engine_why(b));
	}
	if (s == ENGINE_OK) {
		assert_in_range(
		    strlen(r.text), from.lengths[said], strlen(from.w.text));
		assert_memory_equal(r.text, from.w.text, strlen(r.text));
		check_bodies(b, end, said, strlen(r.text));
	}
	s = engine_copy(from.box, b, &pos, &written);
	if (s != ENGINE_OK)
		fail_msg("after event %zu: %s", end, engine_why(b));
	assert_ok(read_copy(b, &r));
	assert_string_equal(r.text, from.w.text);
	check_bodies(b, end, from.copies, strlen(r.text));
	engine_box_close(&b);
	engine_close(&e);
	remove_tree(root);
}

static void a_copy_is_one_at_every_moment(void **state)
{
	size_t said = 0;

	(void)state;
	begin_chance(815);
	memset(&from, 0, sizeof(from));
	snprintf(from.root, sizeof(from.root), "%s/engine_power.XXXXXX",
	    fast_directory());
	assert_non_null(mkdtemp(from.root));
	from.engine = open_at(from.root, &afterwards, &from.box);
	from.generation = 1;
	tape = tape_new(NULL);
	for (unsigned turn = 0; turn < 8; turn++) {
		live(turn);
		copy_on_tape();
	}
	find_durable(tape);
	for (size_t end = 0; end <= tape->count; end++) {
		if (end > 0 && tape->events[end - 1].kind == SAID)
			said = tape->events[end - 1].said;
		for (unsigned i = rounds(2, 20); i > 0; i--)
			check_copy(tape, end, said);
	}
	tape_free(&tape);
	engine_box_close(&from.box);
	engine_close(&from.engine);
	remove_tree(from.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_log_begins_anew_or_does_not),
	    cmocka_unit_test(a_copy_is_one_at_every_moment),
	};

	recorded = disk_io();
	afterwards = engine_io_system;
	afterwards.fsync = afterwards.fdatasync = no_sync;
	return RUN_TESTS(tests);
}
