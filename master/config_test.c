/* SPDX-License-Identifier: ISC */
/* daemon/config.c, here because it wants the registry of parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "daemon/config.h"

static char dir[40];

static void write_file(const char *name, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_replace(path, str_from(text), 0644), 0);
}

static void remove_file(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/config-test-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	remove_file("main.cf");
	remove_file("master.cf");
	return rmdir(dir);
}

/* Where the services of a master.cf listen, or the errors. */
static void show(const char *main_cf, const char *rows, char *out, size_t size)
{
	struct buf errors = buf_new(10000);
	struct config *c;
	char address[NETADDR_TEXT_MAX];
	size_t n = 0;

	write_file("main.cf", main_cf);
	write_file("master.cf", rows);
	c = config_read(dir, &errors);
	out[0] = '\0';
	if (c == NULL)
		snprintf(out, size, "%s", buf_text(&errors));
	for (size_t i = 0; c != NULL && i < c->mastercf->count; i++) {
		const struct config_service *s = &c->services[i];

		n += (size_t)snprintf(out + n, size - n, "[%s %s %d",
		    s->row->name, s->role->name, s->limit);
		for (size_t a = 0; a < s->address_count; a++) {
			netaddr_text(&s->addresses[a], address);
			n += (size_t)snprintf(out + n, size - n, " %s:%u",
			    address, netaddr_port(&s->addresses[a]));
		}
		n += (size_t)snprintf(out + n, size - n, "]");
	}
	config_free(&c);
	buf_free(&errors);
}

static const struct {
	const char *main_cf, *row, *want;
} good[] = {
    {"", "smtp inet n - y - 5 smtpd\n", "[smtp smtpd 5 127.0.0.1:25 ::1:25]"},
    {"", "localhost:pop3 inet n - y - 1 login\n",
	"[localhost:pop3 login 1 127.0.0.1:110 ::1:110]"},
    {"inet_interfaces = all\n",
	"submissions inet n - y - - smtpd -r submission\n",
	"[submissions submission 100 0.0.0.0:465 :::465]"},
    {"inet_interfaces = 192.0.2.1, 192.0.2.2\n", "2525 inet n - y - 1 smtpd\n",
	"[2525 smtpd 1 192.0.2.1:2525 192.0.2.2:2525]"},
    {"", "127.0.0.1:12025 inet n - y - 1 smtpd -r lmtpd\n",
	"[127.0.0.1:12025 lmtpd 1 127.0.0.1:12025]"},
    {"", "[::1]:imap inet n - y - 1 login -o login_protocol=imap\n",
	"[[::1]:imap login 1 ::1:143]"},
    {"default_process_limit = 7\n", "cleanup unix y - n - - cleanup\n",
	"[cleanup cleanup 7]"},
    {"", "cleanup unix y - n - 0 cleanup\n", "[cleanup cleanup 2048]"},
};

static const struct {
	const char *main_cf, *row, *want; /* part of the errors */
} bad[] = {
    {"smtpd_timout = 3s\n", "x unix y - n - 1 qmgr\n",
	"main.cf:1: unknown parameter smtpd_timout; did you mean"},
    {"", "nonsense inet n - y - 1 smtpd\n", "master.cf:1: service nonsense"},
    {"", "70000 inet n - y - 1 smtpd\n", "master.cf:1: service 70000"},
    {"", "1.2.3:25 inet n - y - 1 smtpd\n\n", "this is no address"},
    {"", "x unix y - n - 1 qmgr -r nobody\n", "no role nobody"},
    {"", "x unix y - n - 1 nosuchprogram\n", "no role nosuchprogram"},
    {"", "x unix y - n - 1 qmgr -v\n", "arguments are -r role"},
    {"", "x unix y - n - 1 qmgr -o\n", "-r and -o have a value"},
    {"", "x unix y - n - 1 qmgr -o max_use=no\n", "max_use"},
    {"", "x unix y - n 60 1 qmgr\n", "wakeup"},
    {"inet_interfaces = nosuchhost.invalid\n", "25 inet n - y - 1 smtpd\n",
	"inet_interfaces"},
};

static void rows_become_services(void **state)
{
	char got[500];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		show(good[i].main_cf, good[i].row, got, sizeof(got));
		assert_string_equal(got, good[i].want);
	}
}

static void errors_name_file_and_line(void **state)
{
	char got[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		show(bad[i].main_cf, bad[i].row, got, sizeof(got));
		if (strstr(got, bad[i].want) == NULL)
			fail_msg("\"%s\" has no \"%s\"", got, bad[i].want);
	}
}

static void all_errors_are_told_at_once(void **state)
{
	char got[2000];

	(void)state;
	show("smtpd_timout = 3s\nmax_use = many\n",
	    "x unix y - n - 1 qmgr -v\ny unix y - n 9 1 qmgr\nz what\n", got,
	    sizeof(got));
	assert_non_null(strstr(got, "main.cf:1:"));
	assert_non_null(strstr(got, "main.cf:2:"));
	assert_non_null(strstr(got, "master.cf:1:"));
	assert_non_null(strstr(got, "master.cf:2:"));
	assert_non_null(strstr(got, "master.cf:3:"));
}

static void a_missing_file_is_an_error(void **state)
{
	struct buf errors = buf_new(10000);

	(void)state;
	assert_null(config_read(dir, &errors));
	assert_non_null(strstr(buf_text(&errors), "main.cf: No such file"));
	assert_null(config_read("/nonexistent/dir", &errors));
	buf_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		rows_become_services, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		errors_name_file_and_line, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		all_errors_are_told_at_once, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(
		a_missing_file_is_an_error, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
