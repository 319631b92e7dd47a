/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "policyd/greylist.h"

#define NOW 1700000000

static struct policyd_conf conf;
static struct greylist greylist;
static uint64_t seconds; /* of the last answer */

/* What is stored, as the database would have it. */
static struct buf stored_keys, stored_values;
static size_t written, removed;

static int fresh(void **state)
{
	(void)state;
	conf = (struct policyd_conf){.greylist_delay = 300 * 1000,
	    .greylist_retry_window = 3600 * 1000,
	    .greylist_lifetime = INT64_C(86400) * 1000,
	    .greylist_client_passes = 3,
	    .greylist_ipv4_prefix = 24,
	    .greylist_ipv6_prefix = 64,
	    .greylist_entries_max = 100};
	greylist = greylist_new(&conf);
	written = removed = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	greylist_free(&greylist);
	return 0;
}

static const char *ask_all(const char *client, const char *domain,
    const char *sender, const char *recipient, bool invited, bool look,
    int64_t now)
{
	struct policy_greylist q = {.client_address = str_from(client),
	    .domain = str_from(domain),
	    .sender = str_from(sender),
	    .recipient = str_from(recipient),
	    .invited = invited,
	    .look = look};
	struct policy_greylisted a = {0};

	greylist_ask(&greylist, &q, now, &a);
	seconds = a.seconds;
	return greylist_state_names[a.state];
}

static const char *ask(const char *client, const char *sender, int64_t now)
{
	return ask_all(client, "", sender, "user@ours.test", true, false, now);
}

static size_t count(const char *key)
{
	struct greylist_choice c = greylist_choose(
	    &greylist, str_from(key), true);
	const struct greylist_entry *at = NULL;
	struct policy_greylist_row row;
	size_t n = 0;

	while (greylist_next(&greylist, &c, NOW, &at, &row))
		n++;
	greylist_choice_free(&c);
	return n;
}

static void networks_are_allowed(void **state)
{
	(void)state;
	ask("198.51.100.9", "a@x.test", NOW);
	ask("198.52.100.9", "a@x.test", NOW);
	ask("2001:db8:1::9", "a@x.test", NOW);
	assert_int_equal(count("198.51.0.0/16"), 1);
	/* A larger one than clients are known by. */
	greylist_allow(&greylist, STR("198.51.7.7/16"), 0, NOW);
	assert_string_equal(ask("198.51.100.9", "b@x.test", NOW), "allowed");
	assert_string_equal(
	    ask("::ffff:198.51.1.1", "b@x.test", NOW), "allowed");
	assert_string_equal(ask("198.52.100.9", "b@x.test", NOW), "new");
	greylist_allow(&greylist, STR("2001:db8::/32"), 0, NOW);
	assert_string_equal(ask("2001:db8:1::9", "b@x.test", NOW), "allowed");
	assert_string_equal(ask("2001:db9:1::9", "b@x.test", NOW), "new");
	/* Of a smaller one, and with bits behind it, the one that holds it. */
	greylist_allow(&greylist, STR("203.0.113.128/28"), 0, NOW);
	assert_string_equal(ask("203.0.113.9", "b@x.test", NOW), "allowed");
	assert_int_equal(count("203.0.113.0/24"), 1);
	/* The network itself, and what it holds. */
	assert_int_equal(count("198.51.0.0/16"), 2);
	assert_int_equal(count("198.0.0.0/8"), 4);
	assert_int_equal(count("198.51.100.9"), 1);
	assert_int_equal(count("0.0.0.0/0"), 5);
	/* What is none is a name, and no client's. */
	greylist_allow(&greylist, STR("192.0.2.0/99"), 0, NOW);
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW), "new");
}

static void who_comes_back_passes(void **state)
{
	(void)state;
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW), "new");
	assert_int_equal(seconds, 300);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 100), "early");
	assert_int_equal(seconds, 200);
	/* Trying often does not make the wait longer. */
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 299), "early");
	assert_int_equal(seconds, 1);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 300), "passed");
	assert_int_equal(seconds, 300);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 301), "known");
	/* Another sender, recipient or network is another matter. */
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW + 301), "new");
	assert_string_equal(ask("192.0.3.1", "a@x.test", NOW + 301), "new");
	assert_string_equal(ask_all("192.0.2.1", "", "a@x.test",
				"other@ours.test", true, false, NOW + 301),
	    "new");
}

static void the_window_ends(void **state)
{
	(void)state;
	ask("192.0.2.1", "a@x.test", NOW);
	ask("192.0.2.2", "b@x.test", NOW);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 3599), "passed");
	assert_string_equal(ask("192.0.2.2", "b@x.test", NOW + 3600), "new");
	assert_int_equal(seconds, 300);
	/* It begins anew, from then on. */
	assert_string_equal(ask("192.0.2.2", "b@x.test", NOW + 3899), "early");
	assert_string_equal(ask("192.0.2.2", "b@x.test", NOW + 3900), "passed");
}

static void what_has_passed_lives_on_by_use(void **state)
{
	int64_t at = NOW + 300;

	(void)state;
	conf.greylist_client_passes = 0;
	ask("192.0.2.1", "a@x.test", NOW);
	assert_string_equal(ask("192.0.2.1", "a@x.test", at), "passed");
	at += 86399;
	assert_string_equal(ask("192.0.2.1", "a@x.test", at), "known");
	at += 86399;
	assert_string_equal(ask("192.0.2.1", "a@x.test", at), "known");
	at += 86400;
	assert_string_equal(ask("192.0.2.1", "a@x.test", at), "new");
}

static void a_network_is_a_client(void **state)
{
	(void)state;
	ask("192.0.2.1", "a@x.test", NOW);
	assert_string_equal(
	    ask("192.0.2.254", "a@x.test", NOW + 300), "passed");
	assert_string_equal(
	    ask("::ffff:192.0.2.9", "a@x.test", NOW + 300), "known");
	ask("2001:db8:0:1::1", "a@x.test", NOW);
	assert_string_equal(
	    ask("2001:db8:0:1:ffff::2", "a@x.test", NOW + 300), "passed");
	assert_string_equal(
	    ask("2001:db8:0:2::1", "a@x.test", NOW + 300), "new");
}

static const char *network(const char *address)
{
	static char text[100];
	struct buf out = buf_new(99);

	greylist_network(&conf, str_from(address), &out);
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	buf_free(&out);
	return text;
}

static void networks_have_any_size(void **state)
{
	(void)state;
	assert_string_equal(network("192.0.2.129"), "192.0.2.0/24");
	conf.greylist_ipv4_prefix = 25;
	assert_string_equal(network("192.0.2.129"), "192.0.2.128/25");
	assert_string_equal(network("192.0.2.127"), "192.0.2.0/25");
	conf.greylist_ipv4_prefix = 32;
	assert_string_equal(network("192.0.2.129"), "192.0.2.129/32");
	conf.greylist_ipv4_prefix = 8;
	assert_string_equal(network("192.0.2.129"), "192.0.0.0/8");
	conf.greylist_ipv6_prefix = 60;
	assert_string_equal(network("2001:db8:0:1f::1"), "2001:db8:0:10::/60");
	conf.greylist_ipv6_prefix = 128;
	assert_string_equal(network("2001:db8::1"), "2001:db8::1/128");
	assert_string_equal(network("Example.ORG"), "example.org");
}

static const char *sender(const char *address)
{
	static char text[1000];
	struct buf out = buf_new(999);

	greylist_sender(str_from(address), &out);
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	buf_free(&out);
	return text;
}

static void senders_that_change_are_one(void **state)
{
	char longest[600] = "";

	(void)state;
	assert_string_equal(sender("A.b@X.Test"), "a.b@x.test");
	assert_string_equal(sender("list+x17=ours@x.test"), "list@x.test");
	assert_string_equal(sender("bounce-123-4@x.test"), "bounce-#-#@x.test");
	assert_string_equal(sender("12@x1.test"), "#@x1.test");
	assert_string_equal(sender("+x@x.test"), "+x@x.test");
	assert_string_equal(
	    sender("SRS0=abcd=XY=o.test=joe@fwd.test"), "o.test=joe@fwd.test");
	assert_string_equal(sender("srs1=abcd=f.test==XY=Z=o.test=joe@g.test"),
	    "f.test==xy=z=o.test=joe@g.test");
	assert_string_equal(sender("SRS0=a@x.test"), "srs#=a@x.test");
	assert_string_equal(sender(""), "");
	assert_string_equal(sender("\"a\nb\"@x.test"), "\"a?b\"@x.test");
	memset(longest, 'a', 500);
	assert_int_equal(strlen(sender(longest)), 320);
}

/* As long as the exchange lets them be, with an end of their own. */
static void long_addresses_are_told_apart(void **state)
{
	char domain[257], from[1025], to[1025];

	(void)state;
	memset(domain, 'd', sizeof(domain));
	memset(from, 'f', sizeof(from));
	memset(to, 't', sizeof(to));
	domain[256] = from[1024] = to[1024] = '\0';
	from[500] = '@';
	assert_string_equal(
	    ask_all("192.0.2.1", domain, from, to, true, false, NOW), "new");
	to[319] = 'x';
	assert_string_equal(
	    ask_all("192.0.2.1", domain, from, to, true, false, NOW), "new");
	assert_string_equal(
	    ask_all("192.0.2.1", domain, from, to, true, false, NOW), "early");
}

static void a_notification_is_a_sender(void **state)
{
	(void)state;
	assert_string_equal(ask("192.0.2.1", "", NOW), "new");
	assert_string_equal(ask("192.0.2.1", "", NOW + 300), "passed");
}

static void clients_that_pass_are_not_asked(void **state)
{
	(void)state;
	ask("192.0.2.1", "a@x.test", NOW);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 300), "passed");
	/* Many recipients of one message are one. */
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 301), "known");
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 302), "known");
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW + 303), "new");
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 600), "known");
	assert_string_equal(ask("192.0.2.1", "c@x.test", NOW + 601), "new");
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 900), "known");
	assert_string_equal(ask("192.0.2.77", "d@x.test", NOW + 901), "client");
	assert_string_equal(ask("192.0.3.77", "d@x.test", NOW + 901), "new");
	/* For as long as it sends. */
	assert_string_equal(
	    ask("192.0.2.1", "e@x.test", NOW + 900 + 86399), "client");
	assert_string_equal(
	    ask("192.0.2.1", "f@x.test", NOW + 900 + 86399 + 86400), "new");
}

static void a_domain_stands_for_many_networks(void **state)
{
	(void)state;
	assert_string_equal(ask_all("192.0.2.1", "Big.test", "a@big.test",
				"user@ours.test", true, false, NOW),
	    "new");
	assert_string_equal(ask_all("198.51.100.1", "big.test", "a@big.test",
				"user@ours.test", true, false, NOW + 300),
	    "passed");
	/* Without SPF it is somebody else. */
	assert_string_equal(ask("192.0.2.1", "a@big.test", NOW + 300), "new");
	assert_int_equal(greylist_allow(&greylist, STR("big.test"), 0, NOW), 0);
	assert_string_equal(ask_all("203.0.113.1", "big.test", "n@big.test",
				"user@ours.test", true, false, NOW + 300),
	    "allowed");
}

static void who_is_not_invited_leaves_nothing(void **state)
{
	(void)state;
	assert_string_equal(ask_all("192.0.2.1", "", "a@x.test",
				"user@ours.test", false, false, NOW),
	    "uninvited");
	assert_int_equal(greylist.by_key.count, 0);
}

static void an_explanation_changes_nothing(void **state)
{
	(void)state;
	assert_string_equal(ask_all("192.0.2.1", "", "a@x.test",
				"user@ours.test", true, true, NOW),
	    "new");
	assert_int_equal(greylist.by_key.count, 0);
	ask("192.0.2.1", "a@x.test", NOW);
	for (int i = 0; i < 2; i++)
		assert_string_equal(
		    ask_all("192.0.2.1", "", "a@x.test", "user@ours.test", true,
			true, NOW + 300),
		    "passed");
	assert_int_equal(greylist.of[GREYLIST_PROVED].count, 0);
	/* Nor does it sweep. */
	ask_all("192.0.2.1", "", "b@x.test", "user@ours.test", true, true,
	    NOW + 4000);
	assert_int_equal(greylist.by_key.count, 1);
}

static void the_clock_may_go_back(void **state)
{
	(void)state;
	ask("192.0.2.1", "a@x.test", NOW);
	/* An hour back: no more than the whole delay, and no less. */
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW - 3600), "early");
	assert_int_equal(seconds, 300);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW - 3301), "early");
	assert_int_equal(seconds, 1);
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW - 3300), "passed");
	/* What has passed stays, and goes on. */
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW - 9000), "known");
	assert_string_equal(
	    ask("192.0.2.1", "a@x.test", NOW - 9000 + 86399), "known");
	/* A client is still counted. */
	conf.greylist_client_passes = 2;
	assert_string_equal(
	    ask("192.0.2.1", "a@x.test", NOW - 9000 + 86400), "client");
}

static void strangers_push_out_strangers(void **state)
{
	char address[40];

	(void)state;
	conf.greylist_client_passes = 0;
	greylist_allow(&greylist, STR("203.0.113.0"), 0, NOW);
	for (int i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "10.0.%d.1", i);
		ask(address, "a@x.test", NOW - 300);
		assert_string_equal(ask(address, "a@x.test", NOW), "passed");
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.1", 1 + i / 256,
		    i % 256);
		ask(address, "a@x.test", NOW);
		assert_true(greylist.by_key.count <= 100);
	}
	for (int i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "10.0.%d.1", i);
		assert_string_equal(ask(address, "a@x.test", NOW), "known");
	}
	assert_string_equal(ask("203.0.113.5", "a@x.test", NOW), "allowed");
}

/* Half of the room is theirs, when they come back. */
static void what_passes_makes_room_too(void **state)
{
	char address[40];

	(void)state;
	conf.greylist_client_passes = 0;
	for (int i = 0; i < 1000; i++) {
		snprintf(
		    address, sizeof(address), "10.%d.%d.1", i / 256, i % 256);
		ask(address, "a@x.test", NOW);
		assert_string_equal(
		    ask(address, "a@x.test", NOW + 300), "passed");
		assert_true(greylist.by_key.count <= 100);
	}
	assert_string_equal(ask("10.3.231.1", "a@x.test", NOW + 300), "known");
	assert_string_equal(ask("10.0.1.1", "a@x.test", NOW + 300), "new");
}

static void what_is_over_goes(void **state)
{
	char address[40];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(address, sizeof(address), "10.0.%d.1", i);
		ask(address, "a@x.test", NOW);
	}
	for (int i = 0; i < 5; i++)
		ask("192.0.2.1", "a@x.test", NOW + 3600);
	assert_int_equal(greylist.by_key.count, 1);
}

static void the_operator_decides(void **state)
{
	struct greylist_choice c;

	(void)state;
	ask("192.0.2.1", "a@x.test", NOW);
	assert_int_equal(
	    greylist_allow(&greylist, STR("192.0.2.200"), 60, NOW), 0);
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW + 59), "allowed");
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW + 60), "new");
	assert_int_equal(
	    greylist_allow(&greylist, STR("192.0.2.200"), 0, NOW), 0);
	assert_string_equal(
	    ask("192.0.2.1", "b@x.test", NOW + 864000), "allowed");
	assert_int_equal(count("192.0.2.9"), 1); /* the others are over */
	ask("198.51.100.1", "a@x.test", NOW + 864000);
	c = greylist_choose(&greylist, STR(""), false);
	assert_int_equal(greylist_forget(&greylist, &c), 1);
	greylist_choice_free(&c);
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW), "allowed");
	c = greylist_choose(&greylist, STR("192.0.2.0/24"), true);
	assert_int_equal(greylist_forget(&greylist, &c), 1);
	greylist_choice_free(&c);
	assert_string_equal(ask("192.0.2.1", "b@x.test", NOW), "new");
	/* There is an end to it. */
	for (int i = 0; i < 50; i++) {
		char name[40];

		snprintf(name, sizeof(name), "d%d.test", i);
		assert_int_equal(
		    greylist_allow(&greylist, str_from(name), 0, NOW), 0);
	}
	assert_int_equal(
	    greylist_allow(&greylist, STR("one.test"), 0, NOW), -1);
}

static void entries_are_found(void **state)
{
	(void)state;
	ask("192.0.2.1", "Joe+x@x.test", NOW);
	ask("192.0.3.1", "", NOW);
	ask_all(
	    "2001:db8::1", "", "b@y.test", "Other@ours.test", true, false, NOW);
	greylist_allow(&greylist, STR("ok.test"), 0, NOW);
	assert_int_equal(count(""), 4);
	assert_int_equal(count("192.0.2.77"), 1);
	assert_int_equal(count("192.0.2.0/24"), 1);
	assert_int_equal(count("2001:db8::5"), 1);
	assert_int_equal(count("joe@x.test"), 1);
	assert_int_equal(count("joe+x@x.test"), 1);
	assert_int_equal(count("X.test"), 1);
	assert_int_equal(count("user@ours.test"), 2);
	assert_int_equal(count("ours.test"), 3);
	assert_int_equal(count("<>"), 1);
	assert_int_equal(count("ok.test"), 1);
	assert_int_equal(count("nobody@x.test"), 0);
}

/* ---- what is stored ---- */

static void put(struct str key, struct str value)
{
	written++;
	/* Lines, with a mark for the line ends of keys. */
	for (size_t i = 0; i < key.len; i++)
		buf_add_char(&stored_keys, key.p[i] == '\n' ? '|' : key.p[i]);
	buf_add_char(&stored_keys, '\n');
	buf_add(&stored_values, value);
	buf_add_char(&stored_values, '\n');
}

static void forget(struct str key)
{
	(void)key;
	removed++;
}

static int load(const char *key, const char *value, int64_t now)
{
	struct buf k = buf_new(2000);
	int r;

	for (const char *p = key; *p != '\0'; p++)
		buf_add_char(&k, *p == '|' ? '\n' : *p);
	r = greylist_load(&greylist, buf_str(&k), str_from(value), now);
	buf_free(&k);
	return r;
}

static void a_restart_forgets_nothing(void **state)
{
	struct str keys, values;
	struct greylist next;

	(void)state;
	stored_keys = buf_new(100000);
	stored_values = buf_new(100000);
	ask("192.0.2.1", "a@x.test", NOW);
	ask("192.0.3.1", "b@x.test", NOW);
	ask("192.0.3.1", "b@x.test", NOW + 300);
	greylist_allow(&greylist, STR("192.0.4.1"), 0, NOW);
	greylist.put = put;
	greylist_put_all(&greylist);
	assert_int_equal(written, 4);

	next = greylist_new(&conf);
	greylist_free(&greylist);
	greylist = next;
	keys = buf_str(&stored_keys);
	values = buf_str(&stored_values);
	while (keys.len > 0) {
		char key[400], value[200];

		str_copy(key, sizeof(key), str_cut(&keys, '\n'));
		str_copy(value, sizeof(value), str_cut(&values, '\n'));
		assert_int_equal(load(key, value, NOW + 301), 0);
	}
	greylist_loaded(&greylist);
	assert_int_equal(greylist.by_key.count, 4);
	assert_string_equal(ask("192.0.3.1", "b@x.test", NOW + 301), "known");
	assert_string_equal(ask("192.0.4.9", "b@x.test", NOW + 301), "allowed");
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 301), "passed");
	buf_free(&stored_keys);
	buf_free(&stored_values);
}

static void damaged_records_are_none(void **state)
{
	static const struct {
		const char *key, *value;
		int result;
	} rows[] = {
	    {"t|192.0.2.0/24|a@x.test|u@o.test", "1 w 1699999999 1699999999 1",
		0},
	    {"c|192.0.5.0/24", "1 p 1699999999 1699999999 3", 0},
	    {"c|192.0.6.0/24", "1 a 1699999999 0 0", 0},
	    {"c|192.0.7.0/24", "1 a 1699990000 1699999999 0", -1}, /* over */
	    {"t|x|y|z", "1 w 1 1 1", -1},                          /* over */
	    {"t|x|y|z", "2 w 1699999999 1699999999 1", -1},
	    {"t|x|y|z", "1 x 1699999999 1699999999 1", -1},
	    {"t|x|y|z", "1 w -1 1699999999 1", -1},
	    {"t|x|y|z", "1 w 99999999999999999999 1 1", -1},
	    {"t|x|y|z", "1 w 1699999999", -1},
	    {"t|x|y|z", "", -1},
	    {"t|", "1 w 1699999999 1699999999 1", -1},
	    {"", "1 w 1699999999 1699999999 1", -1},
	    {"q|x", "1 w 1699999999 1699999999 1", -1},
	    {"t|x|y", "1 w 1699999999 1699999999 1", -1},
	    {"c|x|y", "1 p 1699999999 1699999999 1", -1},
	    {"c|x", "1 w 1699999999 1699999999 1", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (load(rows[i].key, rows[i].value, NOW) != rows[i].result)
			fail_msg("row %zu", i);
	}
	greylist_loaded(&greylist);
	assert_int_equal(greylist.by_key.count, 3);
	assert_string_equal(ask("192.0.5.1", "n@x.test", NOW), "client");
	/* Written in a time that is to come: it waits from now on. */
	assert_int_equal(load("t|192.0.8.0/24|a@x.test|user@ours.test",
			     "1 w 1800000000 1800000000 1", NOW),
	    0);
	assert_string_equal(ask("192.0.8.1", "a@x.test", NOW + 299), "early");
	assert_string_equal(ask("192.0.8.1", "a@x.test", NOW + 300), "passed");
}

/* A machine without a battery starts in 1970, and finds the time later. */
static void the_clock_may_be_late(void **state)
{
	char value[100];

	(void)state;
	snprintf(value, sizeof(value), "1 p %lld %lld 3", (long long)NOW,
	    (long long)NOW);
	assert_int_equal(load("c|192.0.5.0/24", value, 100), 0);
	assert_int_equal(
	    load("t|192.0.2.0/24|a@x.test|user@ours.test", value, 100), 0);
	greylist_loaded(&greylist);
	assert_string_equal(ask("192.0.5.1", "n@x.test", NOW + 1), "client");
	assert_string_equal(ask("192.0.2.1", "a@x.test", NOW + 1), "known");
}

static void not_every_use_is_written(void **state)
{
	(void)state;
	stored_keys = buf_new(100000);
	stored_values = buf_new(100000);
	conf.greylist_client_passes = 0;
	greylist.put = put;
	greylist.remove = forget;
	ask("192.0.2.1", "a@x.test", NOW);
	assert_int_equal(written, 1);
	ask("192.0.2.1", "a@x.test", NOW + 1);
	assert_int_equal(written, 1);
	ask("192.0.2.1", "a@x.test", NOW + 300);
	assert_int_equal(written, 2);
	for (int i = 0; i < 100; i++)
		ask("192.0.2.1", "a@x.test", NOW + 301);
	assert_int_equal(written, 2);
	ask("192.0.2.1", "a@x.test", NOW + 2000);
	assert_int_equal(written, 3);
	assert_int_equal(removed, 0);
	ask("192.0.2.1", "b@x.test", NOW + 2000 + 86400);
	assert_int_equal(removed, 1);
	buf_free(&stored_keys);
	buf_free(&stored_values);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
	    TEST(networks_are_allowed),
	    TEST(who_comes_back_passes),
	    TEST(the_window_ends),
	    TEST(what_has_passed_lives_on_by_use),
	    TEST(a_network_is_a_client),
	    TEST(networks_have_any_size),
	    TEST(senders_that_change_are_one),
	    TEST(long_addresses_are_told_apart),
	    TEST(a_notification_is_a_sender),
	    TEST(clients_that_pass_are_not_asked),
	    TEST(a_domain_stands_for_many_networks),
	    TEST(who_is_not_invited_leaves_nothing),
	    TEST(an_explanation_changes_nothing),
	    TEST(the_clock_may_go_back),
	    TEST(strangers_push_out_strangers),
	    TEST(what_passes_makes_room_too),
	    TEST(what_is_over_goes),
	    TEST(the_operator_decides),
	    TEST(entries_are_found),
	    TEST(a_restart_forgets_nothing),
	    TEST(damaged_records_are_none),
	    TEST(the_clock_may_be_late),
	    TEST(not_every_use_is_written),
	};

	return cmocka_run_group_tests_name("greylist", tests, NULL, NULL);
}
