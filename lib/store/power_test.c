/* SPDX-License-Identifier: ISC */
/*
 * Simulated power loss (store/testing_disk.h). Operations of every kind run
 * through two handles, of which now and then one is stopped like a process
 * that is killed, or meets a failing sync or a full disk. Everything that the
 * box shows is written down when it is acknowledged. After a loss at any
 * point the box shows exactly what was acknowledged last, or that and the
 * operation under way as a whole; and it goes on. While it does, the power
 * fails once more.
 */
#include "store/testing_disk.h"

#include "store/recovery.h"
#include "store/upkeep.h"

#define LARGE      (INLINE_MAX + 5000)
#define MANY       130 /* their records stand in the body area */
#define STEPS      60
#define STEPS_MORE 150
#define DUMPS_MAX  2000
#define WEEK       (7 * 86400)

static struct engine_io recorded;
static char *dumps[DUMPS_MAX];
static size_t dump_count;
static unsigned next_text;

/* ---- what was acknowledged ---- */

static char *dump_of(struct box *b)
{
	struct buf text = buf_new(16 << 20);
	char *out;

	dump_box(b, &text);
	out = str_dup(buf_str(&text));
	buf_free(&text);
	return out;
}

/* What the box shows now will have to be there. */
static void say(struct box *b)
{
	char *now = dump_of(b);

	assert_true(dump_count < DUMPS_MAX);
	if (dump_count > 0 && strcmp(dumps[dump_count - 1], now) == 0)
		free(now);
	else
		dumps[dump_count++] = now;
	record(SAID)->said = dump_count - 1;
}

static void forget_dumps(void)
{
	while (dump_count > 0)
		free(dumps[--dump_count]);
}

/* ---- operations; each is one frame that shows ---- */

static struct store_body *text_body(struct box *b, unsigned number, size_t len)
{
	static char text[LARGE];
	struct store_body *body = store_body_new(b);
	int head = snprintf(text, sizeof(text),
	    "Subject: %u\r\nMessage-ID: <%u@x>\r\n\r\n", number, number);

	memset(
	    text + head, 'a' + (int)(number % 26), sizeof(text) - (size_t)head);
	if (store_body_add(body, text, len) < 0)
		next_text++; /* the disk is full; the delivery will say so */
	return body;
}

static enum store_result deliver_to(struct box *b, unsigned number, size_t len,
    const char *const *names, size_t count)
{
	struct deliver_item items[2];
	struct store_body *body = text_body(b, number, len);
	enum store_result r;
	char id[16];

	for (size_t i = 0; i < count; i++)
		items[i] = (struct deliver_item){.mailbox = str_from(names[i]),
		    .flags = number % 3 == 0 ? FLAG_SEEN : 0};
	snprintf(id, sizeof(id), "id%u", number);
	r = box_deliver(
	    b, str_from(id), 0, body, 1600000000 + number, items, count);
	store_body_free(&body);
	return r;
}

static const char *const targets[] = {"INBOX", "Junk"};

static enum store_result op_deliver(struct box *b)
{
	return deliver_to(
	    b, next_text, 200 + below(900), targets, 1 + below(4) / 3);
}

static enum store_result op_blob(struct box *b)
{
	return deliver_to(b, next_text, LARGE, targets, 1);
}

static enum store_result op_append(struct box *b)
{
	struct append_item items[MANY];
	size_t count = below(3) == 0 ? MANY : 1 + below(5);
	enum store_result r;
	uint32_t uidvalidity;

	for (size_t i = 0; i < count; i++)
		items[i] = (struct append_item){
		    .body = text_body(b, next_text + (unsigned)i, 120),
		    .internal_date = 1600000000};
	r = box_append(b, STR("Sent"), items, count, &uidvalidity);
	for (size_t i = 0; i < count; i++)
		store_body_free(&items[i].body);
	return r;
}

/* Some of the uids below uidnext. */
static struct uid_set some(struct box *b, uint32_t mailbox)
{
	static uint32_t uids[4096];
	struct uid_set set = {uids, 0};
	uint32_t one_of = 1 + below(6), end;

	end = box_find_id(b, mailbox)->uidnext;
	for (uint32_t uid = 1; uid < end && set.count < 4096; uid++)
		if (below(one_of) == 0)
			uids[set.count++] = uid;
	return set;
}

/* INBOX or Sent. */
static uint32_t some_mailbox(struct box *b)
{
	return box_find(b, below(2) ? STR("INBOX") : STR("Sent"))->id;
}

static enum store_result op_store(struct box *b)
{
	uint32_t mailbox = some_mailbox(b);
	struct str word = below(2) ? STR("$Forwarded") : STR("later");

	return box_store(b, mailbox, some(b, mailbox), (enum flag_op)below(3),
	    below(32), &word, below(2), 0, NULL, NULL, NULL);
}

static enum store_result op_remove(struct box *b)
{
	uint32_t mailbox = some_mailbox(b);

	return box_remove(b, mailbox, some(b, mailbox));
}

static enum store_result op_copy(struct box *b)
{
	uint32_t mailbox = some_mailbox(b);
	struct uid_set set = some(b, mailbox);

	if (box_usage(b).messages > 500)
		return box_remove(b, mailbox, set);
	return box_copy(
	    b, mailbox, set, STR("Trash"), below(2), NULL, NULL, NULL, NULL);
}

/* Its messages go with it. */
static enum store_result op_mailbox(struct box *b)
{
	if (box_find(b, STR("m/n")) == NULL)
		return box_rename(b, STR("INBOX"), STR("m/n"));
	return box_delete(b, STR("m/n"));
}

static enum store_result op_subscribe(struct box *b)
{
	return box_subscribe(b, STR("news"), below(2));
}

static enum store_result op_snapshot(struct box *b)
{
	return snapshot_take(b, below(3) == 0);
}

static enum store_result op_seal(struct box *b)
{
	return box_seal(b);
}

/* Erases what was expunged so far, drops generations, sweeps. */
static enum store_result op_upkeep(struct box *b)
{
	static const struct upkeep_policy policy = {
	    .undelete = WEEK, .orphan_age = WEEK};
	struct upkeep_result result = {0};

	clock_step(WEEK + WEEK / 8);
	return box_upkeep(b, &policy, &result);
}

static enum store_result op_undelete(struct box *b)
{
	struct undelete_choice choice = {.mailbox = STR("INBOX")};
	uint64_t count;

	return box_usage(b).messages > 500 ? STORE_OK
					   : box_undelete(b, &choice, &count);
}

/* INBOX as it was some changes ago. */
static enum store_result op_restore(struct box *b)
{
	struct restore_choice choice = {.mailbox = STR("INBOX")};
	uint64_t modseq = b->state.pos.modseq;
	struct restore_result result;
	struct box *from;
	enum store_result r;

	modseq -= modseq > 10 ? below(8) : 0;
	r = box_open_at(store, ACCOUNT, 0, modseq, &from);
	if (r == STORE_GONE || box_usage(b).messages > 500)
		r = STORE_OK; /* that is kept no more */
	else if (r == STORE_OK)
		r = box_restore(b, from, &choice, &result);
	box_close(&from);
	return r;
}

static const struct {
	enum store_result (*run)(struct box *b);
	unsigned weight;
} ops[] = {
    {op_deliver, 24},
    {op_blob, 1},
    {op_append, 3},
    {op_store, 4},
    {op_remove, 3},
    {op_copy, 3},
    {op_mailbox, 2},
    {op_subscribe, 1},
    {op_snapshot, 4},
    {op_seal, 1},
    {op_upkeep, 2},
    {op_undelete, 1},
    {op_restore, 1},
};

static enum store_result (*choose(void))(struct box *b)
{
	unsigned all = 0, chosen;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_LEN(ops); k++)
		all += ops[k].weight;
	for (chosen = below(all); chosen >= ops[i].weight; i++)
		chosen -= ops[i].weight;
	return ops[i].run;
}

/* ---- with what may happen meanwhile ---- */

static void reopen(struct box **b)
{
	box_close(b);
	*b = opened_box();
}

/* Stopped, a failing sync, a full disk; mostly nothing. */
static void arm(void)
{
	switch (below(12)) {
	case 0:
		tape->stop_in = 1 + below(30);
		break;
	case 1:
		tape->fail_sync_in = 1 + below(3);
		break;
	case 2:
		tape->fail_write_in = 1 + below(8);
		tape->fail_after = below(3) ? below(600) : SIZE_MAX;
		break;
	default:
		break;
	}
}

static void disarm(void)
{
	tape->stop_in = tape->fail_sync_in = tape->fail_write_in = 0;
}

static void assert_done(struct box *b, enum store_result r)
{
	if (r != STORE_OK && r != STORE_DUPLICATE)
		fail_msg("%s: %s", store_result_name(r), store_why(b));
}

/* Runs op until it is done; each state that was seen is said. */
static void step(struct box **b, enum store_result (*op)(struct box *b))
{
	uint64_t before = chance;
	enum store_result r;

	arm();
	r = op(*b);
	disarm();
	if (tape->stopped) { /* what it held is closed, and another comes */
		box_close(b);
		tape->stopped = false;
		*b = opened_box();
		say(*b);
	} else if (r == STORE_UNKNOWN) {
		/* The next one that writes or opens completes the frame. */
		if (below(2))
			reopen(b);
		else
			assert_int_equal(box_create(*b, STR("INBOX"), USE_NONE),
			    STORE_EXISTS);
		say(*b);
	}
	if (r != STORE_OK && r != STORE_DUPLICATE) {
		chance = before;
		arm(); /* the same chances as before */
		disarm();
		assert_done(*b, op(*b));
	}
	next_text += MANY;
	say(*b);
}

static struct store *recorded_store(void)
{
	const char *why;
	struct store *s = store_open_with(
	    engine_file_open(tape->root, &recorded, &why), NULL);

	engine_set_seal(store_engine(s), 6144, 1u << 20);
	s->segment_rows = 8;
	s->lock_wait_ms = 1000;
	store_set_undelete(s, WEEK);
	return s;
}

static void run(unsigned steps)
{
	struct box *b[2];

	b[0] = opened_box();
	b[1] = opened_box();
	say(b[0]);
	step(&b[0], op_deliver);
	/* All kinds, then more of what is frequent. */
	for (unsigned i = 0; i < steps; i++) {
		struct box **one = &b[below(2)];

		assert_int_equal(box_refresh(*one), STORE_OK);
		step(one, i < ARRAY_LEN(ops) ? ops[i].run : choose());
	}
	box_close(&b[0]);
	box_close(&b[1]);
}

/* ---- afterwards ---- */

static void found_damage(void *arg, const struct store_finding *f)
{
	const size_t *end = arg;

	if (f->kind == FINDING_DAMAGE || f->kind == FINDING_READABLE)
		fail_msg("after event %zu: %s+%llu: %s", *end, f->file,
		    (unsigned long long)f->offset, f->text);
}

static const struct tape *failing; /* the one of the first loss */

/* The first line that differs. */
static void tell_difference(const char *now, const char *said)
{
	size_t at = 0, line = 0;

	for (; now[at] != '\0' && now[at] == said[at]; at++)
		if (now[at] == '\n')
			line = at + 1;
	print_message(
	    "there: %.*s\n", (int)strcspn(now + line, "\n"), now + line);
	print_message(
	    "said:  %.*s\n", (int)strcspn(said + line, "\n"), said + line);
}

/* What the box may show: dumps [first, last]. */
static void assert_shown(struct box *b, size_t first, size_t last, size_t end)
{
	char *now = dump_of(b);

	for (size_t i = first; i <= last; i++)
		if (strcmp(dumps[i], now) == 0) {
			free(now);
			return;
		}
	tell_events(failing, end);
	tell_difference(now, dumps[first]);
	tell_difference(now, dumps[last]);
	fail_msg(
	    "after event %zu: neither state %zu nor %zu", end, first, last);
}

static struct box *opened_after(size_t end)
{
	struct box *b;
	enum store_result r = open_box(&b);

	if (r != STORE_OK)
		fail_msg("after event %zu: %s: %s", end, store_result_name(r),
		    b == NULL ? "" : store_why(b));
	return b;
}

/* It can be written, upkept and undeleted; expensive proofs now and then. */
static void goes_on(struct box *b, size_t end)
{
	struct check_result checked = {0};
	enum store_result r;
	uint64_t messages;

	if (below(4) == 0) {
		r = box_check(
		    store, ACCOUNT, true, found_damage, &end, &checked);
		if (r != STORE_OK)
			fail_msg("after event %zu: check: %s: %s", end,
			    store_result_name(r), checked.why);
	}
	messages = box_usage(b).messages;
	assert_done(b, deliver_to(b, 1000000, 300, targets, 1));
	assert_int_equal(box_usage(b).messages, messages + 1);
	assert_int_equal(
	    deliver_to(b, 1000000, 300, targets, 1), STORE_DUPLICATE);
	if (below(8) == 0)
		assert_done(b, op_upkeep(b));
	if (below(8) == 0)
		assert_done(b, op_undelete(b));
}

static void also_from_the_log(
    struct box *b, size_t first, size_t last, size_t end)
{
	if (below(4) != 0)
		return;
	assert_int_equal(box_reload(b, true), STORE_OK);
	assert_shown(b, first, last, end);
}

/* The dump said last before `end`, and the one said next. */
static void said_around(
    const struct tape *t, size_t end, size_t *first, size_t *last)
{
	*first = *last = 0;
	for (size_t i = 0; i < t->count; i++) {
		if (t->events[i].kind != SAID)
			continue;
		*last = t->events[i].said;
		if (i >= end)
			break;
		*first = *last;
	}
}

static void assert_after(
    struct disk *d, size_t first, size_t last, size_t end, bool again);

/* The power fails while the box is opened and written after the first loss. */
static void fails_again(struct disk *d, size_t first, size_t last, size_t end)
{
	struct tape *outer = tape, *inner = tape_new(d);
	size_t seen, point;
	struct box *b;

	store = recorded_store();
	b = opened_after(end);
	assert_shown(b, first, last, end);
	say(b);
	seen = dump_count - 1;
	step(&b, op_deliver);
	box_close(&b);
	store_close(&store);
	find_durable(inner);
	point = below((uint32_t)inner->count + 1);
	for (size_t i = 0; i < point; i++)
		if (inner->events[i].kind == SAID) { /* it was seen */
			first = inner->events[i].said;
			last = dump_count - 1;
		}
	assert_true(seen <= last || first <= seen);
	assert_after(disk_after(inner, point), first, last, end, false);
	tape_free(&inner);
	tape = outer;
}

static void assert_after(
    struct disk *d, size_t first, size_t last, size_t end, bool again)
{
	struct tape *outer = tape, *inner;
	struct box *b;
	const char *why;

	if (again) {
		fails_again(d, first, last, end);
		return;
	}
	inner = tape_new(d);
	store = store_open(inner->root, NULL, &why);
	b = opened_after(end);
	assert_shown(b, first, last, end);
	also_from_the_log(b, first, last, end);
	goes_on(b, end);
	box_close(&b);
	store_close(&store);
	tape_free(&inner);
	tape = outer;
}

static void fail_at(size_t end)
{
	size_t first, last = 0, before = dump_count;
	struct disk *d;

	said_around(tape, end, &first, &last);
	failing = tape;
	d = disk_after(tape, end);
	assert_after(d, first, last, end, below(3) == 0);
	while (dump_count > before)
		free(dumps[--dump_count]);
}

/* stride: every how manieth point. */
static void one_run(unsigned steps, unsigned stride)
{
	struct tape *t = tape_new(NULL);

	next_text = 1;
	recorded = disk_io();
	store = recorded_store();
	run(steps);
	store_close(&store);
	find_durable(t);
	for (size_t end = 1 + below(stride); end < t->count;
	     end += 1 + below(2 * stride - 1))
		fail_at(end);
	print_message("%zu events, %zu states\n", t->count, dump_count);
	tape_free(&t);
	forget_dumps();
}

static void power_fails_at_every_point(void **state)
{
	(void)state;
	begin_chance(1);
	one_run(rounds(STEPS, STEPS_MORE), rounds(2, 1));
	begin_chance(2);
	one_run(rounds(STEPS, STEPS_MORE), rounds(2, 1));
	while (torture() && time_left()) {
		begin_chance(0);
		one_run(STEPS_MORE, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(power_fails_at_every_point),
	};

	return RUN_TESTS(tests);
}
