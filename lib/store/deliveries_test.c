/* SPDX-License-Identifier: ISC */
/*
 * Delivery ids: each is stored once, whatever became of the snapshots, and
 * neither their number nor their age makes a delivery read more.
 */
#include <sys/wait.h>

#include "core/checksum.h"
#include "store/snapshot.h"
#include "store/testing.h"

#define ROUNDS    300
#define PER_ROUND 400u
#define DAY       86400

/* ---- reads of snapshots, apart from those of the log ---- */

static struct {
	bool is_snapshot[1024]; /* by descriptor */
	unsigned reads, reads_locked;
	uint64_t written;
	bool locked;
	struct box *disturbed; /* it seems to be another state at each lock */
	unsigned disturbances;
} seen;

static int watched_open(int dir, const char *path, int flags, mode_t mode)
{
	int fd = openat(dir, path, flags, mode);

	if (fd >= 0 && fd < (int)ARRAY_LEN(seen.is_snapshot))
		seen.is_snapshot[fd] = strncmp(path, "s.", 2) == 0;
	return fd;
}

static ssize_t watched_pread(int fd, void *p, size_t len, off_t at)
{
	if (fd < (int)ARRAY_LEN(seen.is_snapshot) && seen.is_snapshot[fd]) {
		seen.reads++;
		seen.reads_locked += seen.locked;
	}
	return pread(fd, p, len, at);
}

static ssize_t watched_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t done = pwritev(fd, v, n, at);

	if (done > 0)
		seen.written += (uint64_t)done;
	return done;
}

static int watched_lock(int fd, off_t byte, bool on)
{
	int result = engine_io_system.lock(fd, byte, on);

	seen.locked = on && result == 0;
	if (seen.locked && seen.disturbed != NULL && seen.disturbances > 0) {
		seen.disturbances--;
		seen.disturbed->state.epoch++;
	}
	return result;
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int begin(void **state)
{
	int result = setup(state);

	memset(&seen, 0, sizeof(seen));
	test_io.open = watched_open;
	test_io.pread = watched_pread;
	test_io.pwritev = watched_pwritev;
	test_io.lock = watched_lock;
	test_io.fsync = test_io.fdatasync = no_sync;
	return result;
}

static struct box *opened(void)
{
	struct box *b;

	assert_int_equal(open_box(&b), STORE_OK);
	return b;
}

/* ---- ids without messages ---- */

static void make_id(unsigned n, uint64_t id[2])
{
	char name[32];
	int len = snprintf(name, sizeof(name), "Q%u", n);

	id[0] = hash64(1, name, (size_t)len);
	id[1] = hash64(2, name, (size_t)len);
}

struct batch {
	unsigned first, count;
	int64_t time;
};

static enum store_result decide_ids(struct change *c)
{
	const struct batch *batch = c->arg;

	for (unsigned i = 0; i < batch->count; i++) {
		struct record r = {.type = RECORD_DELIVERY};

		make_id(batch->first + i, r.delivery.id);
		r.delivery.time = batch->time;
		change_put(c, &r);
	}
	return STORE_OK;
}

static void add_ids(struct box *b, unsigned first, unsigned count, int64_t time)
{
	struct batch batch = {first, count, time};
	struct change c = {.decide = decide_ids, .arg = &batch};

	assert_int_equal(box_change(b, &c), STORE_OK);
}

static void take(struct box *b)
{
	assert_int_equal(snapshot_take(b, false), STORE_OK);
}

static bool has(struct box *b, unsigned n, int64_t since)
{
	uint64_t id[2];
	bool found = false;

	make_id(n, id);
	assert_int_equal(deliveries_find(b, id, since, &found), STORE_OK);
	return found;
}

static enum store_result deliver_number(struct box *b, unsigned n)
{
	char id[32];

	snprintf(id, sizeof(id), "Q%u", n);
	return deliver_id(b, id);
}

static uint64_t messages(struct box *b)
{
	assert_int_equal(box_refresh(b), STORE_OK);
	return box_usage(b).messages;
}

/* ---- the tests ---- */

static void an_id_is_stored_once_across_snapshots(void **state)
{
	struct box *a = opened(), *b = opened();
	unsigned n = 0;

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		struct box *fresh;

		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(deliver_number(a, n++), STORE_OK);
		take(round % 2 ? a : b);
		fresh = opened();
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(deliver_number(a, i), STORE_DUPLICATE);
			assert_int_equal(deliver_number(b, i), STORE_DUPLICATE);
			assert_int_equal(
			    deliver_number(fresh, i), STORE_DUPLICATE);
		}
		box_close(&fresh);
	}
	assert_int_equal(messages(a), n);
	assert_int_equal(box_reload(b, true), STORE_OK);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(deliver_number(b, i), STORE_DUPLICATE);
	assert_int_equal(messages(b), n);
	box_close(&a);
	box_close(&b);
}

/* 120,000 ids, a minute between two snapshots. */
static struct box *fill(int64_t now)
{
	struct box *b = opened();

	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_false(b->without_snapshots);
		add_ids(b, i * PER_ROUND, PER_ROUND,
		    now - (ROUNDS - (int64_t)i) * 60);
		take(b);
		assert_true(b->state.deliveries.count < 2 * PER_ROUND);
		assert_true(b->state.deliveries.segment_count < 16);
	}
	return b;
}

static void assert_segments_exist(struct box *b)
{
	const struct deliveries *d = &b->state.deliveries;

	for (size_t i = 0; i < d->segment_count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "s.%llu",
		    (unsigned long long)d->segments[i].column.snapshot);
		assert_int_equal(faccessat(box_directory(b), name, F_OK, 0), 0);
	}
}

/* Reads for one lookup on average; at most `most` for each segment. */
static double reads_for(struct box *b, unsigned first, bool there)
{
	unsigned before = seen.reads, tries = 1000;

	for (unsigned i = 0; i < tries; i++) {
		unsigned one = seen.reads;

		assert_int_equal(
		    has(b, first + i * (ROUNDS * PER_ROUND / tries), 0), there);
		assert_true(
		    seen.reads - one <= 5 * b->state.deliveries.segment_count);
	}
	return (double)(seen.reads - before) / tries;
}

static void many_ids_are_found_with_few_reads(void **state)
{
	int64_t now = clock_seconds();
	struct box *b = fill(now);
	size_t segments = b->state.deliveries.segment_count;
	unsigned before;

	(void)state;
	assert_segments_exist(b);
	/* Each id was written a handful of times (and its record once). */
	assert_true(
	    seen.written < (uint64_t)ROUNDS * PER_ROUND * (40 + 24 * 6));
	assert_true(reads_for(b, 0, true) < 1.6 * (double)segments);
	assert_true(
	    reads_for(b, ROUNDS * PER_ROUND, false) < 1.6 * (double)segments);
	/* Nothing could be there that is older than the message. */
	before = seen.reads;
	assert_false(has(b, 0, now + DELIVERY_CLOCK_SLACK + 1));
	assert_int_equal(seen.reads, before);
	/* A message that came two hours after the last of the old ids. */
	add_ids(b, ROUNDS * PER_ROUND, 1, now + 7200);
	take(b);
	before = seen.reads;
	assert_true(has(b, ROUNDS * PER_ROUND, now + 7200));
	assert_false(has(b, 0, now + 7200));
	assert_true(seen.reads - before <= 2);
	/* But clocks are set back. */
	assert_true(has(b, ROUNDS * PER_ROUND - 1, now + 3000));
	box_close(&b);
}

static void a_snapshot_and_the_log_say_the_same(void **state)
{
	struct box *b = opened();

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		add_ids(b, i * 100, 90, clock_seconds());
		if (i % 3 != 2)
			take(b);
	}
	for (unsigned way = 0; way < 2; way++) {
		assert_int_equal(box_reload(b, way == 1), STORE_OK);
		assert_int_equal(
		    b->state.deliveries.segment_count > 0, way == 0);
		for (unsigned i = 0; i < 6100; i++)
			assert_int_equal(
			    has(b, i, 0), i < 6000 && i % 100 < 90);
	}
	/* What the log alone gave is put down again, all of it. */
	take(b);
	assert_int_equal(b->state.deliveries.count, 0);
	for (unsigned i = 0; i < 6000; i++)
		assert_int_equal(has(b, i, 0), i % 100 < 90);
	box_close(&b);
}

static enum store_result count_one(void *arg, const struct delivery *d)
{
	size_t *count = arg;

	(void)d;
	(*count)++;
	return STORE_OK;
}

static size_t kept(struct box *b)
{
	size_t count = 0;

	assert_int_equal(deliveries_each(b, count_one, &count), STORE_OK);
	return count;
}

static void old_ids_are_forgotten(void **state)
{
	int64_t now = clock_seconds();
	struct box *b = opened();
	size_t segments;
	unsigned before;

	(void)state;
	/* A large segment that nobody merges, and a smaller one of two days. */
	add_ids(b, 0, 40000, now);
	take(b);
	add_ids(b, 40000, 300, now + 2 * DAY);
	add_ids(b, 40300, 10, now + 4 * DAY);
	take(b);
	assert_true(has(b, 40300, now + 4 * DAY));
	segments = b->state.deliveries.segment_count;
	assert_int_equal(segments, 2);
	assert_int_equal(kept(b), 40310);
	/* Dropped as a whole, and without being read. */
	clock_step(13 * DAY);
	add_ids(b, 40310, 1, clock_seconds());
	before = seen.reads;
	take(b);
	assert_true(seen.reads - before < 20);
	assert_int_equal(b->state.deliveries.segment_count, 2);
	assert_int_equal(kept(b), 311);
	assert_false(has(b, 0, 0));
	assert_true(has(b, 40299, 0));
	/* Dropped while the segments are merged. */
	clock_step(2 * DAY);
	for (unsigned i = 1; i < 4; i++) {
		add_ids(b, 40310 + i, 1, clock_seconds());
		take(b);
	}
	assert_int_equal(kept(b), 14);
	assert_false(has(b, 40299, 0));
	/* The same from the log alone. */
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_int_equal(kept(b), 14);
	/* Somebody let messages stay in the queue longer. */
	store_set_queue_lifetime(store, INT64_C(30) * DAY * 1000);
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_int_equal(kept(b), 40314);
	clock_step(-15 * DAY);
	box_close(&b);
}

static void a_flipped_bit_makes_no_id_new(void **state)
{
	struct box *b = opened();
	struct column x;
	char name[64];
	int fd;

	(void)state;
	add_ids(b, 0, 200, clock_seconds()); /* a block, and a short one */
	take(b);
	x = b->state.deliveries.segments[0].column;
	snprintf(name, sizeof(name), "s.%llu", (unsigned long long)x.snapshot);
	fd = openat(box_directory(b), name, O_RDWR);
	assert_true(fd >= 0);
	box_close(&b);
	for (uint32_t at = 0; at < x.length; at += 7) {
		off_t place = (off_t)(x.offset + at);
		unsigned char octet, bad;

		assert_int_equal(pread(fd, &octet, 1, place), 1);
		bad = (unsigned char)(octet ^ 1u << at % 8);
		assert_int_equal(pwrite(fd, &bad, 1, place), 1);
		b = opened();
		for (unsigned i = at % 11; i < 200; i += 11)
			assert_true(has(b, i, 0));
		box_close(&b);
		assert_int_equal(pwrite(fd, &octet, 1, place), 1);
	}
	close(fd);
}

static void flip(struct box *b, const struct column *x, uint64_t at)
{
	char name[64];
	unsigned char octet;
	int fd;

	snprintf(name, sizeof(name), "s.%llu", (unsigned long long)x->snapshot);
	fd = openat(box_directory(b), name, O_RDWR);
	assert_int_equal(pread(fd, &octet, 1, (off_t)(x->offset + at)), 1);
	octet ^= 1;
	assert_int_equal(pwrite(fd, &octet, 1, (off_t)(x->offset + at)), 1);
	close(fd);
}

/* Where the log has lost its beginning, a bad block may be all that there is:
 * it stays as it is, the others go on. */
static void a_bad_block_stops_no_snapshot(void **state)
{
	struct box *b = opened();
	uint64_t bad;
	size_t found = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add_ids(b, 400 * i, 400, clock_seconds());
		take(b);
	}
	bad = b->state.deliveries.segments[1].column.snapshot;
	flip(b, &b->state.deliveries.segments[1].column, 100);
	box_close(&b);
	b = opened();
	assert_int_equal(deliveries_each(b, count_one, &found), STORE_CORRUPT);
	assert_int_equal(found, 1200 - 170);
	add_ids(b, 1200, 400, clock_seconds());
	/* As after a reload that could not do without a snapshot. */
	b->without_snapshots = true;
	take(b);
	assert_int_equal(b->state.deliveries.segment_count, 2);
	assert_int_equal(b->state.deliveries.segments[0].column.snapshot, bad);
	assert_int_equal(b->state.deliveries.segments[1].rows, 1200);
	found = 0;
	assert_int_equal(deliveries_each(b, count_one, &found), STORE_CORRUPT);
	assert_int_equal(found, 1600 - 170);
	/* Here the log is whole: it says what the block had. */
	for (unsigned i = 0; i < 1600; i++)
		assert_true(has(b, i, 0));
	assert_true(b->without_snapshots);
	take(b);
	assert_int_equal(kept(b), 1600);
	box_close(&b);
}

/* Its number of rows says how long a column is. */
static void a_column_too_short_is_no_snapshot(void **state)
{
	struct deliveries d = {0};
	struct record_segment r = {.count = 171};

	(void)state;
	r.columns[COLUMN_X] = (struct column){.snapshot = 1, .length = 4096};
	assert_int_equal(deliveries_take(&d, &r), -1);
	r.columns[COLUMN_X].length = 4096 + 24 + 16;
	assert_int_equal(deliveries_take(&d, &r), 0);
	r.count = 0;
	assert_int_equal(deliveries_take(&d, &r), -1);
	deliveries_clear(&d);
}

static void a_snapshot_that_went_is_not_missed(void **state)
{
	struct box *a = opened(), *b = opened();

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(deliver_number(a, i), STORE_OK);
	take(a);
	assert_int_equal(box_reload(b, false), STORE_OK);
	/* Segments are merged, and the files b knows of are dropped. */
	for (unsigned i = 5; i < 20; i++) {
		assert_int_equal(deliver_number(a, i), STORE_OK);
		take(a);
	}
	assert_int_equal(faccessat(box_directory(b), "s.1", F_OK, 0), -1);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(deliver_number(b, i), STORE_DUPLICATE);
	assert_int_equal(deliver_number(b, 20), STORE_OK);
	box_close(&a);
	box_close(&b);
}

static void nothing_is_looked_up_under_the_lock(void **state)
{
	struct box *b = opened();

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		add_ids(b, 100 * i, 100, clock_seconds());
		take(b);
	}
	seen.reads = seen.reads_locked = 0;
	assert_int_equal(deliver_number(b, 10000), STORE_OK);
	assert_true(seen.reads > 0);
	assert_int_equal(seen.reads_locked, 0);
	/* Once more when the state was another one under the lock. */
	seen.disturbed = b;
	seen.disturbances = 1;
	assert_int_equal(deliver_number(b, 10001), STORE_OK);
	assert_int_equal(seen.disturbances, 0);
	assert_int_equal(seen.reads_locked, 0);
	seen.disturbances = 1000;
	assert_int_equal(deliver_number(b, 10002), STORE_BUSY);
	seen.disturbances = 0;
	assert_int_equal(deliver_number(b, 10001), STORE_DUPLICATE);
	assert_int_equal(deliver_number(b, 10002), STORE_OK);
	box_close(&b);
}

/* Between our look and our lock another process stores the same id, takes a
 * snapshot, and the account may even be made anew. */
static void an_id_that_came_meanwhile_is_seen(void **state)
{
	struct box *a = opened(), *b = opened();

	(void)state;
	add_ids(a, 0, 10, clock_seconds());
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(deliver_number(a, 50), STORE_OK);
	take(a);
	assert_int_equal(deliver_number(b, 50), STORE_DUPLICATE);
	assert_int_equal(store_remove_account(store, ACCOUNT), STORE_OK);
	assert_int_equal(deliver_number(b, 51), STORE_OK);
	assert_int_equal(messages(a), 1);
	assert_int_equal(deliver_number(a, 51), STORE_DUPLICATE);
	box_close(&a);
	box_close(&b);
}

/* Others take the snapshots; who only delivers does not keep all that came
 * since its own. */
static void a_worker_stays_small(void **state)
{
	struct box *a = opened(), *b = opened();

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		add_ids(a, 1000 * i, 1000, clock_seconds());
		assert_int_equal(deliver_number(b, 100000 + i), STORE_OK);
		take(a);
		assert_true(b->state.deliveries.count < 5000);
		assert_true(b->state.pending_octets < 4 * SNAPSHOT_DUE);
	}
	box_close(&a);
	box_close(&b);
}

static void count_event(uint32_t seq, const struct message *m, void *arg)
{
	unsigned *count = arg;

	(void)seq, (void)m;
	(*count)++;
}

static void count_expunged(uint32_t seq, uint32_t uid, void *arg)
{
	unsigned *count = arg;

	(void)seq, (void)uid;
	(*count)++;
}

/* And so does a session, whose view notices nothing of it. */
static void a_session_stays_small(void **state)
{
	struct box *a = opened(), *b = opened();
	unsigned events = 0;
	struct view_events handlers = {count_expunged, count_event, &events};
	uint64_t epoch;
	struct view *v;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(deliver_number(a, 1000000 + i), STORE_OK);
	assert_int_equal(box_refresh(b), STORE_OK);
	assert_int_equal(
	    view_open(b, box_find(b, STR("INBOX"))->id, &v), STORE_OK);
	epoch = b->state.epoch;
	for (unsigned i = 0; i < 10; i++) {
		add_ids(a, 20000 * i, 20000, clock_seconds());
		take(a);
		assert_int_equal(box_refresh(b), STORE_OK);
		assert_int_equal(view_sync(v, true, &handlers), STORE_OK);
		assert_int_equal(view_count(v), 10);
		assert_true(b->held_octets < 3 * HELD_VIEWED);
		assert_true(b->state.deliveries.count < 60000);
	}
	assert_int_equal(events, 0);
	assert_true(b->state.epoch > epoch);
	view_close(&v);
	box_close(&a);
	box_close(&b);
}

/* ---- processes ---- */

#define CHILDREN 4
#define EACH     250u

static void child(unsigned seed, int out)
{
	unsigned char stored[EACH] = {0};
	struct box *b = opened();

	b->snapshot_due = 3000;
	for (unsigned i = 0; i < EACH; i++) {
		unsigned n = (i * 7 + seed * 31) % EACH;
		enum store_result r = deliver_number(b, n);

		if (r != STORE_OK && r != STORE_DUPLICATE)
			_exit(1);
		stored[n] = r == STORE_OK;
		if (i % 10 == 9 && box_maintain(b) != STORE_OK)
			_exit(2);
	}
	if (write(out, stored, sizeof(stored)) != sizeof(stored))
		_exit(3);
	_exit(0);
}

static void processes_store_each_id_once(void **state)
{
	unsigned char sum[EACH] = {0};
	struct box *b;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	for (unsigned i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			child(i, ends[1]);
	for (unsigned i = 0; i < CHILDREN; i++) {
		unsigned char one[EACH];
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_int_equal(read(ends[0], one, sizeof(one)), sizeof(one));
		for (unsigned n = 0; n < EACH; n++)
			sum[n] = (unsigned char)(sum[n] + one[n]);
	}
	for (unsigned n = 0; n < EACH; n++)
		assert_int_equal(sum[n], 1);
	b = opened();
	assert_int_equal(messages(b), EACH);
	assert_true(b->state.base > 3);
	box_close(&b);
	close(ends[0]);
	close(ends[1]);
}

#define D(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    D(an_id_is_stored_once_across_snapshots),
	    D(many_ids_are_found_with_few_reads),
	    D(a_snapshot_and_the_log_say_the_same),
	    D(old_ids_are_forgotten),
	    D(a_flipped_bit_makes_no_id_new),
	    D(a_bad_block_stops_no_snapshot),
	    D(a_column_too_short_is_no_snapshot),
	    D(a_snapshot_that_went_is_not_missed),
	    D(nothing_is_looked_up_under_the_lock),
	    D(an_id_that_came_meanwhile_is_seen),
	    D(a_worker_stays_small),
	    D(a_session_stays_small),
	    D(processes_store_each_id_once),
	};

	return RUN_TESTS(tests);
}
