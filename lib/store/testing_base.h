/* SPDX-License-Identifier: ISC */
/*
 * What tests of lib/store share that know mailbox.h, box.h and engine.h only:
 * they can be linked with any engine (`make build/memory/...`).
 *
 * Environment: TEST_FILTER, names of tests to run (* and ?). TORTURE=1: many
 * more rounds, with another random seed each time, which is printed; SEED=n
 * repeats one. TORTURE_SECONDS: how long one program goes on.
 */
#ifndef STORE_TESTING_BASE_H
#define STORE_TESTING_BASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/checksum.h"
#include "core/clock.h"
#include "store/box.h"

#define ACCOUNT STR("user@example.org")
#define SHARED  __attribute__((unused)) static

/* ---- chance, and how much of it ---- */

static uint64_t chance = 88172645463325252u;

SHARED uint32_t below(uint32_t n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)(chance >> 20) % n;
}

SHARED bool torture(void)
{
	return getenv("TORTURE") != NULL;
}

SHARED unsigned rounds(unsigned check, unsigned at_most)
{
	return torture() ? at_most : check;
}

/* For torture with an end: false when the time is over. */
SHARED bool time_left(void)
{
	static int64_t end;
	const char *seconds = getenv("TORTURE_SECONDS");

	if (end == 0)
		end = clock_ms() + 1000 * (seconds ? atoi(seconds) : 120);
	return clock_ms() < end;
}

/* Chance begins here: the same each time in `make check`, else told. */
SHARED uint64_t begin_chance(uint64_t fixed)
{
	const char *given = getenv("SEED");

	chance = fixed;
	if (given != NULL && *given != '\0')
		chance = strtoull(given, NULL, 10);
	else if (torture() &&
	    getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		chance = clock_us();
	chance = chance != 0 ? chance : 1;
	if (torture())
		print_message("SEED=%llu\n", (unsigned long long)chance);
	return chance;
}

/* Of a message that begins "Subject: 12". */
SHARED bool subject_number(struct str text, uint64_t *number)
{
	struct str rest = str_skip(text, strlen("Subject: "));
	size_t len = 0;

	while (len < rest.len && ascii_digit(rest.p[len]))
		len++;
	return str_to_u64(str_sub(rest, 0, len), 1u << 20, number) == 0;
}

/* ---- a store in a directory of its own ---- */

static char root[64];
static struct store *store;

/* Where a sync costs nothing, if there is room. */
SHARED const char *fast_directory(void)
{
	struct statvfs st;

	return access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &st) == 0 &&
		(uint64_t)st.f_bavail * st.f_frsize > UINT64_C(1) << 30
	    ? "/dev/shm"
	    : "/tmp";
}

SHARED void make_root_in(const char *directory)
{
	snprintf(root, sizeof(root), "%s/store_test.XXXXXX", directory);
	assert_non_null(mkdtemp(root));
}

SHARED void make_root(void)
{
	make_root_in("/tmp");
}

SHARED int setup_base(void **state)
{
	const char *why;

	(void)state;
	make_root_in(fast_directory());
	store = store_open(root, NULL, &why);
	assert_non_null(store);
	return 0;
}

SHARED int teardown(void **state)
{
	(void)state;
	store_close(&store);
	return remove_tree(root);
}

SHARED enum store_result open_box(struct box **out)
{
	return box_open(store, ACCOUNT, DEADLINE_NEVER, out);
}

SHARED struct box *opened_box(void)
{
	struct box *b;
	enum store_result r = open_box(&b);

	if (r != STORE_OK)
		fail_msg("open: %s: %s", store_result_name(r),
		    b == NULL ? "" : store_why(b));
	return b;
}

SHARED enum store_result deliver_text(
    struct box *b, const char *id, const char *text, size_t len)
{
	struct deliver_item item = {.mailbox = STR("INBOX")};
	struct store_body *body = store_body_new(b);
	enum store_result r;

	/* What could not be added is said by the delivery. */
	store_body_add(body, text, len);
	r = box_deliver(b, str_from(id), 0, body, 0, &item, 1);
	store_body_free(&body);
	return r;
}

SHARED enum store_result deliver_id(struct box *b, const char *id)
{
	char text[200];
	int len = snprintf(text, sizeof(text),
	    "Subject: %s\r\nMessage-ID: <%s@x>\r\n\r\nbody of %s\r\n", id, id,
	    id);

	return deliver_text(b, id, text, (size_t)len);
}

/* ---- what a box shows, as text; the log and any snapshot say the same ---- */

SHARED void dump_line(struct buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
SHARED void dump_line(struct buf *out, const char *format, ...)
{
	char line[1200];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert_in_range(len, 0, sizeof(line) - 1);
	buf_add_bytes(out, line, (size_t)len);
}

SHARED void dump_message(struct view *v, uint32_t seq, struct buf *out)
{
	const struct message *m = view_message(v, seq);
	struct buf text = buf_new(64 << 20);
	struct arena arena = arena_new(8 << 20);
	struct message_cache cache = {{0}, {0}, {0}};
	enum store_result r = view_read(v, seq, 0, UINT64_MAX, &text);
	enum store_result c = view_cache(v, seq, &arena, &cache);

	dump_line(out, "  %u %x %llx %llu %llu %lld %s %08x %s %08x\n", m->uid,
	    m->flags, (unsigned long long)m->keywords,
	    (unsigned long long)m->modseq, (unsigned long long)m->size,
	    (long long)m->internal_date, store_result_name(r),
	    crc32c(0, text.p, text.len), store_result_name(c),
	    crc32c(0, cache.bodystructure.p, cache.bodystructure.len));
	assert_int_equal(text.len, r == STORE_OK ? m->size : 0);
	buf_free(&text);
	arena_free(&arena);
}

SHARED void dump_mailbox(struct box *b, uint32_t id, struct buf *out)
{
	const struct mailbox_info *info = box_find_id(b, id);
	struct view *v = NULL;

	dump_line(out, "%.*s %s %u %u %llu %llu %llu %llu %llu %d %d %d",
	    (int)info->name.len, info->name.p, info->mailbox_id,
	    info->uidvalidity, info->uidnext,
	    (unsigned long long)info->highest_modseq,
	    (unsigned long long)info->messages,
	    (unsigned long long)info->unseen, (unsigned long long)info->deleted,
	    (unsigned long long)info->octets, info->use, info->subscribed,
	    info->selectable);
	for (size_t i = 0; i < info->keyword_count; i++)
		dump_line(out, " %.*s", (int)info->keywords[i].len,
		    info->keywords[i].p);
	dump_line(out, "\n");
	if (info->selectable && view_open(b, id, &v) != STORE_OK)
		fail_msg("a mailbox cannot be opened: %s", store_why(b));
	for (uint32_t i = 1; v != NULL && i <= view_count(v); i++)
		dump_message(v, i, out);
	view_close(&v);
}

/* Appends it to out; b is refreshed before. Opens views: in a box without a
 * frame only the usage is said. */
SHARED void dump_box(struct box *b, struct buf *out)
{
	const struct mailbox_info *const *list;
	struct arena arena = arena_new(8 << 20);
	uint32_t ids[64];
	struct str *names;
	size_t count = box_mailboxes(b, &list);

	assert_in_range(count, 1, 64);
	for (size_t i = 0; i < count; i++)
		ids[i] = list[i]->id;
	dump_line(out, "%llu %llu\n", (unsigned long long)box_usage(b).octets,
	    (unsigned long long)box_usage(b).messages);
	for (size_t i = 0; i < count && !b->state.virtual; i++)
		dump_mailbox(b, ids[i], out);
	count = box_subscriptions(b, &arena, &names);
	for (size_t i = 0; i < count; i++)
		dump_line(out, "+%.*s\n", (int)names[i].len, names[i].p);
	arena_free(&arena);
}

/* ---- running ---- */

#define RUN_TESTS(tests)                                                       \
	(cmocka_set_test_filter(getenv("TEST_FILTER")),                        \
	    cmocka_run_group_tests((tests), NULL, NULL))

#endif
