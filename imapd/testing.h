/* SPDX-License-Identifier: ISC */
/*
 * For tests. Whole sessions over a socket pair and a real store in a temporary
 * directory, without login. A script is a list of lines: "1> " is sent by
 * the first client, "1< " is what it must hear next; "2> " and "2< " for a
 * second one with the same account. In what is heard, the number behind
 * UIDVALIDITY, APPENDUID, COPYUID and "(MODSEQ (" becomes V; a line that ends
 * with "..." need only begin so.
 */
#ifndef IMAPD_TESTING_H
#define IMAPD_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"

#include "imapd/session.h"

#define ACCOUNT STR("user@example.org")

static char dir[64];

static const struct imapd_conf conf = {
    .imap_timeout = 20000,
    .imap_idle_notify_interval = 300,
    .imap_write_timeout = 5000,
    .imap_max_line_length = 8192,
    .imap_append_limit = 100000,
    .imap_max_bad_commands = 3,
    .imap_max_search_keys = 50,
    .imap_id_send = "\"name\" \"Posthouse\"",
};

struct client {
	int fd;
	pid_t pid;
	char text[65536];
	size_t len;
};

static void serve(int fd)
{
	const char *why = "";
	struct id id = id_new();
	struct box *box;
	struct store *store = store_open(dir, NULL, &why);

	if (store == NULL ||
	    box_open(store, ACCOUNT, deadline_in(5000), &box) != STORE_OK)
		_exit(9);
	struct session *s = session_new(
	    &conf, fd, NULL, box, ACCOUNT, &id, STR("early NOOP\r\n"));
	session_run(s, STR("in"));
	session_free(&s);
	store_close(&store);
	exit(0);
}

static void start(struct client *c)
{
	int fds[2];
	struct timeval wait = {10, 0};

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fflush(stdout);
	c->pid = fork();
	if (c->pid == 0) {
		close(fds[0]);
		serve(fds[1]);
	}
	assert_true(c->pid > 0);
	close(fds[1]);
	c->fd = fds[0];
	c->len = 0;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

static void finish(struct client *c)
{
	int status = -1;

	close(c->fd);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_int_equal(status, 0);
}

/* The next line, without its CRLF; "(end)" when the server has closed. */
static void hear(struct client *c, char *line, size_t size)
{
	char *end;

	while ((end = memchr(c->text, '\n', c->len)) == NULL) {
		ssize_t n = recv(
		    c->fd, c->text + c->len, sizeof(c->text) - c->len, 0);

		if (n <= 0) {
			snprintf(line, size, n == 0 ? "(end)" : "(silence)");
			return;
		}
		c->len += (size_t)n;
	}
	size_t len = (size_t)(end - c->text);
	snprintf(line, size, "%.*s",
	    (int)(len > 0 && end[-1] == '\r' ? len - 1 : len), c->text);
	c->len -= len + 1;
	memmove(c->text, end + 1, c->len);
}

static char uidvalidity[16]; /* the last one heard */

static void mask(char *line)
{
	static const char *const before[] = {
	    "UIDVALIDITY ", "APPENDUID ", "COPYUID ", "MODSEQ ("};

	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		char *p = strstr(line, before[i]);

		if (p == NULL)
			continue;
		p += strlen(before[i]);
		size_t digits = strspn(p, "0123456789");
		if (digits == 0)
			continue;
		if (i == 0)
			snprintf(uidvalidity, sizeof(uidvalidity), "%.*s",
			    (int)digits, p);
		*p = 'V';
		memmove(p + 1, p + digits, strlen(p + digits) + 1);
	}
}

static void expect(struct client *c, const char *want, size_t number)
{
	char line[8192], told[8300];
	size_t len = strlen(want);

	hear(c, line, sizeof(line));
	mask(line);
	if (len > 3 && strcmp(want + len - 3, "...") == 0 &&
	    strncmp(line, want, len - 3) == 0)
		return;
	if (strcmp(line, want) != 0) {
		snprintf(told, sizeof(told), "line %zu: %s", number, line);
		assert_string_equal(told, want);
	}
}

/* A V that stands alone in what is said is the last uidvalidity heard. */
static void say(struct client *c, const char *text)
{
	struct str line = str_from(text);
	const char *v = strstr(text, "(V ");
	char filled[1000];

	if (v != NULL) {
		snprintf(filled, sizeof(filled), "%.*s(%s%s", (int)(v - text),
		    text, uidvalidity, v + 2);
		line = str_from(filled);
	}
	assert_int_equal(
	    send(c->fd, line.p, line.len, MSG_NOSIGNAL), (ssize_t)line.len);
	if (line.len == 0 || line.p[line.len - 1] != '\n')
		assert_int_equal(send(c->fd, "\r\n", 2, MSG_NOSIGNAL), 2);
}

static void play(const char *const *script)
{
	struct client clients[2] = {{.fd = -1}, {.fd = -1}};

	for (size_t i = 0; script[i] != NULL; i++) {
		struct client *c = &clients[script[i][0] - '1'];

		if (c->fd < 0) {
			start(c);
			expect(c, "in OK [CAPABILITY ...", i);
			expect(c, "early OK Done", i);
		}
		if (script[i][1] == '>')
			say(c, script[i] + 3);
		else
			expect(c, script[i] + 3, i);
	}
	for (size_t i = 0; i < 2; i++)
		if (clients[i].fd >= 0)
			finish(&clients[i]);
}

/* ---- the temporary store ---- */

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char name[4096];
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (lstat(name, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(name);
		else
			unlink(name);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/imapd-test-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* 92 octets, of which 79 are its header. */
#define MESSAGE                                                                \
	"Subject: one\r\nFrom: A <a@example.org>\r\n"                          \
	"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\n"                             \
	"\r\n"                                                                 \
	"Hello World\r\n"
/* APPENDs it to INBOX by the first client; ends the literal's line. */
#define APPEND(flags) "1> app APPEND INBOX " flags "{92+}\r\n" MESSAGE "\r\n"
#define APPENDED(uid) "1< app OK [APPENDUID V " uid "] Appended"

#endif
