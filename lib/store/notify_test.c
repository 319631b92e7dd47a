/* SPDX-License-Identifier: ISC */
/* Who is told of what: sessions of changes, the keeper of what is due. */
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
	int keeper = notify_listen(root, NOTIFY_KEEPER);
	int login = notify_listen(root, "login");
	int other = notify_listen(root, "keepers");

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
	int keeper = notify_listen(root, NOTIFY_KEEPER);
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
	int keeper = notify_listen(root, NOTIFY_KEEPER);

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_delivery_does_not_wake_the_keeper, begin, end),
	    cmocka_unit_test_setup_teardown(
		the_keeper_is_told_what_is_due, begin, end),
	    cmocka_unit_test_setup_teardown(
		without_a_keeper_the_writer_does_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
