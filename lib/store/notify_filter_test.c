/* SPDX-License-Identifier: ISC */
/* Who holds an account is always told, who does not seldom. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/notify_filter.h"
#include "store/testing.h"

#define MANY   20000
#define ROUNDS 20000

static char space[NOTIFY_ACCOUNT_MAX + 32];
static int dir;

static int begin(void **state)
{
	int r = setup(state);

	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r == 0 && dir >= 0 ? 0 : -1;
}

static int end(void **state)
{
	close(dir);
	return teardown(state);
}

static struct str account_of(unsigned i)
{
	static char text[40];

	snprintf(text, sizeof(text), "user%u@example.org", i);
	return str_from(text);
}

static const char *own_file(const char *prefix)
{
	static char text[40];

	snprintf(text, sizeof(text), "%s%d", prefix, (int)getpid());
	return text;
}

/* How many of what was sent for an account arrived. */
static int heard(struct notify *n, int fd, struct str account)
{
	struct str got;
	uint64_t modseq;
	int count = 0;

	notify_send(n, account, 7);
	while (notify_receive(fd, space, &got, &modseq) == 1)
		count += str_eq(got, account) && modseq == 7 ? 1 : 100;
	return count;
}

static void only_what_is_held_is_told(void **state)
{
	struct notify *n = notify_open(root);
	struct notify_filter *f;
	int fd = notify_listen(root, "login", &f);
	int all = notify_listen(root, "all", NULL);

	(void)state;
	assert_true(fd >= 0 && f != NULL);
	assert_int_equal(heard(n, fd, ACCOUNT), 0);
	assert_int_equal(heard(n, all, ACCOUNT), 2); /* and the one before */
	assert_int_equal(notify_filter_add(f, ACCOUNT), 0);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	assert_int_equal(heard(n, fd, STR("other@example.org")), 0);
	/* Held twice, and let go once. */
	assert_int_equal(notify_filter_add(f, ACCOUNT), 0);
	assert_int_equal(notify_filter_remove(f, ACCOUNT), 0);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	assert_int_equal(notify_filter_remove(f, ACCOUNT), 0);
	assert_int_equal(heard(n, fd, ACCOUNT), 0);
	notify_close(&n);
	notify_filter_free(&f);
	close(fd);
	close(all);
}

static void of_many_none_is_missed(void **state)
{
	struct notify_filter *f = notify_filter_new(dir, "login");
	struct notify_held *h = notify_held_open(dir, own_file("login."));
	unsigned in_vain = 0;

	(void)state;
	assert_non_null(f);
	assert_non_null(h);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(notify_filter_add(f, account_of(i)), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(notify_held_has(h, account_of(i)));
	for (unsigned i = MANY; i < 2 * MANY; i++)
		in_vain += notify_held_has(h, account_of(i));
	assert_in_range(in_vain, 0, MANY / 20);
	for (unsigned i = 0; i < MANY; i += 2)
		assert_int_equal(notify_filter_remove(f, account_of(i)), 0);
	for (unsigned i = 1; i < MANY; i += 2)
		assert_true(notify_held_has(h, account_of(i)));
	for (unsigned i = 1; i < MANY; i += 2)
		assert_int_equal(notify_filter_remove(f, account_of(i)), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_false(notify_held_has(h, account_of(i)));
	notify_held_close(&h);
	notify_filter_free(&f);
}

/* A counter that was full is never counted down: others may be in it. */
static void full_counters_stay(void **state)
{
	struct notify_filter *f = notify_filter_new(dir, "login");
	struct notify_held *h = notify_held_open(dir, own_file("login."));

	(void)state;
	for (int i = 0; i < 1000; i++)
		notify_filter_add(f, ACCOUNT);
	for (int i = 0; i < 999; i++) {
		notify_filter_remove(f, ACCOUNT);
		assert_true(notify_held_has(h, ACCOUNT));
	}
	notify_held_close(&h);
	notify_filter_free(&f);
}

/* What is not known is no filter: all is sent. */
static void what_is_no_filter_hides_nothing(void **state)
{
	static const struct {
		off_t at, size;
		const char *octets;
	} rows[] = {
	    {0, 0, ""},    /* empty */
	    {0, 100, ""},  /* too short */
	    {0, -1, "x"},  /* not its magic */
	    {4, -1, "\2"}, /* another version */
	    {9, -1, "\1"}, /* another size */
	    {0, 1 << 20, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct notify *n = notify_open(root);
		struct notify_filter *f;
		int fd = notify_listen(root, "login", &f);
		int file = openat(dir, own_file(".login."), O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0 && f != NULL && file >= 0);
		if (rows[i].size >= 0)
			assert_int_equal(ftruncate(file, rows[i].size), 0);
		assert_int_equal(pwrite(file, rows[i].octets,
				     strlen(rows[i].octets), rows[i].at),
		    strlen(rows[i].octets));
		assert_int_equal(heard(n, fd, ACCOUNT), 1);
		close(file);
		notify_filter_free(&f);
		close(fd);
		notify_close(&n);
	}
	/* None that can be opened, or none at all. */
	struct notify *n = notify_open(root);
	int fd = notify_listen(root, "login", NULL);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	assert_int_equal(symlinkat("/dev/zero", dir, own_file(".login.")), 0);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	notify_close(&n);
	close(fd);
}

/* A process with the number of one that was killed: it begins with nothing, and
 * who has the filter of the first sees the second's. */
static void the_next_process_begins_anew(void **state)
{
	struct notify *n = notify_open(root);
	struct notify_filter *f, *g;
	int fd = notify_listen(root, "login", &f);

	(void)state;
	notify_filter_add(f, ACCOUNT);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	close(fd); /* killed: the file stays as it is */
	notify_send(n, ACCOUNT, 7);
	fd = notify_listen(root, "login", &g);
	assert_true(fd >= 0 && g != NULL);
	assert_int_equal(heard(n, fd, ACCOUNT), 0);
	notify_filter_add(g, STR("second@example.org"));
	assert_int_equal(heard(n, fd, STR("second@example.org")), 1);
	notify_filter_add(g, ACCOUNT);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	notify_close(&n);
	notify_filter_free(&f);
	notify_filter_free(&g);
	close(fd);
}

static void an_old_filter_that_stays_is_an_error(void **state)
{
	struct notify_filter *f;

	(void)state;
	assert_int_equal(mkdirat(dir, own_file(".login."), 0700), 0);
	assert_int_equal(notify_listen(root, "login", &f), -1);
	assert_null(f);
	assert_int_equal(notify_listen(root, "login", NULL), -1);
	assert_int_equal(unlinkat(dir, own_file(".login."), AT_REMOVEDIR), 0);
}

/* Its files are removed by the next of its name. */
static void a_killed_one_is_swept(void **state)
{
	struct notify *n = notify_open(root);
	struct notify_filter *f;
	char socket_name[40], file[40], octet;
	struct stat st;
	int pair[2], fd;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (notify_listen(root, "login", &f) >= 0 &&
		    notify_filter_add(f, ACCOUNT) == 0 &&
		    write(pair[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(pair[0], &octet, 1), 1);
	notify_send(n, ACCOUNT, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(socket_name, sizeof(socket_name), "login.%d", (int)pid);
	snprintf(file, sizeof(file), ".login.%d", (int)pid);
	assert_int_equal(fstatat(dir, file, &st, 0), 0);
	notify_send(n, ACCOUNT, 2); /* to nobody */
	fd = notify_listen(root, "login", &f);
	assert_int_equal(fstatat(dir, file, &st, 0), -1);
	assert_int_equal(fstatat(dir, socket_name, &st, 0), -1);
	notify_filter_add(f, ACCOUNT);
	assert_int_equal(heard(n, fd, ACCOUNT), 1);
	notify_close(&n);
	notify_filter_free(&f);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/*
 * The race: in each round one changes the box and looks at the filter, the
 * other adds the account and looks at the box. One of them must see the other.
 */
static struct {
	struct notify_filter *f;
	struct notify_held *h;
	_Atomic unsigned round[2]; /* that each is in */
	_Atomic unsigned box;
	bool told[ROUNDS + 1], seen[ROUNDS + 1];
} race;

static void meet(int me, unsigned round)
{
	atomic_store(&race.round[me], round);
	for (unsigned spun = 1; atomic_load(&race.round[!me]) < round; spun++)
		if (spun % 1000 == 0)
			sched_yield();
}

static void *writer(void *arg)
{
	(void)arg;
	for (unsigned i = 1; i <= ROUNDS; i++) {
		meet(0, 2 * i);
		atomic_store_explicit(&race.box, i, memory_order_relaxed);
		race.told[i] = notify_held_has(race.h, ACCOUNT);
		meet(0, 2 * i + 1);
	}
	return NULL;
}

static void nobody_slips_through(void **state)
{
	pthread_t thread;
	unsigned missed = 0;

	(void)state;
	race.f = notify_filter_new(dir, "login");
	race.h = notify_held_open(dir, own_file("login."));
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		meet(1, 2 * i);
		notify_filter_add(race.f, ACCOUNT);
		race.seen[i] = atomic_load_explicit(
				   &race.box, memory_order_relaxed) == i;
		meet(1, 2 * i + 1);
		notify_filter_remove(race.f, ACCOUNT);
	}
	pthread_join(thread, NULL);
	for (unsigned i = 1; i <= ROUNDS; i++)
		missed += !race.told[i] && !race.seen[i];
	assert_int_equal(missed, 0);
	notify_held_close(&race.h);
	notify_filter_free(&race.f);
}

int main(void)
{
#define F(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    F(only_what_is_held_is_told),
	    F(of_many_none_is_missed),
	    F(full_counters_stay),
	    F(what_is_no_filter_hides_nothing),
	    F(the_next_process_begins_anew),
	    F(an_old_filter_that_stays_is_an_error),
	    F(a_killed_one_is_swept),
	    F(nobody_slips_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
