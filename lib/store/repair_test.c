/* SPDX-License-Identifier: ISC */
/*
 * Damage of each kind, and what repair makes of it: what was not hit is there,
 * the box can be written to, box_check finds nothing, and a second repair
 * neither.
 */
#include "store/testing.h"

#include <glob.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/body_zstd.h"
#include "store/picture.h"
#include "store/recovery.h"
#include "store/upkeep.h"

#define MESSAGES 60

static struct box *box;
static struct arena arena;

/* Nothing here is about power loss. */
static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int start(void **state)
{
	int result = setup(state);

	test_io.fdatasync = test_io.fsync = no_sync;

	arena = arena_new(256 << 20);
	begin_chance(88172645463325252u);
	assert_int_equal(open_box(&box), STORE_OK);
	return result;
}

static int stop(void **state)
{
	box_close(&box);
	arena_free(&arena);
	return teardown(state);
}

/* ---- a history of which each step is one frame ---- */

enum step { NOTHING, DELIVERED, FLAGGED, EXPUNGED };

static const char *const mailboxes[] = {"INBOX", "Junk", "Sent"};

/* A message and the frames that say something of it, by modseq. */
static struct told {
	uint32_t mailbox, uid;
	uint64_t delivered, flagged, expunged;
	uint64_t generation; /* where its bytes are, 0: in a blob */
} told[MESSAGES];

/* Every frame of the log. */
static struct frame_at {
	uint64_t generation, start, end, modseq;
} frames[MESSAGES * 4];
static size_t frame_count;

static size_t text_of(size_t i, char *out, size_t size)
{
	int len = snprintf(
	    out, size, "Subject: %zu\r\nMessage-ID: <%zu@x>\r\n\r\n", i, i);

	/* Text that compresses, up to one that is a blob. */
	while (len + 80 < (int)(i % 20 == 7 ? 300000 : 100 + i * 97 % 2000))
		len += snprintf(out + len, size - (size_t)len,
		    "Line %d of the message with the number %zu.\r\n", len, i);
	return (size_t)len;
}

static void deliver(size_t i)
{
	static char text[310000];
	size_t len = text_of(i, text, sizeof(text));
	struct deliver_item item = {
	    .mailbox = str_from(mailboxes[i % ARRAY_LEN(mailboxes)])};
	struct store_body *body = store_body_new(box);
	char id[32];

	snprintf(id, sizeof(id), "id%zu", i);
	assert_int_equal(store_body_add(body, text, len), 0);
	assert_int_equal(box_deliver(box, str_from(id), 0, body,
			     1700000000 + (int64_t)i, &item, 1),
	    STORE_OK);
	store_body_free(&body);
	told[i] = (struct told){
	    .mailbox = box_find(box, item.mailbox)->id,
	    .uid = item.uid,
	    .delivered = box->state.pos.modseq,
	    .generation = len > INLINE_MAX && store->compress_from == 0
		? 0
		: box->state.pos.generation,
	};
}

static void history(size_t count, size_t snapshot_at)
{
	for (size_t i = 0; i < count; i++) {
		struct told *t = &told[below((uint32_t)i + 1)];
		struct uid_set set = {&t->uid, 1};

		deliver(i);
		if (i == snapshot_at)
			assert_int_equal(snapshot_take(box, false), STORE_OK);
		set.uids = &t->uid;
		if (t->expunged == 0 && t->flagged == 0 && i % 3 == 0) {
			box_store(box, t->mailbox, set, FLAGS_SET,
			    FLAG_FLAGGED | FLAG_SEEN, NULL, 0, 0, NULL, NULL,
			    NULL);
			t->flagged = box->state.pos.modseq;
		}
		if (t->expunged == 0 && i % 5 == 4) {
			assert_int_equal(
			    box_remove(box, t->mailbox, set), STORE_OK);
			t->expunged = box->state.pos.modseq;
		}
	}
}

static int note_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads;
	assert_true(frame_count < ARRAY_LEN(frames));
	frames[frame_count++] = (struct frame_at){info->at.generation,
	    info->at.length, info->after.length, info->after.modseq};
	return 0;
}

static void find_frames(void)
{
	struct engine_pos pos = {0};

	frame_count = 0;
	assert_int_equal(
	    engine_read(box->engine, &pos, note_frame, NULL), ENGINE_OK);
}

/* ---- damage ---- */

static char path_space[300];

static const char *path_of(const char *file)
{
	glob_t g;
	char pattern[300];

	snprintf(pattern, sizeof(pattern), "%s/*/*/%s", root, file);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	snprintf(
	    path_space, sizeof(path_space), "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	return path_space;
}

static const char *generation(uint64_t number)
{
	char name[32];

	snprintf(name, sizeof(name), "g.%llu", (unsigned long long)number);
	return path_of(name);
}

static void flip(const char *path, uint64_t at, unsigned char mask)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
	c ^= mask;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
	close(fd);
}

static size_t each_file(const char *pattern, void (*use)(const char *path))
{
	char whole[300];
	glob_t g;
	size_t count = 0;

	snprintf(whole, sizeof(whole), "%s/*/*/%s", root, pattern);
	if (glob(whole, 0, NULL, &g) == 0) {
		count = g.gl_pathc;
		for (size_t i = 0; i < count; i++)
			use(g.gl_pathv[i]);
		globfree(&g);
	}
	return count;
}

static void spoil_column(const char *path)
{
	flip(path, SNAPSHOT_HEADER + 8, 1);
}

static void destroy(const char *path)
{
	assert_int_equal(truncate(path, 100), 0);
}

static void touch(const char *path)
{
	assert_int_equal(access(path, R_OK), 0);
}

static void remove_file(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

/* ---- repair ---- */

static unsigned findings;
static char told_last[65536]; /* what the last repair or check found */

static void on_finding(void *arg, const struct store_finding *f)
{
	unsigned *count = arg;
	size_t len = *count == 0 ? 0 : strlen(told_last);

	if (f->kind == FINDING_LEFTOVER)
		return;
	(*count)++;
	snprintf(told_last + len, sizeof(told_last) - len,
	    "%s at %llu, mailbox %u, %u: %s\n", f->file,
	    (unsigned long long)f->offset, f->mailbox, f->uid, f->text);
}

static struct repair_result repair(void)
{
	struct repair_result out;
	enum store_result r;

	box_close(&box);
	findings = 0;
	r = box_repair(store, ACCOUNT, on_finding, &findings, &out);
	if (r != STORE_OK) {
		fputs(told_last, stderr);
		fail_msg("repair: %s", store_result_name(r));
	}
	assert_int_equal(open_box(&box), STORE_OK);
	return out;
}

static void finds_nothing(void)
{
	struct check_result checked;
	unsigned count = 0;

	assert_int_equal(
	    box_check(store, ACCOUNT, true, on_finding, &count, &checked),
	    STORE_OK);
	if (count != 0) {
		fputs(told_last, stderr);
		fail_msg("a check found something");
	}
}

/* Nothing is wrong any more: box_check says so, and another repair; and mail
 * arrives. */
static void is_sound(void)
{
	struct repair_result again;

	finds_nothing();
	again = repair();
	assert_int_equal(findings, 0);
	assert_false(again.restarted);
	assert_int_equal(deliver_id(box, "afterwards"), STORE_OK);
	assert_int_equal(deliver_id(box, "afterwards"), STORE_DUPLICATE);
	assert_int_equal(box_reload(box, true), STORE_OK);
	finds_nothing();
}

/* What was hit: frames, and the bytes of messages. */
static struct {
	uint64_t first, last; /* modseqs of frames */
	uint64_t generation;  /* inline messages in it */
} hit;

static bool is_hit(uint64_t modseq)
{
	return modseq != 0 && modseq >= hit.first && modseq <= hit.last;
}

static void compare_message(size_t i)
{
	static char want[310000];
	const struct told *t = &told[i];
	const struct mailbox_info *info = box_find(
	    box, str_from(mailboxes[i % ARRAY_LEN(mailboxes)]));
	bool there = !is_hit(t->delivered) &&
	    (t->expunged == 0 || is_hit(t->expunged)) &&
	    (t->generation == 0 || t->generation != hit.generation);
	struct buf text = buf_new(1 << 20);
	struct view *v;
	uint32_t seq;

	assert_non_null(info);
	assert_int_equal(view_open(box, info->id, &v), STORE_OK);
	seq = view_seq(v, t->uid);
	if ((seq != 0) != there)
		fail_msg("message %zu, uid %u of %s: %s", i, t->uid,
		    mailboxes[i % 3], there ? "is lost" : "came back");
	if (there) {
		uint32_t flags = t->flagged != 0 && !is_hit(t->flagged)
		    ? FLAG_FLAGGED | FLAG_SEEN
		    : 0;

		assert_int_equal(view_message(v, seq)->flags, flags);
		assert_int_equal(
		    view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
		assert_int_equal(text.len, text_of(i, want, sizeof(want)));
		assert_memory_equal(text.p, want, text.len);
	}
	view_close(&v);
	buf_free(&text);
}

/* Those whose records are lost, and whose bytes are not, are in a mailbox of
 * their own. */
static void compare_recovered(size_t count, const struct repair_result *out)
{
	const struct mailbox_info *info = box_find(box, STR("Recovered"));
	static char want[310000];
	struct buf text = buf_new(1 << 20);
	struct view *v = NULL;
	uint32_t expected = 0;

	if (info != NULL)
		assert_int_equal(view_open(box, info->id, &v), STORE_OK);
	for (size_t i = 0; i < count; i++) {
		bool found = false;
		size_t len = text_of(i, want, sizeof(want));

		if (!is_hit(told[i].delivered) ||
		    (told[i].generation != 0 &&
			told[i].generation == hit.generation))
			continue;
		for (uint32_t k = 1; v != NULL && k <= view_count(v); k++) {
			buf_clear(&text);
			assert_int_equal(
			    view_read(v, k, 0, UINT64_MAX, &text), STORE_OK);
			found = found ||
			    (text.len == len && memcmp(text.p, want, len) == 0);
		}
		if (!found)
			fail_msg("message %zu was not recovered", i);
		expected++;
	}
	assert_int_equal(v == NULL ? 0 : view_count(v), expected);
	assert_int_equal(out->recovered, expected);
	view_close(&v);
	buf_free(&text);
}

static void compare(size_t count, const struct repair_result *out)
{
	for (size_t i = 0; i < count; i++)
		compare_message(i);
	compare_recovered(count, out);
	memset(&hit, 0, sizeof(hit));
}

/* Another box, with generations of a few kilobytes. */
static void begin_anew(uint64_t number, size_t count, size_t snapshot_at)
{
	box_close(&box);
	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	assert_int_equal(open_box(&box), STORE_OK);
	memset(told, 0, sizeof(told));
	begin_chance(number);
	engine_set_seal(store_engine(store), 4096, 1 << 20);
	history(count, snapshot_at);
	find_frames();
}

/* ---- tests ---- */

static void a_healthy_box_is_left_alone(void **state)
{
	struct repair_result out;
	uint64_t before;

	(void)state;
	out = repair(); /* nothing on disk */
	assert_false(out.restarted);
	engine_set_seal(store_engine(store), 4096, 1 << 20);
	history(MESSAGES, 30);
	before = box->state.pos.modseq;
	out = repair();
	assert_false(out.restarted);
	assert_int_equal(findings, 0);
	assert_int_equal(out.messages, box_usage(box).messages);
	assert_int_equal(box->state.pos.modseq, before);
}

static void a_flipped_bit_costs_one_frame(void **state)
{
	(void)state;
	for (unsigned round = 0; round < rounds(40, 400); round++) {
		const struct frame_at *f;
		struct repair_result out;
		uint32_t uidvalidity;
		uint64_t highest;
		bool kept;

		store_set_compression(store, round % 3 == 0 ? 100 : 0);
		begin_anew(1000 + round, 40, round % 2 ? 20 : MESSAGES);
		f = &frames[1 + below((uint32_t)frame_count - 1)];
		uidvalidity = box_find(box, STR("INBOX"))->uidvalidity;
		highest = box->state.pos.modseq;
		/* What stands in a snapshot is not lost. */
		kept = round % 2 && f->modseq <= told[20].delivered;
		flip(generation(f->generation),
		    f->start + below((uint32_t)(f->end - f->start)),
		    (unsigned char)(1u << below(8)));
		out = repair();
		assert_true(out.restarted);
		if (!kept) {
			assert_int_equal(out.skipped_octets, f->end - f->start);
			hit.first = hit.last = f->modseq;
		}
		compare(40, &out);
		assert_int_equal(
		    box_find(box, STR("INBOX"))->uidvalidity != uidvalidity,
		    !kept);
		assert_true(box->state.pos.modseq >= highest + EPOCH_STEP);
		is_sound();
	}
	store_set_compression(store, 0);
}

/* The log's first frame makes the mailboxes: they get names of our own. */
static void mailboxes_without_names(void **state)
{
	const struct mailbox_info *const *list;
	struct repair_result out;
	size_t count;

	(void)state;
	begin_anew(1, 40, MESSAGES);
	flip(generation(1), frames[0].start + 20, 1);
	out = repair();
	assert_true(out.restarted);
	count = box_mailboxes(box, &list);
	assert_int_equal(count, 5);
	assert_int_equal(out.recovered, 1);
	assert_non_null(box_find(box, STR("Recovered 1")));
	assert_non_null(box_find(box, STR("INBOX")));
	assert_int_equal(out.messages, box_usage(box).messages);
	assert_true(out.messages > 25);
	is_sound();
}

static void no_snapshots(void **state)
{
	struct repair_result out;

	(void)state;
	begin_anew(1, MESSAGES, 30);
	/* Also such as would be kept for long. */
	each_file("s.*", spoil_column);
	out = repair();
	assert_false(out.restarted);
	assert_true(findings > 0);
	assert_int_equal(each_file("s.*", touch), 2);
	each_file("s.*", destroy);
	out = repair();
	assert_false(out.restarted);
	each_file("s.*", remove_file);
	out = repair();
	assert_false(out.restarted);
	compare(MESSAGES, &out);
	is_sound();
}

/* Without a header nothing of a generation could be used; a good one makes
 * the log whole again. */
static void damaged_headers(void **state)
{
	(void)state;
	for (unsigned round = 0; round < rounds(40, 400); round++) {
		struct repair_result out;
		uint64_t number, at = below(112);

		begin_anew(2000 + round, 40, round % 2 ? 20 : MESSAGES);
		number = 1 + below((uint32_t)box->state.pos.generation);
		flip(generation(number), at, (unsigned char)(1u << below(8)));
		out = repair();
		assert_true(findings > 0);
		assert_false(out.restarted);
		compare(40, &out);
		is_sound();
	}
}

static void a_lonely_damaged_header(void **state)
{
	struct repair_result out;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit += 7) { /* of the incarnation */
		box_close(&box);
		store_remove_account(store, ACCOUNT);
		assert_int_equal(open_box(&box), STORE_OK);
		engine_set_seal(store_engine(store), 1 << 20, 1 << 20);
		history(10, MESSAGES);
		assert_int_equal(box->state.pos.generation, 1);
		flip(generation(1), 16 + bit / 8,
		    (unsigned char)(1u << bit % 8));
		out = repair();
		compare(10, &out);
		is_sound();
	}
}

static void damaged_marks(void **state)
{
	struct repair_result out;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		begin_anew(3000 + round, 20, MESSAGES);
		flip(generation(box->state.pos.generation), MARK_AT + round,
		    (unsigned char)(1u << below(8)));
		out = repair();
		assert_false(out.restarted);
		compare(20, &out);
		is_sound();
	}
}

static void a_generation_is_missing(void **state)
{
	struct repair_result out;

	(void)state;
	for (unsigned round = 0; round < rounds(16, 200); round++) {
		bool late = round % 2; /* with a snapshot behind it */
		uint64_t number;

		begin_anew(4000 + round, 40, late ? 39 : MESSAGES);
		number = 1 + below((uint32_t)box->state.pos.generation);
		/* The mailboxes' names are in the first; that the last one
		 * is missing only a snapshot can tell. */
		if ((number == 1 && !late) ||
		    (number == box->state.pos.generation &&
			number != box->state.snapshot.at.generation))
			continue;
		remove_file(generation(number));
		hit.generation = number;
		for (size_t i = 0; i < frame_count; i++)
			if (frames[i].generation == number &&
			    (!late || frames[i].modseq > told[39].delivered)) {
				if (hit.first == 0)
					hit.first = frames[i].modseq;
				hit.last = frames[i].modseq;
			}
		out = repair();
		assert_true(out.restarted);
		compare(40, &out);
		is_sound();
	}
}

/* Frames, or bodies too, from some octet on. */
static void a_generation_is_cut(void **state)
{
	struct repair_result out;

	(void)state;
	for (unsigned round = 0; round < rounds(20, 300); round++) {
		uint64_t number, at;

		begin_anew(5000 + round, 40, MESSAGES);
		number = 2 + below((uint32_t)box->state.pos.generation - 1);
		at = round % 4 == 0 ? below(HEAD_SIZE + 3000) : below(5000);
		assert_int_equal(truncate(generation(number), (off_t)at), 0);
		hit.generation = number; /* there may be some left */
		for (size_t i = 0; i < frame_count; i++)
			if (frames[i].generation == number &&
			    frames[i].end > at) {
				if (hit.first == 0)
					hit.first = frames[i].modseq;
				hit.last = frames[i].modseq;
			}
		out = repair();
		assert_true(out.restarted);
		if (at <= HEAD_SIZE)
			compare(40, &out);
		memset(&hit, 0, sizeof(hit));
		is_sound();
	}
}

/* ---- messages ---- */

static const struct message_place *place_of(size_t i, const struct message **m)
{
	struct folder *f;
	size_t at;

	assert_int_equal(box_folder(box, told[i].mailbox, &f), STORE_OK);
	at = folder_search(f, told[i].uid);
	assert_true(at < f->count && f->messages[at].uid == told[i].uid);
	if (m != NULL)
		*m = &f->messages[at];
	return folder_place(box, f, at);
}

/* Octets of a message on disk, counted from its start. */
static void damage_message(size_t i, uint64_t at, unsigned char mask)
{
	const struct message *m;
	const struct message_place *p = place_of(i, &m);
	struct engine_place place = place_of_bytes(p, m);
	uint64_t offset;
	char path[300];
	int fd;

	assert_int_equal(
	    engine_file(box->engine, &place, &fd, &offset), ENGINE_OK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	flip(path, offset + at, mask);
}

/* The first from i on that is there, in the same mailbox. */
static size_t alive(size_t i)
{
	while (told[i].expunged != 0)
		i += ARRAY_LEN(mailboxes);
	return i;
}

static bool has_keyword(size_t i, const char *word)
{
	const struct mailbox_info *info = box_find(
	    box, str_from(mailboxes[i % ARRAY_LEN(mailboxes)]));
	struct view *v;
	uint64_t bits;

	assert_int_equal(view_open(box, info->id, &v), STORE_OK);
	assert_int_not_equal(view_seq(v, told[i].uid), 0);
	bits = view_message(v, view_seq(v, told[i].uid))->keywords;
	view_close(&v);
	for (size_t k = 0; k < info->keyword_count; k++)
		if (bits & UINT64_C(1) << k &&
		    str_eq(info->keywords[k], str_from(word)))
			return true;
	return false;
}

/* How many octets differ; its ENVELOPE must have the subject. */
static size_t differing(size_t i)
{
	static char want[310000];
	size_t len = text_of(i, want, sizeof(want)), count = 0;
	struct buf text = buf_new(1 << 20);
	struct message_cache cache;
	char subject[16];
	struct view *v;
	uint32_t seq;
	int n = snprintf(subject, sizeof(subject), "(\"%zu\"", i);

	assert_int_equal(
	    view_open(box,
		box_find(box, str_from(mailboxes[i % ARRAY_LEN(mailboxes)]))
		    ->id,
		&v),
	    STORE_OK);
	seq = view_seq(v, told[i].uid);
	assert_int_not_equal(seq, 0);
	assert_int_equal(view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
	assert_int_equal(text.len, len);
	for (size_t k = 0; k < len; k++)
		count += text.p[k] != want[k];
	assert_int_equal(view_cache(v, seq, &arena, &cache), STORE_OK);
	assert_non_null(memmem(
	    cache.envelope.p, cache.envelope.len, subject + 1, (size_t)n - 1));
	view_close(&v);
	buf_free(&text);
	return count;
}

static void damaged_messages_stay(void **state)
{
	size_t blob = 7, plain, blank;
	uint32_t uidvalidity;
	struct repair_result out;
	const struct message *m;

	(void)state;
	begin_anew(1, 12, MESSAGES);
	uidvalidity = box_find(box, STR("INBOX"))->uidvalidity;
	plain = alive(0);
	blank = alive(2);
	damage_message(plain, 30, 1);
	damage_message(blob, 200000, 255);
	damage_message(blank, 0, 128);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(out.damaged, 3);
	assert_int_equal(out.dropped, 0);
	assert_true(has_keyword(plain, "$Damaged"));
	assert_true(has_keyword(blob, "$Damaged"));
	assert_false(has_keyword(alive(1), "$Damaged"));
	assert_int_equal(differing(plain), 1);
	assert_int_equal(differing(blob), 1);
	assert_int_equal(differing(blank), 1);
	assert_int_equal(box_find(box, STR("INBOX"))->uidvalidity, uidvalidity);
	place_of(plain, &m);
	assert_int_equal(
	    m->modseq, box_find(box, STR("INBOX"))->highest_modseq);
	is_sound();
}

/* Of what is compressed as much is told as can be. */
static void damaged_compressed_messages(void **state)
{
	(void)state;
	for (unsigned round = 0; round < rounds(30, 300); round++) {
		const struct message_place *place;
		struct repair_result out;
		size_t i = round % 2 ? 7 : 6, lost;
		uint64_t at;

		store_set_compression(store, 100);
		begin_anew(6000 + round, 12, MESSAGES);
		if (told[i].expunged != 0)
			continue;
		place = place_of(i, NULL);
		assert_true(place->kind & PLACE_ZSTD);
		at = below((uint32_t)place->stored);
		damage_message(i, at, (unsigned char)(1u << below(8)));
		out = repair();
		assert_true(out.restarted);
		assert_int_equal(out.damaged, 1);
		assert_int_equal(out.dropped, 0);
		lost = differing(i);
		assert_true(has_keyword(i, "$Damaged"));
		/* The second chunk is not lost with the first. */
		assert_true(i == 6 || lost <= ZSTD_CHUNK);
		is_sound();
	}
	store_set_compression(store, 0);
}

static void messages_without_bytes_are_dropped(void **state)
{
	struct repair_result out;
	uint32_t uidvalidity;
	bool complete;
	struct uid_set gone;
	uint64_t before;
	struct view *v;

	(void)state;
	begin_anew(1, 40, MESSAGES);
	told[7].expunged = told[27].expunged = 0;
	uidvalidity = box_find(box, STR("Junk"))->uidvalidity;
	before = box->state.pos.modseq;
	assert_int_equal(each_file("b/*", remove_file), 2);
	out = repair();
	assert_true(out.restarted);
	assert_true(out.dropped > 0 && out.dropped <= 2);
	for (size_t i = 0; i < 40; i++)
		if (i % 20 != 7)
			compare_message(i);
	assert_int_equal(box_find(box, STR("Junk"))->uidvalidity, uidvalidity);
	/* Who asks what vanished is told. */
	assert_int_equal(
	    view_open(box, box_find(box, STR("Junk"))->id, &v), STORE_OK);
	assert_int_equal(
	    view_vanished(v, before, &arena, &gone, &complete), STORE_OK);
	assert_false(complete);
	view_close(&v);
	is_sound();
}

static void half(const char *path)
{
	assert_int_equal(truncate(path, 150000), 0);
}

static void half_a_message(void **state)
{
	struct repair_result out;

	(void)state;
	begin_anew(1, 12, MESSAGES);
	assert_int_equal(told[7].expunged, 0);
	assert_int_equal(each_file("b/*", half), 1);
	out = repair();
	assert_int_equal(out.damaged, 1);
	assert_true(differing(7) > 100000 && differing(7) <= 150000);
	is_sound();
}

static void a_damaged_cache(void **state)
{
	struct engine_place place;
	struct repair_result out;
	uint64_t offset;
	char path[300];
	size_t i;
	int fd;

	(void)state;
	begin_anew(1, 12, MESSAGES);
	i = alive(3);
	place = place_of_cache(place_of(i, NULL));
	assert_int_equal(
	    engine_file(box->engine, &place, &fd, &offset), ENGINE_OK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	flip(path, offset + 5, 1);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(out.damaged, 0);
	assert_int_equal(differing(i), 0);
	is_sound();
}

/* What was expunged can be undeleted, what was delivered comes once, and old
 * uids are not given again. */
static void a_repaired_box_remembers(void **state)
{
	struct undelete_choice choice = {0};
	struct expunged_message *list;
	struct upkeep_policy policy = {.undelete = 0};
	struct upkeep_result upkept = {0};
	uint32_t next, one, uids[] = {2};
	struct uid_set set = {uids, 1};
	size_t count;
	uint64_t undeleted;

	(void)state;
	engine_set_seal(store_engine(store), 4096, 1 << 20);
	for (size_t i = 0; i < 12; i++)
		deliver(i);
	/* Of the last one nothing is known any more but its uid. */
	assert_int_equal(box_create(box, STR("b"), USE_NONE), STORE_OK);
	box_copy(box, 1, set, STR("b"), false, &arena, NULL, NULL, NULL);
	one = 1;
	box_remove(box, box_find(box, STR("b"))->id, (struct uid_set){&one, 1});
	clock_step(60);
	assert_int_equal(box_erase(box, &policy, &upkept), STORE_OK);
	clock_step(-60);
	assert_int_equal(box_create(box, STR("a"), USE_ARCHIVE), STORE_OK);
	box_subscribe(box, STR("a"), true);
	box_subscribe(box, STR("nowhere"), true);
	box_copy(box, 1, set, STR("a"), false, &arena, NULL, NULL, NULL);
	snapshot_take(box, false);
	uids[0] = 4;
	box_remove(box, 1, set);
	uids[0] = 3;
	box_remove(box, 1, set);
	box_delete(box, STR("a"));
	next = box_find_id(box, 1)->uidnext;
	assert_int_equal(next, 5);
	damage_message(0, 10, 1);
	assert_true(repair().restarted);
	assert_int_equal(box_find_id(box, 1)->uidnext, next);
	assert_int_equal(box_find(box, STR("b"))->uidnext, 2);
	assert_int_equal(deliver_id(box, "id3"), STORE_DUPLICATE);
	assert_int_equal(
	    box_subscriptions(box, &arena, &(struct str *){NULL}), 7);
	assert_int_equal(box_expunged(box, &arena, &list, &count), STORE_OK);
	assert_int_equal(count, 3);
	assert_int_equal(box_undelete(box, &choice, &undeleted), STORE_OK);
	assert_int_equal(undeleted, 3);
	told[6].uid = 5;
	told[9].uid = 6;
	for (size_t i = 1; i < 12; i++)
		compare_message(i);
	assert_int_equal(box_find(box, STR("a"))->messages, 1);
	is_sound();
}

/* Records too many for a frame's head stand among the bodies. */
static void records_of_many(void **state)
{
	uint32_t uids[200], half[100];
	struct uid_set set = {uids, 200}, odd = {half, 100};
	struct repair_result out;
	uint64_t bodies;

	(void)state;
	engine_set_seal(store_engine(store), 1 << 20, 1 << 24);
	for (uint32_t i = 0; i < 200; i++) {
		char id[32];

		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(deliver_id(box, id), STORE_OK);
		uids[i] = i + 1;
		half[i / 2] = i;
	}
	bodies = box->state.pos.bodies;
	assert_int_equal(
	    box_copy(box, 1, set, STR("Sent"), false, &arena, NULL, NULL, NULL),
	    STORE_OK);
	assert_true(box->state.pos.bodies > bodies + 20000);
	half[0] = 1;
	assert_int_equal(box_remove(box, 1, odd), STORE_OK);
	flip(generation(1), bodies + 10000, 1);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(box_find(box, STR("INBOX"))->messages, 100);
	assert_int_equal(box_find(box, STR("Sent"))->messages, 0);
	assert_int_equal(out.recovered, 0); /* copies have no bodies */
	is_sound();
}

/* A box whose first messages are erased, and the first generations dropped. */
static void cut_box(uint64_t number)
{
	struct upkeep_policy policy = {.undelete = 10};
	struct upkeep_result out = {0};
	uint64_t oldest, first, newest;

	store_set_undelete(store, 10);
	begin_anew(number, MESSAGES, MESSAGES);
	for (size_t i = 0; i < ARRAY_LEN(mailboxes); i++) {
		uint32_t uids[] = {1, 2, 3, 4, 5, 6, 7};
		struct uid_set set = {uids, ARRAY_LEN(uids)};

		box_remove(box, box_find(box, str_from(mailboxes[i]))->id, set);
	}
	for (int i = 0; i < 4; i++) {
		clock_step(20);
		assert_int_equal(box_upkeep(box, &policy, &out), STORE_OK);
		assert_int_equal(snapshot_take(box, false), STORE_OK);
	}
	assert_int_equal(box_drop_generations(box, &policy, &out), STORE_OK);
	clock_step(-80);
	engine_generations(box->engine, &oldest, &first, &newest);
	assert_true(oldest > first);
}

/* Where the log has lost its start and no snapshot holds, mailboxes lose their
 * names, and nothing else. */
static void no_start_and_no_snapshot(void **state)
{
	const struct mailbox_info *const *list;
	struct repair_result out;
	uint64_t kept;
	size_t count;

	(void)state;
	cut_box(1);
	kept = box_usage(box).messages;
	each_file("s.*", destroy);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(out.messages, kept);
	count = box_mailboxes(box, &list);
	for (size_t i = 0; i < count; i++)
		assert_true(str_eq(list[i]->name, STR("INBOX")) ||
		    str_starts(list[i]->name, STR("Recovered")));
	is_sound();
}

/* Where the log has lost its start, an older snapshot stands for a bad one. */
static void an_older_snapshot_holds(void **state)
{
	struct repair_result out;
	const char *before;

	(void)state;
	cut_box(1);
	before = picture(box, true, &arena);
	destroy(path_of("s.*"));
	out = repair();
	assert_true(findings > 0);
	assert_false(out.restarted);
	same_picture(picture(box, true, &arena), before);
	assert_int_equal(box_reload(box, true), STORE_OK);
	same_picture(picture(box, true, &arena), before);
	is_sound();
}

/* The first segment of a mailbox, in every snapshot. */
static void spoil_segments(uint32_t mailbox)
{
	uint64_t number = UINT64_MAX, spoilt[64];
	size_t count = 0;

	while (
	    engine_snapshot_newest(box->engine, number, &number) == ENGINE_OK &&
	    number != 0) {
		struct snapshot_header h;
		struct buf summary;
		struct record r;
		struct str rest;

		assert_int_equal(
		    snapshot_summary(box, number--, &h, &summary), STORE_OK);
		rest = buf_str(&summary);
		while (record_next(&rest, &r, NULL) == 1) {
			const struct column *c = &r.segment.columns[COLUMN_D];
			char name[32];
			bool again = false;

			if (r.type != RECORD_SEGMENT || c->snapshot == 0 ||
			    r.segment.mailbox != mailbox)
				continue;
			for (size_t i = 0; i < count; i++)
				again = again ||
				    spoilt[i] ==
					(c->snapshot << 32 | c->offset);
			spoilt[count++] = c->snapshot << 32 | c->offset;
			snprintf(name, sizeof(name), "s.%llu",
			    (unsigned long long)c->snapshot);
			if (!again)
				flip(path_of(name), c->offset, 1);
			break;
		}
		buf_free(&summary);
	}
}

/* What a snapshot does not say any more, what is left of the log does. */
static void a_part_of_a_snapshot_is_bad(void **state)
{
	uint32_t uidvalidity[3], next;
	struct repair_result out;
	uint64_t kept;

	(void)state;
	store->segment_rows = 4;
	cut_box(1);
	kept = box_usage(box).messages;
	next = box_find(box, STR("Junk"))->uidnext;
	for (size_t i = 0; i < 3; i++)
		uidvalidity[i] =
		    box_find(box, str_from(mailboxes[i]))->uidvalidity;
	spoil_segments(box_find(box, STR("Junk"))->id);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(out.messages, kept);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    box_find(box, str_from(mailboxes[i]))->uidvalidity !=
			uidvalidity[i],
		    i == 1);
	assert_int_equal(box_find(box, STR("Junk"))->uidnext, next);
	for (size_t i = 0; i < MESSAGES; i++)
		if (told[i].uid > 7)
			compare_message(i);
	is_sound();
}

/* ---- others at the same time ---- */

static void sessions_are_told(void **state)
{
	struct box *other;
	struct buf text = buf_new(4096);
	struct view *inbox, *junk;
	struct repair_result out;
	struct store_body *body;

	(void)state;
	begin_anew(1, 20, MESSAGES);
	/* A message is damaged: mailboxes stay what they are. */
	damage_message(alive(0), 20, 1);
	assert_int_equal(open_box(&other), STORE_OK);
	assert_int_equal(
	    view_open(other, box_find(other, STR("INBOX"))->id, &inbox),
	    STORE_OK);
	assert_int_equal(
	    view_open(other, box_find(other, STR("Junk"))->id, &junk),
	    STORE_OK);
	assert_true(repair().restarted);
	assert_int_equal(box_refresh(other), STORE_OK);
	assert_int_equal(view_sync(inbox, true, NULL), STORE_OK);
	assert_int_equal(view_sync(junk, true, NULL), STORE_OK);
	assert_int_equal(view_read(inbox, 1, 0, UINT64_MAX, &text), STORE_OK);
	same_picture(picture(other, true, &arena), picture(box, true, &arena));
	/* A frame is lost: nobody knows what is missing. */
	assert_int_equal(deliver_id(box, "more"), STORE_OK);
	assert_int_equal(deliver_id(box, "and more"), STORE_OK);
	find_frames();
	flip(generation(frames[frame_count - 2].generation),
	    frames[frame_count - 2].start + 9, 1);
	body = store_body_new(other);
	out = repair();
	assert_true(out.restarted);
	assert_int_equal(box_refresh(other), STORE_OK);
	assert_int_equal(view_sync(inbox, true, NULL), STORE_GONE);
	buf_clear(&text);
	assert_int_equal(view_read(junk, 1, 0, UINT64_MAX, &text), STORE_GONE);
	assert_int_equal(text.len, 0);
	view_close(&inbox);
	view_close(&junk);
	store_body_free(&body);
	assert_int_equal(deliver_id(other, "by the other"), STORE_OK);
	assert_int_equal(box_refresh(box), STORE_OK);
	same_picture(picture(other, true, &arena), picture(box, true, &arena));
	box_close(&other);
	buf_free(&text);
	is_sound();
}

static void deliver_and_exit(void)
{
	struct box *b;
	char id[32];

	if (open_box(&b) != STORE_OK)
		_exit(1);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "%03u", i);
		if (deliver_id(b, id) != STORE_OK)
			_exit(2);
		usleep(1000);
	}
	_exit(0);
}

/* Damage that hinders nobody: mail arrives while it is mended. */
static void mail_arrives_meanwhile(void **state)
{
	unsigned seen[100] = {0}, repairs = 0;
	struct buf text = buf_new(4096);
	int status = -1;
	struct view *v;
	pid_t pid;

	(void)state;
	begin_anew(1, 20, MESSAGES);
	engine_set_seal(store_engine(store), 16384, 1 << 20);
	test_io.fdatasync = fdatasync; /* so that it takes some time */
	pid = fork();
	if (pid == 0)
		deliver_and_exit();
	while (waitpid(pid, &status, WNOHANG) == 0) {
		damage_message(alive(repairs % 3), 20, 1);
		assert_true(repair().restarted);
		repairs++;
	}
	assert_int_equal(status, 0);
	assert_true(repairs > 1);
	assert_int_equal(box_refresh(box), STORE_OK);
	assert_int_equal(
	    view_open(box, box_find(box, STR("INBOX"))->id, &v), STORE_OK);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		uint64_t number;

		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		if (memmem(text.p, text.len, "body of", 7) != NULL &&
		    subject_number(buf_str(&text), &number))
			seen[number]++;
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	view_close(&v);
	buf_free(&text);
	test_io.fdatasync = no_sync;
	is_sound();
}

/* A repair that fails, at any write, makes nothing worse. */
static void a_repair_may_fail(void **state)
{
	struct repair_result out = {0};
	enum store_result r = STORE_ERROR;

	(void)state;
	begin_anew(1, 30, MESSAGES);
	flip(generation(frames[20].generation), frames[20].start + 9, 1);
	flip(generation(2), 20, 1);
	hit.first = hit.last = frames[20].modseq;
	for (unsigned at = 1; r != STORE_OK; at++) {
		unsigned count = 0;

		assert_true(at < 100);
		box_close(&box);
		io.fail_write = at;
		io.error = at % 2 ? EIO : ENOSPC;
		r = box_repair(store, ACCOUNT, on_finding, &count, &out);
		io.fail_write = 0;
		assert_true(r == STORE_OK || r == STORE_ERROR ||
		    r == STORE_NO_SPACE || r == STORE_UNKNOWN);
	}
	box_repair(store, ACCOUNT, on_finding, &findings, &out);
	assert_int_equal(open_box(&box), STORE_OK);
	for (size_t i = 0; i < 30; i++)
		compare_message(i);
	memset(&hit, 0, sizeof(hit));
	is_sound();
}

/* ---- anything ---- */

static void spoil(void)
{
	static const char *const patterns[] = {
	    "g.*", "g.*", "g.*", "s.*", "b/*"};
	const char *pattern = patterns[below(ARRAY_LEN(patterns))];
	char whole[300];
	struct stat st;
	const char *path;
	glob_t g;
	off_t at;

	snprintf(whole, sizeof(whole), "%s/*/*/%s", root, pattern);
	if (glob(whole, 0, NULL, &g) != 0)
		return;
	path = g.gl_pathv[below((uint32_t)g.gl_pathc)];
	assert_int_equal(stat(path, &st), 0);
	/* Headers and frames more often than bodies. */
	at = below(2) && st.st_size > 5000 ? 5000 : st.st_size;
	at = at == 0 ? 0 : (off_t)below((uint32_t)at);
	switch (below(12)) {
	case 0:
		assert_int_equal(unlink(path), 0);
		break;
	case 1:
		assert_int_equal(truncate(path, at), 0);
		break;
	case 2: /* a sector */
		for (off_t i = at / 512 * 512;
		     i < st.st_size && i < at / 512 * 512 + 512; i++)
			flip(path, (uint64_t)i, (unsigned char)below(256));
		break;
	default:
		if (at < st.st_size)
			flip(path, (uint64_t)at,
			    (unsigned char)(1u << below(8)));
	}
	globfree(&g);
}

/* Whatever happens to the files: every message that is left where it was is
 * what it was, or says that it is damaged. */
static void compare_what_is_left(size_t count)
{
	static char want[310000];
	struct buf text = buf_new(1 << 20);

	for (size_t i = 0; i < count; i++) {
		const struct mailbox_info *info = box_find(
		    box, str_from(mailboxes[i % ARRAY_LEN(mailboxes)]));
		size_t len = text_of(i, want, sizeof(want));
		struct view *v;
		uint32_t seq;

		if (info == NULL)
			continue;
		assert_int_equal(view_open(box, info->id, &v), STORE_OK);
		seq = view_seq(v, told[i].uid);
		buf_clear(&text);
		if (seq != 0 && !has_keyword(i, "$Damaged")) {
			assert_int_equal(
			    view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
			assert_int_equal(text.len, len);
			assert_memory_equal(text.p, want, len);
		}
		view_close(&v);
	}
	buf_free(&text);
}

static void anything_may_happen(void **state)
{
	(void)state;
	for (unsigned round = 0; round < rounds(40, 2000); round++) {
		uint64_t number = torture() ? (uint64_t)clock_us()
					    : 7000 + round;

		store_set_compression(store, round % 3 == 0 ? 100 : 0);
		if (torture())
			print_message("%llu\n", (unsigned long long)number);
		if (round % 4 == 3)
			cut_box(number);
		else
			begin_anew(number, 40, below(60));
		box_close(&box);
		for (unsigned i = 1 + below(6); i > 0; i--)
			spoil();
		repair();
		compare_what_is_left(40);
		is_sound();
	}
	store_set_compression(store, 0);
}

#define R(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    R(a_healthy_box_is_left_alone),
	    R(a_flipped_bit_costs_one_frame),
	    R(mailboxes_without_names),
	    R(no_snapshots),
	    R(damaged_headers),
	    R(a_lonely_damaged_header),
	    R(damaged_marks),
	    R(a_generation_is_missing),
	    R(a_generation_is_cut),
	    R(damaged_messages_stay),
	    R(damaged_compressed_messages),
	    R(messages_without_bytes_are_dropped),
	    R(half_a_message),
	    R(a_damaged_cache),
	    R(a_repaired_box_remembers),
	    R(records_of_many),
	    R(no_start_and_no_snapshot),
	    R(an_older_snapshot_holds),
	    R(a_part_of_a_snapshot_is_bad),
	    R(sessions_are_told),
	    R(mail_arrives_meanwhile),
	    R(a_repair_may_fail),
	    R(anything_may_happen),
	};

	return RUN_TESTS(tests);
}
