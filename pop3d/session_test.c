/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/remove_tree_testing.h"
#include "core/clock.h"
#include "pop3d/session.h"

#define ACCOUNT STR("user@example.org")

static char dir[64];
static struct store *store;

static const struct pop3d_conf conf = {.pop3_timeout = 20000,
    .pop3_write_timeout = 5000,
    .pop3_lock_timeout = 5000,
    .pop3_max_bad_commands = 3};

static int setup(void **state)
{
	const char *why = "";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/pop3d-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = store_open(dir, NULL, &why);
	assert_non_null(store);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(&store);
	return remove_tree(dir);
}

static struct box *opened(void)
{
	struct box *b;

	assert_int_equal(
	    box_open(store, ACCOUNT, deadline_in(5000), &b), STORE_OK);
	return b;
}

struct client {
	int fd;
	const char *say, *wait_for;
	struct box *box;        /* of the next session */
	enum store_result next; /* what it would be told */
};

/* Says it all, hears the last answer, and begins another session at once. */
static void *be_client(void *arg)
{
	struct client *c = arg;
	char text[4096];
	size_t len = 0;
	ssize_t n;

	c->next = STORE_ERROR;
	if (send(c->fd, c->say, strlen(c->say), MSG_NOSIGNAL) < 0)
		return NULL;
	while ((n = recv(c->fd, text + len, sizeof(text) - 1 - len, 0)) > 0) {
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, c->wait_for) == NULL)
			continue;
		c->next = box_pop3_lock(c->box);
		break;
	}
	return NULL;
}

/* The first session's box stays locked by nobody once it has said so, however
 * long its process takes to end. */
static void who_heard_the_end_may_come_back(void **state)
{
	static const struct {
		const char *say, *wait_for;
	} rows[] = {
	    {"STAT\r\nQUIT\r\n", "+OK Logged out"},
	    {"A\r\nB\r\nC\r\n", "-ERR Too many errors"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct box *box = opened();
		struct client c = {.say = rows[i].say,
		    .wait_for = rows[i].wait_for,
		    .box = opened()};
		struct id id = id_new();
		struct view *view;
		pthread_t thread;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		c.fd = pair[0];
		assert_int_equal(box_pop3_lock(box), STORE_OK);
		assert_int_equal(box_pop3_lock(c.box), STORE_BUSY);
		assert_int_equal(
		    view_open(box, box_find(box, STR("INBOX"))->id, &view),
		    STORE_OK);
		assert_int_equal(
		    pthread_create(&thread, NULL, be_client, &c), 0);
		session_run(&conf, pair[1], box, view, "user@example.org",
		    "192.0.2.1", &id, STR_EMPTY);
		pthread_join(thread, NULL);
		assert_int_equal(c.next, STORE_OK);
		view_close(&view);
		box_close(&box);
		box_close(&c.box);
		close(pair[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_heard_the_end_may_come_back),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
