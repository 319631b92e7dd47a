/* SPDX-License-Identifier: ISC */
/* Buffers and the ready face. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/memory.h"
#include "net/stream_internal.h"

/* ---- bytes ---- */

char *bytes_room(struct bytes *b, size_t len)
{
	if (b->capacity - b->end >= len)
		return b->p + b->end;
	size_t kept = bytes_len(b);
	if (b->start > 0) {
		memmove(b->p, b->p + b->start, kept);
		b->start = 0;
		b->end = kept;
	}
	if (b->capacity - kept < len) {
		size_t capacity = b->capacity < 1024 ? 1024 : b->capacity;
		while (capacity - kept < len)
			capacity *= 2;
		b->p = mem_resize(b->p, capacity, 1);
		b->capacity = capacity;
	}
	return b->p + b->end;
}

void bytes_take(struct bytes *b, size_t n)
{
	b->start += n;
	if (b->start >= b->end)
		b->start = b->end = 0;
}

void bytes_free(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){NULL, 0, 0, 0};
}

/* ---- birth and death ---- */

struct stream *stream_new(int fd)
{
	struct stream *s = NEW(struct stream);

	s->fd = fd;
	s->reading = READ_FIRST;
	return s;
}

static void free_all(struct stream *s)
{
	stream_tls_free(s);
	bytes_free(&s->in);
	bytes_free(&s->out);
	bytes_free(&s->cipher_in);
	bytes_free(&s->cipher_out);
	free(s);
}

void stream_close(struct stream **s)
{
	struct stream *gone = *s;

	if (gone == NULL)
		return;
	*s = NULL;
	stream_tls_end(gone);
	close(gone->fd);
	free_all(gone);
}

int stream_release(struct stream **s)
{
	if ((*s)->ssl != NULL)
		return -1;
	int fd = (*s)->fd;
	free_all(*s);
	*s = NULL;
	return fd;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

const char *stream_why(const struct stream *s)
{
	return s->why;
}

void stream_trim(struct stream *s)
{
	struct bytes *const all[] = {
	    &s->in, &s->out, &s->cipher_in, &s->cipher_out};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (bytes_len(all[i]) == 0)
			bytes_free(all[i]);
	s->reading = READ_FIRST;
}

enum stream_result stream_fail(struct stream *s, const char *why)
{
	if (!s->failed)
		snprintf(s->why, sizeof(s->why), "%s", why);
	s->failed = true;
	return STREAM_ERROR;
}

enum stream_result stream_fail_errno(struct stream *s, const char *what)
{
	char why[120];

	snprintf(why, sizeof(why), "%s: %s", what, strerror(errno));
	return stream_fail(s, why);
}

/* ---- input that has arrived ---- */

struct str stream_peek(const struct stream *s)
{
	if (bytes_len(&s->in) == 0)
		return STR_EMPTY;
	return str_of(s->in.p + s->in.start, bytes_len(&s->in));
}

void stream_consume(struct stream *s, size_t n)
{
	size_t len = bytes_len(&s->in);

	if (n > len)
		n = len;
	bytes_take(&s->in, n);
	s->scanned = s->scanned > n ? s->scanned - n : 0;
}

bool stream_has_input(const struct stream *s)
{
	return bytes_len(&s->in) > 0;
}

/* The rest of a line that was too long goes; true when its end came. */
static bool skip_line(struct stream *s)
{
	struct str all = stream_peek(s);
	size_t lf = str_find(all, '\n');

	if (lf == all.len) {
		stream_consume(s, all.len);
		return false;
	}
	stream_consume(s, lf + 1);
	s->skipping = false;
	return true;
}

enum stream_result stream_get_line(
    struct stream *s, size_t most, struct str *line, bool *bare)
{
	if (most > INPUT_MOST / 2)
		most = INPUT_MOST / 2;
	if (s->skipping)
		return skip_line(s) ? STREAM_TOO_LONG : STREAM_AGAIN_READ;
	struct str all = stream_peek(s);
	size_t lf = s->scanned + str_find(str_skip(all, s->scanned), '\n');
	if (lf == all.len) {
		s->scanned = all.len;
		if (all.len > most + 1) { /* 1 for a CR before the LF */
			s->skipping = true;
			skip_line(s);
		}
		return STREAM_AGAIN_READ;
	}
	bool crlf = lf > 0 && all.p[lf - 1] == '\r';
	size_t len = crlf ? lf - 1 : lf;
	s->scanned = 0;
	bytes_take(&s->in, lf + 1);
	if (len > most)
		return STREAM_TOO_LONG;
	if (bare != NULL)
		*bare = !crlf;
	*line = str_of(all.p, len);
	return STREAM_OK;
}

/* ---- the ready face ---- */

enum stream_result stream_receive(struct stream *s, bool wait)
{
	struct bytes *to = s->ssl != NULL ? &s->cipher_in : &s->in;
	int flags = wait && s->blocking ? 0 : MSG_DONTWAIT;

	if (s->failed)
		return STREAM_ERROR;
	if (s->eof)
		return STREAM_EOF;
	if (bytes_len(&s->in) >= INPUT_MOST)
		return stream_fail(s, "too much unread input");
	char *room = bytes_room(to, s->reading);
	ssize_t n = recv(s->fd, room, s->reading, flags);
	if (n < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return STREAM_AGAIN_READ;
		return stream_fail_errno(s, "reading");
	}
	if (n == 0) {
		s->eof = true;
		return STREAM_EOF;
	}
	to->end += (size_t)n;
	s->wrote_last = false;
	if ((size_t)n == s->reading && s->reading < READ_MOST)
		s->reading *= 4;
	if (s->reading > READ_MOST)
		s->reading = READ_MOST;
	return STREAM_OK;
}

enum stream_result stream_fill_how(struct stream *s, bool wait)
{
	enum stream_result r = stream_receive(s, wait);

	if (s->ssl == NULL || (r != STREAM_OK && r != STREAM_EOF))
		return r;
	return stream_decrypt(s);
}

enum stream_result stream_fill(struct stream *s)
{
	return stream_fill_how(s, false);
}

/*
 * Two sends without an answer in between meet Nagle's algorithm and delayed
 * acknowledgements; only then is it worth a system call to end that.
 */
static void mind_delay(struct stream *s)
{
	if (s->wrote_last && !s->no_delay) {
		int on = 1;
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		s->no_delay = true;
	}
	s->wrote_last = true;
}

enum stream_result stream_send_bytes(struct stream *s, struct bytes *b)
{
	if (s->failed)
		return STREAM_ERROR;
	if (bytes_len(b) > 0)
		mind_delay(s);
	while (bytes_len(b) > 0) {
		ssize_t n = send(s->fd, b->p + b->start, bytes_len(b),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return STREAM_AGAIN_WRITE;
		if (n < 0)
			return stream_fail_errno(s, "writing");
		bytes_take(b, (size_t)n);
	}
	if (b->capacity > READ_MOST)
		bytes_free(b);
	return STREAM_OK;
}

enum stream_result stream_push(struct stream *s)
{
	if (s->ssl == NULL)
		return stream_send_bytes(s, &s->out);
	for (;;) {
		enum stream_result r = stream_encrypt(s);
		if (r == STREAM_OK)
			r = stream_send_bytes(s, &s->cipher_out);
		if (r != STREAM_OK || stream_pending(s) == 0)
			return r;
	}
}

size_t stream_pending(const struct stream *s)
{
	return bytes_len(&s->out) + bytes_len(&s->cipher_out);
}

/* ---- output ---- */

int stream_put(struct stream *s, struct str bytes)
{
	if (bytes.len == 0)
		return 0;
	if (bytes.len > OUTPUT_MOST - bytes_len(&s->out))
		return -1;
	memcpy(bytes_room(&s->out, bytes.len), bytes.p, bytes.len);
	s->out.end += bytes.len;
	return 0;
}

int stream_puts(struct stream *s, const char *text)
{
	return stream_put(s, str_from(text));
}

int stream_printf(struct stream *s, const char *format, ...)
{
	char small[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (n < 0)
		return -1;
	if ((size_t)n < sizeof(small))
		return stream_put(s, str_of(small, (size_t)n));
	if ((size_t)n > OUTPUT_MOST - bytes_len(&s->out))
		return -1;
	char *room = bytes_room(&s->out, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(room, (size_t)n + 1, format, args);
	va_end(args);
	s->out.end += (size_t)n;
	return 0;
}

/* ---- connecting ---- */

struct stream *stream_connect(
    const struct netaddr *to, const struct netaddr *from, const char **why)
{
	int fd = socket(
	    to->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	if ((from != NULL && bind(fd, &from->u.sa, from->len) < 0) ||
	    (connect(fd, &to->u.sa, to->len) < 0 && errno != EINPROGRESS)) {
		*why = strerror(errno);
		close(fd);
		return NULL;
	}
	struct stream *s = stream_new(fd);
	s->connecting = true;
	return s;
}

enum stream_result stream_connected(struct stream *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (!s->connecting)
		return s->failed ? STREAM_ERROR : STREAM_OK;
	if (poll(&p, 1, 0) <= 0)
		return STREAM_AGAIN_WRITE;
	s->connecting = false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0)
		return STREAM_OK;
	errno = error;
	return stream_fail_errno(s, "connecting");
}
