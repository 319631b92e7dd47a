/* SPDX-License-Identifier: ISC */
/*
 * The waiting face: the ready one, with waits in between.
 *
 * Where the descriptor lets it, waiting for input is a recv(2) that blocks
 * for a slice of time (SO_RCVTIMEO): one system call for each arrival instead
 * of poll(2) and recv(2). Near the deadline, and on a descriptor that another
 * process made non-blocking, it is poll.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/clock.h"
#include "net/stream_internal.h"

#define SLICE_MS  2000
#define COPY_MOST 65536 /* octets of a file sent through memory at once */

void stream_on_wait(struct stream *s, bool (*give_up)(void *arg), void *arg)
{
	s->give_up = give_up;
	s->give_up_arg = arg;
}

static bool gives_up(const struct stream *s)
{
	return s->give_up != NULL && s->give_up(s->give_up_arg);
}

static void prepare(struct stream *s)
{
	struct timeval slice = {
	    .tv_sec = SLICE_MS / 1000, .tv_usec = SLICE_MS % 1000 * 1000};
	int flags = fcntl(s->fd, F_GETFL);

	s->prepared = true;
	s->blocking = flags >= 0 && (flags & O_NONBLOCK) == 0 &&
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice)) ==
		0;
}

/* Far from the deadline a blocking recv(2) may do the waiting. */
static bool may_block(const struct stream *s, int64_t deadline)
{
	int left = deadline_left(deadline);

	return s->blocking && (left < 0 || left > SLICE_MS);
}

/* Until the descriptor is ready, a slice has passed or the deadline. */
static enum stream_result wait_ready(
    struct stream *s, short events, int64_t deadline)
{
	struct pollfd p = {.fd = s->fd, .events = events};
	int left = deadline_left(deadline);

	if (left == 0)
		return STREAM_TIMEOUT;
	if (gives_up(s))
		return STREAM_TIMEOUT;
	if (left < 0 || (s->give_up != NULL && left > SLICE_MS))
		left = SLICE_MS;
	if (poll(&p, 1, left) < 0 && errno != EINTR)
		return stream_fail_errno(s, "waiting");
	return gives_up(s) ? STREAM_TIMEOUT : STREAM_OK;
}

/* Pending output goes first: a peer that waits for it would never answer. */
static enum stream_result send_pending(struct stream *s, int64_t deadline)
{
	return stream_pending(s) > 0 ? stream_flush(s, deadline) : STREAM_OK;
}

/* One arrival: STREAM_OK when in may have grown. */
static enum stream_result fill_waiting(struct stream *s, int64_t deadline)
{
	if (!s->prepared)
		prepare(s);
	bool block = may_block(s, deadline);
	if (block && gives_up(s))
		return STREAM_TIMEOUT;
	enum stream_result r = stream_fill_how(s, block);
	if (r != STREAM_AGAIN_READ)
		return r;
	if (!block)
		return wait_ready(s, POLLIN, deadline);
	return gives_up(s) ? STREAM_TIMEOUT : STREAM_OK;
}

enum stream_result stream_wait_input(struct stream *s, int64_t deadline)
{
	enum stream_result r = STREAM_OK;

	while (r == STREAM_OK && !stream_has_input(s)) {
		r = send_pending(s, deadline);
		if (r == STREAM_OK)
			r = fill_waiting(s, deadline);
	}
	return r;
}

enum stream_result stream_wait_line(struct stream *s, size_t most,
    struct str *line, bool *bare, int64_t deadline)
{
	for (;;) {
		enum stream_result r = stream_get_line(s, most, line, bare);
		if (r != STREAM_AGAIN_READ)
			return r;
		r = send_pending(s, deadline);
		if (r == STREAM_OK)
			r = fill_waiting(s, deadline);
		if (r != STREAM_OK)
			return r;
	}
}

enum stream_result stream_wait_bytes(
    struct stream *s, void *p, size_t len, int64_t deadline)
{
	char *to = p;

	while (len > 0) {
		struct str have = stream_peek(s);
		size_t n = have.len < len ? have.len : len;
		if (n > 0) {
			memcpy(to, have.p, n);
			stream_consume(s, n);
			to += n;
			len -= n;
			continue;
		}
		enum stream_result r = stream_wait_input(s, deadline);
		if (r != STREAM_OK)
			return r;
	}
	return STREAM_OK;
}

enum stream_result stream_flush(struct stream *s, int64_t deadline)
{
	for (;;) {
		enum stream_result r = stream_push(s);
		if (r != STREAM_AGAIN_WRITE)
			return r;
		r = wait_ready(s, POLLOUT, deadline);
		if (r != STREAM_OK)
			return r;
	}
}

enum stream_result stream_wait_handshake(struct stream *s, int64_t deadline)
{
	if (!s->prepared)
		prepare(s);
	for (;;) {
		bool block = may_block(s, deadline);
		if (block && gives_up(s))
			return STREAM_TIMEOUT;
		enum stream_result r = stream_handshake_how(s, block);
		if (r == STREAM_AGAIN_READ && !block)
			r = wait_ready(s, POLLIN, deadline);
		else if (r == STREAM_AGAIN_WRITE)
			r = wait_ready(s, POLLOUT, deadline);
		else if (r != STREAM_AGAIN_READ)
			return r;
		if (r != STREAM_OK && r != STREAM_AGAIN_READ)
			return r;
	}
}

/* ---- files ---- */

static enum stream_result send_copy(
    struct stream *s, int fd, uint64_t offset, uint64_t len, int64_t deadline)
{
	while (len > 0) {
		size_t most = len < COPY_MOST ? (size_t)len : COPY_MOST;
		ssize_t n = pread(
		    fd, bytes_room(&s->out, most), most, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stream_fail_errno(s, "reading the file");
		if (n == 0)
			return stream_fail(s, "the file ended early");
		s->out.end += (size_t)n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		enum stream_result r = stream_flush(s, deadline);
		if (r != STREAM_OK)
			return r;
	}
	return STREAM_OK;
}

/* sendfile(2) has no flag for a single call that does not wait. */
static void make_nonblocking(struct stream *s)
{
	int flags = fcntl(s->fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
	s->prepared = true;
	s->blocking = false;
}

enum stream_result stream_send_file(
    struct stream *s, int fd, uint64_t offset, uint64_t len, int64_t deadline)
{
	/* What fits one segment or so travels with what is pending. */
	if (s->ssl != NULL || len + bytes_len(&s->out) <= COPY_MOST / 2)
		return send_copy(s, fd, offset, len, deadline);
	enum stream_result r = stream_flush(s, deadline);
	if (r != STREAM_OK)
		return r;
	make_nonblocking(s);
	while (len > 0) {
		off_t at = (off_t)offset;
		size_t most = len < (1u << 30) ? (size_t)len : 1u << 30;
		ssize_t n = sendfile(s->fd, fd, &at, most);
		if (n == 0)
			return stream_fail(s, "the file ended early");
		if (n > 0) {
			offset += (uint64_t)n;
			len -= (uint64_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EINVAL || errno == ENOSYS)
			return send_copy(s, fd, offset, len, deadline);
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return stream_fail_errno(s, "writing");
		r = wait_ready(s, POLLOUT, deadline);
		if (r != STREAM_OK)
			return r;
	}
	return STREAM_OK;
}
