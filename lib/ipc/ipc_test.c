/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "ipc/ipc.h"

struct sample {
	struct str text;
	uint64_t number;
	int64_t whole;
	bool flag;
	int choice;
};

static const char *const choices[] = {"red", "green", NULL};
static const struct ipc_field fields[] = {
    IPC_TEXT(struct sample, text, 0, 40),
    IPC_U64(struct sample, number, 3, 100000),
    IPC_I64(struct sample, whole),
    IPC_BOOL(struct sample, flag),
    IPC_CHOICE(struct sample, choice, choices),
    IPC_END_FD,
};
static const struct ipc_type sample = {"sample", fields};
static const struct ipc_field bulk_fields[] = {
    IPC_TEXT(struct sample, text, 1, IPC_LINE_MAX),
    IPC_END_FD,
};
static const struct ipc_type bulk = {"bulk", bulk_fields};
static const struct ipc_field plain_fields[] = {
    IPC_TEXT(struct sample, text, 1, IPC_LINE_MAX),
    IPC_END,
};
static const struct ipc_type plain = {"plain", plain_fields};
static const struct ipc_type *const types[] = {&sample, &bulk, &plain, NULL};
static const struct ipc_exchange exchange = {"test", 2, types};

#define SOON deadline_in(20000)

/* ---- the codec ----------------------------------------------------------- */

/* What a line decodes to, as one line of text. */
static void show(const char *line, char *out, size_t size)
{
	struct sample m;
	char copy[300];
	const char *why;
	size_t len = strlen(line);

	memcpy(copy, line, len);
	if (ipc_decode(&exchange, copy, len, &m, &why) == NULL)
		snprintf(out, size, "error: %s", why);
	else
		snprintf(out, size, "%.*s|%llu|%lld|%d|%d", STR_FMT(m.text),
		    (unsigned long long)m.number, (long long)m.whole, m.flag,
		    m.choice);
}

static const struct {
	const char *in, *want;
} rows[] = {
    {"sample\ttext=a b\tnumber=3\twhole=-5\tflag=1\tchoice=green",
	"a b|3|-5|1|1"},
    {"sample\ttext=\\t\\\\\\n\\r\tnumber=3\twhole=0\tflag=0\tchoice=red",
	"\t\\\n\r|3|0|0|0"},
    {"sampl\ttext=", "error: unknown message"},
    {"", "error: unknown message"},
    {"sample", "error: missing or unknown field"},
    {"sample\tnumber=3", "error: missing or unknown field"},
    {"sample\ttext=\twhole=0\tnumber=3\tflag=0\tchoice=red",
	"error: missing or unknown field"},
    {"sample\ttext=\tnumber=2\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=100001\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=04\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=+4\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=4\twhole=-0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=4\twhole=9223372036854775808\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=4\twhole=0\tflag=yes\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=4\twhole=0\tflag=0\tchoice=blue",
	"error: field out of bounds"},
    {"sample\ttext=\\x\tnumber=4\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\\\tnumber=4\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=a\rb\tnumber=4\twhole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=12345678901234567890123456789012345678901\tnumber=4\t"
     "whole=0\tflag=0\tchoice=red",
	"error: field out of bounds"},
    {"sample\ttext=\tnumber=4\twhole=0\tflag=0\tchoice=red\tmore=1",
	"error: field too many"},
    {"sample\ttext=\tnumber=4\twhole=0\tflag=0\tchoice=red\t",
	"error: field too many"},
};

static void lines_are_decoded_strictly(void **state)
{
	char got[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		show(rows[i].in, got, sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
}

static void what_is_encoded_is_decoded(void **state)
{
	struct sample in = {str_of("\0\t\n\r\\x", 6), 77, INT64_MIN, true, 1};
	struct buf line = buf_new(1000);
	struct sample out;
	const char *why;

	(void)state;
	assert_int_equal(ipc_encode(&line, &sample, &in), 0);
	assert_true(line.p[line.len - 1] == '\n');
	assert_true(str_find(buf_str(&line), '\0') == line.len);
	assert_ptr_equal(
	    ipc_decode(&exchange, line.p, line.len - 1, &out, &why), &sample);
	assert_true(str_eq(in.text, out.text));
	assert_true(out.number == 77 && out.whole == INT64_MIN && out.flag);
	assert_int_equal(out.choice, 1);
	buf_free(&line);
}

static void a_bad_message_is_not_encoded(void **state)
{
	struct sample in = {STR("x"), 2, 0, false, 0};
	struct buf line = buf_new(60);

	(void)state;
	buf_add_text(&line, "before");
	assert_int_equal(ipc_encode(&line, &sample, &in), -1);
	in.number = 3;
	in.choice = 2;
	assert_int_equal(ipc_encode(&line, &sample, &in), -1);
	in.choice = 0;
	in.text = STR("1234567890");
	assert_int_equal(ipc_encode(&line, &sample, &in), -1); /* no room */
	assert_string_equal(buf_text(&line), "before");
	buf_free(&line);
}

/* ---- connections --------------------------------------------------------- */

/* A client and a server that are connected through a socket with a name. */
struct pair {
	char dir[32];
	struct ipc *client, *server;
};

static int connect_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *why = "";

	snprintf(p->dir, sizeof(p->dir), "/tmp/ipc-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", p->dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 5), 0);
	p->client = ipc_connect(a.sun_path, &exchange, SOON, &why);
	assert_non_null(p->client);
	p->server = ipc_server(accept(listener, NULL, NULL), &exchange);
	close(listener);
	*state = p;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *p = *state;
	char path[64];

	ipc_close(&p->client);
	ipc_close(&p->server);
	snprintf(path, sizeof(path), "%s/s", p->dir);
	unlink(path);
	rmdir(p->dir);
	free(p);
	return 0;
}

static struct sample message(const char *text)
{
	return (struct sample){str_from(text), 3, 0, false, 0};
}

static void put(struct ipc *c, const char *text)
{
	struct sample m = message(text);

	assert_int_equal(ipc_put(c, &sample, &m), 0);
}

/* The text of the next message, or the result as a word. */
static const char *next(struct ipc *c, char *out, size_t size)
{
	static const char *const words[] = {
	    "ok", "again", "eof", "timeout", "broken"};
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r = ipc_wait(c, &type, &msg, deadline_in(200));
	const struct sample *m = msg;

	if (r != IPC_OK)
		return words[r];
	snprintf(out, size, "%.*s", STR_FMT(m->text));
	return out;
}

static void messages_arrive_in_order(void **state)
{
	struct pair *p = *state;
	char got[50];

	assert_string_equal(next(p->server, got, sizeof(got)), "timeout");
	put(p->client, "one");
	put(p->client, "two");
	assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);
	assert_int_equal(ipc_pending(p->client), 0);
	assert_false(ipc_has_input(p->server));
	assert_string_equal(next(p->server, got, sizeof(got)), "one");
	assert_true(ipc_has_input(p->server));
	assert_string_equal(next(p->server, got, sizeof(got)), "two");
	assert_false(ipc_has_input(p->server));
	put(p->server, "answer");
	assert_int_equal(ipc_flush(p->server, SOON), IPC_OK);
	assert_string_equal(next(p->client, got, sizeof(got)), "answer");
	ipc_close(&p->client);
	assert_string_equal(next(p->server, got, sizeof(got)), "eof");
	assert_string_equal(next(p->server, got, sizeof(got)), "eof");
}

static void an_end_within_a_message_is_told(void **state)
{
	struct pair *p = *state;
	char got[50];

	put(p->client, "one");
	ipc_put_bytes(p->client, "sample\ttext=", 12);
	ipc_flush(p->client, SOON);
	ipc_close(&p->client);
	assert_string_equal(next(p->server, got, sizeof(got)), "one");
	assert_string_equal(next(p->server, got, sizeof(got)), "broken");
	assert_string_equal(
	    ipc_why(p->server), "connection ended within a message");
}

static void a_stranger_is_refused(void **state)
{
	static const char *const hellos[] = {"GET / HTTP/1.0\r\n\n",
	    "posthouse-ipc\tother\t2\n", "posthouse-ipc\ttest\t3\n",
	    "posthouse-ipc\ttest\t0\n", "posthouse-ipc\ttest\n"};
	char got[50];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
		int fds[2];
		struct ipc *server;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		server = ipc_server(fds[0], &exchange);
		assert_true(write(fds[1], hellos[i], strlen(hellos[i])) > 0);
		assert_string_equal(next(server, got, sizeof(got)), "broken");
		ipc_close(&server);
		close(fds[1]);
	}
}

/* N reads N-1. */
static void the_version_before_is_welcome(void **state)
{
	static const char hello[] = "posthouse-ipc\ttest\t1\nsample\ttext=old\t"
				    "number=3\twhole=0\tflag=0\tchoice=red\n";
	int fds[2];
	struct ipc *server;
	char got[50];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	server = ipc_server(fds[0], &exchange);
	/* Octet by octet. */
	for (size_t i = 0; i + 1 < sizeof(hello); i++) {
		assert_int_equal(write(fds[1], hello + i, 1), 1);
		assert_int_equal(ipc_fill(server), IPC_OK);
		assert_int_equal(ipc_has_input(server), i + 2 == sizeof(hello));
	}
	assert_string_equal(next(server, got, sizeof(got)), "old");
	ipc_close(&server);
	close(fds[1]);
}

static void a_line_without_end_is_refused(void **state)
{
	struct pair *p = *state;
	static char junk[IPC_LINE_MAX + 10];
	enum ipc_result r = IPC_OK;
	const struct ipc_type *type;
	const void *msg;

	memset(junk, 'x', sizeof(junk));
	ipc_put_bytes(p->client, junk, sizeof(junk));
	assert_int_not_equal(ipc_push(p->client), IPC_BROKEN);
	while (r == IPC_OK || r == IPC_AGAIN) {
		r = ipc_fill(p->server);
		if (r == IPC_OK)
			r = ipc_next(p->server, &type, &msg);
	}
	assert_int_equal(r, IPC_BROKEN);
	assert_string_equal(ipc_why(p->server), "line too long");
}

static void bulk_follows_its_message(void **state)
{
	struct pair *p = *state;
	static char sent[200000], got[200000];
	char text[50];
	const char *view;
	size_t len = sizeof(got), done = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31 + i / 1000);
	put(p->client, "bulk");
	ipc_put_bytes(p->client, sent, sizeof(sent));
	put(p->client, "behind");
	if (fork() == 0) {
		ipc_flush(p->client, SOON);
		_exit(0);
	}
	assert_string_equal(next(p->server, text, sizeof(text)), "bulk");
	assert_int_equal(ipc_wait_bytes(p->server, got, 100001, SOON), IPC_OK);
	for (done = 100001; done < sizeof(got); done += len) {
		len = sizeof(got) - done;
		assert_int_equal(
		    ipc_wait_view(p->server, &view, &len, SOON), IPC_OK);
		assert_true(len >= 1 && len <= sizeof(got) - done);
		memcpy(got + done, view, len);
	}
	assert_memory_equal(sent, got, sizeof(sent));
	assert_string_equal(next(p->server, text, sizeof(text)), "behind");
}

/* Descriptors that are open in this process. */
static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int open_numbered(char c)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(file_pwrite_full(fd, &c, 1, 0), 0);
	return fd;
}

static char first_octet(int fd)
{
	char c = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	close(fd);
	return c;
}

static void put_fd(struct ipc *c, const char *text, char number)
{
	struct sample m = message(text);
	int fd = open_numbered(number);

	assert_int_equal(ipc_put_fd(c, &sample, &m, fd), 0);
	close(fd);
}

static void descriptors_come_with_their_message(void **state)
{
	struct pair *p = *state;
	int before = count_fds();
	char got[50];

	put(p->client, "none");
	put_fd(p->client, "first", '1');
	put_fd(p->client, "second", '2');
	put(p->client, "none again");
	put_fd(p->client, "not taken", '3');
	put(p->client, "last");
	assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);

	assert_string_equal(next(p->server, got, sizeof(got)), "none");
	assert_int_equal(ipc_take_fd(p->server), -1);
	assert_string_equal(next(p->server, got, sizeof(got)), "first");
	assert_int_equal(first_octet(ipc_take_fd(p->server)), '1');
	assert_int_equal(ipc_take_fd(p->server), -1);
	assert_string_equal(next(p->server, got, sizeof(got)), "second");
	assert_int_equal(first_octet(ipc_take_fd(p->server)), '2');
	assert_string_equal(next(p->server, got, sizeof(got)), "none again");
	assert_int_equal(ipc_take_fd(p->server), -1);
	assert_string_equal(next(p->server, got, sizeof(got)), "not taken");
	assert_string_equal(next(p->server, got, sizeof(got)), "last");
	assert_int_equal(ipc_take_fd(p->server), -1);
	assert_int_equal(count_fds(), before);
}

/* Whatever stands between them, and whatever the chunks they arrive in. */
static void descriptors_survive_bulk_and_long_lines(void **state)
{
	struct pair *p = *state;
	static char text[60000], junk[30000];
	struct sample m = {.text = {text, sizeof(text)}};
	const struct ipc_type *type;
	const struct sample *got;
	const void *msg;
	int fd = open_numbered('L');

	memset(text, '\t', sizeof(text) / 4); /* escaped: longer on the wire */
	memset(text + sizeof(text) / 4, 'x', sizeof(text) / 4);
	m.text.len = sizeof(text) / 2;
	put(p->client, "bulk");
	ipc_put_bytes(p->client, junk, sizeof(junk));
	assert_int_equal(ipc_put_fd(p->client, &bulk, &m, fd), 0);
	close(fd);
	put_fd(p->client, "short", 'S');
	if (fork() == 0) {
		ipc_flush(p->client, SOON);
		_exit(0);
	}
	assert_int_equal(ipc_wait(p->server, &type, &msg, SOON), IPC_OK);
	assert_int_equal(
	    ipc_wait_bytes(p->server, junk, sizeof(junk), SOON), IPC_OK);
	assert_int_equal(ipc_wait(p->server, &type, &msg, SOON), IPC_OK);
	got = msg;
	assert_ptr_equal(type, &bulk);
	assert_true(str_eq(got->text, m.text));
	assert_int_equal(first_octet(ipc_take_fd(p->server)), 'L');
	assert_int_equal(ipc_wait(p->server, &type, &msg, SOON), IPC_OK);
	assert_int_equal(first_octet(ipc_take_fd(p->server)), 'S');
}

static void put_plain(struct ipc *c, size_t len)
{
	static char text[2000];
	struct sample m = {.text = {text, len}};

	memset(text, 'p', sizeof(text));
	assert_int_equal(ipc_put(c, &plain, &m), 0);
}

/* What travels in one piece may arrive in two: the reader's buffer ends
 * anywhere. */
static void a_descriptor_waits_for_its_message(void **state)
{
	struct pair *p = *state;
	const struct ipc_type *type;
	const void *msg;
	char got[50];

	for (size_t first = 1400; first < 1990; first += 7) {
		put_plain(p->client, first);
		assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);
		put_plain(p->client, 300);
		put_plain(p->client, 200);
		put_fd(p->client, "mine", 'M');
		put_fd(p->client, "next", 'N');
		assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(
			    ipc_wait(p->server, &type, &msg, SOON), IPC_OK);
			assert_ptr_equal(type, &plain);
			assert_int_equal(ipc_take_fd(p->server), -1);
		}
		assert_string_equal(next(p->server, got, sizeof(got)), "mine");
		assert_int_equal(first_octet(ipc_take_fd(p->server)), 'M');
		assert_string_equal(next(p->server, got, sizeof(got)), "next");
		assert_int_equal(first_octet(ipc_take_fd(p->server)), 'N');
	}
}

/* Nobody who waits is kept busy by descriptors without end. */
static void descriptors_without_a_message_end_it(void **state)
{
	struct pair *p = *state;
	const struct ipc_type *type;
	const void *msg;
	int before = count_fds();
	int raw = ipc_fd(p->client);

	assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);
	for (int i = 0; i < 40; i++) {
		union {
			char space[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = {{0}};
		char octet = 'x';
		struct iovec iov = {&octet, 1};
		struct msghdr m = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = control.space,
		    .msg_controllen = sizeof(control.space)};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);

		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &raw, sizeof(int));
		assert_int_equal(sendmsg(raw, &m, 0), 1);
	}
	assert_int_equal(ipc_wait(p->server, &type, &msg, SOON), IPC_BROKEN);
	assert_string_equal(ipc_why(p->server), "too many descriptors");
	ipc_close(&p->server);
	assert_int_equal(count_fds(), before - 1);
}

static void stray_descriptors_are_closed(void **state)
{
	struct pair *p = *state;
	int before = count_fds();

	for (int i = 0; i < 10; i++)
		put_fd(p->client, "x", 'x');
	assert_int_equal(ipc_flush(p->client, SOON), IPC_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ipc_fill(p->server), IPC_OK);
	ipc_close(&p->server);
	assert_int_equal(count_fds(), before - 1);
}

static void a_call_wants_its_answer(void **state)
{
	struct pair *p = *state;
	struct sample ask = message("ask");
	const struct sample *m;
	const void *reply;

	put(p->server, "reply");
	ipc_flush(p->server, SOON);
	assert_int_equal(
	    ipc_call(p->client, &sample, &ask, &sample, &reply, SOON), IPC_OK);
	m = reply;
	assert_true(str_eq(m->text, STR("reply")));
	put(p->server, "reply");
	ipc_flush(p->server, SOON);
	assert_int_equal(
	    ipc_call(p->client, &sample, &ask, &bulk, &reply, SOON),
	    IPC_BROKEN);
	assert_string_equal(ipc_why(p->client), "unexpected answer");
}

static void waits_are_bounded(void **state)
{
	struct pair *p = *state;
	const struct ipc_type *type;
	const void *msg;
	int64_t start = clock_ms();
	static char much[4 << 20];

	assert_int_equal(
	    ipc_wait(p->server, &type, &msg, deadline_in(100)), IPC_TIMEOUT);
	assert_true(clock_ms() - start >= 95);
	ipc_put_bytes(p->client, much, sizeof(much));
	start = clock_ms();
	assert_int_equal(ipc_flush(p->client, deadline_in(100)), IPC_TIMEOUT);
	assert_true(clock_ms() - start >= 95);
	assert_true(ipc_pending(p->client) > 0);
	assert_int_equal(ipc_push(p->client), IPC_AGAIN);
}

static void who_is_there_and_who_is_not(void **state)
{
	struct pair *p = *state;
	const char *why = NULL;
	struct buf deep = buf_new(400);

	assert_int_equal(ipc_peer_uid(p->server), geteuid());
	assert_null(ipc_connect("/tmp/none/such", &exchange, SOON, &why));
	assert_non_null(why);
	for (int i = 0; i < 30; i++)
		buf_add_text(&deep, "/deep/path");
	assert_null(ipc_connect(buf_text(&deep), &exchange, SOON, &why));
	buf_free(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_decoded_strictly),
	    cmocka_unit_test(what_is_encoded_is_decoded),
	    cmocka_unit_test(a_bad_message_is_not_encoded),
	    cmocka_unit_test_setup_teardown(
		messages_arrive_in_order, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		an_end_within_a_message_is_told, connect_pair, close_pair),
	    cmocka_unit_test(a_stranger_is_refused),
	    cmocka_unit_test(the_version_before_is_welcome),
	    cmocka_unit_test_setup_teardown(
		a_line_without_end_is_refused, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		bulk_follows_its_message, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		descriptors_come_with_their_message, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		a_descriptor_waits_for_its_message, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		descriptors_without_a_message_end_it, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		descriptors_survive_bulk_and_long_lines, connect_pair,
		close_pair),
	    cmocka_unit_test_setup_teardown(
		stray_descriptors_are_closed, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		a_call_wants_its_answer, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		waits_are_bounded, connect_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		who_is_there_and_who_is_not, connect_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
