/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/clock.h"
#include "core/file.h"
#include "logd/protocol.h"

static char dir[] = "/tmp/protocol_test.XXXXXX";
static int fd = -1, folder = -1;
static const struct logd_conf conf = {
    .protocol_log_size_limit = 300, .protocol_log_lifetime = 3600 * 1000};

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || protocol_open(&conf, fd) < 0)
		return -1;
	folder = openat(fd, "protocol", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	file_close(&folder);
	file_close(&fd);
	return remove_tree(dir);
}

static bool put(const char *name, const char *text)
{
	return protocol_line(str_from(name), STR("t"), 1, str_from(text));
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) < 0 ? -1 : st.st_size;
}

static void names_lead_nowhere_else(void **state)
{
	(void)state;
	assert_true(put("User@Example.test", "x"));
	assert_true(size_of("user@example.test.log") > 0);
	assert_true(put("10.0.0.0/8", "x"));
	assert_true(size_of("10.0.0.0_8.log") > 0);
	assert_false(put("", "x"));
	assert_false(put(".", "x"));
	assert_false(put("../x", "x"));
	assert_false(protocol_line(str_of("a\0b", 3), STR("t"), 1, STR("x")));
	assert_int_equal(symlinkat("../stolen", folder, "link.log"), 0);
	assert_true(put("link", "x"));
	assert_int_equal(faccessat(fd, "stolen", F_OK, 0), -1);
}

static void a_file_has_its_size_and_says_so_once(void **state)
{
	struct buf text = buf_new(4096);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(put("long", "line\r and \x01 control octets"));
	assert_in_range(size_of("long.log"), 300, 500);
	assert_int_equal(file_read_at(folder, "long.log", &text), 0);
	const char *end = strstr(buf_text(&text), "nothing more is written");

	assert_non_null(strstr(buf_text(&text), "\\x0d and \\x01 control"));
	assert_non_null(end);
	assert_null(strstr(end + 1, "nothing more is written"));
	buf_free(&text);
}

static void files_have_a_number_and_an_age(void **state)
{
	struct timespec old[2] = {
	    {clock_seconds() - 7200, 0}, {clock_seconds() - 7200, 0}};
	char name[32];

	(void)state;
	for (int i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_true(put(name, "x"));
	}
	assert_true(size_of("n50.log") > 0);
	assert_int_equal(size_of("n119.log"), -1);
	assert_int_equal(utimensat(folder, "n50.log", old, 0), 0);
	protocol_sweep();
	assert_int_equal(size_of("n50.log"), -1);
	assert_true(size_of("n51.log") > 0);
	/* Now there is room. */
	assert_true(put("n119", "x"));
	assert_true(size_of("n119.log") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_lead_nowhere_else),
	    cmocka_unit_test(a_file_has_its_size_and_says_so_once),
	    cmocka_unit_test(files_have_a_number_and_an_age),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
