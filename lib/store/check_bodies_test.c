/* SPDX-License-Identifier: ISC */
/* What the check says of damage to bodies, caches and blobs, and of what should
 * have been erased. */
#include "store/testing_small.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return RUN_TESTS(tests);
}
