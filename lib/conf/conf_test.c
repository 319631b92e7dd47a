/* SPDX-License-Identifier: ISC */
/* Reading main.cf and master.cf, expanding, filling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf_private.h"
#include "conf/mastercf.h"

/* "name=value|..." of what is set, then the errors. */
static void describe(const char *text, struct buf *out)
{
	struct buf errors = buf_new(65536);
	struct conf *conf = conf_parse(str_from(text), "main.cf", &errors);
	const char *name, *value;
	size_t at = 0;

	buf_clear(out);
	while (conf_next(conf, &at, &name, &value, NULL))
		buf_printf(out, "%s=%s|", name, value);
	buf_add(out, buf_str(&errors));
	conf_free(&conf);
	buf_free(&errors);
}

/* clang-format off */
static const struct {
	const char *in, *want;
} parses[] = {
	{"", ""},
	{"a = b\n", "a=b|"},
	{"a=b", "a=b|"},
	{"  \t\n# c\na =\t b c  \n", "a=b c|"},
	{"a = b\n c\n\td\n", "a=b c d|"},
	{"a = b\n# comment\n c\n\n d\ne = f\n", "a=b c d|e=f|"},
	{"a = b\r\n c\r\n", "a=b c|"},
	{"a =\n", "a=|"},
	{"a = b = c\n", "a=b = c|"},
	{"a = 1\nb = 2\na = 3\n", "a=3|b=2|"},
	{" a = b\n", "main.cf:1: begins with a blank, but there is no line "
	    "before it to continue\n"},
	{"a\n", "main.cf:1: this is not \"name = value\"\n"},
	{"a b = c\nd = e\n", "d=e|main.cf:1: a name consists of letters, "
	    "digits and underscores\n"},
	{"= c\n", "main.cf:1: a name consists of letters, digits and "
	    "underscores\n"},
};
/* clang-format on */

static void reads_lines(void **state)
{
	(void)state;
	struct buf got = buf_new(65536);

	for (size_t i = 0; i < ARRAY_LEN(parses); i++) {
		describe(parses[i].in, &got);
		assert_string_equal(buf_text(&got), parses[i].want);
	}
	buf_free(&got);
}

static void refuses_nul_and_length(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096), line = buf_new(200000);
	struct conf *conf = conf_parse(
	    str_of("a = b\0c\nd = e\n", 14), "main.cf", &errors);

	assert_string_equal(
	    buf_text(&errors), "main.cf:1: there is a NUL in the line\n");
	assert_string_equal(conf_raw(conf, "d"), "e");
	conf_free(&conf);
	buf_clear(&errors);
	buf_add_text(&line, "a = ");
	for (int i = 0; i < 70000; i++)
		buf_add_char(&line, 'x');
	conf = conf_parse(buf_str(&line), "main.cf", &errors);
	assert_string_equal(
	    buf_text(&errors), "main.cf:1: the line is too long\n");
	assert_null(conf_raw(conf, "a"));
	conf_free(&conf);
	buf_free(&errors);
	buf_free(&line);
}

static void warns_of_doubles(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096);
	struct conf *conf = conf_parse(
	    STR("a = 1\nb = 2\na = 3\n"), "main.cf", &errors);
	struct str w = conf_warnings(conf);

	assert_true(str_eq(w,
	    STR("main.cf:3: a was already set in line 1; "
		"this line counts\n")));
	assert_int_equal(errors.len, 0);
	conf_free(&conf);
	buf_free(&errors);
}

/* ---- values ---- */

static const char *const levels[] = {"none", "may", "encrypt", NULL};

struct sample {
	const char *words;
	int number;
	bool flag;
	int64_t wait;
	uint64_t room;
	int level;
};

/* clang-format off */
#define P(kind, name, ...) CONF_##kind(struct sample, name, __VA_ARGS__)
/* clang-format off */
static const struct conf_param sample_params[] = {
	P(TEXT, words, "default of $number", 0, 30, "Words."),
	P(INT, number, "20", -5, 100, "A number."),
	P(BOOL, flag, "yes", "A flag."),
	P(TIME, wait, "5m", 1, 3600, "A time."),
	P(SIZE, room, "1K", 10, INT64_MAX, "A size."),
	P(CHOICE, level, "may", levels, "A choice."),
	CONF_END,
};
/* clang-format on */
/* clang-format on */

/* "words number flag wait room level: errors" */
static void fill(const char *text, struct buf *out)
{
	struct buf errors = buf_new(65536);
	struct conf *conf = conf_parse(str_from(text), "m", &errors);
	struct sample s;
	int result = conf_fill(conf, sample_params, &s, &errors);

	buf_clear(out);
	buf_printf(out, "%s %d %d %lld %llu %d: %s", s.words, s.number, s.flag,
	    (long long)s.wait, (unsigned long long)s.room, s.level,
	    buf_text(&errors));
	assert_int_equal(result, errors.len == 0 ? 0 : -1);
	conf_free(&conf);
	buf_free(&errors);
}

/* clang-format off */
static const struct {
	const char *in, *want;
} fills[] = {
	{"", "default of 20 20 1 300000 1024 1: "},
	{"words = a b\nnumber = -5\nflag = no\nwait = 1500ms\nroom = 2G\n"
	 "level = Encrypt\n", "a b -5 0 1500 2147483648 2: "},
	{"words = $number$$${flag}\n", "20$yes 20 1 300000 1024 1: "},
	{"x = 1\nwords = ${x?set}${y:unset}${x:no}${y?no}\n",
	    "setunset1 20 1 300000 1024 1: "},
	{"x = 1\nwords = ${x?{a}:{b}}${y?{a}:{${x:no}c}}${y?{d}}${x?{}:{e}}\n",
	    "a1c 20 1 300000 1024 1: "},
	{"x = 1\nwords = ${x?{a}:b}${x?{a}{b}}${y?{a}:{}}\n",
	    "{a}:b{a}{b} 20 1 300000 1024 1: "},
	{"words = $(number)\n", "20 20 1 300000 1024 1: "},
	{"words = ${number\n", "default of 20 20 1 300000 1024 1: m:1: words: "
	    "a brace behind $ is not closed\n"},
	{"words = $\n", "default of 20 20 1 300000 1024 1: m:1: words: "
	    "$ without a name ($$ stands for a dollar sign)\n"},
	{"words = ${a b}\n", "default of 20 20 1 300000 1024 1: m:1: words: "
	    "what stands in braces behind $ is not a name\n"},
	{"words = 1234567890123456789012345678901\n",
	    "default of 20 20 1 300000 1024 1: m:1: words = "
	    "1234567890123456789012345678901: it lies between 0 and 30 "
	    "octets\n"},
	{"number = 101\nroom = 9\nwait = 2h\nlevel = maybe\nflag = 1\n",
	    "default of 101 20 1 300000 1024 1: "
	    "m:1: number = 101: it lies between -5 and 100\n"
	    "m:5: flag = 1: this is yes or no\n"
	    "m:3: wait = 2h: it lies between 1 and 3600 seconds\n"
	    "m:2: room = 9: the least is 10 octets\n"
	    "m:4: level = maybe: this is one of none, may, encrypt\n"},
	{"a = $b\nb = $a\nwords = $a\n",
	    "default of 20 20 1 300000 1024 1: m:3: words: a name leads back "
	    "to itself\n"},
	{"words = $nobody\n", "default of 20 20 1 300000 1024 1: m:1: words: "
	    "$nobody is neither set nor a parameter\n"},
};
/* clang-format on */

static void fills_structs(void **state)
{
	(void)state;
	struct buf got = buf_new(65536);

	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		fill(fills[i].in, &got);
		assert_string_equal(buf_text(&got), fills[i].want);
	}
	buf_free(&got);
}

static void an_option_overrides(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096);
	struct conf *conf = conf_parse(STR("number = 3\n"), "m", &errors);
	struct sample s;

	assert_int_equal(conf_override(conf, "number=7", &errors), 0);
	assert_int_equal(conf_override(conf, "words = x $number", &errors), 0);
	assert_int_equal(conf_fill(conf, sample_params, &s, &errors), 0);
	assert_int_equal(s.number, 7);
	assert_string_equal(s.words, "x 7");
	assert_int_equal(conf_override(conf, "number", &errors), -1);
	assert_string_equal(
	    buf_text(&errors), "-o number: this is not \"name = value\"\n");
	conf_free(&conf);
	buf_free(&errors);
}

static void parses_values(void **state)
{
	(void)state;
	const char *why;
	int64_t ms;
	uint64_t n;
	bool b;

	assert_int_equal(conf_parse_time("2w", &ms, &why), 0);
	assert_int_equal(ms, 1209600000);
	assert_int_equal(conf_parse_time("7", &ms, &why), 0);
	assert_int_equal(ms, 7000);
	assert_int_equal(conf_parse_time("", &ms, &why), -1);
	assert_int_equal(conf_parse_time("-1s", &ms, &why), -1);
	assert_int_equal(
	    conf_parse_time("9223372036854775807d", &ms, &why), -1);
	assert_int_equal(conf_parse_size("3t", &n, &why), 0);
	assert_true(n == 3ull << 40);
	assert_int_equal(conf_parse_size("9007199254740993K", &n, &why), -1);
	assert_int_equal(conf_parse_size("1KB", &n, &why), -1);
	assert_int_equal(conf_parse_bool("YES", &b, &why), 0);
	assert_int_equal(conf_parse_bool("true", &b, &why), -1);
}

/* ---- master.cf ---- */

static void describe_services(const char *text, struct buf *out)
{
	struct buf errors = buf_new(65536);
	struct mastercf *m = mastercf_parse(
	    str_from(text), "master.cf", &errors);

	buf_clear(out);
	for (size_t i = 0; i < m->count; i++) {
		const struct service *s = &m->services[i];

		buf_printf(out, "%s,%d,%d%d%d,%d,%d,%s", s->name, s->type,
		    s->is_private, s->unprivileged, s->chroot, s->wakeup,
		    s->maxproc, s->command);
		for (size_t a = 0; s->args[a] != NULL; a++)
			buf_printf(out, ",%s", s->args[a]);
		buf_add_char(out, '|');
	}
	buf_add(out, buf_str(&errors));
	mastercf_free(&m);
	buf_free(&errors);
}

/* clang-format off */
static const struct {
	const char *in, *want;
} services[] = {
	{"smtp inet n - y - - smtpd\n", "smtp,0,011,0,-1,smtpd|"},
	{"[::1]:25 inet n n n 60? 5 smtpd\n -r lmtpd\n  -o a=b\n",
	    "[::1]:25,0,000,60,5,smtpd,-r,lmtpd,-o,a=b|"},
	{"log unix-dgram - - - 0 1 logd -o { a = b c }\n",
	    "log,2,111,0,1,logd,-o,a = b c|"},
	{"a unix - - - - - x\na inet - - - - - x\n",
	    "a,1,111,0,-1,x|a,0,111,0,-1,x|"},
	{"a unix - - - - - x\na unix - - - - - y\n",
	    "a,1,111,0,-1,x|master.cf:2: service a unix stands in master.cf:1 "
	    "already\n"},
	{"a unix - - - -\n", "master.cf:1: a service has eight columns: "
	    "service type private unpriv chroot wakeup maxproc command\n"},
	{"a fifo - - - - - x\n",
	    "master.cf:1: the type is inet, unix, unix-dgram "
	    "or pass\n"},
	{"a unix x - - - - x\n",
	    "master.cf:1: private, unpriv and chroot are y, n or -\n"},
	{"a unix - - - - z x\n", "master.cf:1: wakeup and maxproc are "
	    "numbers up to 100000, or -\n"},
	{"../a unix - - - - - x\n", "master.cf:1: the name of a unix service "
	    "is a file name without /\n"},
	{"a unix - - - - - ../x\n", "master.cf:1: the command is a program of "
	    "daemon_directory, without a path\n"},
	{"a unix - - - - - x { y\n", "master.cf:1: a { is not closed\n"},
};
/* clang-format on */

static void reads_services(void **state)
{
	(void)state;
	struct buf got = buf_new(65536);

	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		describe_services(services[i].in, &got);
		assert_string_equal(buf_text(&got), services[i].want);
	}
	buf_free(&got);
}

/* clang-format off */
static const struct {
	const char *name, *want;
} origins[] = {
	{"a", "main.cf:1"},
	{"b", "main.cf:2: $a, main.cf:1"},
	{"c", "main.cf:4: $b, main.cf:2; $a, main.cf:1"}, /* the last counts */
	{"d", "master.cf:17 -o: $a, main.cf:1"},
	{"e", "-o"},
	{"f", "main.cf:8: $g, main.cf:9"}, /* a circle ends */
	{"nothing", "default"},
	{"number", "default"},
	{"list", "default: $a, main.cf:1"},
	{"by_other", "default: $a, main.cf:1"},
};
/* clang-format on */

static void knows_origins(void **state)
{
	static const struct conf_param params[] = {
	    {"number", CONF_KIND_INT, 0, "5", 0, 9, NULL, "", NULL},
	    {"list", CONF_KIND_TEXT, 8, "x $a", 0, 99, NULL, "", NULL},
	    {"by_other", CONF_KIND_TEXT, 16, "${list}", 0, 99, NULL, "", NULL},
	    CONF_END};
	struct {
		int number;
		const char *list, *by_other;
	} values;
	struct buf errors = buf_new(4096), got = buf_new(4096);
	struct conf *conf = conf_parse(
	    STR("a = 1\nb = $a\nc = 2\nc = ${b?$b}\n $a\nd = 3\n# \n"
		"f = $g\ng = $f\n"),
	    "/etc/x/main.cf", &errors);

	(void)state;
	conf_override_at(conf, "d=$a", 17, &errors);
	conf_override(conf, "e=1", &errors);
	conf_fill(conf, params, &values, &errors);
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		buf_clear(&got);
		conf_origin_text(conf, origins[i].name, &got);
		assert_string_equal(buf_text(&got), origins[i].want);
	}
	assert_int_equal(conf_origin(conf, "c").source, CONF_BY_FILE);
	assert_int_equal(conf_origin(conf, "d").line, 17);
	assert_int_equal(conf_origin(conf, "list").source, CONF_BY_DEFAULT);
	conf_free(&conf);
	buf_free(&errors);
	buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_lines),
	    cmocka_unit_test(refuses_nul_and_length),
	    cmocka_unit_test(warns_of_doubles),
	    cmocka_unit_test(fills_structs),
	    cmocka_unit_test(an_option_overrides),
	    cmocka_unit_test(parses_values),
	    cmocka_unit_test(knows_origins),
	    cmocka_unit_test(reads_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
