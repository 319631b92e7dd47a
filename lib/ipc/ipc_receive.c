/* SPDX-License-Identifier: ISC */
/* Receiving: octets, descriptors, lines, messages; nothing here waits but
 * ipc_receive, when its caller wants it to. */
#include <errno.h>
#include <sys/socket.h>

#include "core/file.h"
#include "core/memory.h"
#include "ipc/ipc_internal.h"

#define IN_FIRST 2048   /* octets of the receive buffer at first */
#define IN_MOST  262144 /* and at most; a line fits in IPC_LINE_MAX */
#define FDS_ONCE 4      /* descriptors of one message, all but one closed */

static void make_room(struct ipc *c)
{
	if (c->start == c->end) {
		c->start = c->end = 0;
	} else if (c->start > 0 && c->capacity - c->end < c->capacity / 2) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
	if (c->end < c->capacity || c->capacity == IN_MOST)
		return;
	c->capacity = c->capacity == 0 ? IN_FIRST : c->capacity * 4;
	if (c->capacity > IN_MOST)
		c->capacity = IN_MOST;
	c->in = mem_resize(c->in, c->capacity, 1);
}

void ipc_widen(struct ipc *c, size_t capacity)
{
	if (c->capacity >= capacity)
		return;
	c->capacity = capacity;
	c->in = mem_resize(c->in, c->capacity, 1);
}

/* Keeps the first descriptor of a control message, closes the others. */
static void keep_fds(struct ipc *c, struct msghdr *m, uint64_t at)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	bool first = true;

	for (; h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(
			    &fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (!first || c->in_fd_count == IPC_FDS_MAX) {
				file_close(&fd);
				continue;
			}
			c->in_fds[c->in_fd_count++] = (struct in_fd){at, fd};
			first = false;
		}
	}
}

/* One recvmsg(2). The kernel ends it behind the octets that a descriptor was
 * sent with, so two descriptors are never confused. */
static enum ipc_result receive(
    struct ipc *c, char *p, size_t len, int flags, size_t *got)
{
	union {
		char space[CMSG_SPACE(FDS_ONCE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {p, len};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space)};
	ssize_t n;

	do {
		n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	*got = 0;
	if (n < 0 && errno == EAGAIN)
		return IPC_AGAIN;
	if (n < 0) {
		c->reset = errno == ECONNRESET;
		return ipc_break_off(c, strerror(errno));
	}
	if (n == 0) {
		c->eof = true;
		return IPC_EOF;
	}
	*got = (size_t)n;
	keep_fds(c, &m, c->in_at + (c->end - c->start) + (uint64_t)n - 1);
	return IPC_OK;
}

enum ipc_result ipc_receive(struct ipc *c, int flags)
{
	enum ipc_result r;
	size_t got;

	make_room(c);
	if (c->in_fd_count == IPC_FDS_MAX && !ipc_has_input(c))
		return ipc_break_off(c, "too many descriptors");
	if (c->end == c->capacity || c->in_fd_count == IPC_FDS_MAX)
		return IPC_OK; /* the caller must take what is there first */
	r = receive(c, c->in + c->end, c->capacity - c->end, flags, &got);
	c->end += got;
	return r;
}

void ipc_consume(struct ipc *c, size_t n)
{
	c->start += n;
	c->in_at += n;
	c->scanned = 0;
}

/* Where the stream ended: between two messages, or within one. */
enum ipc_result ipc_ended(struct ipc *c)
{
	if (c->start == c->end)
		return IPC_EOF;
	if (ipc_has_input(c))
		return IPC_OK;
	return ipc_break_off(c, "connection ended within a message");
}

/* The next line without its LF; consumed. */
bool ipc_has_input(const struct ipc *c)
{
	size_t have = c->end - c->start;
	const char *lf = NULL;

	if (c->scanned < have)
		lf = memchr(
		    c->in + c->start + c->scanned, '\n', have - c->scanned);
	if (lf == NULL || c->greeted)
		return lf != NULL;
	lf++;
	return memchr(lf, '\n', (size_t)(c->in + c->end - lf)) != NULL;
}

static enum ipc_result cut_line(struct ipc *c, char **line, size_t *len)
{
	size_t have = c->end - c->start;
	char *lf = NULL;

	if (c->scanned < have)
		lf = memchr(
		    c->in + c->start + c->scanned, '\n', have - c->scanned);
	if (lf == NULL) {
		c->scanned = have;
		if (have >= IPC_LINE_MAX)
			return ipc_break_off(c, "line too long");
		return IPC_AGAIN;
	}
	*line = c->in + c->start;
	*len = (size_t)(lf - *line);
	if (*len >= IPC_LINE_MAX)
		return ipc_break_off(c, "line too long");
	ipc_consume(c, *len + 1);
	return IPC_OK;
}

/* posthouse-ipc TAB exchange TAB version; N reads N-1. */
static enum ipc_result greet(struct ipc *c)
{
	enum ipc_result r;
	struct str rest;
	uint64_t version;
	char *line;
	size_t len;

	r = cut_line(c, &line, &len);
	if (r != IPC_OK)
		return r;
	rest = str_of(line, len);
	if (!str_eq(str_cut(&rest, '\t'), STR(IPC_HELLO)))
		return ipc_break_off(c, "no version line");
	if (!str_eq(str_cut(&rest, '\t'), str_from(c->exchange->name)))
		return ipc_break_off(c, "another exchange");
	if (str_to_u64(rest, c->exchange->version, &version) < 0 ||
	    version + 1 < c->exchange->version || version == 0)
		return ipc_break_off(c, "unknown version");
	c->greeted = true;
	return IPC_OK;
}

static bool takes_fd(const struct ipc_type *type)
{
	const struct ipc_field *f = type->fields;

	while (f->name != NULL)
		f++;
	return f->kind == IPC_KIND_U64;
}

/*
 * A message of a type that takes one gets the descriptor that came before the
 * message's end, the last if there are more; the others are closed. Lines of
 * other types may have travelled in front of it in the same piece, and when
 * that arrived in two parts the descriptor came with the first.
 */
static void match_fd(struct ipc *c, const struct ipc_type *type)
{
	size_t gone = 0;

	file_close(&c->message_fd);
	if (c->in_fd_count == 0 || !takes_fd(type))
		return;
	for (; gone < c->in_fd_count && c->in_fds[gone].at < c->in_at; gone++) {
		file_close(&c->message_fd);
		c->message_fd = c->in_fds[gone].fd;
	}
	if (gone == 0)
		return;
	c->in_fd_count -= gone;
	memmove(
	    c->in_fds, c->in_fds + gone, c->in_fd_count * sizeof(c->in_fds[0]));
}

enum ipc_result ipc_next(
    struct ipc *c, const struct ipc_type **type, const void **msg)
{
	enum ipc_result r = c->broken ? IPC_BROKEN : IPC_OK;
	char *line;
	size_t len;

	if (r == IPC_OK && !c->greeted)
		r = greet(c);
	if (r == IPC_OK)
		r = cut_line(c, &line, &len);
	if (r == IPC_AGAIN && c->eof)
		r = ipc_ended(c);
	if (r != IPC_OK)
		return r;
	memset(c->msg, 0, c->msg_size);
	*type = ipc_decode(c->exchange, line, len, c->msg, &c->why);
	if (*type == NULL)
		return ipc_break_off(c, c->why);
	match_fd(c, *type);
	*msg = c->msg;
	return IPC_OK;
}

enum ipc_result ipc_fill(struct ipc *c)
{
	enum ipc_result r = c->broken ? IPC_BROKEN
				      : ipc_receive(c, MSG_DONTWAIT);

	return r == IPC_EOF ? ipc_ended(c) : r;
}

/*
 * Makes a blocking recvmsg(2) end about when the deadline passes, so that a
 * wait is one system call instead of two. The timeout of the socket is left
 * alone while it is near enough.
 */
int ipc_take_fd(struct ipc *c)
{
	int fd = c->message_fd;

	c->message_fd = -1;
	return fd;
}
