/* SPDX-License-Identifier: ISC */
/* What the check says of damage to snapshots, and of those that say something
 * else than the log. */
#include "store/testing_small.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return RUN_TESTS(tests);
}
