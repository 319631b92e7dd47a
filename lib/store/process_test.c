/* SPDX-License-Identifier: ISC */
/*
 * Several processes with one box: each frame exactly once and in each writer's
 * order, what is decided holds under races, readers agree, and whoever is
 * killed leaves nothing half done.
 */
#include "store/testing_base.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/memory.h"
#include "store/le.h"

#define PROCESSES_MAX 8
#define BODIES_END    (512u << 10)

static unsigned processes(void)
{
	return rounds(4, PROCESSES_MAX);
}

static unsigned each(void)
{
	return rounds(100, 500);
}

/* Ends the child, which says why. */
static void give_up(struct box *b, const char *what, enum store_result r)
{
	fprintf(stderr, "%s: %s: %s\n", what, store_result_name(r),
	    b == NULL ? "" : store_why(b));
	_exit(1);
}

static struct box *child_opens(void)
{
	struct box *b;
	enum store_result r = open_box(&b);

	if (r != STORE_OK)
		give_up(b, "open", r);
	return b;
}

/* Runs `work` in so many processes; how many failed. */
static unsigned at_once(unsigned count, void (*work)(unsigned number))
{
	pid_t pids[PROCESSES_MAX + 2];
	unsigned failed = 0;

	assert_in_range(count, 1, PROCESSES_MAX + 2);
	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			chance += 7919 * (i + 1);
			work(i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	return failed;
}

/* Memory that the children share; zeroed. */
static void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* ---- everybody delivers ---- */

static void maintain(struct box **b)
{
	enum store_result r;

	if (below(40) == 0 && (r = snapshot_take(*b, false)) != STORE_OK)
		give_up(*b, "snapshot", r);
	if (below(40) == 0) {
		box_close(b);
		*b = child_opens();
	}
}

static void writer(unsigned number)
{
	struct box *b = child_opens();
	char id[32];

	for (unsigned i = 0; i < each(); i++) {
		enum store_result r;

		snprintf(id, sizeof(id), "%u.%03u", number, i);
		r = deliver_id(b, id);
		if (r != STORE_OK)
			give_up(b, "deliver", r);
		r = below(2) ? STORE_OK : deliver_id(b, id);
		if (r != STORE_OK && r != STORE_DUPLICATE)
			give_up(b, "deliver again", r);
		maintain(&b);
	}
}

/* Each delivery is there once, and each writer's stand in its order. */
static void check_all(struct box *b)
{
	unsigned next[PROCESSES_MAX] = {0};
	struct buf text = buf_new(4096);
	uint64_t modseq = 0;
	struct view *v;

	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_count(v), processes() * each());
	for (uint32_t i = 1; i <= view_count(v); i++) {
		struct str rest;
		uint64_t number, at;

		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		rest = str_skip(buf_str(&text), strlen("Subject: "));
		assert_int_equal(
		    str_to_u64(str_cut(&rest, '.'), PROCESSES_MAX - 1, &number),
		    0);
		assert_int_equal(
		    str_to_u64(str_cut(&rest, '\r'), each(), &at), 0);
		assert_int_equal(at, next[number]++);
		assert_int_equal(view_message(v, i)->uid, i);
		assert_true(view_message(v, i)->modseq > modseq);
		modseq = view_message(v, i)->modseq;
	}
	view_close(&v);
	buf_free(&text);
}

static void processes_append_at_once(void **state)
{
	struct box *b;

	(void)state;
	engine_set_seal(store_engine(store), 16384, BODIES_END);
	store->segment_rows = 64;
	assert_int_equal(at_once(processes(), writer), 0);
	b = opened_box();
	check_all(b);
	assert_int_equal(box_reload(b, true), STORE_OK);
	check_all(b);
	box_close(&b);
}

/* ---- quota, to the message ---- */

#define QUOTA_MESSAGES 150

static uint32_t *stored; /* shared: how many each could store */

static void filler(unsigned number)
{
	struct box *b = child_opens();
	enum store_result r = STORE_OK;
	char id[32];

	box_set_quota(b, 0, QUOTA_MESSAGES);
	for (unsigned i = 0; r == STORE_OK; i++) {
		snprintf(id, sizeof(id), "%u.%u", number, i);
		r = deliver_id(b, id);
		stored[number] += r == STORE_OK;
	}
	if (r != STORE_OVER_QUOTA)
		give_up(b, "deliver", r);
}

static void quota_holds_under_races(void **state)
{
	struct box *b;
	uint32_t sum = 0;

	(void)state;
	stored = shared_memory(4096);
	assert_int_equal(at_once(processes(), filler), 0);
	for (unsigned i = 0; i < processes(); i++)
		sum += stored[i];
	b = opened_box();
	assert_int_equal(sum, QUOTA_MESSAGES);
	assert_int_equal(box_usage(b).messages, QUOTA_MESSAGES);
	box_close(&b);
	munmap(stored, 4096);
}

/* ---- UNCHANGEDSINCE: a counter in keywords that nobody loses ---- */

#define COUNTER_BITS 12

static unsigned increments(void)
{
	return rounds(60, 300);
}

static uint32_t counter_of(struct box *b, struct view *v)
{
	const struct mailbox_info *info = box_find_id(b, 1);
	uint32_t value = 0;

	for (size_t i = 0; i < info->keyword_count; i++)
		if (view_message(v, 1)->keywords & UINT64_C(1) << i)
			value |= 1u << (info->keywords[i].p[1] - 'a');
	return value;
}

static enum store_result set_counter(
    struct box *b, uint32_t value, uint64_t since, bool *lost)
{
	char names[COUNTER_BITS][3];
	struct str words[COUNTER_BITS];
	struct arena arena = arena_new(65536);
	uint32_t uid = 1;
	struct uid_set set = {&uid, 1}, modified;
	enum store_result r;
	size_t count = 0;

	for (unsigned i = 0; i < COUNTER_BITS; i++)
		if (value & 1u << i) {
			snprintf(names[i], 3, "b%c", (char)('a' + i));
			words[count++] = str_from(names[i]);
		}
	r = box_store(b, 1, set, FLAGS_SET, 0, words, count, since, &arena,
	    &modified, NULL);
	*lost = modified.count > 0;
	arena_free(&arena);
	return r;
}

static void incrementer(unsigned number)
{
	struct box *b = child_opens();
	struct view *v;

	(void)number;
	if (view_open(b, 1, &v) != STORE_OK)
		give_up(b, "view", STORE_ERROR);
	for (unsigned i = 0; i < increments();) {
		bool lost;
		enum store_result r = box_refresh(b);

		if (r == STORE_OK)
			r = view_sync(v, true, NULL);
		if (r == STORE_OK)
			r = set_counter(b, counter_of(b, v) + 1,
			    view_message(v, 1)->modseq, &lost);
		if (r != STORE_OK)
			give_up(b, "store", r);
		i += !lost;
	}
}

static void unchangedsince_holds_under_races(void **state)
{
	struct box *b = opened_box();
	struct view *v;

	(void)state;
	assert_int_equal(deliver_id(b, "1"), STORE_OK);
	assert_int_equal(at_once(processes(), incrementer), 0);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(counter_of(b, v), processes() * increments());
	view_close(&v);
	box_close(&b);
}

/* ---- uids ---- */

#define UIDS_MAX 8192

static uint32_t *given; /* shared, by uid: how often */

/* Adds messages and expunges the newest, so that a uid is never seen above
 * the last one that was given. */
static void churner(unsigned number)
{
	struct box *b = child_opens();

	(void)number;
	for (unsigned i = 0; i < each(); i++) {
		struct append_item item = {.body = store_body_new(b)};
		struct uid_set set = {&item.uid, 1};
		uint32_t uidvalidity;
		enum store_result r;

		store_body_add(item.body, "x", 1);
		r = box_append(b, STR("INBOX"), &item, 1, &uidvalidity);
		store_body_free(&item.body);
		if (r != STORE_OK || item.uid >= UIDS_MAX)
			give_up(b, "append", r);
		__atomic_fetch_add(&given[item.uid], 1, __ATOMIC_SEQ_CST);
		if (below(3) != 0 && (r = box_remove(b, 1, set)) != STORE_OK)
			give_up(b, "remove", r);
		maintain(&b);
	}
}

static void no_uid_is_given_twice(void **state)
{
	struct box *b;
	uint32_t sum = 0;

	(void)state;
	engine_set_seal(store_engine(store), 16384, BODIES_END);
	store->segment_rows = 16;
	given = shared_memory(UIDS_MAX * sizeof(*given));
	assert_int_equal(at_once(processes(), churner), 0);
	for (uint32_t uid = 0; uid < UIDS_MAX; uid++) {
		assert_in_range(given[uid], 0, 1);
		sum += given[uid];
	}
	assert_int_equal(sum, processes() * each());
	b = opened_box();
	assert_int_equal(box_find_id(b, 1)->uidnext, sum + 1);
	box_close(&b);
	munmap(given, UIDS_MAX * sizeof(*given));
}

/* ---- readers ---- */

#define FRAMES_MAX 16384
#define READERS    2

/* By modseq: what a frame is to who reads it; shared. Whoever is first says
 * it, all others must see the same. */
struct witness {
	uint64_t hash, place;
};
static struct witness *witnesses;
static uint32_t *writers_left;

static void attest(uint64_t *said, uint64_t value)
{
	uint64_t nobody = 0;

	if (!__atomic_compare_exchange_n(said, &nobody, value, false,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
	    nobody != value) {
		fprintf(stderr, "two readers see different bytes\n");
		_exit(1);
	}
}

static int witness(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	uint64_t *before = arg;
	struct witness *w = &witnesses[info->after.modseq];

	if (info->after.modseq >= FRAMES_MAX || info->after.modseq <= *before)
		_exit(1);
	*before = info->after.modseq;
	attest(&w->hash, hash64(info->after.chain, heads.p, heads.len) | 1);
	attest(&w->place,
	    hash64(info->after.generation, &info->after.length, 8) | 1);
	return 0;
}

/* Follows the log as it grows, now and then from its start again. */
static void read_log(unsigned number)
{
	struct engine_pos pos = {0};
	struct engine_box *b;
	uint64_t modseq = 0;

	engine_box_open(store_engine(store), ACCOUNT, &b);
	for (bool last = false; !last;) {
		enum engine_status s;

		last = __atomic_load_n(writers_left, __ATOMIC_SEQ_CST) == 0;
		if (below(200) == number) {
			engine_box_close(&b);
			engine_box_open(store_engine(store), ACCOUNT, &b);
			pos = (struct engine_pos){0};
			modseq = 0;
		}
		s = engine_read(b, &pos, witness, &modseq);
		if (s != ENGINE_OK) {
			fprintf(stderr, "read: %s\n", engine_why(b));
			_exit(1);
		}
	}
	engine_box_close(&b);
}

static void read_or_write(unsigned number)
{
	if (number < READERS) {
		read_log(number);
		return;
	}
	writer(number - READERS);
	__atomic_fetch_sub(writers_left, 1, __ATOMIC_SEQ_CST);
}

static void readers_agree(void **state)
{
	(void)state;
	engine_set_seal(store_engine(store), 16384, BODIES_END);
	witnesses = shared_memory(FRAMES_MAX * sizeof(*witnesses));
	writers_left = shared_memory(4096);
	*writers_left = processes();
	assert_int_equal(at_once(processes() + READERS, read_or_write), 0);
	munmap(witnesses, FRAMES_MAX * sizeof(*witnesses));
	munmap(writers_left, 4096);
}

/* ---- killed ---- */

/* Writers that are killed leave nothing half done and nothing locked. */
static void killed_writers(void **state)
{
	struct box *b;
	unsigned before = 0;

	(void)state;
	engine_set_seal(store_engine(store), 4096, BODIES_END);
	for (unsigned round = 0; round < rounds(30, 500); round++) {
		pid_t pid = fork();
		int status;
		unsigned now;

		if (pid == 0) {
			writer(round);
			_exit(0);
		}
		usleep(300 + below(10000));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		b = opened_box();
		now = (unsigned)box_find(b, STR("INBOX"))->messages;
		assert_true(now >= before);
		assert_int_equal(deliver_id(b, "mine"),
		    before == 0 ? STORE_OK : STORE_DUPLICATE);
		before = now > 0 ? now : 1;
		assert_int_equal(box_reload(b, true), STORE_OK);
		box_close(&b);
	}
}

/* On a disk that takes its time: without syncs that last nobody would meet. */
static int setup_disk(void **state)
{
	const char *why;

	(void)state;
	make_root();
	store = store_open(root, NULL, &why);
	assert_non_null(store);
	return 0;
}

#define P(name) cmocka_unit_test_setup_teardown(name, setup_disk, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    P(processes_append_at_once),
	    P(quota_holds_under_races),
	    P(unchangedsince_holds_under_races),
	    P(no_uid_is_given_twice),
	    P(readers_agree),
	    P(killed_writers),
	};

	begin_chance(1000);
	return RUN_TESTS(tests);
}
