/* SPDX-License-Identifier: ISC */
/*
 * The check of a box: nothing to say about a healthy one, whatever was done
 * to it and while it is being written; and for each invariant a damage made
 * on purpose, with the finding that must name it: here of the log and of
 * files, in check_snapshots_test and check_bodies_test of the others.
 */
#include "store/testing_small.h"

#include <signal.h>
#include <sys/wait.h>

static void a_healthy_box_has_no_findings(void **state)
{
	(void)state;
	begin_chance(4711);
	with_upkeep = true;
	for (unsigned round = 0; round < rounds(8, 200); round++) {
		random_box(40);
		assert_healthy(false);
		assert_healthy(true);
		assert_true(checked.frames > 0 && checked.records > 0);
	}
	assert_true(checked.messages > 0 && checked.octets > 0);
	assert_true(checked.snapshots > 0);
}

static void an_account_without_mail(void **state)
{
	(void)state;
	assert_healthy(true);
	assert_int_equal(checked.frames, 0);
}

/* ---- damage to the log ---- */

static void a_frame(void **state)
{
	(void)state;
	small();
	flip("g.2", known.after[4].length + 30);
	assert_found(true, FINDING_DAMAGE, "g.2",
	    (int64_t)known.after[4].length, 0, "frame: checksum");
	/* What is behind it is read all the same. */
	flip("g.3", known.after[8].length + 30);
	assert_found(false, FINDING_DAMAGE, "g.3",
	    (int64_t)known.after[8].length, 0, "frame: checksum");
	assert_int_equal(found_count, 2);
}

static void the_last_frame(void **state)
{
	(void)state;
	small();
	flip("g.3", known.after[9].length + 30);
	assert_found(true, FINDING_DAMAGE, "g.3",
	    (int64_t)known.after[9].length, 0, "frame: checksum");
}

static void a_header(void **state)
{
	(void)state;
	small();
	flip("g.2", 40);
	assert_found(true, FINDING_DAMAGE, "g.2", 0, 0, "header: checksum");
	flip("g.2", 40);
	flip("g.1", 40);
	assert_found(true, FINDING_DAMAGE, "g.1", 0, 0, "header: checksum");
	flip("g.1", 40);
	flip("g.3", 40);
	assert_found(true, FINDING_DAMAGE, "g.3", 0, 0, "header: checksum");
}

/* Each damage is named, and what is behind both is read. */
static void two_headers(void **state)
{
	(void)state;
	small();
	flip("g.1", 40);
	flip("g.2", 40);
	flip("g.3", known.after[8].length + 30);
	check(true);
	assert_int_equal(found_count, 3);
	assert_true(there_is(FINDING_DAMAGE, "g.1", 0, 0, "header: checksum"));
	assert_true(there_is(FINDING_DAMAGE, "g.2", 0, 0, "header: checksum"));
	assert_true(there_is(FINDING_DAMAGE, "g.3",
	    (int64_t)known.after[8].length, 0, "frame: checksum"));
}

static void a_generation_that_does_not_follow(void **state)
{
	unsigned char modseq[8];

	(void)state;
	small();
	put_u64(modseq, 2);
	patch_header("g.3", 56, modseq, sizeof(modseq));
	assert_found(
	    false, FINDING_DAMAGE, "g.3", 0, 0, "generations do not follow");
}

static void a_missing_generation(void **state)
{
	(void)state;
	small();
	forget("g.2");
	assert_found(
	    false, FINDING_DAMAGE, "g.2", 0, 0, "a generation is missing");
	/* And what was in it. */
	assert_int_equal(found_count, 1);
}

static void the_mark(void **state)
{
	(void)state;
	small();
	flip("g.3", MARK_AT);
	assert_found(true, FINDING_DERIVED, "g.3", MARK_AT, 0, "the mark");
}

/* A frame whose checksum is right and whose chain is not. */
static void a_frame_of_another_log(void **state)
{
	struct buf out = buf_new(4096);
	struct frame f = {.modseq = 1000, .count = 0, .heads = STR_EMPTY};
	struct engine_box *e;
	struct engine_pos pos = known.after[9];
	unsigned char mark[16];

	(void)state;
	small();
	engine_box_open(store_engine(store), ACCOUNT, &e);
	engine_read(e, &pos, ignore, NULL);
	f.body_start = f.body_end = pos.bodies;
	pos.chain++;
	engine_frame_build(e, &pos, &f, &out);
	patch("g.3", pos.length, out.p, out.len);
	put_u64(mark, pos.length + f.length);
	put_u64(mark + 8, ~(pos.length + f.length));
	patch("g.3", MARK_AT, mark, sizeof(mark));
	assert_found(true, FINDING_DAMAGE, "g.3", (int64_t)pos.length, 0,
	    "frame: chain");
	engine_box_close(&e);
	buf_free(&out);
}

/* ---- records that make no sense, in frames that are whole ---- */

/* What the next frame will be, and the box that it follows. */
static struct {
	struct box *b;
	struct engine_pos at;
	uint64_t modseq;
	const struct mailbox_info *inbox;
	char ranges[8];
} next;

static void one_range(uint32_t first, uint32_t last)
{
	put_u32(next.ranges, first);
	put_u32(next.ranges + 4, last);
}

static struct record forged_mailbox(void)
{
	struct record r = {.type = RECORD_MAILBOX};

	r.mailbox = (struct record_mailbox){next.b->state.next_mailbox,
	    next.b->state.last_uidvalidity + 1, 0, 0, next.modseq, STR("new")};
	return r;
}

static struct record id_again(void)
{
	struct record r = forged_mailbox();

	r.mailbox.id = 77;
	return r;
}

static struct record uidvalidity_again(void)
{
	struct record r = forged_mailbox();

	r.mailbox.uidvalidity = next.inbox->uidvalidity;
	return r;
}

static struct record no_name(void)
{
	struct record r = forged_mailbox();

	r.mailbox.name = STR("a//b");
	return r;
}

static struct record renamed_to_nothing(void)
{
	struct record r = {.type = RECORD_RENAME};

	r.rename = (struct record_rename){2, next.modseq, STR("inbox/x")};
	return r;
}

static struct record forged_message(void)
{
	struct record r = {.type = RECORD_MESSAGE};
	struct message *m = &r.message.m;

	r.message.mailbox = 1;
	*m = (struct message){
	    .uid = next.inbox->uidnext, .modseq = next.modseq, .size = 100};
	r.message.place = (struct message_place){
	    .a = next.at.generation, .b = next.at.bodies, .header_len = 10};
	r.message.place.crc = crc32c(0, (char[100]){0}, 100);
	return r;
}

static struct record uid_again(void)
{
	struct record r = forged_message();

	r.message.m.uid = 7;
	return r;
}

static struct record nowhere(void)
{
	struct record r = forged_message();

	r.message.mailbox = 99;
	return r;
}

static struct record other_modseq(void)
{
	struct record r = forged_message();

	r.message.m.modseq--;
	return r;
}

static struct record unknown_flags(void)
{
	struct record r = forged_message();

	r.message.m.flags = 64;
	return r;
}

static struct record undefined_keyword(void)
{
	struct record r = forged_message();

	r.message.m.keywords = 2;
	return r;
}

static struct record unknown_kind(void)
{
	struct record r = forged_message();

	r.message.place.kind = 8;
	return r;
}

static struct record other_size(void)
{
	struct record r = forged_message();

	r.message.place.stored = 7;
	return r;
}

static struct record long_header(void)
{
	struct record r = forged_message();

	r.message.place.header_len = 101;
	return r;
}

/* 100 zeroes are no chunks. */
static struct record not_compressed(void)
{
	struct record r = forged_message();

	r.message.place.kind = PLACE_ZSTD;
	r.message.place.stored = 100;
	return r;
}

static struct record compressed_to_nothing(void)
{
	struct record r = forged_message();

	r.message.place.kind = PLACE_ZSTD;
	return r;
}

static struct record future_generation(void)
{
	struct record r = forged_message();

	r.message.place.a++;
	return r;
}

static struct record among_frames(void)
{
	struct record r = forged_message();

	r.message.place.b = FRAMES_AT;
	return r;
}

static struct record beyond_bodies(void)
{
	struct record r = forged_message();

	r.message.place.b++;
	return r;
}

static struct record overlapping(void)
{
	struct record r = forged_message();

	r.message.place = known.place[2];
	r.message.place.b++;
	return r;
}

static struct record bad_cache(void)
{
	struct record r = forged_message();

	r.message.place.cache_generation = 1;
	r.message.place.cache_offset = UINT64_MAX - 3;
	r.message.place.envelope_len = 10;
	return r;
}

static struct record forged_flags(void)
{
	struct record r = {.type = RECORD_FLAGS};

	one_range(1, 2);
	r.flags = (struct record_flags){.mailbox = 1,
	    .flags = FLAG_SEEN,
	    .modseq = next.modseq,
	    .unseen = -2,
	    .count = 1,
	    .ranges = next.ranges};
	return r;
}

static struct record flags_of_nothing(void)
{
	struct record r = forged_flags();

	one_range(5, 6);
	r.flags.unseen = -1;
	return r;
}

static struct record flags_counted_wrong(void)
{
	struct record r = forged_flags();

	r.flags.unseen = -1;
	return r;
}

static struct record forged_expunge(void)
{
	struct record r = {.type = RECORD_EXPUNGE};
	struct folder *f;

	assert_int_equal(box_folder(next.b, 1, &f), STORE_OK);
	one_range(1, 1);
	r.expunge = (struct record_expunge){.mailbox = 1,
	    .modseq = next.modseq,
	    .time = clock_seconds(),
	    .messages = 1,
	    .octets = f->messages[0].size,
	    .unseen = 1,
	    .count = 1,
	    .ranges = next.ranges};
	return r;
}

static struct record expunged_again(void)
{
	struct record r = forged_expunge();

	one_range(7, 7);
	r.expunge.messages = r.expunge.octets = r.expunge.unseen = 0;
	return r;
}

static struct record expunge_counted_wrong(void)
{
	struct record r = forged_expunge();

	r.expunge.octets--;
	return r;
}

static struct record deleted_counted_wrong(void)
{
	struct record r = {.type = RECORD_DELETE};

	r.delete = (struct record_delete){1, next.modseq, 3, 50, 0};
	return r;
}

static struct record keyword_again(void)
{
	struct record r = {.type = RECORD_KEYWORD};

	r.keyword = (struct record_keyword){1, 1, STR("WORK")};
	return r;
}

static struct record keyword_out_of_order(void)
{
	struct record r = {.type = RECORD_KEYWORD};

	r.keyword = (struct record_keyword){1, 5, STR("five")};
	return r;
}

static struct record announced_early(void)
{
	struct record r = {.type = RECORD_SNAPSHOT};

	r.snapshot.number = 5;
	r.snapshot.at = next.at;
	r.snapshot.at.length += 8;
	return r;
}

static struct record announced_again(void)
{
	struct record r = {.type = RECORD_SNAPSHOT};

	r.snapshot.number = next.b->state.snapshot.number;
	r.snapshot.at = next.at;
	return r;
}

static struct record announced_missing(void)
{
	struct record r = {.type = RECORD_SNAPSHOT};

	r.snapshot.number = 1000;
	r.snapshot.at = next.at;
	return r;
}

static struct record horizon_of_the_future(void)
{
	struct record r = {.type = RECORD_HORIZON};

	r.horizon.modseq = next.modseq;
	return r;
}

static struct record erased_beyond(void)
{
	struct record r = {.type = RECORD_ERASED};

	r.horizon.modseq = 3;
	return r;
}

static struct record delivered_again(void)
{
	struct record r = {.type = RECORD_DELIVERY};

	r.delivery.id[0] = hash64(1, "5", 1);
	r.delivery.id[1] = hash64(2, "5", 1);
	r.delivery.time = clock_seconds();
	return r;
}

static struct record of_a_snapshot(void)
{
	return (struct record){.type = RECORD_BOX};
}

/* clang-format off */
static const struct {
	struct record (*make)(void);
	bool only; /* and nothing else is wrong */
	const char *text;
} forgeries[] = {
	{forged_mailbox,         true,  NULL},
	{id_again,               true,  "the id of mailbox 77 was given"},
	{uidvalidity_again,      true,  "is not a new one"},
	{no_name,                true,  "the name of mailbox"},
	{renamed_to_nothing,     true,  "the new name of mailbox 2"},
	{uid_again,              true,  "message 7 of INBOX: its uid was given"},
	{nowhere,                true,  "mailbox 99, which is not there"},
	{other_modseq,           true,  "modification sequence is not its"},
	{unknown_flags,          true,  "flags that do not exist"},
	{undefined_keyword,      true,  "a keyword that was never defined"},
	{forged_flags,           true,  NULL},
	{flags_of_nothing,       true,  "flags of messages that are not there"},
	{flags_counted_wrong,    false, "flags that count other messages"},
	{forged_expunge,         true,  NULL},
	{expunged_again,         true,  "expunged that are not there"},
	{expunge_counted_wrong,  false, "an expunge counts other messages"},
	{deleted_counted_wrong,  false, "deleted with other counts"},
	{keyword_again,          true,  "a keyword is defined twice"},
	{keyword_out_of_order,   true,  "makes no sense: keyword"},
	{announced_early,        false, "announced before its position"},
	{announced_again,        true,  "is announced after snapshot"},
	{horizon_of_the_future,  true,  "a horizon that lies in the future"},
	{erased_beyond,          false, "erased beyond the horizon"},
	{delivered_again,        true,  "a delivery was stored twice"},
	{of_a_snapshot,          true,  "a snapshot's record in a frame"},
};
/* clang-format on */

/* Places: the finding is where the bytes should be. */
/* clang-format off */
static const struct {
	struct record (*make)(void);
	bool only, cache;
	const char *file, *text;
} misplaced[] = {
	{unknown_kind,      true,  false, "g.3", "stored in an unknown way"},
	{other_size,        true,  false, "g.3", "with another size"},
	{not_compressed,    true,  false, "g.3", "does not decompress"},
	{compressed_to_nothing, true, false, "g.3", "compressed to nothing"},
	{long_header,       true,  false, "g.3", "a header longer than"},
	{future_generation, true,  false, "g.4", "not among the log's bodies"},
	{among_frames,      true,  false, "g.3", "not among the log's bodies"},
	{beyond_bodies,     true,  false, "g.3", "not among the log's bodies"},
	{overlapping,       false, false, "g.1", "bytes of message 2 of INBOX"},
	{bad_cache,         true,  true,  "g.1", "not among the log's bodies"},
};
/* clang-format on */

static void prepare(void)
{
	struct str keyword = STR("work");
	uint32_t uid = 9;
	struct uid_set nine = {&uid, 1};

	next.b = small_box();
	assert_int_equal(box_store(next.b, 1, nine, FLAGS_ADD, 0, &keyword, 1,
			     0, NULL, NULL, NULL),
	    STORE_OK);
	/* An id that was given, and is free again. */
	next.b->state.next_mailbox = 77;
	assert_int_equal(box_create(next.b, STR("gone"), USE_NONE), STORE_OK);
	assert_int_equal(box_delete(next.b, STR("gone")), STORE_OK);
	assert_int_equal(snapshot_take(next.b, false), STORE_OK);
	next.at = next.b->state.pos;
	next.modseq = next.at.modseq + 1;
	next.inbox = box_find(next.b, STR("INBOX"));
}

/* Writes it behind a box that is as it should be. */
static struct record forge_one(struct record (*make)(void))
{
	struct buf heads = buf_new(4096);
	struct record r;

	anew();
	prepare();
	r = make();
	record_put(&heads, &r);
	box_close(&next.b);
	forge(buf_str(&heads), 1);
	buf_free(&heads);
	return r;
}

static void forged_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forgeries); i++) {
		forge_one(forgeries[i].make);
		if (forgeries[i].text == NULL)
			assert_healthy(true);
		else
			assert_found(forgeries[i].only, FINDING_DAMAGE, "g.3",
			    (int64_t)next.at.length, 0, forgeries[i].text);
	}
}

/* What is counted wrong is wrong from then on. */
static void sums(void **state)
{
	(void)state;
	forge_one(expunge_counted_wrong);
	check(true);
	assert_true(there_is(FINDING_DAMAGE, "", 0, 0,
	    "INBOX: its counts are not the sum of its messages"));
	assert_true(there_is(FINDING_DAMAGE, "", 0, 0,
	    "the quota's usage is not the sum of all mailboxes"));
}

static void forged_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(misplaced); i++) {
		struct record r = forge_one(misplaced[i].make);
		const struct message_place *p = &r.message.place;

		assert_found(misplaced[i].only,
		    misplaced[i].cache ? FINDING_DERIVED : FINDING_DAMAGE,
		    misplaced[i].file,
		    (int64_t)(misplaced[i].cache ? p->cache_offset : p->b),
		    r.message.m.uid, misplaced[i].text);
	}
}

static void a_malformed_record(void **state)
{
	char octets[16] = {0};

	(void)state;
	prepare();
	box_close(&next.b);
	put_u32(octets + 4, 12); /* not a multiple of 8 */
	forge(str_of(octets, sizeof(octets)), 1);
	assert_found(true, FINDING_DAMAGE, "g.3", (int64_t)next.at.length, 0,
	    "a malformed record");
}

static void a_frame_that_lacks_a_record(void **state)
{
	(void)state;
	prepare();
	box_close(&next.b);
	forge(STR_EMPTY, 1);
	assert_found(true, FINDING_DAMAGE, "g.3", (int64_t)next.at.length, 0,
	    "more or fewer records");
}

static void a_log_begun_anew_within_a_frame(void **state)
{
	struct buf heads = buf_new(4096);
	struct record r;

	(void)state;
	prepare();
	r = forged_mailbox();
	record_put(&heads, &r);
	r = (struct record){.type = RECORD_RESTATE};
	record_put(&heads, &r);
	box_close(&next.b);
	forge(buf_str(&heads), 2);
	assert_found(true, FINDING_DAMAGE, "g.3", (int64_t)next.at.length, 0,
	    "begun anew within a frame");
	buf_free(&heads);
}

static void an_announced_snapshot_that_is_not_there(void **state)
{
	(void)state;
	forge_one(announced_missing);
	assert_found(true, FINDING_DERIVED, "s.1000", 0, 0,
	    "the announced snapshot is missing");
}

/* ---- files ---- */

static void make(const char *name)
{
	int dir = directory();
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	close(dir);
}

static void leftovers(void **state)
{
	static const char *const files[] = {"new.7.1234", "new.s.3.99",
	    "b/0123456789abcdef0123456789abcdef", "b/what"};

	(void)state;
	small();
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		make(files[i]);
		assert_healthy(false); /* it may be somebody's */
		age(files[i]);
		assert_found(true, FINDING_LEFTOVER, files[i], 0, 0, "");
		forget(files[i]);
	}
}

static void a_log_that_is_gone(void **state)
{
	struct box *b;

	(void)state;
	b = small_box();
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	box_close(&b);
	forget("g.1");
	forget("g.2");
	forget("g.3");
	assert_found(false, FINDING_DAMAGE, "", 0, 0, "no generation");
}

/* ---- while it is used ---- */

static void use_it(unsigned seconds)
{
	int64_t end = clock_ms() + 1000 * (int64_t)seconds;
	struct box *b;

	/* Each frame in a generation of its own: HEAD_SIZE is no less. */
	if (below(2))
		engine_set_seal(store_engine(store), 8192, HEAD_SIZE);
	if (open_box(&b) != STORE_OK)
		_exit(1);
	with_upkeep = true;
	while (clock_ms() < end)
		step(b);
	_exit(0);
}

static void while_it_is_used(void **state)
{
	enum store_result r = STORE_OK;
	unsigned looks = 0;
	pid_t pid;
	int status;

	(void)state;
	begin_chance(815);
	with_upkeep = false;
	found_count = 0;
	random_box(20);
	pid = fork();
	if (pid == 0)
		use_it(rounds(2, 20));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (r == STORE_OK && found_count == 0)
			r = check(looks++ % 2 == 0);
		else
			kill(pid, SIGKILL);
	}
	assert_look(r);
	assert_int_equal(status, 0);
	assert_true(looks > 3);
	assert_healthy(true);
}

/* ---- what a box has ---- */

static void stat_of_a_box(void **state)
{
	struct store_stat st;
	struct box *b, *then;

	(void)state;
	b = opened_box();
	assert_int_equal(box_stat(b, &st), STORE_OK);
	assert_int_equal(st.mailboxes, 5);
	assert_int_equal(st.files + st.modseq, 0);
	assert_int_equal(st.oldest, 0);
	box_close(&b);

	b = box_to_snap();
	assert_int_equal(box_stat(b, &st), STORE_OK);
	assert_int_equal(st.usage.messages, 8);
	assert_int_equal(st.usage.octets, box_usage(b).octets);
	assert_int_equal(st.mailboxes, 5);
	assert_int_equal(st.generations, 3);
	assert_int_equal(st.blobs, 1);
	assert_int_equal(st.snapshots + st.snapshot, 0);
	assert_true(st.files >= 5); /* and the lock */
	assert_true(st.disk_octets > INLINE_MAX * 2);
	assert_int_equal(st.modseq, b->state.pos.modseq);
	assert_true(st.frames_behind > 0);
	/* 6 and 7, and what was in "old". */
	assert_int_equal(st.expunged, 3);
	assert_true(st.expunged_octets > 0);
	assert_true(st.oldest > 0);
	assert_int_equal(
	    box_open_at(store, ACCOUNT, st.oldest * 1000000, 0, &then),
	    STORE_OK);
	box_close(&then);
	assert_int_equal(
	    box_open_at(store, ACCOUNT, (st.oldest - 1) * 1000000, 0, &then),
	    STORE_GONE);
	box_close(&then);

	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(box_stat(b, &st), STORE_OK);
	assert_int_equal(st.snapshot, 1);
	assert_int_equal(st.snapshots, 1);
	assert_true(st.frames_behind < 200);
	box_close(&b);
}

/* The log's beginning was dropped: the base has the oldest state. */
static void stat_of_a_cut_box(void **state)
{
	struct store_stat st;
	struct box *b, *then;
	int64_t first;

	(void)state;
	b = small_box();
	assert_int_equal(box_stat(b, &st), STORE_OK);
	first = st.oldest;
	store_set_undelete(store, UNDELETE);
	for (uint32_t uid = 1; uid <= 9; uid++) {
		struct uid_set one = {&uid, 1};

		box_remove(b, 1, one);
		step_upkeep(b);
	}
	assert_true(box_is_cut(b));
	assert_healthy(true);
	assert_int_equal(box_stat(b, &st), STORE_OK);
	assert_int_equal(
	    box_open_at(store, ACCOUNT, st.oldest * 1000000, 0, &then),
	    STORE_OK);
	box_close(&then);
	assert_true(st.oldest > first);
	assert_int_equal(
	    box_open_at(store, ACCOUNT, first * 1000000, 0, &then), STORE_GONE);
	box_close(&then);
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAST(an_account_without_mail),
	    FAST(a_healthy_box_has_no_findings),
	    FAST(a_frame),
	    FAST(the_last_frame),
	    FAST(a_header),
	    FAST(two_headers),
	    FAST(a_generation_that_does_not_follow),
	    FAST(a_missing_generation),
	    FAST(the_mark),
	    FAST(a_frame_of_another_log),
	    FAST(forged_records),
	    FAST(sums),
	    FAST(forged_places),
	    FAST(a_malformed_record),
	    FAST(a_frame_that_lacks_a_record),
	    FAST(a_log_begun_anew_within_a_frame),
	    FAST(an_announced_snapshot_that_is_not_there),
	    FAST(leftovers),
	    FAST(a_log_that_is_gone),
	    FAST(while_it_is_used),
	    FAST(stat_of_a_box),
	    FAST(stat_of_a_cut_box),
	};

	return RUN_TESTS(tests);
}
