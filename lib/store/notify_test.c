/* SPDX-License-Identifier: ISC */
/* Who is told of what: sessions of changes, the keeper of what is due. */
#include <poll.h>
#include <sys/wait.h>

#include "store/testing.h"

static struct box *box;
static char space[NOTIFY_ACCOUNT_MAX + 32];
static struct str account;
static uint64_t modseq;

static int begin(void **state)
{
	int r = setup(state);

	store->notify = notify_open(root);
	return r == 0 && open_box(&box) == STORE_OK ? 0 : -1;
}

static int end(void **state)
{
	box_close(&box);
	return teardown(state);
}

static void append(void)
{
	static unsigned number;
	char id[20];

	snprintf(id, sizeof(id), "%u", number++);
	assert_int_equal(deliver_text(box, id, "x", 1), STORE_OK);
}

static bool hears(int fd)
{
	if (notify_receive(fd, space, &account, &modseq) != 1)
		return false;
	assert_true(str_eq(account, ACCOUNT));
	assert_int_equal(modseq, box_find_id(box, 1)->highest_modseq);
	return true;
}

static void a_delivery_does_not_wake_the_keeper(void **state)
{
	int keeper = notify_listen(root, NOTIFY_KEEPER, NULL);
	int login = notify_listen(root, "login", NULL);
	int other = notify_listen(root, "keepers", NULL);

	(void)state;
	append();
	assert_false(hears(keeper));
	assert_true(hears(login));
	assert_true(hears(other));
	close(keeper);
	close(login);
	close(other);
}

/* Told once when the box is due; it does nothing: told again, and then the
 * writer does it. */
static void the_keeper_is_told_what_is_due(void **state)
{
	int keeper = notify_listen(root, NOTIFY_KEEPER, NULL);
	uint64_t first = 0, second = 0;

	(void)state;
	for (int i = 0; i < 3000 && box->last_snapshot == 0; i++) {
		append();
		assert_int_equal(box_maintain(box), STORE_OK);
		if (!hears(keeper))
			continue;
		*(first == 0 ? &first : &second) = box->frames_octets;
	}
	assert_true(first >= box->snapshot_due);
	assert_true(first < box->snapshot_due + 1000);
	assert_true(second >= first + SNAPSHOT_DUE / 2);
	assert_int_equal(box->last_snapshot, 1);
	close(keeper);
}

static void without_a_keeper_the_writer_does_it(void **state)
{
	int keeper = notify_listen(root, NOTIFY_KEEPER, NULL);

	(void)state;
	close(keeper); /* its name stays behind, as after a crash */
	while (box->frames_octets < box->snapshot_due) {
		assert_int_equal(box->last_snapshot, 0);
		append();
		assert_int_equal(box_maintain(box), STORE_OK);
		if (box->last_snapshot != 0)
			break;
	}
	assert_int_equal(box->last_snapshot, 1);
	assert_int_equal(box->frames_octets < SNAPSHOT_DUE, 1);
}

static int burst(void)
{
	struct notify *n = notify_open(root);
	int login = notify_listen(root, "login", NULL), status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t last = 0;

		while (last < 1000) {
			struct pollfd p = {login, POLLIN, 0};

			if (poll(&p, 1, 5000) <= 0 ||
			    notify_receive(login, space, &account, &modseq) !=
				1 ||
			    modseq != ++last)
				_exit(1);
			if (last % 10 == 0)
				poll(NULL, 0, 1);
		}
		_exit(0);
	}
	for (uint64_t i = 1; i <= 1000; i++)
		notify_send(n, ACCOUNT, i);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	notify_close(&n);
	close(login);
	return status;
}

/* More than any queue takes at once reach who listens slowly; but who gets no
 * processor for 10 ms counts as one that does not listen. */
static void a_burst_is_heard(void **state)
{
	int tries = 0;

	(void)state;
	while (burst() != 0)
		assert_int_not_equal(++tries, 20);
}

/* Who never listens is waited for once; the others hear all the same. */
static void who_is_deaf_holds_up_nobody(void **state)
{
	struct notify *n = notify_open(root);
	int deaf = notify_listen(root, "deaf", NULL);
	int login = notify_listen(root, "login", NULL);

	(void)state;
	for (uint64_t i = 1; i <= 2000; i++) {
		notify_send(n, ACCOUNT, i);
		assert_int_equal(
		    notify_receive(login, space, &account, &modseq), 1);
		assert_int_equal(modseq, i);
	}
	/* What fitted is still there, and then it hears again. */
	while (notify_receive(deaf, space, &account, &modseq) == 1)
		;
	assert_true(modseq < 2000);
	notify_send(n, ACCOUNT, 2001);
	assert_int_equal(notify_receive(deaf, space, &account, &modseq), 1);
	assert_int_equal(modseq, 2001);
	notify_close(&n);
	close(deaf);
	close(login);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_delivery_does_not_wake_the_keeper, begin, end),
	    cmocka_unit_test_setup_teardown(
		the_keeper_is_told_what_is_due, begin, end),
	    cmocka_unit_test_setup_teardown(
		without_a_keeper_the_writer_does_it, begin, end),
	    T(a_burst_is_heard),
	    T(who_is_deaf_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
