/* SPDX-License-Identifier: ISC */
/*
 * The check of a box: nothing to say about a healthy one, whatever was done
 * to it and while it is being written; and for each invariant a damage made
 * on purpose, with the finding that must name it.
 */
#include "store/testing_steps.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/check.h"
#include "store/le.h"
#include "store/snapshot.h"

/* Any of them. -1 and 0: whatever. */
static bool there_is(enum finding_kind kind, const char *file, int64_t offset,
    uint32_t uid, const char *text)
{
	for (size_t i = 0; i < found_count; i++)
		if (found[i].kind == kind && strcmp(found[i].file, file) == 0 &&
		    (offset == -1 || found[i].offset == (uint64_t)offset) &&
		    (uid == 0 || found[i].uid == uid) &&
		    strstr(found[i].text, text) != NULL)
			return true;
	return false;
}

/* The check says this, and nothing else where it is the only one. */
static void assert_found(bool only, enum finding_kind kind, const char *file,
    int64_t offset, uint32_t uid, const char *text)
{
	enum store_result r = check(true);

	if (r == STORE_OK && (found_count == 1 || !only) &&
	    there_is(kind, file, offset, uid, text))
		return;
	print_findings();
	fail_msg("check: %s: %s; wanted: %s %s %lld uid %u: %s",
	    store_result_name(r), checked.why, kind_name(kind), file,
	    (long long)offset, uid, text);
}

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

/* ---- files ---- */

static int directory(void)
{
	struct engine_box *b;
	int fd;

	assert_int_equal(
	    engine_box_open(store_engine(store), ACCOUNT, &b), ENGINE_OK);
	fd = dup(engine_box_directory(b));
	assert_true(fd >= 0);
	engine_box_close(&b);
	return fd;
}

static void patch(const char *name, uint64_t at, const void *p, size_t len)
{
	int dir = directory(), fd = openat(dir, name, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, len, (off_t)at), (ssize_t)len);
	close(fd);
	close(dir);
}

static void peek(const char *name, uint64_t at, void *p, size_t len)
{
	int dir = directory(), fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, p, len, (off_t)at), (ssize_t)len);
	close(fd);
	close(dir);
}

static void flip(const char *name, uint64_t at)
{
	unsigned char byte;

	peek(name, at, &byte, 1);
	byte ^= 0x10;
	patch(name, at, &byte, 1);
}

static void forget(const char *name)
{
	int dir = directory();

	assert_int_equal(unlinkat(dir, name, 0), 0);
	close(dir);
}

/* A header of 512 octets, changed, with a CRC that fits. */
static void patch_header(
    const char *name, uint64_t at, const void *p, size_t len)
{
	unsigned char header[512];

	peek(name, 0, header, sizeof(header));
	memcpy(header + at, p, len);
	put_u32(header + 508, crc32c(0, header, 508));
	patch(name, 0, header, sizeof(header));
}

/* Makes a file look as if it were two hours old. */
static void age(const char *name)
{
	struct timespec times[2] = {
	    {clock_seconds() - 7200, 0}, {clock_seconds() - 7200, 0}};
	int dir = directory();

	assert_int_equal(utimensat(dir, name, times, 0), 0);
	close(dir);
}

/* ---- a small box, of which everything is known ---- */

static struct {
	struct engine_pos after[12]; /* of each delivery's frame */
	struct message_place place[12];
	uint64_t large; /* uid of the one that is a blob */
	char blob[64];
} known;

static const struct message_place *place_of_uid(struct box *b, uint32_t uid)
{
	struct folder *f;

	assert_int_equal(box_folder(b, 1, &f), STORE_OK);
	return folder_place(b, f, folder_search(f, uid));
}

static void deliver_known(struct box *b, uint32_t uid)
{
	char *large = mem_alloc(INLINE_MAX * 2), id[16];

	snprintf(id, sizeof(id), "%u", uid);
	if (uid == 4) {
		memset(large, 'x', INLINE_MAX * 2);
		assert_int_equal(
		    deliver_text(b, id, large, INLINE_MAX * 2), STORE_OK);
	} else {
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
	known.place[uid] = *place_of_uid(b, uid);
	known.after[uid] = b->state.pos;
	free(large);
}

/* INBOX has the uids 1 to 9 without 6 and 7, of which 6 is in Trash, too, and
 * 7 nowhere; generations of three deliveries. */
static struct box *small_box(void)
{
	uint32_t six = 6, seven = 7, uidvalidity;
	struct uid_set moved = {&six, 1}, gone = {&seven, 1}, a, c;
	struct arena arena = arena_new(1 << 20);
	struct box *b = opened_box();
	unsigned char id[16];

	memset(&known, 0, sizeof(known));
	for (uint32_t uid = 1; uid <= 9; uid++) {
		bool first = uid == 4 || uid == 7;

		engine_set_seal(store_engine(store),
		    first ? FRAMES_AT + 8 : SEAL_FRAMES, SEAL_BODIES);
		deliver_known(b, uid);
	}
	put_u64(id, known.place[4].a);
	put_u64(id + 8, known.place[4].b);
	snprintf(known.blob, sizeof(known.blob), "b/");
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(known.blob + 2 + 2 * i, 3, "%02x", id[i]);
	assert_int_equal(box_copy(b, 1, moved, STR("Trash"), true, &arena, &a,
			     &c, &uidvalidity),
	    STORE_OK);
	assert_int_equal(box_remove(b, 1, gone), STORE_OK);
	arena_free(&arena);
	return b;
}

static void small(void)
{
	struct box *b = small_box();

	box_close(&b);
	assert_healthy(true);
	assert_int_equal(checked.messages, 8);
}

/* ---- damage to the log ---- */

static int ignore(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

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

struct forgery {
	struct str heads;
	uint32_t count;
	uint64_t octets; /* of bodies */
};

static int decide_forged(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	static char zeroes[4096];
	static struct iovec body = {zeroes, 0};
	const struct forgery *f = arg;

	(void)end;
	frame->heads = f->heads;
	frame->count = f->count;
	body.iov_len = f->octets;
	frame->bodies = &body;
	frame->body_count = f->octets > 0;
	return 0;
}

/* Writes the records as a frame; where it stands. */
static struct engine_pos forge_from(
    struct engine_pos pos, struct str heads, uint32_t count)
{
	struct forgery f = {heads, count, 100};
	struct engine_pos at;
	struct engine_box *e;

	engine_box_open(store_engine(store), ACCOUNT, &e);
	assert_int_equal(engine_read(e, &pos, ignore, NULL), ENGINE_OK);
	at = pos;
	assert_int_equal(
	    engine_append(e, &pos, ignore, decide_forged, &f, DEADLINE_NEVER),
	    ENGINE_OK);
	engine_box_close(&e);
	return at;
}

static struct engine_pos forge(struct str heads, uint32_t count)
{
	return forge_from((struct engine_pos){0}, heads, count);
}

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

/* ---- snapshots that say something else than the log ---- */

static struct folder *inbox(struct state *s)
{
	return state_folder(s, 1);
}

static void next_ids(struct state *s)
{
	s->next_mailbox++;
}

static void usage(struct state *s)
{
	s->usage.octets--;
}

static void horizon(struct state *s)
{
	s->horizon = 1;
}

static void uidnext(struct state *s)
{
	inbox(s)->info.uidnext++;
}

static void uidvalidity(struct state *s)
{
	inbox(s)->info.uidvalidity++;
}

static void highest_modseq(struct state *s)
{
	inbox(s)->info.highest_modseq--;
}

static void unseen(struct state *s)
{
	inbox(s)->info.unseen--;
}

static void count(struct state *s)
{
	inbox(s)->info.messages--;
}

static void use(struct state *s)
{
	inbox(s)->info.use = USE_ARCHIVE;
}

static void keyword(struct state *s)
{
	union {
		const char *text;
		char *octets;
	} name = {.text = inbox(s)->info.keywords[0].p};

	name.octets[0] = 'W';
}

static void subscription(struct state *s)
{
	table_remove(&s->subscriptions, STR("Junk"));
	table_put(&s->subscriptions, STR("other"), s);
}

static void attributes(struct state *s)
{
	table_put(&s->subscriptions, STR("old2"), s);
	inbox(s)->info.selectable = false;
}

static void flags(struct state *s)
{
	inbox(s)->messages[1].flags |= FLAG_ANSWERED;
}

static void keywords(struct state *s)
{
	inbox(s)->messages[1].keywords |= 1;
}

static void message_modseq(struct state *s)
{
	inbox(s)->messages[1].modseq--;
}

static void size(struct state *s)
{
	inbox(s)->messages[1].size++;
}

static void place(struct state *s)
{
	inbox(s)->fresh[1].email_id++;
}

static void message(struct state *s)
{
	inbox(s)->messages[5].uid--;
}

static void vanished(struct state *s)
{
	inbox(s)->vanished[0].uid++;
}

static void vanish_floor(struct state *s)
{
	inbox(s)->vanish_floor = 0;
}

static void expunged(struct state *s)
{
	inbox(s)->gone[0].m.uid = 8;
}

static void expunged_forgotten(struct state *s)
{
	inbox(s)->gone_count--;
}

static void mailbox(struct state *s)
{
	inbox(s)->info.id = 50;
}

static void another_mailbox(struct state *s)
{
	const char *why;

	folder_new(s, 70, STR("extra"), &why);
}

static void dead(struct state *s)
{
	s->dead[0]->dead_time++;
}

static void dead_forgotten(struct state *s)
{
	s->dead[0]->info.id = 60;
}

static void delivery(struct state *s)
{
	s->deliveries.fresh[0].id[0]++;
}

static void delivery_forgotten(struct state *s)
{
	s->deliveries.count--;
}

/* clang-format off */
static const struct {
	void (*change)(struct state *s);
	uint32_t uid;
	const char *text;
} changes[] = {
	{next_ids,           0, "other ids to be given next"},
	{usage,              0, "another usage"},
	{horizon,            0, "another horizon"},
	{uidnext,            0, "INBOX: another next uid"},
	{uidvalidity,        0, "INBOX: another UIDVALIDITY"},
	{highest_modseq,     0, "INBOX: another modification sequence"},
	{unseen,             0, "INBOX: another counts"},
	{count,              0, "count of messages"},
	{use,                0, "INBOX: another attributes"},
	{keyword,            0, "INBOX: another keywords"},
	{subscription,       0, "other subscriptions"},
	{attributes,         0, "INBOX: another attributes"},
	{flags,              2, "message 2 of INBOX: other flags"},
	{keywords,           2, "message 2 of INBOX: other flags"},
	{message_modseq,     2, "of INBOX: another modification sequence"},
	{size,               2, "of INBOX: another size"},
	{place,              2, "message 2 of INBOX: another place"},
	{message,            8, "message 8 of INBOX: it is missing"},
	{vanished,           0, "INBOX: other uids have vanished"},
	{vanish_floor,       0, "INBOX: other uids have vanished"},
	{expunged,           6, "message 6 of INBOX, expunged"},
	{expunged_forgotten, 7, "message 7 of INBOX, expunged"},
	{mailbox,            0, "INBOX: it is missing"},
	{another_mailbox,    0, "extra: the log has none"},
	{dead,               0, "old (deleted): another deletion"},
	{dead_forgotten,     0, "old (deleted): it is missing"},
	{delivery,           0, "other delivery ids"},
	{delivery_forgotten, 0, "other delivery ids"},
};
/* clang-format on */

/* A small box with a deleted mailbox, folded from the log alone, so that a
 * snapshot of it is written whole. */
static struct box *box_to_snap(void)
{
	struct str work = STR("work");
	struct arena arena = arena_new(1 << 20);
	struct box *b = small_box();
	uint32_t one = 1, uidvalidity_of;
	struct uid_set set = {&one, 1}, from, to;
	struct folder *f;

	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_SEEN, &work, 1, 0,
			     NULL, NULL, NULL),
	    STORE_OK);
	assert_int_equal(box_create(b, STR("old"), USE_NONE), STORE_OK);
	assert_int_equal(box_copy(b, 1, set, STR("old"), false, &arena, &from,
			     &to, &uidvalidity_of),
	    STORE_OK);
	assert_int_equal(box_delete(b, STR("old")), STORE_OK);
	assert_int_equal(box_reload(b, true), STORE_OK);
	for (size_t i = 0; (f = check_folder(&b->state, i)) != NULL; i++)
		assert_int_equal(folder_load(b, f), STORE_OK);
	arena_free(&arena);
	return b;
}

static void snapshots_of_another_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct box *b;

		anew();
		b = box_to_snap();
		changes[i].change(&b->state);
		snapshot_take(b, false);
		box_close(&b);
		assert_found(false, FINDING_DERIVED, "s.1", 0, changes[i].uid,
		    changes[i].text);
	}
}

/* ---- damage to snapshots ---- */

/* s.2 points into s.1. */
static void two_snapshots(void)
{
	struct box *b = box_to_snap();

	store->segment_rows = 2;
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(deliver_id(b, "10"), STORE_OK);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(deliver_id(b, "11"), STORE_OK);
	box_close(&b);
	assert_healthy(true);
	assert_int_equal(checked.snapshots, 2);
}

static void a_snapshots_header_and_summary(void **state)
{
	unsigned char at[8];

	(void)state;
	two_snapshots();
	flip("s.2", 40);
	assert_found(true, FINDING_DERIVED, "s.2", 0, 0, "a snapshot's header");
	flip("s.2", 40);
	peek("s.2", 72, at, sizeof(at));
	flip("s.2", get_u64(at) + 10);
	assert_found(
	    true, FINDING_DERIVED, "s.2", 0, 0, "a snapshot's summary");
}

/* Every column of every snapshot that is pointed at. */
static void columns(void **state)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	struct box *b;
	bool older = false;
	unsigned kinds = 0;

	(void)state;
	two_snapshots();
	b = opened_box();
	assert_int_equal(snapshot_summary(b, 2, &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	while (record_next(&rest, &r, NULL) == 1) {
		const struct column *column = r.segment.columns;

		for (size_t i = 0; r.type == RECORD_SEGMENT && i < COLUMNS;
		     i++, column++) {
			char file[32];

			if (column->snapshot == 0)
				continue;
			older = older || column->snapshot == 1;
			kinds |= 1u << i;
			snprintf(file, sizeof(file), "s.%u",
			    (unsigned)column->snapshot);
			flip(file, column->offset);
			assert_found(column->snapshot == 2, FINDING_DERIVED,
			    file, (int64_t)column->offset, 0, "checksum");
			flip(file, column->offset);
		}
	}
	assert_true(older);
	assert_true(kinds & 1u << COLUMN_M && kinds & 1u << COLUMN_D &&
	    kinds & 1u << COLUMN_I && kinds & 1u << COLUMN_V &&
	    kinds & 1u << COLUMN_X && kinds & 1u << COLUMN_U);
	buf_free(&summary);
	box_close(&b);
}

/* A snapshot's summary, to be changed and put back. */
struct manifest {
	uint64_t number;
	struct snapshot_header h;
	struct buf summary;
};

static void manifest_get(struct manifest *m, uint64_t number)
{
	struct box *b = opened_box();

	m->number = number;
	assert_int_equal(
	    snapshot_summary(b, number, &m->h, &m->summary), STORE_OK);
	box_close(&b);
}

static void manifest_put(struct manifest *m)
{
	unsigned char crc[4];
	char file[32];

	snprintf(file, sizeof(file), "s.%u", (unsigned)m->number);
	patch(file, m->h.summary_offset, m->summary.p, m->summary.len);
	put_u32(crc, crc32c(0, m->summary.p, m->summary.len));
	patch_header(file, 84, crc, sizeof(crc));
	buf_free(&m->summary);
}

/* The how manieth column of a kind stands here in the manifest: its hash, and
 * before that all else. */
static char *manifest_column(
    struct manifest *m, enum column_kind kind, unsigned number)
{
	struct str rest = buf_str(&m->summary), whole;
	unsigned char hash[8];
	struct record r;
	char *at;

	do {
		do
			assert_int_equal(record_next(&rest, &r, &whole), 1);
		while (r.type != RECORD_SEGMENT ||
		    r.segment.columns[kind].snapshot == 0);
	} while (number-- > 0);
	put_u64(hash, r.segment.columns[kind].hash);
	at = memmem(m->summary.p + (whole.p - m->summary.p), whole.len, hash,
	    sizeof(hash));
	assert_non_null(at);
	return at;
}

/* With all checksums right. */
static void a_columns_hash(void **state)
{
	struct manifest m;

	(void)state;
	two_snapshots();
	manifest_get(&m, 2);
	*manifest_column(&m, COLUMN_M, 0) ^= 1;
	manifest_put(&m);
	assert_found(true, FINDING_DERIVED, "s.1", -1, 0, "hash");
}

#define COLUMN_OCTETS 32 /* snapshot, offset, length, CRC, hash */

/* A segment with the ENVELOPEs of another one. */
static void content_of_others(void **state)
{
	struct manifest m;
	char *one, *other;

	(void)state;
	two_snapshots();
	manifest_get(&m, 2);
	one = manifest_column(&m, COLUMN_C, 0) + 8 - COLUMN_OCTETS;
	other = manifest_column(&m, COLUMN_C, 1) + 8 - COLUMN_OCTETS;
	memcpy(one, other, COLUMN_OCTETS);
	manifest_put(&m);
	assert_found(true, FINDING_DERIVED, "s.1", -1, 0,
	    "not what the message's cache says");
}

static void a_snapshot_of_another_life(void **state)
{
	unsigned char incarnation[8] = {1, 2, 3};

	(void)state;
	two_snapshots();
	patch_header("s.2", 16, incarnation, sizeof(incarnation));
	assert_found(true, FINDING_DERIVED, "s.2", 0, 0, "another life");
}

static void a_snapshot_of_another_log(void **state)
{
	unsigned char chain[8] = {1, 2, 3}, modseq[8];

	(void)state;
	two_snapshots();
	patch_header("s.2", 48, chain, sizeof(chain));
	assert_found(true, FINDING_DERIVED, "s.2", 0, 0, "another log");
	put_u64(modseq, 1000);
	patch_header("s.2", 56, modseq, sizeof(modseq));
	assert_found(
	    true, FINDING_DERIVED, "s.2", 0, 0, "is none of the log's");
}

static void a_missing_column_file(void **state)
{
	(void)state;
	two_snapshots();
	forget("s.1");
	check(true);
	assert_true(found_count > 0);
	assert_true(
	    there_is(FINDING_DERIVED, "s.1", -1, 0, "a file is missing"));
}

/* The block's own checksum is wrong, the column's are right. */
static void a_block_of_delivery_ids(void **state)
{
	unsigned char octets[4096];
	struct manifest m;
	struct column x;
	struct record r;
	struct str rest;
	char *at, file[32];

	(void)state;
	two_snapshots();
	manifest_get(&m, 2);
	rest = buf_str(&m.summary);
	do
		assert_int_equal(record_next(&rest, &r, NULL), 1);
	while (r.type != RECORD_SEGMENT ||
	    r.segment.columns[COLUMN_X].snapshot == 0);
	x = r.segment.columns[COLUMN_X];
	assert_true(x.length <= sizeof(octets));
	snprintf(file, sizeof(file), "s.%u", (unsigned)x.snapshot);
	flip(file, x.offset + 3);
	peek(file, x.offset, octets, x.length);
	at = manifest_column(&m, COLUMN_X, 0);
	put_u32(at - 4, crc32c(0, octets, x.length));
	put_u64(at, hash64(0, octets, x.length));
	manifest_put(&m);
	check(true);
	assert_true(there_is(FINDING_DERIVED, "s.2", -1, 0,
	    "delivery ids: delivery ids: checksum"));
}

/* The first generation is gone: what the snapshot says is all there is. */
static void cut_box(void (*change)(struct state *s))
{
	struct box *b = box_to_snap();

	change(&b->state);
	snapshot_take(b, false);
	box_close(&b);
	forget("g.1");
	check(true);
}

static void few_uids(struct state *s)
{
	inbox(s)->info.uidnext = 5;
}

static void a_base_that_makes_no_sense(void **state)
{
	(void)state;
	cut_box(few_uids);
	assert_true(there_is(FINDING_DAMAGE, "", 0, 5,
	    "message 5 of INBOX: its uid is not between"));
	anew();
	cut_box(highest_modseq);
	assert_true(there_is(FINDING_DAMAGE, "", 0, 1,
	    "message 1 of INBOX: its modification sequence is above"));
	/* And without it nothing is known. */
	forget("s.1");
	assert_found(
	    false, FINDING_DAMAGE, "", 0, 0, "no snapshot says what it said");
}

static void a_missing_snapshot(void **state)
{
	(void)state;
	two_snapshots();
	forget("s.2");
	assert_found(true, FINDING_DERIVED, "s.2", 0, 0,
	    "the announced snapshot is missing");
}

/* An older copy of the log was put back: what snapshots know of it is lost. */
static void a_log_put_back(void **state)
{
	static unsigned char old[MARK_AT + 16];
	struct box *b;

	(void)state;
	b = box_to_snap();
	peek("g.3", 0, old, sizeof(old));
	assert_int_equal(deliver_id(b, "10"), STORE_OK);
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	box_close(&b);
	assert_healthy(true);
	patch("g.3", 0, old, sizeof(old));
	assert_found(
	    true, FINDING_DAMAGE, "s.1", 0, 0, "frames that the log has lost");
}

static void prepare_behind(struct engine_pos *at)
{
	struct buf heads = buf_new(4096);
	struct engine_box *e;
	struct record r = {.type = RECORD_MESSAGE};

	engine_box_open(store_engine(store), ACCOUNT, &e);
	/* From behind the damage: the header of g.3 says from where. */
	assert_int_equal(engine_previous(e, 3, at), ENGINE_OK);
	engine_look_only(e);
	assert_int_equal(engine_read(e, at, ignore, NULL), ENGINE_OK);
	engine_box_close(&e);
	r.message.mailbox = 1;
	r.message.m = (struct message){
	    .uid = 100, .modseq = at->modseq + 1, .flags = 64, .size = 0};
	record_put(&heads, &r);
	*at = forge_from(*at, buf_str(&heads), 1);
	buf_free(&heads);
}

/* Frames behind damage are held against a snapshot behind it. */
static void damage_before_a_snapshot(void **state)
{
	struct engine_pos at;

	(void)state;
	two_snapshots();
	flip("g.2", known.after[4].length + 30);
	assert_found(true, FINDING_DAMAGE, "g.2",
	    (int64_t)known.after[4].length, 0, "frame: checksum");
	assert_int_equal(checked.messages, 10);
	/* And records of such frames, too. */
	prepare_behind(&at);
	assert_found(false, FINDING_DAMAGE, "g.3", (int64_t)at.length, 0,
	    "flags that do not exist");
	assert_int_equal(found_count, 2);
}

/* ---- bodies ---- */

static void a_body(void **state)
{
	(void)state;
	small();
	flip("g.1", known.place[2].b + 20);
	assert_found(true, FINDING_DAMAGE, "g.1", (int64_t)known.place[2].b, 2,
	    "message 2 of INBOX: the bytes do not fit their checksum");
	/* A quick look does not read it. */
	assert_healthy(false);
}

/* It is in Trash, and INBOX could have it back. */
static void a_body_that_is_shared(void **state)
{
	(void)state;
	small();
	flip("g.2", known.place[6].b + 20);
	check(true);
	assert_int_equal(found_count, 2);
	assert_true(there_is(FINDING_DAMAGE, "g.2", -1, 6,
	    "message 6 of INBOX, expunged: the bytes do not fit"));
	assert_true(there_is(FINDING_DAMAGE, "g.2", -1, 1,
	    "message 1 of Trash: the bytes do not fit"));
}

static void an_expunged_body(void **state)
{
	(void)state;
	small();
	flip("g.3", known.place[7].b + 20);
	assert_found(true, FINDING_DAMAGE, "g.3", (int64_t)known.place[7].b, 7,
	    "message 7 of INBOX, expunged: the bytes do not fit");
}

static void a_cache(void **state)
{
	(void)state;
	small();
	flip("g.3", known.place[9].cache_offset + 3);
	assert_found(true, FINDING_DERIVED, "g.3",
	    (int64_t)known.place[9].cache_offset, 9,
	    "message 9 of INBOX: cache: the bytes do not fit");
}

static void a_blob(void **state)
{
	int dir;

	(void)state;
	small();
	flip(known.blob, 300000);
	assert_found(true, FINDING_DAMAGE, known.blob, 0, 4,
	    "message 4 of INBOX: the bytes do not fit their checksum");
	dir = directory();
	close(openat(dir, known.blob, O_WRONLY | O_TRUNC | O_CLOEXEC));
	close(dir);
	assert_found(true, FINDING_DAMAGE, known.blob, 0, 4, "ends early");
	check(false);
	assert_int_equal(found_count, 1);
	assert_true(there_is(FINDING_DAMAGE, known.blob, 0, 4, "too short"));
	forget(known.blob);
	assert_found(
	    true, FINDING_DAMAGE, known.blob, 0, 4, "its file is missing");
	check(false);
	assert_int_equal(found_count, 1);
	assert_true(there_is(FINDING_DAMAGE, known.blob, 0, 4, "missing"));
}

static void a_generation_that_ends_early(void **state)
{
	int dir, fd;

	(void)state;
	small();
	dir = directory();
	fd = openat(dir, "g.1", O_WRONLY | O_CLOEXEC);
	assert_int_equal(
	    ftruncate(fd, (off_t)known.place[3].cache_offset + 1), 0);
	close(fd);
	close(dir);
	assert_found(true, FINDING_DERIVED, "g.1",
	    (int64_t)known.place[3].cache_offset, 3, "ends early");
	check(false);
	assert_int_equal(found_count, 1);
	assert_true(there_is(FINDING_DERIVED, "g.1", -1, 3, "ends early"));
}

/* ---- what was erased ---- */

static enum store_result box_expunge_all(struct box *b)
{
	uint32_t uids[] = {1, 2, 3, 4, 5, 8, 9};

	return box_remove(b, 1, (struct uid_set){uids, ARRAY_LEN(uids)});
}

/* Says that all is erased that is gone by now; nothing is. */
static void claim_erasure(bool erased)
{
	struct buf heads = buf_new(4096);
	struct record r = {.type = RECORD_HORIZON};
	struct box *b = opened_box();

	r.horizon.modseq = b->state.pos.modseq;
	record_put(&heads, &r);
	r.type = RECORD_ERASED;
	if (erased)
		record_put(&heads, &r);
	box_close(&b);
	forge(buf_str(&heads), erased ? 2 : 1);
	buf_free(&heads);
}

static void zero(const char *name, uint64_t at, size_t len)
{
	char *zeroes = mem_alloc(len);

	patch(name, at, zeroes, len);
	free(zeroes);
}

static void erase_place(const char *file, const struct message_place *p)
{
	zero(file, p->b, (size_t)(p->cache_offset - p->b));
	zero(file, p->cache_offset, (size_t)place_of_cache(p).length);
}

static void what_was_erased_is_gone(void **state)
{
	(void)state;
	small();
	claim_erasure(true);
	check(true);
	/* Body and cache of 7; 6 is in Trash, too. */
	assert_int_equal(found_count, 2);
	assert_true(there_is(FINDING_READABLE, "g.3", (int64_t)known.place[7].b,
	    7, "was erased, and its bytes"));
	assert_true(there_is(FINDING_READABLE, "g.3",
	    (int64_t)known.place[7].cache_offset, 7, "cache"));
	erase_place("g.3", &known.place[7]);
	assert_healthy(true);
}

static void an_erased_blob_is_gone(void **state)
{
	uint32_t four = 4;
	struct uid_set set = {&four, 1};
	struct box *b;

	(void)state;
	b = small_box();
	assert_int_equal(box_remove(b, 1, set), STORE_OK);
	box_close(&b);
	claim_erasure(true);
	erase_place("g.3", &known.place[7]);
	zero("g.2", known.place[4].cache_offset,
	    (size_t)place_of_cache(&known.place[4]).length);
	assert_found(true, FINDING_READABLE, known.blob, 0, 4,
	    "it was erased, and its file is there");
	forget(known.blob);
	assert_healthy(true);
}

/* Copies of what was erased, in a snapshot. */
static void erased_content_is_gone(void **state)
{
	struct snapshot_header h;
	struct buf summary;
	struct record r;
	struct str rest;
	struct box *b;

	(void)state;
	b = small_box();
	store->segment_rows = 2; /* only whole segments have content */
	assert_int_equal(snapshot_take(b, false), STORE_OK);
	assert_int_equal(box_expunge_all(b), STORE_OK);
	box_close(&b);
	claim_erasure(true);
	for (uint32_t uid = 1; uid <= 9; uid++) {
		char file[8];

		snprintf(file, sizeof(file), "g.%u", (uid + 2) / 3);
		if (uid == 4)
			zero(file, known.place[4].cache_offset,
			    (size_t)place_of_cache(&known.place[4]).length);
		else if (uid != 6) /* it is in Trash, too */
			erase_place(file, &known.place[uid]);
	}
	forget(known.blob);
	assert_found(true, FINDING_READABLE, "s.1", -1, 0,
	    "content of snapshot 1: of a message that was erased");
	b = opened_box();
	assert_int_equal(snapshot_summary(b, 1, &h, &summary), STORE_OK);
	rest = buf_str(&summary);
	while (record_next(&rest, &r, NULL) == 1)
		for (size_t i = COLUMN_C;
		     r.type == RECORD_SEGMENT && i <= COLUMN_K; i++)
			if (r.segment.columns[i].snapshot != 0 &&
			    r.segment.mailbox == 1)
				zero("s.1", r.segment.columns[i].offset,
				    r.segment.columns[i].length);
	buf_free(&summary);
	box_close(&b);
	assert_healthy(true);
}

/* Behind the horizon bytes may be there or not: erasure is under way. */
static void erasure_that_is_under_way(void **state)
{
	(void)state;
	small();
	claim_erasure(false);
	assert_healthy(true);
	erase_place("g.3", &known.place[7]);
	assert_healthy(true);
}

static void what_goes_too_early(void **state)
{
	(void)state;
	small();
	erase_place("g.3", &known.place[7]);
	check(true);
	assert_true(there_is(FINDING_DAMAGE, "g.3", -1, 7, "expunged"));
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
	    FAST(snapshots_of_another_state),
	    FAST(a_snapshots_header_and_summary),
	    FAST(columns),
	    FAST(a_columns_hash),
	    FAST(content_of_others),
	    FAST(a_snapshot_of_another_life),
	    FAST(a_snapshot_of_another_log),
	    FAST(a_missing_column_file),
	    FAST(a_block_of_delivery_ids),
	    FAST(a_base_that_makes_no_sense),
	    FAST(a_missing_snapshot),
	    FAST(a_log_put_back),
	    FAST(damage_before_a_snapshot),
	    FAST(a_body),
	    FAST(a_body_that_is_shared),
	    FAST(an_expunged_body),
	    FAST(a_cache),
	    FAST(a_blob),
	    FAST(a_generation_that_ends_early),
	    FAST(what_was_erased_is_gone),
	    FAST(an_erased_blob_is_gone),
	    FAST(erased_content_is_gone),
	    FAST(erasure_that_is_under_way),
	    FAST(what_goes_too_early),
	    FAST(leftovers),
	    FAST(a_log_that_is_gone),
	    FAST(while_it_is_used),
	    FAST(stat_of_a_box),
	    FAST(stat_of_a_cut_box),
	};

	return RUN_TESTS(tests);
}
