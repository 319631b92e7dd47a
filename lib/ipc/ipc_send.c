/* SPDX-License-Identifier: ISC */
/* Sending what is buffered, without waiting. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/file.h"
#include "ipc/ipc_internal.h"

#define OUT_KEEP   65536 /* a send buffer above this is freed when empty */
#define SEND_WHOLE 2048  /* octets that the kernel sends in one piece */

/* Moves what is unsent to the front when that makes room. */
static void compact_out(struct ipc *c)
{
	if (c->sent == c->out.len) {
		if (c->out.capacity > OUT_KEEP)
			buf_free(&c->out);
		else
			buf_clear(&c->out);
		c->sent = 0;
	} else if (c->sent > c->out.len / 2) {
		buf_drop(&c->out, c->sent);
		c->sent = 0;
	}
}

int ipc_put(struct ipc *c, const struct ipc_type *type, const void *msg)
{
	compact_out(c);
	return ipc_encode(&c->out, type, msg);
}

int ipc_give_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int *fd)
{
	struct out_fd *o = &c->out_fds[c->out_fd_count];
	size_t before;

	if (c->out_fd_count == IPC_FDS_MAX)
		return -1;
	compact_out(c);
	before = c->out.len;
	if (ipc_encode(&c->out, type, msg) < 0)
		return -1;
	o->fd = *fd;
	o->lent = false;
	*fd = -1;
	o->from = c->out_at + before - c->sent;
	o->to = c->out_at + c->out.len - c->sent;
	c->out_fd_count++;
	return 0;
}

int ipc_put_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -1;
	if (ipc_give_fd(c, type, msg, &copy) == 0)
		return 0;
	file_close(&copy);
	return -1;
}

int ipc_lend_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int fd)
{
	if (ipc_give_fd(c, type, msg, &fd) < 0)
		return -1;
	c->out_fds[c->out_fd_count - 1].lent = true;
	return 0;
}

int ipc_put_bytes(struct ipc *c, const void *p, size_t len)
{
	int r;

	compact_out(c);
	r = buf_add_bytes(&c->out, p, len);
	c->out.overflow = false;
	return r;
}

size_t ipc_pending(const struct ipc *c)
{
	return c->out.len - c->sent;
}

static ssize_t send_with_fd(int fd, const char *p, size_t len, int passed)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)p, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (passed >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &passed, sizeof(int));
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * One sendmsg(2): up to the next line with a descriptor, or with that line at
 * its end: a descriptor belongs to the next message of a type that takes one.
 * What stands before such a line goes along only when all of it is so short
 * that it is sent as a whole or not at all.
 */
static enum ipc_result send_some(struct ipc *c)
{
	const struct out_fd *o = c->out_fd_count > 0 ? c->out_fds : NULL;
	size_t len = ipc_pending(c);
	int passed = -1;
	ssize_t n;

	if (o != NULL && o->from > c->out_at &&
	    o->to - c->out_at > SEND_WHOLE) {
		len = (size_t)(o->from - c->out_at);
	} else if (o != NULL) {
		len = (size_t)(o->to - c->out_at);
		passed = o->fd;
	}
	n = send_with_fd(c->fd, c->out.p + c->sent, len, passed);
	if (n < 0) {
		if (errno == EAGAIN)
			return IPC_AGAIN;
		if (errno == EINTR)
			return IPC_OK;
		c->mute = true;
		c->why = strerror(errno);
		return IPC_BROKEN;
	}
	c->sent += (size_t)n;
	c->out_at += (uint64_t)n;
	if (passed >= 0 && n > 0) {
		ipc_out_fd_close(&c->out_fds[0]);
		c->out_fd_count--;
		memmove(c->out_fds, c->out_fds + 1,
		    c->out_fd_count * sizeof(c->out_fds[0]));
	}
	return IPC_OK;
}

enum ipc_result ipc_push(struct ipc *c)
{
	enum ipc_result r = c->broken || c->mute ? IPC_BROKEN : IPC_OK;

	while (r == IPC_OK && ipc_pending(c) > 0)
		r = send_some(c);
	if (r == IPC_OK)
		compact_out(c);
	return r;
}
