/* SPDX-License-Identifier: ISC */
/* The time of a client that is held without a process, and what ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "login/parked.h"

static struct loop *loop;
static struct parked *parked;
static int client;
static unsigned spoken;
static const char *ended;

static unsigned asked;
static uint64_t changes; /* that are heard of when it is asked */

static bool hear(void)
{
	asked++;
	if (changes > 0)
		parked_changed(parked, changes);
	return true;
}

static void spoke(void *arg)
{
	(void)arg;
	spoken++;
	parked_wait(parked, 200);
}

static void end(void *arg, const char *why)
{
	(void)arg;
	ended = why;
	parked_close(&parked);
}

static void hold(bool idle, uint64_t timeout, uint64_t notify)
{
	static const struct parked_calls calls = {hear, spoke, end};
	struct session_park m = {.pass = STR("PASS"),
	    .state = STR("STATE"),
	    .modseq = 7,
	    .idle = idle,
	    .timeout = timeout,
	    .notify = notify,
	    .allowed = 60000,
	    .quiet = !idle,
	    .began = 1,
	    .commands = 2,
	    .octets_in = 3,
	    .octets_out = 4};
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client = fds[0];
	spoken = 0;
	ended = NULL;
	parked = parked_new(loop, stream_new(fds[1]), &m, 60000, &calls, NULL);
}

/* What the client hears in so many milliseconds, or until it is ended. */
static const char *heard(int64_t ms)
{
	static char text[1024];
	int64_t until = deadline_in(ms);
	ssize_t n;

	while (deadline_left(until) > 0 && ended == NULL)
		loop_turn(loop, deadline_left(until));
	n = recv(client, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	parked_close(&parked);
	close(client);
	loop_free(&loop);
	return 0;
}

static void silence_ends(void **state)
{
	(void)state;
	hold(false, 50, 0);
	assert_string_equal(heard(5000), "* BYE Silent for too long\r\n");
	assert_string_equal(ended, "timeout");
}

static void in_idle_it_is_told_that_we_are_here(void **state)
{
	(void)state;
	hold(true, 250, 100);
	assert_string_equal(heard(5000),
	    "* OK Still here\r\n* OK Still here\r\n"
	    "* BYE Silent for too long\r\n");
	assert_string_equal(ended, "timeout in IDLE");
}

/* It is told nothing that it does not read. */
static void who_does_not_read_costs_no_memory(void **state)
{
	char text[4096];

	(void)state;
	hold(true, 400, 1);
	/* Until the socket is full. */
	memset(text, 'x', sizeof(text));
	while (send(stream_fd(parked_stream(parked)), text, sizeof(text),
		   MSG_DONTWAIT) > 0)
		;
	while (ended == NULL && stream_pending(parked_stream(parked)) < 100 &&
	    spoken == 0) {
		struct stream *s = parked_stream(parked);

		loop_turn(loop, 50);
		if (ended == NULL)
			assert_true(stream_pending(s) < 100);
	}
	assert_string_equal(ended, "timeout in IDLE");
}

static void input_is_kept_for_the_session(void **state)
{
	struct session_resume m = {.login = STR_EMPTY};

	(void)state;
	hold(true, 60000, 60000);
	assert_int_equal(send(client, "DONE\r\n", 6, 0), 6);
	while (spoken == 0)
		loop_turn(loop, 1000);
	assert_true(
	    str_eq(stream_peek(parked_stream(parked)), STR("DONE\r\n")));
	/* More is left in the socket. */
	assert_int_equal(send(client, "a NOOP\r\n", 8, 0), 8);
	loop_turn(loop, 20);
	assert_int_equal(spoken, 1);
	assert_int_equal(stream_peek(parked_stream(parked)).len, 6);
	parked_resume(parked, &m);
	assert_true(str_eq(m.pass, STR("PASS")));
	assert_true(str_eq(m.state, STR("STATE")));
	assert_in_range(m.timeout, 50000, 60000);
	assert_int_equal(m.octets_out, 4);
	/* Nobody takes it. */
	assert_string_equal(
	    heard(5000), "* BYE [UNAVAILABLE] The server is busy\r\n");
	assert_string_equal(ended, "no session in time");
}

static void its_end_is_seen(void **state)
{
	(void)state;
	hold(true, 60000, 60000);
	shutdown(client, SHUT_RDWR);
	heard(5000);
	assert_string_equal(ended, "the client is gone");
}

static void only_news_matter(void **state)
{
	(void)state;
	hold(true, 60000, 60000);
	assert_false(parked_changed(parked, 7));
	assert_true(parked_changed(parked, 8));
	parked_close(&parked);
	close(client);
	hold(false, 60000, 0);
	assert_false(parked_changed(parked, 8));
}

/* What the client hears when it says this; "" when a session is asked for. */
static const char *answer_to(const char *text)
{
	static char answer[200];
	ssize_t n = -1;

	spoken = 0;
	assert_true(send(client, text, strlen(text), 0) > 0);
	while (n < 0 && spoken == 0) {
		loop_turn(loop, 1000);
		n = recv(client, answer, sizeof(answer) - 1, 0);
	}
	answer[n > 0 ? n : 0] = '\0';
	return answer;
}

static void noop_is_answered_while_nothing_has_changed(void **state)
{
	static const char *const others[] = {"a NOOP", "a NOOP\n",
	    "a NOOP x\r\n", "a NOOP\r\nb NOOP\r\n", " NOOP\r\n", "a\r\n",
	    "* NOOP\r\n", "a NOOP \r\n", "a  NOOP\r\n"};
	struct session_resume m = {.login = STR_EMPTY};

	(void)state;
	changes = 0;
	hold(false, 1000, 0);
	assert_string_equal(answer_to("a NOOP\r\n"), "a OK Done\r\n");
	assert_string_equal(answer_to("b1 noop\r\n"), "b1 OK Done\r\n");
	parked_resume(parked, &m);
	assert_int_equal(m.commands, 4);
	assert_int_equal(m.octets_in, 3 + 8 + 9);
	assert_int_equal(m.octets_out, 4 + 11 + 12);
	assert_in_range(m.timeout, 50000, 60000); /* it is not silent */
	changes = 7;
	assert_string_equal(answer_to("a NOOP\r\n"), "a OK Done\r\n");
	changes = 8;
	assert_string_equal(answer_to("a NOOP\r\n"), "");
	assert_int_equal(spoken, 1);
	changes = 0;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		parked_close(&parked);
		close(client);
		hold(false, 60000, 0);
		assert_string_equal(answer_to(others[i]), "");
		assert_int_equal(spoken, 1);
	}
	parked_close(&parked);
	close(client);
	hold(true, 60000, 0);
	assert_string_equal(answer_to("a NOOP\r\n"), "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(silence_ends),
	    T(in_idle_it_is_told_that_we_are_here),
	    T(who_does_not_read_costs_no_memory),
	    T(input_is_kept_for_the_session),
	    T(its_end_is_seen),
	    T(only_news_matter),
	    T(noop_is_answered_while_nothing_has_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
