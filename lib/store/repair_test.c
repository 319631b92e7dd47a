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

#include "store/picture.h"
#include "store/recovery.h"
#include "store/upkeep.h"

#define MESSAGES 60

static struct box *box;
static struct arena arena;

static int start(void **state)
{
	int result = setup(state);

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
		if (t->expunged == 0 && i % 3 == 0) {
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

static void destroy(const char *path)
{
	assert_int_equal(truncate(path, 100), 0);
}

static void delete (const char *path)
{
	assert_int_equal(unlink(path), 0);
}

/* ---- repair ---- */

static unsigned findings;
static bool loud;

static void on_finding(void *arg, const struct store_finding *f)
{
	unsigned *count = arg;

	if (f->kind != FINDING_LEFTOVER)
		(*count)++;
	if (loud && f->kind != FINDING_LEFTOVER)
		print_message("%s at %llu, mailbox %u, %u: %s\n", f->file,
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
		loud = true;
		box_repair(store, ACCOUNT, on_finding, &findings, &out);
		fail_msg("repair: %s", store_result_name(r));
	}
	assert_int_equal(open_box(&box), STORE_OK);
	return out;
}

/* Nothing is wrong any more: box_check says so, and another repair; and mail
 * arrives. */
static void is_sound(void)
{
	struct check_result checked;
	struct repair_result again;
	unsigned count = 0;

	loud = true;
	assert_int_equal(
	    box_check(store, ACCOUNT, true, on_finding, &count, &checked),
	    STORE_OK);
	assert_int_equal(count, 0);
	again = repair();
	assert_int_equal(findings, 0);
	assert_false(again.restarted);
	loud = false;
	assert_int_equal(deliver_id(box, "afterwards"), STORE_OK);
	assert_int_equal(deliver_id(box, "afterwards"), STORE_DUPLICATE);
	assert_int_equal(box_reload(box, true), STORE_OK);
	assert_int_equal(
	    box_check(store, ACCOUNT, true, on_finding, &count, &checked),
	    STORE_OK);
	assert_int_equal(count, 0);
}

/* What all frames but those from `first` to `last` say. */
static void compare(size_t count, uint64_t first, uint64_t last)
{
#define HIT(modseq) ((modseq) >= first && (modseq) <= last)
	static char want[310000];
	struct buf text = buf_new(1 << 20);
	struct view *v;

	for (size_t i = 0; i < count; i++) {
		const struct told *t = &told[i];
		const struct mailbox_info *info = box_find(
		    box, str_from(mailboxes[i % ARRAY_LEN(mailboxes)]));
		bool there = !HIT(t->delivered) &&
		    (t->expunged == 0 || HIT(t->expunged));
		uint32_t seq;

		assert_int_equal(view_open(box, info->id, &v), STORE_OK);
		seq = view_seq(v, t->uid);
		if ((seq != 0) != there)
			fail_msg("message %zu, uid %u of %s: %s", i, t->uid,
			    mailboxes[i % 3], there ? "is lost" : "came back");
		if (there) {
			uint32_t flags = t->flagged != 0 && !HIT(t->flagged)
			    ? FLAG_FLAGGED | FLAG_SEEN
			    : 0;

			assert_int_equal(view_message(v, seq)->flags, flags);
			buf_clear(&text);
			assert_int_equal(
			    view_read(v, seq, 0, UINT64_MAX, &text), STORE_OK);
			assert_int_equal(
			    text.len, text_of(i, want, sizeof(want)));
			assert_memory_equal(text.p, want, text.len);
		}
		view_close(&v);
	}
	buf_free(&text);
#undef HIT
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
	for (unsigned round = 0; round < 40; round++) {
		const struct frame_at *f;
		struct repair_result out;
		uint32_t uidvalidity;
		uint64_t highest;
		size_t snapshot_at = round % 2 ? 20 : MESSAGES;

		begin_chance(1000 + round);
		engine_set_seal(store_engine(store), 4096, 1 << 20);
		history(40, snapshot_at);
		find_frames();
		f = &frames[1 + below((uint32_t)frame_count - 1)];
		uidvalidity = box_find(box, STR("INBOX"))->uidvalidity;
		highest = box->state.pos.modseq;
		flip(generation(f->generation),
		    f->start + below((uint32_t)(f->end - f->start)),
		    (unsigned char)(1u << below(8)));
		out = repair();
		assert_true(out.restarted);
		assert_true(out.skipped_octets >= f->end - f->start ||
		    f->modseq <= told[20].delivered);
		/* What stands in a snapshot is not lost. */
		if (round % 2 && f->modseq <= told[20].delivered) {
			compare(40, 0, 0);
			assert_int_equal(
			    box_find(box, STR("INBOX"))->uidvalidity,
			    uidvalidity);
		} else {
			compare(40, f->modseq, f->modseq);
			assert_true(box_find(box, STR("INBOX"))->uidvalidity >
			    uidvalidity);
		}
		assert_true(box->state.pos.modseq >= highest + EPOCH_STEP);
		is_sound();
		assert_int_equal(
		    store_remove_account(store, ACCOUNT), STORE_OK);
		box_close(&box);
		assert_int_equal(open_box(&box), STORE_OK);
	}
}

static void no_snapshots(void **state)
{
	(void)state;
	engine_set_seal(store_engine(store), 4096, 1 << 20);
	history(MESSAGES, 30);
	each_file("s.*", destroy);
	repair();
	each_file("s.*", delete);
	repair();
	compare(MESSAGES, 0, 0);
	is_sound();
}

#define R(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    R(a_healthy_box_is_left_alone),
	    R(a_flipped_bit_costs_one_frame),
	    R(no_snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
