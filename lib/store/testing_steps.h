/* SPDX-License-Identifier: ISC */
/*
 * What the tests of checks and copies share: a box with everything in it, made
 * by chance, and what its check says. Each includes it once.
 */
#ifndef STORE_TESTING_STEPS_H
#define STORE_TESTING_STEPS_H

#include "store/testing.h"

#include "core/memory.h"
#include "store/check.h"
#include "store/upkeep.h"

/* Nothing here has to outlive the machine. */
static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

#define UNDELETE 900 /* seconds */
static int64_t stepped;
static pid_t tester;

/* The clock shows the time again. */
SHARED void clock_now(void)
{
	clock_step(-stepped);
	stepped = 0;
}

static int setup_fast(void **state)
{
	tester = getpid();
	clock_now();
	setup(state);
	test_io.fsync = test_io.fdatasync = no_sync;
	return 0;
}

SHARED void anew(void)
{
	teardown(NULL);
	setup_fast(NULL);
}

#define FAST(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)

/* ---- looking ---- */

static struct store_finding found[FINDINGS_MOST];
static size_t found_count;
static struct check_result checked;

static void keep(void *arg, const struct store_finding *f)
{
	(void)arg;
	assert_true(found_count < FINDINGS_MOST);
	found[found_count++] = *f;
}

SHARED const char *kind_name(enum finding_kind kind)
{
	static const char *const names[] = {
	    [FINDING_DAMAGE] = "damage",
	    [FINDING_DERIVED] = "derived",
	    [FINDING_LEFTOVER] = "leftover",
	    [FINDING_READABLE] = "readable",
	};

	return names[kind];
}

static void print_findings(void)
{
	for (size_t i = 0; i < found_count; i++)
		print_message("  %s %s %llu mailbox %u uid %u: %s\n",
		    kind_name(found[i].kind), found[i].file,
		    (unsigned long long)found[i].offset, found[i].mailbox,
		    found[i].uid, found[i].text);
}

SHARED enum store_result check(bool deep)
{
	found_count = 0;
	return box_check(store, ACCOUNT, deep, keep, NULL, &checked);
}

SHARED void assert_look(enum store_result r)
{
	if (r != STORE_OK || found_count > 0) {
		print_findings();
		fail_msg("check: %s: %s, %zu findings", store_result_name(r),
		    checked.why, found_count);
	}
}

SHARED void assert_healthy(bool deep)
{
	assert_look(check(deep));
}

/* ---- a box with everything in it ---- */

static bool with_upkeep;

/* Also in a process beside the tests, which a failure ends. */
static void must(struct box *b, enum store_result r)
{
	if (r == STORE_OK)
		return;
	if (getpid() == tester)
		fail_msg("%s: %s", store_result_name(r), store_why(b));
	fprintf(stderr, "%s: %s\n", store_result_name(r), store_why(b));
	_exit(1);
}

static const char *const names[] = {"INBOX", "Trash", "a/b", "c", "d"};

static uint32_t some_mailbox(struct box *b, struct str *name)
{
	const struct mailbox_info *info;

	do {
		*name = str_from(names[below(ARRAY_LEN(names))]);
		info = box_find(b, *name);
	} while (info == NULL || !info->selectable);
	return info->id;
}

static struct uid_set some_uids(struct box *b, uint32_t mailbox)
{
	static uint32_t uids[500];
	uint32_t one_of = 1 + below(6);
	struct view *v;
	size_t count = 0;

	must(b, view_open(b, mailbox, &v));
	for (uint32_t i = 1; i <= view_count(v) && count < 500; i++)
		if (below(one_of) == 0)
			uids[count++] = view_message(v, i)->uid;
	view_close(&v);
	return (struct uid_set){uids, count};
}

static void step_deliver(struct box *b)
{
	static unsigned number;
	size_t len = below(40) == 0 ? INLINE_MAX + 5000 : below(3000);
	struct deliver_item item = {.flags = below(2) ? FLAG_FLAGGED : 0};
	struct store_body *body = store_body_new(b);
	char *text = mem_alloc(len + 100), id[32];
	int head = snprintf(
	    text, 100, "Subject: %u\r\nFrom: <a@b>\r\n\r\n", ++number);

	memset(text + head, 'a' + (int)below(26), len);
	snprintf(id, sizeof(id), "id%u", number);
	some_mailbox(b, &item.mailbox);
	store_body_add(body, text, (size_t)head + len);
	must(b, box_deliver(b, str_from(id), 0, body, 0, &item, 1));
	store_body_free(&body);
	free(text);
}

static void step_store(struct box *b, uint32_t mailbox)
{
	struct str keywords[] = {STR("$Forwarded"), STR("work"), STR("home")};

	must(b,
	    box_store(b, mailbox, some_uids(b, mailbox), (enum flag_op)below(3),
		below(32), &keywords[below(3)], below(2), 0, NULL, NULL, NULL));
}

static void step_copy(struct box *b, uint32_t mailbox)
{
	struct arena arena = arena_new(1 << 20);
	struct uid_set from, to;
	uint32_t uidvalidity;
	struct str name;

	some_mailbox(b, &name);
	must(b,
	    box_copy(b, mailbox, some_uids(b, mailbox), name, below(2), &arena,
		&from, &to, &uidvalidity));
	arena_free(&arena);
}

static void step_names(struct box *b)
{
	struct str name = str_from(names[2 + below(3)]);

	switch (below(4)) {
	case 0:
		box_create(b, name, USE_ARCHIVE);
		break;
	case 1:
		box_delete(b, name);
		break;
	case 2:
		box_rename(b, name, str_from(names[2 + below(3)]));
		break;
	default:
		box_subscribe(b, name, below(2));
	}
}

/* Half an hour later everything that is gone is due. */
static void step_upkeep(struct box *b)
{
	struct upkeep_policy policy = {.undelete = UNDELETE, .orphan_age = 60};
	struct upkeep_result done = {0};
	enum store_result r;

	clock_step(2 * UNDELETE);
	stepped += 2 * UNDELETE;
	r = box_upkeep(b, &policy, &done);
	must(b, r == STORE_BUSY ? STORE_OK : r);
}

static void step(struct box *b)
{
	struct str name;
	uint32_t mailbox = some_mailbox(b, &name);

	switch (below(16)) {
	case 0:
	case 1:
		step_store(b, mailbox);
		break;
	case 2:
		if (below(2) == 0)
			must(b, box_expunge(b, mailbox, NULL, NULL, NULL));
		break;
	case 3:
		must(b, box_remove(b, mailbox, some_uids(b, mailbox)));
		break;
	case 4:
	case 5:
		step_copy(b, mailbox);
		break;
	case 6:
		step_names(b);
		break;
	case 7:
		if (below(3) == 0)
			must(b, snapshot_take(b, false));
		else if (with_upkeep && below(6) == 0)
			step_upkeep(b);
		break;
	default:
		step_deliver(b);
	}
}

SHARED void random_box(unsigned steps)
{
	struct box *b;

	engine_set_seal(store_engine(store), 8192, 512u << 10);
	store->segment_rows = 16;
	store_set_compression(store, 2000);
	store_set_undelete(store, UNDELETE);
	b = opened_box();
	for (unsigned i = 0; i < steps; i++)
		step(b);
	box_close(&b);
}

#endif
