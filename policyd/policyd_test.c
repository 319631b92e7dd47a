/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policyd/memory.h"
#include "policyd/penalty.h"

static void windows_slide(void **state)
{
	(void)state;
	struct windows w = windows_new(1000);
	struct str k = STR("k");

	assert_int_equal(windows_add(&w, k, 3, 8000, 100000), 3);
	assert_int_equal(windows_add(&w, k, 4, 8000, 103000), 7);
	assert_int_equal(windows_get(&w, k, 8000, 107900), 7);
	assert_int_equal(windows_get(&w, k, 8000, 108000), 4);
	assert_int_equal(windows_get(&w, k, 8000, 111000), 0);
	assert_int_equal(windows_get(&w, STR("other"), 8000, 111000), 0);
	assert_int_equal(
	    windows_add(&w, k, UINT64_MAX, 8000, 111000), UINT32_MAX);
	assert_int_equal(windows_add(&w, k, 5, 8000, 112000), UINT32_MAX);
	windows_free(&w);
}

static void taking_away_ends_at_nothing(void **state)
{
	(void)state;
	struct windows w = windows_new(1000);

	windows_add(&w, STR("k"), 3, 8000, 100000);
	windows_add(&w, STR("k"), 3, 8000, 102000);
	windows_take(&w, STR("k"), 4, 8000, 102000);
	assert_int_equal(windows_get(&w, STR("k"), 8000, 102000), 2);
	windows_take(&w, STR("k"), 40, 8000, 102000);
	assert_int_equal(w.by_key.count, 0);
	windows_free(&w);
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct windows w = windows_new(100);
	char key[20];

	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		windows_add(&w, str_from(key), 1, 60000, i);
		/* Used all the time, so it stays. */
		windows_add(&w, STR("kept"), 1, 6000000, i);
	}
	assert_int_equal(w.by_key.count, 100);
	assert_int_equal(windows_get(&w, STR("kept"), 6000000, 10000), 10000);
	assert_int_equal(windows_get(&w, STR("1"), 60000, 10000), 0);
	windows_free(&w);
}

static const struct policyd_conf conf = {.policy_counters_max = 1000,
    .login_failure_window = 900000,
    .login_failure_delay = 2000,
    .login_failure_delay_max = 16000,
    .login_failure_block = 6,
    .login_failure_exempt = "10.0.0.0/8"};

/* "delay failures blocked" */
static const char *tell(struct penalties *p, const char *address,
    const char *login, int what, int64_t now)
{
	static char text[100];
	struct policy_penalty r = {0};
	struct policy_failure f = {
	    0, str_from(address), str_from(login), what == '+'};
	struct policy_ask a = {0, str_from(address), str_from(login)};

	if (what == '?')
		penalties_ask(p, &a, now, &r);
	else
		penalties_failure(p, &f, now, &r);
	snprintf(text, sizeof(text), "%d %d %d", (int)r.delay_ms,
	    (int)r.failures, r.blocked);
	return text;
}

static void penalties_grow_and_end(void **state)
{
	(void)state;
	struct penalties p = penalties_new(&conf);
	/* clang-format off */
	static const struct {
		const char *address, *login;
		int what;
		int64_t at;
		const char *want;
	} rows[] = {
		{"192.0.2.1", "a@x", '?', 0, "0 0 0"},
		{"192.0.2.1", "a@x", '-', 0, "2000 1 0"},
		{"192.0.2.1", "A@X", '-', 0, "4000 2 0"},
		{"192.0.2.1", "b@x", '-', 0, "8000 3 0"},
		{"192.0.2.1", "a@x", '+', 0, "2000 1 0"},
		{"192.0.2.2", "a@x", '?', 0, "0 0 0"},
		/* an account is guarded against many addresses */
		{"192.0.2.3", "c@x", '-', 0, "2000 1 0"},
		{"192.0.2.4", "c@x", '-', 0, "4000 1 0"},
		/* one /64 is one address */
		{"2001:db8::1", "d@x", '-', 0, "2000 1 0"},
		{"2001:db8::2", "e@x", '-', 0, "4000 2 0"},
		{"2001:db8:0:1::2", "f@x", '-', 0, "2000 1 0"},
		/* a block, and its end */
		{"192.0.2.9", "", '-', 0, "2000 1 0"},
		{"192.0.2.9", "", '-', 0, "4000 2 0"},
		{"192.0.2.9", "", '-', 0, "8000 3 0"},
		{"192.0.2.9", "", '-', 0, "16000 4 0"},
		{"192.0.2.9", "", '-', 0, "16000 5 0"},
		{"192.0.2.9", "", '-', 0, "16000 6 1"},
		{"192.0.2.9", "z@x", '?', 1000, "16000 6 1"},
		{"192.0.2.9", "z@x", '?', 901000, "0 0 0"},
		{"10.1.1.1", "", '-', 0, "2000 1 0"},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(tell(&p, rows[i].address, rows[i].login,
					rows[i].what, 1000000 + rows[i].at),
		    rows[i].want);
	for (int i = 0; i < 20; i++)
		tell(&p, "10.1.1.1", "", '-', 1000000);
	assert_string_equal(
	    tell(&p, "10.1.1.1", "", '?', 1000000), "16000 21 0");
	penalties_free(&p);
}

static int keep(struct memory *m, const char *key, const char *value,
    uint64_t seconds, int64_t now)
{
	struct policy_remember r = {
	    STR("screen"), str_from(key), str_from(value), seconds};

	return memory_remember(m, &r, now);
}

/* What is known, or "-". */
static const char *known(struct memory *m, const char *key, int64_t now)
{
	static char text[300];
	struct str value;

	if (!memory_recall(m, STR("screen"), str_from(key), now, &value))
		return "-";
	assert_int_equal(str_copy(text, sizeof(text), value), 0);
	return text;
}

static void memory_ends_and_is_bounded(void **state)
{
	(void)state;
	struct memory m = memory_new(100);
	struct str value;
	char key[20];

	assert_int_equal(keep(&m, "192.0.2.1", "a", 10, 1000), 0);
	assert_string_equal(known(&m, "192.0.2.1", 1009), "a");
	assert_int_equal(keep(&m, "192.0.2.1", "b", 10, 1009), 0);
	assert_string_equal(known(&m, "192.0.2.1", 1018), "b");
	assert_string_equal(known(&m, "192.0.2.1", 1019), "-");
	assert_int_equal(m.by_key.count, 0);
	keep(&m, "192.0.2.1", "a", 10, 1000);
	assert_false(
	    memory_recall(&m, STR("other"), STR("192.0.2.1"), 1000, &value));
	keep(&m, "192.0.2.1", "", 0, 1000);
	assert_string_equal(known(&m, "192.0.2.1", 1000), "-");
	assert_int_equal(keep(&m, "a\nb", "x", 10, 1000), -1);
	assert_int_equal(keep(&m, "a", "x\ty", 10, 1000), -1);
	keep(&m, "kept", "k", 100000, 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		keep(&m, key, "x", 1000, i);
		assert_string_equal(known(&m, "kept", i), "k");
	}
	assert_int_equal(m.by_key.count, 100);
	assert_string_equal(known(&m, "901", 1000), "x");
	assert_string_equal(known(&m, "900", 1000), "-");
	memory_free(&m);
}

static void memory_survives_in_a_file(void **state)
{
	(void)state;
	struct memory m = memory_new(1000), again = memory_new(1000);
	int fd = memfd_create("test", 0);
	char key[20];

	assert_true(fd >= 0);
	for (int i = 0; i < 900; i++) {
		snprintf(key, sizeof(key), "long key number %d", i);
		keep(&m, key, "some value", 1000, 0);
	}
	assert_int_equal(memory_save(&m, fd), 0);
	memory_free(&m);
	m = memory_new(1000);
	keep(&m, "192.0.2.1", "greet=5;dnsbl=7", 100, 1000);
	keep(&m, "192.0.2.2", "", 10, 1000);
	assert_int_equal(memory_save(&m, fd), 0); /* a shorter one over it */
	memory_load(&again, fd, 1050);
	assert_string_equal(
	    known(&again, "192.0.2.1", 1050), "greet=5;dnsbl=7");
	assert_string_equal(known(&again, "192.0.2.2", 1050), "-");
	assert_int_equal(again.by_key.count, 1);
	memory_free(&again);
	/* What is no file of ours gives nothing, and no harm. */
	static const char *const wrong[] = {"", "posthouse-memory 1",
	    "posthouse-memory 2\n9999\tscreen a\tx\nend\n",
	    "posthouse-memory 1\n\n\t\t\nx\ta\tb\n99999999999999999999\ta"
	    "\tb\n9999\t\tb\n9999\tscreen a"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, wrong[i], strlen(wrong[i]), 0),
		    strlen(wrong[i]));
		again = memory_new(10);
		memory_load(&again, fd, 1);
		assert_int_equal(again.by_key.count, 0);
		memory_free(&again);
	}
	close(fd);
	memory_free(&m);
}

/* Who only looks does not keep an entry from making room. */
static void looking_changes_nothing(void **state)
{
	(void)state;
	struct memory m = memory_new(2);
	struct windows w = windows_new(2);
	struct str value = STR_EMPTY;

	keep(&m, "first", "1", 100, 0);
	keep(&m, "second", "2", 100, 0);
	assert_true(memory_look(&m, STR("screen"), STR("first"), 50, &value));
	assert_true(str_eq(value, STR("1")));
	assert_false(memory_look(&m, STR("screen"), STR("first"), 100, &value));
	assert_false(memory_look(&m, STR("screen"), STR("other"), 1, &value));
	assert_int_equal(m.by_key.count, 2);
	keep(&m, "third", "3", 100, 0);
	assert_string_equal(known(&m, "first", 1), "-");
	assert_string_equal(known(&m, "second", 1), "2");
	assert_int_equal(windows_get(&w, STR("nobody"), 8000, 0), 0);
	assert_int_equal(w.by_key.count, 0);
	memory_free(&m);
	windows_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(windows_slide),
	    cmocka_unit_test(taking_away_ends_at_nothing),
	    cmocka_unit_test(memory_is_bounded),
	    cmocka_unit_test(penalties_grow_and_end),
	    cmocka_unit_test(memory_ends_and_is_bounded),
	    cmocka_unit_test(memory_survives_in_a_file),
	    cmocka_unit_test(looking_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
