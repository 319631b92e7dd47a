/* SPDX-License-Identifier: ISC */
#include "net/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/file.h"

static char pem_file[] = "/tmp/stream_test_XXXXXX";

/* A key and a certificate for localhost that it signs itself. */
static int make_pem(void **state)
{
	int fd = mkstemp(pem_file);
	FILE *f = fdopen(fd, "w");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");

	(void)state;
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_add_ext(cert, san, -1);
	X509_sign(cert, key, EVP_sha256());
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(f, cert);
	fclose(f);
	X509_EXTENSION_free(san);
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

static int remove_pem(void **state)
{
	(void)state;
	return unlink(pem_file);
}

struct pair {
	struct stream *a; /* under test */
	int b;            /* raw other end */
};

static struct pair pair_new(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	return (struct pair){stream_new(fd[0]), fd[1]};
}

static void pair_end(struct pair *p)
{
	stream_close(&p->a);
	if (p->b >= 0)
		close(p->b);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What get_line gives for input that comes in two pieces, as one text. */
static void lines_at(const char *in, size_t cut, size_t most, char *out)
{
	struct pair p = pair_new();
	struct str line;
	bool bare;
	size_t len = strlen(in);

	out[0] = '\0';
	for (int half = 0; half < 2; half++) {
		const char *from = half == 0 ? in : in + cut;
		size_t n = half == 0 ? cut : len - cut;
		enum stream_result r = STREAM_OK;
		if (n > 0) {
			assert_int_equal(write(p.b, from, n), (ssize_t)n);
			assert_int_equal(stream_fill(p.a), STREAM_OK);
		}
		while ((r = stream_get_line(p.a, most, &line, &bare)) !=
		    STREAM_AGAIN_READ) {
			size_t at = strlen(out);
			if (r == STREAM_TOO_LONG)
				snprintf(out + at, 200 - at, "long;");
			else
				snprintf(out + at, 200 - at, "%.*s%s;",
				    STR_FMT(line), bare ? "!" : "");
		}
	}
	snprintf(out + strlen(out), 200 - strlen(out), "rest=%.*s",
	    STR_FMT(stream_peek(p.a)));
	pair_end(&p);
}

static void lines_do_not_depend_on_arrival(void **state)
{
	static const struct {
		const char *in;
		size_t most;
		const char *want;
	} rows[] = {
	    {"EHLO x\r\nMAIL\r\n", 100, "EHLO x;MAIL;rest="},
	    {"a\nb\r\n\r\n\n", 100, "a!;b;;!;rest="},
	    {"a\rb\r\nc", 100, "a\rb;rest=c"},
	    {"12345\r\n", 5, "12345;rest="},
	    {"123456\r\nok\r\n", 5, "long;ok;rest="},
	    {"123456\nok\n", 5, "long;ok!;rest="},
	    {"1234567890123\r\nok\r\nz", 5, "long;ok;rest=z"},
	    {"12345\n12345\r\n", 5, "12345!;12345;rest="},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t cut = 0; cut <= strlen(rows[i].in); cut++) {
			char got[200];
			lines_at(rows[i].in, cut, rows[i].most, got);
			assert_string_equal(got, rows[i].want);
		}
}

static void a_deadline_ends_a_wait(void **state)
{
	struct pair p = pair_new();
	struct str line;
	int64_t begin = clock_ms();

	(void)state;
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(50)),
	    STREAM_TIMEOUT);
	assert_true(clock_ms() - begin >= 45);
	/* the blocking way, for deadlines that are far */
	begin = clock_ms();
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(2300)),
	    STREAM_TIMEOUT);
	assert_true(clock_ms() - begin >= 2290);
	pair_end(&p);
}

static void a_nonblocking_descriptor_does_not_spin(void **state)
{
	struct pair p = pair_new();
	struct str line;

	(void)state;
	fcntl(stream_fd(p.a), F_SETFL, O_NONBLOCK);
	clock_t used = clock();
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(2300)),
	    STREAM_TIMEOUT);
	assert_true(clock() - used < CLOCKS_PER_SEC / 4);
	pair_end(&p);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void a_wait_can_be_given_up(void **state)
{
	struct pair p = pair_new();
	int64_t begin = clock_ms();

	(void)state;
	stream_on_wait(p.a, always, NULL);
	assert_int_equal(
	    stream_wait_input(p.a, deadline_in(60000)), STREAM_TIMEOUT);
	assert_true(clock_ms() - begin < 30000);
	pair_end(&p);
}

static void what_came_before_the_end_is_read(void **state)
{
	struct pair p = pair_new();
	struct str line;

	(void)state;
	say(p.b, "QUIT\r\nrest");
	close(p.b);
	p.b = -1;
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(20000)),
	    STREAM_OK);
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(20000)),
	    STREAM_EOF);
	assert_int_equal(stream_peek(p.a).len, 4);
	pair_end(&p);
}

static void output_waits_for_a_slow_reader(void **state)
{
	struct pair p = pair_new();
	static char block[1 << 20];
	size_t got = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(stream_put(p.a, str_of(block, sizeof(block))), 0);
	assert_int_equal(stream_push(p.a), STREAM_AGAIN_WRITE);
	assert_true(stream_pending(p.a) > 0);
	assert_int_equal(stream_flush(p.a, deadline_in(50)), STREAM_TIMEOUT);
	if (fork() == 0) {
		assert_int_equal(
		    stream_flush(p.a, deadline_in(20000)), STREAM_OK);
		_exit(0);
	}
	shutdown(p.b, SHUT_WR);
	while (got < sizeof(block)) {
		char in[65536];
		ssize_t n = read(p.b, in, sizeof(in));
		assert_true(n > 0);
		got += (size_t)n;
	}
	wait(NULL);
	pair_end(&p);
}

/* ---- TLS ---- */

static void prints_back(int fd, const char *file)
{
	const char *why = "";
	struct tls_server *tls = tls_server_open(file, ">=TLSv1.2", &why);
	struct stream *s = stream_new(fd);
	struct str line;
	int64_t end = deadline_in(10000);

	if (tls == NULL || stream_wait_line(s, 1000, &line, NULL, end) != 0)
		_exit(10);
	stream_puts(s, "go\r\n");
	if (stream_flush(s, end) != 0 || stream_tls_server(s, tls) < 0 ||
	    stream_wait_handshake(s, end) != 0)
		_exit(11);
	while (stream_wait_line(s, 300000, &line, NULL, end) == STREAM_OK) {
		stream_printf(s, "%.*s\r\n", STR_FMT(line));
		if (stream_flush(s, end) != 0)
			_exit(12);
	}
	stream_close(&s);
	tls_server_close(&tls);
	_exit(0);
}

static pid_t start_server(int *fd, int nonblocking)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | nonblocking, 0, pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		prints_back(pair[1], pem_file);
	}
	close(pair[1]);
	*fd = pair[0];
	return pid;
}

static void tls_round_trip(const char *protocols, const char *want,
    const char *peer_name, bool verified)
{
	int fd, status;
	pid_t pid = start_server(&fd, 0);
	struct stream *s = stream_new(fd);
	const char *why = "";
	struct tls_client *tls = tls_client_open(protocols, pem_file, &why);
	struct tls_info info;
	struct str line;
	int64_t end = deadline_in(10000);
	static char big[200001];

	assert_non_null(tls);
	stream_puts(s, "start\r\n");
	assert_int_equal(stream_wait_line(s, 100, &line, NULL, end), STREAM_OK);
	assert_false(stream_tls_info(s, &info));
	assert_int_equal(stream_tls_client(s, tls, peer_name), 0);
	assert_int_equal(stream_wait_handshake(s, end), STREAM_OK);
	assert_true(stream_tls_info(s, &info));
	assert_string_equal(info.protocol, want);
	assert_true(info.bits >= 128);
	assert_int_equal(info.verified, verified);
	memset(big, 'y', sizeof(big) - 1);
	for (int i = 0; i < 3; i++) {
		stream_printf(s, "small\r\n%s\r\n", big);
		assert_int_equal(
		    stream_wait_line(s, 300000, &line, NULL, end), STREAM_OK);
		assert_true(str_eq(line, STR("small")));
		assert_int_equal(
		    stream_wait_line(s, 300000, &line, NULL, end), STREAM_OK);
		assert_true(str_eq(line, str_from(big)));
	}
	stream_close(&s);
	tls_client_close(&tls);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void tls_works(void **state)
{
	(void)state;
	tls_round_trip(">=TLSv1.2", "TLSv1.3", "localhost", true);
	tls_round_trip("TLSv1.2", "TLSv1.2", "127.0.0.1", true);
	tls_round_trip("!TLSv1.2", "TLSv1.3", "elsewhere.example", false);
}

/* A front's way: fill once for each readiness, then take lines until none
 * is left. Nothing may stay inside TLS unnoticed. */
static void tls_ready_face_leaves_nothing_behind(void **state)
{
	int fd, status;
	pid_t pid = start_server(&fd, SOCK_NONBLOCK);
	struct stream *s = stream_new(fd);
	const char *why = "";
	struct tls_client *tls = tls_client_open("", pem_file, &why);
	struct str line;
	unsigned got = 0;

	(void)state;
	stream_puts(s, "start\r\n");
	assert_int_equal(
	    stream_wait_line(s, 100, &line, NULL, deadline_in(20000)),
	    STREAM_OK);
	assert_int_equal(stream_tls_client(s, tls, "localhost"), 0);
	enum stream_result r;
	while ((r = stream_handshake(s)) != STREAM_OK) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(r, STREAM_AGAIN_READ);
		assert_int_equal(poll(&p, 1, 5000), 1);
	}
	for (int i = 0; i < 2000; i++)
		stream_printf(s, "line %d\r\n", i);
	while (got < 2000) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		r = stream_push(s);
		assert_true(r == STREAM_OK || r == STREAM_AGAIN_WRITE);
		if (r == STREAM_AGAIN_WRITE)
			p.events |= POLLOUT;
		assert_int_equal(poll(&p, 1, 5000), 1);
		if (!(p.revents & POLLIN))
			continue;
		r = stream_fill(s);
		assert_true(r == STREAM_OK || r == STREAM_AGAIN_READ);
		while (stream_get_line(s, 100, &line, NULL) == STREAM_OK) {
			char want[32];
			snprintf(want, sizeof(want), "line %u", got++);
			assert_true(str_eq(line, str_from(want)));
		}
	}
	stream_close(&s);
	tls_client_close(&tls);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* CVE-2011-0411: what was pipelined behind STARTTLS is not a command. */
static void plaintext_before_tls_is_dropped(void **state)
{
	struct pair p = pair_new();
	const char *why = "";
	struct tls_server *tls = tls_server_open(pem_file, "", &why);
	struct str line;

	(void)state;
	say(p.b, "STARTTLS\r\nRSET\r\nhalf");
	assert_int_equal(
	    stream_wait_line(p.a, 100, &line, NULL, deadline_in(20000)),
	    STREAM_OK);
	assert_int_equal(stream_tls_server(p.a, tls), 0);
	assert_false(stream_has_input(p.a));
	assert_int_equal(
	    stream_get_line(p.a, 100, &line, NULL), STREAM_AGAIN_READ);
	/* and plaintext instead of a handshake is a failure with a reason */
	say(p.b, "RSET\r\nRSET\r\nRSET\r\n");
	assert_int_equal(
	    stream_wait_handshake(p.a, deadline_in(20000)), STREAM_ERROR);
	assert_true(strlen(stream_why(p.a)) > 0);
	pair_end(&p);
	tls_server_close(&tls);
}

static void bad_contexts_are_explained(void **state)
{
	static const struct {
		const char *chain, *protocols, *want;
	} rows[] = {
	    {"/nonexistent.pem", "", "/nonexistent.pem"},
	    {"", "", "no file"},
	    {pem_file, "TLSv1.4", "TLSv1.4"},
	    {pem_file, "!TLSv1.2 !TLSv1.3", "neither"},
	    {pem_file, "TLSv1", "neither"},
	    {"/dev/null", "", "/dev/null"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = "";
		assert_null(
		    tls_server_open(rows[i].chain, rows[i].protocols, &why));
		assert_non_null(strstr(why, rows[i].want));
	}
}

/* ---- files ---- */

static void files_are_sent(void **state)
{
	char name[] = "/tmp/stream_file_XXXXXX";
	int file = mkstemp(name), status;
	size_t len = 3000000;
	char *content = malloc(len), *got = malloc(len + 6);

	(void)state;
	unlink(name);
	for (size_t i = 0; i < len; i++)
		content[i] = (char)(i * 7 + i / 1000);
	assert_int_equal(file_pwrite_full(file, content, len, 0), 0);
	struct pair p = pair_new();
	pid_t pid = fork();
	if (pid == 0) {
		close(p.b);
		stream_puts(p.a, "head\r\n");
		enum stream_result r = stream_send_file(
		    p.a, file, 10, len - 10, deadline_in(10000));
		/* a file that ends early is told */
		if (r == STREAM_OK &&
		    stream_send_file(p.a, file, len - 5, 100000,
			deadline_in(20000)) != STREAM_ERROR)
			r = STREAM_EOF;
		_exit((int)r);
	}
	stream_close(&p.a);
	struct stream *b = stream_new(p.b);
	assert_int_equal(
	    stream_wait_bytes(b, got, len - 4, deadline_in(10000)), STREAM_OK);
	assert_memory_equal(got, "head\r\n", 6);
	assert_memory_equal(got + 6, content + 10, len - 10);
	stream_close(&b);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(file);
	free(content);
	free(got);
}

static void connecting_to_nobody_is_told(void **state)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct netaddr to;
	const char *why = "";

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	assert_int_equal(
	    netaddr_parse(STR("127.0.0.1"), ntohs(in.sin_port), &to), 0);
	for (int listening = 0; listening < 2; listening++) {
		if (listening)
			listen(fd, 1);
		struct stream *s = stream_connect(&to, NULL, &why);
		if (s == NULL) {
			assert_false(listening);
			continue;
		}
		struct pollfd p = {.fd = stream_fd(s), .events = POLLOUT};
		poll(&p, 1, 1000);
		assert_int_equal(
		    stream_connected(s), listening ? STREAM_OK : STREAM_ERROR);
		stream_close(&s);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_do_not_depend_on_arrival),
	    cmocka_unit_test(a_deadline_ends_a_wait),
	    cmocka_unit_test(a_nonblocking_descriptor_does_not_spin),
	    cmocka_unit_test(a_wait_can_be_given_up),
	    cmocka_unit_test(what_came_before_the_end_is_read),
	    cmocka_unit_test(output_waits_for_a_slow_reader),
	    cmocka_unit_test(tls_works),
	    cmocka_unit_test(tls_ready_face_leaves_nothing_behind),
	    cmocka_unit_test(plaintext_before_tls_is_dropped),
	    cmocka_unit_test(bad_contexts_are_explained),
	    cmocka_unit_test(files_are_sent),
	    cmocka_unit_test(connecting_to_nobody_is_told),
	};

	signal(SIGPIPE, SIG_IGN);
	alarm(200);
	return cmocka_run_group_tests(tests, make_pem, remove_pem);
}
