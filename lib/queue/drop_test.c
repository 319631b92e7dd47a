/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "queue/drop.h"

#define HEAD                                                                   \
	"posthouse-drop\t1\n"                                                  \
	"submission\tid=06G5K3Z9Q4ABCDEFGHJKMN\tsender=a@x\tenvid=\tret="      \
	"\tbody=7BIT\tsmtputf8=0\trecipients=2\tsize=7\n"
#define TO                                                                     \
	"recipient\taddress=b@x\toriginal=\tnotify=\n"                         \
	"recipient\taddress=c@x\toriginal=\tnotify=NEVER\n"

static int file_of(struct str text)
{
	int fd = memfd_create("drop", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, text.p, text.len), 0);
	return fd;
}

/* All of a file as one line, or "error: why". */
static void read_all(struct str text, struct buf *out)
{
	int fd = file_of(text), got;
	struct drop_reader *r = drop_reader_new(fd);
	const struct drop_submission *s;
	const struct cleanup_recipient *to;
	const char *why = "";
	struct str piece;

	got = drop_head(r, &s, &why);
	if (got == 0) {
		buf_printf(out, "<%.*s> %llu:", STR_FMT(s->sender),
		    (unsigned long long)s->size);
		while ((got = drop_recipient(r, &to, &why)) > 0)
			buf_printf(out, " <%.*s>%.*s", STR_FMT(to->address),
			    STR_FMT(to->notify));
	}
	if (got == 0) {
		buf_add_text(out, " |");
		while ((got = drop_content(r, &piece, &why)) > 0)
			buf_add(out, piece);
		buf_add_text(out, "|");
	}
	if (got < 0) {
		buf_clear(out);
		buf_printf(out, "error: %s", why);
	}
	drop_reader_free(&r);
	close(fd);
}

static const struct {
	struct str in;
	const char *want;
} rows[] = {
    {STR_INIT(HEAD TO "A: b\n\n.end\tsize=7\n"),
	"<a@x> 7: <b@x> <c@x>NEVER |A: b\n\n.|"},
    {STR_INIT("posthouse-drop\t1\n"
	      "submission\tid=06G5K3Z9Q4ABCDEFGHJKMN\tsender=a\\nb\tenvid="
	      "\tret=\tbody=7BIT\tsmtputf8=0\trecipients=2\tsize=7\n" TO),
	"error: control octets in the envelope"},
    {STR_INIT(HEAD "recipient\taddress=b\\r@x\toriginal=\tnotify=\n"),
	"error: control octets in the envelope"},
    {STR_INIT(HEAD "recipient\taddress=b@x\toriginal=\tnotify=LATER\n"),
	"error: a word of notify that is none"},
    {STR_INIT(""), "error: the file ends early"},
    {STR_INIT("posthouse-drop\t1"), "error: the file ends early"},
    {STR_INIT("posthouse-drop\t2\n"),
	"error: not a submission of this version"},
    {STR_INIT(HEAD), "error: the file ends early"},
    {STR_INIT(HEAD TO), "error: the file ends early"},
    {STR_INIT(HEAD TO "A: b\n"), "error: the file ends early"},
    {STR_INIT(HEAD TO "A: b\n\n."), "error: the file ends early"},
    {STR_INIT(HEAD TO "A: b\n\n.end\tsize=7"), "error: the file ends early"},
    {STR_INIT(HEAD TO "A: b\n\n.end\tsize=8\n"),
	"error: the end says another size"},
    {STR_INIT(HEAD TO "A: b\n\n..end\tsize=7\n"), "error: unknown message"},
    {STR_INIT(HEAD TO "A: b\n\n.end\tsize=7\nx"),
	"error: something follows the end"},
    {STR_INIT(HEAD HEAD), "error: unknown message"},
    {STR_INIT(HEAD "end\tsize=7\n"), "error: a line stands out of order"},
    {STR_INIT("posthouse-drop\t1\nsubmission\tid=0\n"),
	"error: field out of bounds"},
};

static void a_file_is_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(1000);

		read_all(rows[i].in, &out);
		assert_string_equal(buf_text(&out), rows[i].want);
		buf_free(&out);
	}
}

/* Every beginning of a good file is a file that ends early. */
static void a_torn_file_shows(void **state)
{
	struct str whole = STR(HEAD TO "A: b\n\n.end\tsize=7\n");

	(void)state;
	for (size_t n = 0; n < whole.len; n++) {
		struct buf out = buf_new(1000);

		read_all(str_sub(whole, 0, n), &out);
		assert_true(str_starts(buf_str(&out), STR("error: ")));
		buf_free(&out);
	}
}

static void what_is_written_is_read(void **state)
{
	static char octets[200000];
	struct buf file = buf_new(1u << 20), out = buf_new(1u << 20);
	struct buf want = buf_new(1u << 20);
	struct drop_submission s = {.id = STR("06G5K3Z9Q4ABCDEFGHJKMN"),
	    .sender = STR("back\\slash@x"),
	    .envid = STR_EMPTY,
	    .ret = STR_EMPTY,
	    .body = STR("8BITMIME"),
	    .recipients = 3000,
	    .size = sizeof(octets)};

	(void)state;
	memset(octets, '\n', sizeof(octets));
	buf_printf(&want, "<back\\slash@x> %zu:", sizeof(octets));
	assert_int_equal(drop_put_head(&file, &s), 0);
	for (unsigned i = 0; i < s.recipients; i++) {
		char name[32];
		struct cleanup_recipient r = {
		    .original = STR_EMPTY, .notify = STR_EMPTY};

		snprintf(name, sizeof(name), "user%u@x", i);
		r.address = str_from(name);
		assert_int_equal(drop_put_recipient(&file, &r), 0);
		buf_printf(&want, " <%s>", name);
	}
	buf_add_bytes(&file, octets, sizeof(octets));
	assert_int_equal(drop_put_end(&file, sizeof(octets)), 0);
	buf_add_text(&want, " |");
	buf_add_bytes(&want, octets, sizeof(octets));
	buf_add_text(&want, "|");
	read_all(buf_str(&file), &out);
	assert_true(str_eq(buf_str(&out), buf_str(&want)));
	buf_free(&file);
	buf_free(&want);
	buf_free(&out);
}

static void a_line_has_a_bound(void **state)
{
	struct buf file = buf_new(1u << 20), out = buf_new(1000);

	(void)state;
	while (file.len < 100000)
		buf_add_char(&file, 'a');
	read_all(buf_str(&file), &out);
	assert_string_equal(buf_text(&out), "error: a line is too long");
	buf_free(&file);
	buf_free(&out);
}

/* What cannot be read is another matter than what is wrong. */
static void a_failing_read_has_its_errno(void **state)
{
	struct drop_reader *r = drop_reader_new(-1);
	const struct drop_submission *s;
	const char *why = "";

	(void)state;
	errno = 0;
	assert_int_equal(drop_head(r, &s, &why), -1);
	assert_int_not_equal(errno, 0);
	drop_reader_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_is_read_or_refused),
	    cmocka_unit_test(a_torn_file_shows),
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(a_line_has_a_bound),
	    cmocka_unit_test(a_failing_read_has_its_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
