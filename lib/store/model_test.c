/* SPDX-License-Identifier: ISC */
/*
 * Random operations against a small model, through two handles that take
 * turns, with low limits so that generations seal and snapshots are taken all
 * the time; and several processes that append at once.
 */
#include "store/testing.h"

#include <signal.h>
#include <sys/wait.h>

#define MAILBOXES  3
#define MESSAGES   600
#define STEPS      1500
#define PROCESSES  4
#define EACH       150
#define BODIES_END (512u << 10)

struct model_message {
	uint32_t uid, flags;
	unsigned text; /* its number */
};

struct model_mailbox {
	const char *name;
	struct model_message messages[MESSAGES];
	size_t count;
	uint32_t uidnext;
};

static struct model_mailbox model[MAILBOXES];
static unsigned texts;
static uint64_t octets;
static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

static int text_of(unsigned number, char out[400])
{
	return snprintf(out, 400, "Subject: %u\r\n\r\n%*s\r\n", number,
	    (int)(number * 7 % 300), "x");
}

static void model_reset(void)
{
	static const char *const boxes[] = {"INBOX", "Trash", "a/b"};

	memset(model, 0, sizeof(model));
	for (size_t i = 0; i < MAILBOXES; i++) {
		model[i].name = boxes[i];
		model[i].uidnext = 1;
	}
	texts = 0;
	octets = 0;
}

static void model_add(struct model_mailbox *m, unsigned text, uint32_t flags)
{
	char space[400];

	m->messages[m->count++] = (struct model_message){
	    m->uidnext++, flags, text};
	octets += (uint64_t)text_of(text, space);
}

/* ---- steps ---- */

static void step_deliver(struct box *b, struct model_mailbox *m)
{
	struct deliver_item item = {
	    .mailbox = str_from(m->name), .flags = below(2) ? FLAG_FLAGGED : 0};
	struct store_body *body = store_body_new(b);
	char text[400], id[32];

	store_body_add(body, text, (size_t)text_of(texts, text));
	snprintf(id, sizeof(id), "id%u", texts);
	if (m->count < MESSAGES) {
		assert_int_equal(
		    box_deliver(b, str_from(id), 0, body, 0, &item, 1),
		    STORE_OK);
		assert_int_equal(item.uid, m->uidnext);
		assert_int_equal(
		    box_deliver(b, str_from(id), 0, body, 0, &item, 1),
		    STORE_DUPLICATE);
		model_add(m, texts, item.flags);
	}
	store_body_free(&body);
	texts++;
}

/* A random subset of the mailbox, as uids; positions in at. */
static size_t choose(const struct model_mailbox *m, uint32_t *uids, size_t *at)
{
	size_t count = 0;
	uint32_t one_of = 1 + below(8);

	for (size_t i = 0; i < m->count; i++)
		if (below(one_of) == 0) {
			at[count] = i;
			uids[count++] = m->messages[i].uid;
		}
	return count;
}

static void step_store(struct box *b, struct model_mailbox *m)
{
	uint32_t uids[MESSAGES], flags = below(32);
	size_t at[MESSAGES], count = choose(m, uids, at);
	enum flag_op op = (enum flag_op)below(3);
	struct uid_set set = {uids, count};

	assert_int_equal(box_store(b, box_find(b, str_from(m->name))->id, set,
			     op, flags, NULL, 0, 0, NULL, NULL, NULL),
	    STORE_OK);
	for (size_t i = 0; i < count; i++) {
		uint32_t *f = &m->messages[at[i]].flags;

		*f = op == FLAGS_SET  ? flags
		    : op == FLAGS_ADD ? *f | flags
				      : *f & ~flags;
	}
}

static void model_remove(struct model_mailbox *m, const bool *gone)
{
	size_t kept = 0;
	char space[400];

	for (size_t i = 0; i < m->count; i++)
		if (gone[i])
			octets -= (uint64_t)text_of(m->messages[i].text, space);
		else
			m->messages[kept++] = m->messages[i];
	m->count = kept;
}

static void step_expunge(struct box *b, struct model_mailbox *m)
{
	uint32_t uids[MESSAGES];
	size_t at[MESSAGES], count = choose(m, uids, at);
	bool gone[MESSAGES] = {false};
	struct uid_set set = {uids, count}, vanished;
	struct arena arena = arena_new(1 << 20);
	size_t expected = 0;

	assert_int_equal(box_expunge(b, box_find(b, str_from(m->name))->id,
			     &set, &arena, &vanished),
	    STORE_OK);
	for (size_t i = 0; i < count; i++)
		if (m->messages[at[i]].flags & FLAG_DELETED) {
			gone[at[i]] = true;
			expected++;
		}
	assert_int_equal(vanished.count, expected);
	model_remove(m, gone);
	arena_free(&arena);
}

static void step_copy(
    struct box *b, struct model_mailbox *from, struct model_mailbox *to)
{
	uint32_t uids[MESSAGES], uidvalidity;
	size_t at[MESSAGES], count = choose(from, uids, at);
	bool gone[MESSAGES] = {false}, move = below(2);
	struct uid_set set = {uids, count}, a, c;
	struct arena arena = arena_new(1 << 20);

	if (to->count + count <= MESSAGES && from != to) {
		assert_int_equal(
		    box_copy(b, box_find(b, str_from(from->name))->id, set,
			str_from(to->name), move, &arena, &a, &c, &uidvalidity),
		    STORE_OK);
		assert_int_equal(c.count, count);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(c.uids[i], to->uidnext);
			model_add(to, from->messages[at[i]].text,
			    from->messages[at[i]].flags);
			gone[at[i]] = move;
		}
		model_remove(from, gone);
	}
	arena_free(&arena);
}

/* ---- comparing ---- */

static void compare_mailbox(struct box *b, const struct model_mailbox *m)
{
	const struct mailbox_info *info = box_find(b, str_from(m->name));
	struct buf text = buf_new(1 << 20);
	char want[400];
	uint32_t unseen = 0;
	struct view *v;

	assert_non_null(info);
	assert_int_equal(info->messages, m->count);
	assert_int_equal(info->uidnext, m->uidnext);
	assert_int_equal(view_open(b, info->id, &v), STORE_OK);
	assert_int_equal(view_count(v), m->count);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct message *got = view_message(v, i + 1);

		assert_int_equal(got->uid, m->messages[i].uid);
		assert_int_equal(got->flags, m->messages[i].flags);
		unseen += !(got->flags & FLAG_SEEN);
		if (below(20) != 0)
			continue;
		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i + 1, 0, UINT64_MAX, &text), STORE_OK);
		text_of(m->messages[i].text, want);
		assert_string_equal(buf_text(&text), want);
	}
	assert_int_equal(box_find(b, str_from(m->name))->unseen, unseen);
	view_close(&v);
	buf_free(&text);
}

static void compare(struct box *b)
{
	size_t count = 0;

	assert_int_equal(box_refresh(b), STORE_OK);
	for (size_t i = 0; i < MAILBOXES; i++) {
		compare_mailbox(b, &model[i]);
		count += model[i].count;
	}
	assert_int_equal(box_usage(b).messages, count);
	assert_int_equal(box_usage(b).octets, octets);
}

static void random_step(struct box *b)
{
	struct model_mailbox *m = &model[below(MAILBOXES)];

	switch (below(12)) {
	case 0:
	case 1:
		step_store(b, m);
		break;
	case 2:
		step_expunge(b, m);
		break;
	case 3:
		step_copy(b, m, &model[below(MAILBOXES)]);
		break;
	case 4:
		if (below(4) == 0)
			assert_int_equal(snapshot_take(b, false), STORE_OK);
		break;
	default:
		step_deliver(b, m);
	}
}

static void random_operations(void **state)
{
	struct box *b[2], *fresh;

	(void)state;
	model_reset();
	seed = 88172645463325252u;
	engine_set_seal(store_engine(store), 8192, BODIES_END);
	store->segment_rows = 16;
	open_box(&b[0]);
	open_box(&b[1]);
	assert_int_equal(box_create(b[0], STR("a/b"), USE_NONE), STORE_OK);
	for (unsigned i = 0; i < STEPS; i++) {
		struct box **one = &b[below(2)];

		random_step(*one);
		if (below(20) == 0)
			compare(b[below(2)]);
		if (below(50) == 0) {
			box_close(one);
			assert_int_equal(open_box(one), STORE_OK);
		}
	}
	compare(b[0]);
	compare(b[1]);
	open_box(&fresh);
	compare(fresh);
	/* fold(last snapshot + later frames) = fold(all frames) */
	assert_int_equal(box_reload(fresh, true), STORE_OK);
	compare(fresh);
	box_close(&fresh);
	box_close(&b[0]);
	box_close(&b[1]);
}

/* ---- processes ---- */

/* Ends the writer, which says why. */
static void give_up(struct box *b, const char *what, enum store_result r)
{
	fprintf(stderr, "%s: %s: %s\n", what, store_result_name(r),
	    b == NULL ? "" : store_why(b));
	_exit(1);
}

static void writer(unsigned number)
{
	struct box *b;
	char id[32];

	enum store_result r = open_box(&b);

	seed = 1000 + number;
	if (r != STORE_OK)
		give_up(b, "open", r);
	for (unsigned i = 0; i < EACH; i++) {
		snprintf(id, sizeof(id), "%u.%03u", number, i);
		r = deliver_id(b, id);
		if (r != STORE_OK)
			give_up(b, "deliver", r);
		r = below(2) ? STORE_OK : deliver_id(b, id);
		if (r != STORE_OK && r != STORE_DUPLICATE)
			give_up(b, "deliver again", r);
		if (below(40) == 0 && (r = snapshot_take(b, false)) != STORE_OK)
			give_up(b, "snapshot", r);
		if (below(40) == 0) {
			box_close(&b);
			if ((r = open_box(&b)) != STORE_OK)
				give_up(b, "open", r);
		}
	}
	_exit(0);
}

/* Each delivery is there once, and each writer's stand in its order. */
static void check_all(struct box *b)
{
	unsigned next[PROCESSES] = {0};
	struct buf text = buf_new(4096);
	struct view *v;

	assert_int_equal(view_open(b, 1, &v), STORE_OK);
	assert_int_equal(view_count(v), PROCESSES * EACH);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		struct str rest;
		uint64_t number, at;

		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		rest = str_skip(buf_str(&text), strlen("Subject: "));
		assert_int_equal(
		    str_to_u64(str_cut(&rest, '.'), PROCESSES - 1, &number), 0);
		assert_int_equal(
		    str_to_u64(str_cut(&rest, '\r'), EACH, &at), 0);
		assert_int_equal(at, next[number]++);
		assert_int_equal(view_message(v, i)->uid, i);
	}
	view_close(&v);
	buf_free(&text);
}

static void processes_append_at_once(void **state)
{
	struct box *b;
	pid_t pids[PROCESSES];
	unsigned failed = 0;

	(void)state;
	engine_set_seal(store_engine(store), 16384, BODIES_END);
	store->segment_rows = 64;
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			writer(i);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	assert_int_equal(open_box(&b), STORE_OK);
	check_all(b);
	assert_int_equal(box_reload(b, true), STORE_OK);
	check_all(b);
	box_close(&b);
}

/* Writers that are killed leave nothing half done and nothing locked. */
static void killed_writers(void **state)
{
	struct box *b;
	unsigned before = 0;

	(void)state;
	engine_set_seal(store_engine(store), 4096, BODIES_END);
	for (unsigned round = 0; round < 30; round++) {
		pid_t pid = fork();
		int status;
		unsigned now;

		if (pid == 0)
			writer(round);
		usleep(500 + round * 300);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_int_equal(open_box(&b), STORE_OK);
		now = (unsigned)box_find(b, STR("INBOX"))->messages;
		assert_true(now >= before);
		assert_int_equal(deliver_id(b, "mine"),
		    before == 0 ? STORE_OK : STORE_DUPLICATE);
		before = now > 0 ? now : 1;
		assert_int_equal(box_reload(b, true), STORE_OK);
		box_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(random_operations),
	    T(processes_append_at_once),
	    T(killed_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
