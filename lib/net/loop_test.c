/* SPDX-License-Identifier: ISC */
#include "net/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"

struct seen {
	struct loop *loop;
	struct loop_watch *watch, *other;
	struct loop_timer *timer;
	unsigned what;
	int calls;
};

static void note(unsigned what, void *arg)
{
	struct seen *seen = arg;

	seen->what |= what;
	seen->calls++;
}

static void free_both(unsigned what, void *arg)
{
	struct seen *seen = arg;

	(void)what;
	seen->calls++;
	loop_watch_free(&seen->watch);
	loop_watch_free(&seen->other);
}

static void stop(void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	loop_timer_free(&seen->timer);
	loop_stop(seen->loop);
}

static void watches_what_is_asked(void **state)
{
	struct seen seen = {.loop = loop_new()};
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	seen.watch = loop_watch_new(seen.loop, fd[0], LOOP_READ, note, &seen);
	loop_turn(seen.loop, 0);
	assert_int_equal(seen.calls, 0);
	loop_watch_set(seen.watch, LOOP_READ | LOOP_WRITE);
	loop_turn(seen.loop, 100);
	assert_int_equal(seen.what, LOOP_WRITE);
	assert_int_equal(write(fd[1], "x", 1), 1);
	loop_watch_set(seen.watch, LOOP_READ);
	seen.what = 0;
	loop_turn(seen.loop, 100);
	assert_int_equal(seen.what, LOOP_READ);
	loop_watch_set(seen.watch, 0);
	seen.calls = 0;
	int64_t begin = clock_ms();
	loop_turn(seen.loop, 30);
	assert_int_equal(seen.calls, 0);
	assert_true(clock_ms() - begin >= 25);
	loop_watch_free(&seen.watch);
	close(fd[0]);
	close(fd[1]);
	loop_free(&seen.loop);
}

static void a_handler_may_free_watches(void **state)
{
	struct seen seen = {.loop = loop_new()};
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(write(fd[0], "x", 1) + write(fd[1], "x", 1), 2);
	seen.watch = loop_watch_new(
	    seen.loop, fd[0], LOOP_READ | LOOP_WRITE, free_both, &seen);
	seen.other = loop_watch_new(
	    seen.loop, fd[1], LOOP_READ | LOOP_WRITE, free_both, &seen);
	loop_turn(seen.loop, 100);
	loop_turn(seen.loop, 0);
	assert_int_equal(seen.calls, 1);
	close(fd[0]);
	close(fd[1]);
	loop_free(&seen.loop);
}

static void timers_fire_once(void **state)
{
	struct seen seen = {.loop = loop_new()};
	int64_t begin = clock_ms();

	(void)state;
	seen.timer = loop_timer_new(seen.loop, stop, &seen);
	loop_timer_set(seen.timer, 50000);
	loop_timer_set(seen.timer, 40);
	loop_run(seen.loop);
	assert_int_equal(seen.calls, 1);
	assert_in_range(clock_ms() - begin, 35, 49999);
	assert_null(seen.timer);
	loop_run(seen.loop); /* nothing is left to wait for */
	loop_free(&seen.loop);
}

static void caught(int number, void *arg)
{
	struct seen *seen = arg;

	seen->what = (unsigned)number;
	loop_stop(seen->loop);
}

static void signals_are_handled(void **state)
{
	struct seen seen = {.loop = loop_new()};

	(void)state;
	loop_signal(seen.loop, SIGUSR1, caught, &seen);
	raise(SIGUSR1);
	loop_run(seen.loop);
	assert_int_equal(seen.what, SIGUSR1);
	loop_free(&seen.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(watches_what_is_asked),
	    cmocka_unit_test(a_handler_may_free_watches),
	    cmocka_unit_test(timers_fire_once),
	    cmocka_unit_test(signals_are_handled),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
