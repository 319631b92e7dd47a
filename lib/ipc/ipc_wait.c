/* SPDX-License-Identifier: ISC */
/* The waiting face: everything ends by its deadline. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/clock.h"
#include "ipc/ipc_internal.h"

#define BULK 65536 /* octets of the receive buffer while bulk bytes come */

/* Waits until fd is ready; IPC_TIMEOUT when the deadline passes. */
static enum ipc_result wait_fd(struct ipc *c, short events, int64_t deadline)
{
	struct pollfd p = {c->fd, events, 0};
	int n;

	do {
		n = poll(&p, 1, deadline_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return ipc_break_off(c, strerror(errno));
	return n == 0 ? IPC_TIMEOUT : IPC_OK;
}

enum ipc_result ipc_flush(struct ipc *c, int64_t deadline)
{
	enum ipc_result r;

	while ((r = ipc_push(c)) == IPC_AGAIN) {
		r = wait_fd(c, POLLOUT, deadline);
		if (r != IPC_OK)
			break;
	}
	return r;
}

static void bound_receive(struct ipc *c, int64_t deadline)
{
	int64_t left = deadline_left(deadline);
	struct timeval tv = {0, 0};

	if (left < 0)
		left = 3600 * 1000;
	if (left < 1)
		left = 1;
	if (c->in_wait > 0 && c->in_wait <= left + left / 16 + 20 &&
	    c->in_wait >= left / 2)
		return;
	tv.tv_sec = left / 1000;
	tv.tv_usec = left % 1000 * 1000;
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0)
		c->in_wait = left;
}

/* Waits for more input. */
static enum ipc_result await(struct ipc *c, int64_t deadline)
{
	enum ipc_result r;

	bound_receive(c, deadline);
	r = ipc_receive(c, 0);
	while (r == IPC_AGAIN) {
		/* A non-blocking socket, or the timeout was short. */
		r = wait_fd(c, POLLIN, deadline);
		if (r == IPC_OK)
			r = ipc_receive(c, MSG_DONTWAIT);
	}
	return r;
}

enum ipc_result ipc_wait(struct ipc *c, const struct ipc_type **type,
    const void **msg, int64_t deadline)
{
	enum ipc_result r;

	while ((r = ipc_next(c, type, msg)) == IPC_AGAIN) {
		r = await(c, deadline);
		if (r == IPC_EOF)
			r = ipc_ended(c);
		if (r != IPC_OK)
			return r;
	}
	return r;
}

enum ipc_result ipc_wait_view(
    struct ipc *c, const char **p, size_t *len, int64_t deadline)
{
	enum ipc_result r = c->broken ? IPC_BROKEN : IPC_OK;

	while (r == IPC_OK && c->start == c->end) {
		if (c->eof)
			return ipc_break_off(
			    c, "connection ended within bytes");
		/* Bulk is on its way: a large buffer spares calls. */
		if (*len > c->capacity)
			ipc_widen(c, BULK);
		r = await(c, deadline);
		if (r == IPC_EOF)
			return ipc_break_off(
			    c, "connection ended within bytes");
	}
	if (r != IPC_OK)
		return r;
	if (*len > c->end - c->start)
		*len = c->end - c->start;
	*p = c->in + c->start;
	ipc_consume(c, *len);
	return IPC_OK;
}

enum ipc_result ipc_wait_bytes(
    struct ipc *c, void *p, size_t len, int64_t deadline)
{
	char *to = p;

	while (len > 0) {
		const char *view;
		size_t n = len;
		enum ipc_result r = ipc_wait_view(c, &view, &n, deadline);

		if (r != IPC_OK)
			return r;
		memcpy(to, view, n);
		to += n;
		len -= n;
	}
	return IPC_OK;
}
