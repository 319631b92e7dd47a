/* SPDX-License-Identifier: ISC */
/* The parts of auth that need no peer: schemes, cache, tickets, SASL, pool. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "auth/cache.h"
#include "auth/pool.h"
#include "auth/sasl.h"
#include "auth/scheme.h"
#include "auth/ticket.h"

/* ---- schemes ---- */

#define SHA512                                                                 \
	"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uB"           \
	"nIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"

/* clang-format off */
static const struct {
	const char *stored, *password;
	enum scheme_result want;
} schemes[] = {
	{"{CRYPT}" SHA512, "Hello world!", SCHEME_MATCH},
	{"{SHA512-CRYPT}" SHA512, "Hello world!", SCHEME_MATCH},
	{"{crypt}" SHA512, "Hello world!", SCHEME_MATCH},
	{SHA512, "Hello world!", SCHEME_MATCH},
	{"{CRYPT}" SHA512, "Hello world", SCHEME_MISMATCH},
	{"{CRYPT}" SHA512, "", SCHEME_MISMATCH},
	{"{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu", "x", SCHEME_MISMATCH},
	{"{PLAIN}secret", "secret", SCHEME_MATCH},
	{"{PLAIN}{x}", "{x}", SCHEME_MATCH},
	{"{PLAIN}secret", "secreT", SCHEME_MISMATCH},
	{"{PLAIN}secret", "secret1", SCHEME_MISMATCH},
	{"{PLAIN}", "", SCHEME_MISMATCH},
	{"{CRYPT}", "x", SCHEME_UNKNOWN},
	{"{CRYPT}*", "x", SCHEME_UNKNOWN},
	{"{CRYPT}!" SHA512, "Hello world!", SCHEME_UNKNOWN},
	{"{ROT13}frperg", "secret", SCHEME_UNKNOWN},
	{"secret", "secret", SCHEME_UNKNOWN},
	{"{PLAIN", "secret", SCHEME_UNKNOWN},
	{"", "", SCHEME_UNKNOWN},
};
/* clang-format on */

static void schemes_verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		enum scheme_result r = scheme_verify(
		    str_from(schemes[i].stored), str_from(schemes[i].password));

		if (r != schemes[i].want)
			fail_msg("%s with %s: %d", schemes[i].stored,
			    schemes[i].password, r);
	}
}

static void long_passwords_and_nul_match_nothing(void **state)
{
	(void)state;
	char text[600];

	memset(text, 'x', sizeof(text));
	assert_int_equal(
	    scheme_verify(STR("{CRYPT}" SHA512), str_of(text, sizeof(text))),
	    SCHEME_MISMATCH);
	assert_int_equal(
	    scheme_verify(STR("{CRYPT}" SHA512), str_of("Hello world!\0x", 14)),
	    SCHEME_MISMATCH);
	assert_int_equal(
	    scheme_verify(STR("{PLAIN}secret"), str_of("secret\0", 7)),
	    SCHEME_MISMATCH);
}

static void nobody_costs_a_hash(void **state)
{
	(void)state;
	char dummy[400];

	scheme_dummy(dummy, sizeof(dummy));
	assert_int_equal(
	    scheme_verify(str_from(dummy), STR("x")), SCHEME_MISMATCH);
}

/* ---- cache ---- */

static void the_cache_forgets(void **state)
{
	(void)state;
	unsigned char mark[3][CACHE_MARK];
	struct cache c;

	assert_int_equal(cache_init(&c, 2, 1000), 0);
	cache_mark(&c, STR("l"), STR("p"), STR("s"), mark[0]);
	assert_false(cache_has(&c, mark[0], 5000));
	cache_add(&c, mark[0], 5000);
	assert_true(cache_has(&c, mark[0], 5999));
	assert_false(cache_has(&c, mark[0], 6000));
	/* the stored hash is part of it; and parts are kept apart */
	cache_mark(&c, STR("l"), STR("p"), STR("t"), mark[1]);
	assert_false(cache_has(&c, mark[1], 5000));
	cache_mark(&c, STR("lp"), STR(""), STR("s"), mark[1]);
	assert_memory_not_equal(mark[0], mark[1], CACHE_MARK);
	/* only so many */
	cache_mark(&c, STR("l2"), STR("p"), STR("s"), mark[1]);
	cache_mark(&c, STR("l3"), STR("p"), STR("s"), mark[2]);
	cache_add(&c, mark[1], 5000);
	cache_add(&c, mark[2], 5000);
	assert_false(cache_has(&c, mark[0], 5500));
	assert_true(cache_has(&c, mark[1], 5500));
	assert_true(cache_has(&c, mark[2], 5500));
	cache_clear(&c);
}

static void a_cache_may_be_off(void **state)
{
	(void)state;
	unsigned char mark[CACHE_MARK];
	struct cache c;

	assert_int_equal(cache_init(&c, 2, 0), 0);
	cache_mark(&c, STR("l"), STR("p"), STR("s"), mark);
	cache_add(&c, mark, 5000);
	assert_false(cache_has(&c, mark, 5000));
	cache_clear(&c);
}

/* ---- tickets ---- */

static bool redeem(struct tickets *t, const char *word, const char *service,
    const char *session, int64_t now)
{
	char login[100], pass[PASS_MAX + 1];

	return tickets_redeem(t, str_from(word), str_from(service),
		   str_from(session), now, login, sizeof(login), pass) &&
	    strcmp(login, "ann@x") == 0 && strcmp(pass, "1.ab") == 0;
}

/* As daemon_kept gives it. */
static void *new_memory(void)
{
	void *p = mmap(NULL, tickets_size(), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void tickets_are_for_one_thing(void **state)
{
	void *memory = new_memory();
	char a[TICKET_LEN + 1], b[TICKET_LEN + 1];
	struct tickets t;

	(void)state;
	assert_int_equal(tickets_open(&t, memory, 100, 1000, 5000), 0);
	tickets_make(
	    &t, 1, STR("ann@x"), STR("imap"), STR("S1"), STR("1.ab"), 0, a);
	assert_int_equal(strlen(a), TICKET_LEN);
	assert_false(redeem(&t, a, "pop3", "S1", 10));
	assert_false(redeem(&t, a, "imap", "S2", 10));
	assert_false(redeem(&t, "", "imap", "S1", 10));
	a[TICKET_LEN - 1] ^= 1;
	assert_false(redeem(&t, a, "imap", "S1", 10));
	a[TICKET_LEN - 1] ^= 1;
	assert_true(redeem(&t, a, "imap", "S1", 10));
	assert_false(redeem(&t, a, "imap", "S1", 10)); /* once */

	tickets_make(
	    &t, 1, STR("ann@x"), STR("imap"), STR("S1"), STR("1.ab"), 0, a);
	assert_false(redeem(&t, a, "imap", "S1", 1000)); /* late */

	tickets_make(&t, 1, STR("ann@x"), STR("submission"), STR("S"),
	    STR("1.ab"), 0, a);
	tickets_make(&t, 2, STR("ann@x"), STR("submission"), STR("S"),
	    STR("1.ab"), 0, b);
	assert_true(redeem(&t, a, "submission", "S", 4000));
	assert_true(redeem(&t, a, "submission", "S", 8000)); /* goes on */
	assert_false(redeem(&t, b, "submission", "S", 8000));
	tickets_forget(&t, 1);
	assert_false(redeem(&t, a, "submission", "S", 8000));
	munmap(memory, tickets_size());
}

/* Never more than the limit; the one that would end first makes room. */
static void old_tickets_make_room(void **state)
{
	void *memory = new_memory();
	char words[300][TICKET_LEN + 1];
	struct tickets t;

	(void)state;
	assert_int_equal(tickets_open(&t, memory, 100, 100000, 500000), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(
		    tickets_make(&t, 1, STR("ann@x"), STR("submission"),
			STR(""), STR("1.ab"), i, words[i]),
		    0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(
		    redeem(&t, words[i], "submission", "", 400), i >= 200);
	munmap(memory, tickets_size());
}

/* What is over goes by itself, and frees its place. */
static void tickets_end_by_themselves(void **state)
{
	void *memory = new_memory();
	char word[TICKET_LEN + 1], last[TICKET_LEN + 1];
	struct tickets t;

	(void)state;
	assert_int_equal(tickets_open(&t, memory, 1000, 1000, 50000), 0);
	tickets_make(&t, 1, STR("ann@x"), STR("submission"), STR(""),
	    STR("1.ab"), 0, last);
	for (int i = 0; i < 10000; i++)
		tickets_make(&t, 1, STR("ann@x"), STR("imap"), STR(""), STR(""),
		    i * 4, word);
	/* 250 of them were alive at once, and never the 1000 of the limit. */
	assert_true(redeem(&t, last, "submission", "", 40000));
	munmap(memory, tickets_size());
}

/* Another process, another version of it, and one that died with the lock. */
static void tickets_outlive_their_process(void **state)
{
	void *memory = new_memory();
	char *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tickets t;
	int status;
	pid_t pid;

	(void)state;
	assert_ptr_not_equal(words, MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		if (tickets_open(&t, memory, 100, 1000, 5000) < 0)
			_exit(1);
		for (int i = 0; i < 10; i++)
			tickets_make(&t, 7, STR("ann@x"), STR("imap"), STR("S"),
			    STR("1.ab"), i, words + (TICKET_LEN + 1) * i);
		/* The lock is what a version has behind two words. */
		pthread_mutex_lock((pthread_mutex_t *)(void *)((char *)memory +
		    2 * sizeof(uint32_t)));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tickets_open(&t, memory, 100, 1000, 5000), 0);
	for (int i = 0; i < 9; i++)
		assert_true(
		    redeem(&t, words + (TICKET_LEN + 1) * i, "imap", "S", 500));
	assert_false(redeem(&t, words, "imap", "S", 500));
	tickets_forget(&t, 7);
	assert_false(
	    redeem(&t, words + (TICKET_LEN + 1) * 9, "imap", "S", 500));
	*(uint32_t *)memory ^= 1;
	assert_int_equal(tickets_open(&t, memory, 100, 1000, 5000), -1);
	munmap(memory, tickets_size());
	munmap(words, 4096);
}

/* ---- passes ---- */

static bool good(const struct passes *p, const char *service, const char *login,
    const char *session, const char *stored, int64_t now, const char *pass)
{
	const struct pass_holder h = {
	    str_from(service), str_from(login), str_from(session)};

	return pass_is_good(p, &h, str_from(stored), now, str_from(pass));
}

static void passes_are_for_one_session(void **state)
{
	(void)state;
	struct passes p = {{1, 2, 3}, 100}, other = {{1, 2, 4}, 100};
	const struct pass_holder h = {STR("imap"), STR("ann@x"), STR("S1")};
	const struct pass_holder h2 = {STR("imap"), STR("ann@x"), STR("S2")};
	char pass[PASS_MAX + 1], key[PASS_SEAL + 1], key2[PASS_SEAL + 1];

	pass_make(&p, &h, STR("{PLAIN}a"), 1000, pass);
	assert_true(good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 1100, pass));
	assert_true(good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 900, pass));
	assert_false(good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 1101, pass));
	assert_false(good(&p, "imap", "ann@x", "S1", "{PLAIN}b", 1000, pass));
	assert_false(good(&p, "imap", "bob@x", "S1", "{PLAIN}a", 1000, pass));
	assert_false(good(&p, "imap", "ann@x", "S2", "{PLAIN}a", 1000, pass));
	assert_false(good(&p, "pop3", "ann@x", "S1", "{PLAIN}a", 1000, pass));
	assert_false(
	    good(&other, "imap", "ann@x", "S1", "{PLAIN}a", 1000, pass));
	pass[3]++; /* a later time */
	assert_false(good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 1000, pass));
	assert_false(good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 1000, ""));
	assert_false(
	    good(&p, "imap", "ann@x", "S1", "{PLAIN}a", 1000, "1000."));
	pass_seal_key(&p, &h, key);
	pass_seal_key(&p, &h2, key2);
	assert_int_equal(strlen(key), PASS_SEAL);
	assert_string_not_equal(key, key2);
	pass_seal_key(&p, &h, key2);
	assert_string_equal(key, key2);
}

static void the_key_stays(void **state)
{
	(void)state;
	char path[] = "/tmp/auth-test-XXXXXX";
	int fd = mkstemp(path);
	struct passes a, b;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "short", 5), 5); /* made anew */
	close(fd);
	assert_int_equal(passes_open(&a, path), 0);
	assert_int_equal(passes_open(&b, path), 0);
	assert_memory_equal(a.key, b.key, PASS_KEY_LEN);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path);
	assert_int_equal(passes_open(&b, path), 0);
	assert_memory_not_equal(a.key, b.key, PASS_KEY_LEN);
	unlink(path);
	assert_int_equal(passes_open(&b, "/nowhere/key"), -1);
}

/* ---- SASL ---- */

/* What comes of the responses, parted by '|'; '-' alone: no initial one. */
static void talk(
    const char *mechanism, const char *responses, size_t len, struct buf *out)
{
	const char *why;
	struct sasl *s = sasl_open("PLAIN LOGIN", &why);
	struct sasl_session *x = sasl_start(s, str_from(mechanism));
	struct buf challenge = buf_new(SASL_DATA_MAX);
	struct str rest = str_of(responses, len);
	struct str first = str_cut(&rest, '|');
	enum sasl_result r;

	buf_clear(out);
	if (x == NULL) {
		buf_add_text(out, "not offered");
		sasl_close(&s);
		return;
	}
	r = sasl_first(x, !str_eq(first, STR("-")),
	    str_eq(first, STR("-")) ? STR_EMPTY : first, &challenge, &why);
	while (r == SASL_CHALLENGE && rest.len > 0) {
		buf_printf(out, "[%s]", buf_text(&challenge));
		r = sasl_step(x, str_cut(&rest, '|'), &challenge, &why);
	}
	if (r == SASL_CHALLENGE)
		buf_printf(out, "[%s]", buf_text(&challenge));
	else if (r == SASL_CREDENTIALS)
		buf_printf(out, "%.*s/%.*s", STR_FMT(sasl_authid(x)),
		    STR_FMT(sasl_password(x)));
	else
		buf_add_text(out, why);
	buf_free(&challenge);
	sasl_end(&x);
	sasl_close(&s);
}

/* clang-format off */
static const struct {
	const char *mechanism, *responses;
	size_t len;
	const char *want;
} talks[] = {
	{"PLAIN", "\0ann\0pw", 7, "ann/pw"},
	{"plain", "ann\0ann\0pw", 10, "ann/pw"},
	{"PLAIN", "-|\0ann\0pw", 9, "[]ann/pw"},
	{"PLAIN", "bob\0ann\0pw", 10, "nobody may act as somebody else"},
	{"PLAIN", "\0ann", 4, "the response is malformed"},
	{"PLAIN", "ann", 3, "the response is malformed"},
	{"PLAIN", "", 0, "the response is empty"},
	{"LOGIN", "-|ann|pw", 8, "[User Name][Password]ann/pw"},
	{"LOGIN", "ann|pw", 6, "[Password]ann/pw"},
	{"LOGIN", "ann", 3, "[Password]"},
	/* the same password by both: U+00AA becomes "a" (RFC 4013) */
	{"PLAIN", "\0ann\0\302\252", 7, "ann/a"},
	{"LOGIN", "ann|\302\252", 6, "[Password]ann/a"},
	{"CRAM-MD5", "-", 1, "not offered"},
};
/* clang-format on */

static void mechanisms_collect(void **state)
{
	(void)state;
	struct buf got = buf_new(4096);

	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		talk(
		    talks[i].mechanism, talks[i].responses, talks[i].len, &got);
		assert_string_equal(buf_text(&got), talks[i].want);
	}
	buf_free(&got);
}

static void unknown_mechanisms_are_told(void **state)
{
	(void)state;
	const char *why = NULL;

	assert_null(sasl_open("PLAIN SCRAM-SHA-1", &why));
	assert_non_null(why);
	struct sasl *s = sasl_open("PLAIN", &why);
	assert_non_null(s);
	assert_null(sasl_start(s, STR("LOGIN")));
	sasl_close(&s);
}

/* ---- the pool ---- */

static struct loop *loop;
static int results[3];
static int answers;

static void answered(enum scheme_result r, void *arg)
{
	*(int *)arg = (int)r + 1;
	if (++answers == 2)
		loop_stop(loop);
}

static void the_pool_hashes_elsewhere(void **state)
{
	(void)state;
	struct pool *p;
	struct pool_job *cancelled;

	loop = loop_new();
	p = pool_new(loop, 2, 3);
	assert_non_null(p);
	assert_non_null(
	    pool_verify(p, STR("{PLAIN}a"), STR("a"), answered, &results[0]));
	cancelled = pool_verify(
	    p, STR("{PLAIN}a"), STR("a"), answered, &results[1]);
	assert_non_null(pool_verify(
	    p, STR("{CRYPT}" SHA512), STR("b"), answered, &results[2]));
	/* full: counted until the loop has taken the answers */
	assert_null(
	    pool_verify(p, STR("{PLAIN}a"), STR("a"), answered, &results[2]));
	pool_cancel(cancelled);
	loop_run(loop);
	assert_int_equal(results[0], SCHEME_MATCH + 1);
	assert_int_equal(results[1], 0);
	assert_int_equal(results[2], SCHEME_MISMATCH + 1);
	assert_non_null(
	    pool_verify(p, STR("{PLAIN}a"), STR("a"), answered, &results[0]));
	pool_free(&p);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(schemes_verify),
	    cmocka_unit_test(long_passwords_and_nul_match_nothing),
	    cmocka_unit_test(nobody_costs_a_hash),
	    cmocka_unit_test(the_cache_forgets),
	    cmocka_unit_test(a_cache_may_be_off),
	    cmocka_unit_test(tickets_are_for_one_thing),
	    cmocka_unit_test(old_tickets_make_room),
	    cmocka_unit_test(tickets_end_by_themselves),
	    cmocka_unit_test(tickets_outlive_their_process),
	    cmocka_unit_test(passes_are_for_one_session),
	    cmocka_unit_test(the_key_stays),
	    cmocka_unit_test(mechanisms_collect),
	    cmocka_unit_test(unknown_mechanisms_are_told),
	    cmocka_unit_test(the_pool_hashes_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
