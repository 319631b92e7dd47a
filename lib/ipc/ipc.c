/* SPDX-License-Identifier: ISC */
/*
 * A connection: a receive buffer with the descriptors that came along, and a
 * send buffer with those that are to go along.
 *
 * Every system call here is non-blocking or bounded by a deadline. The
 * receive buffer starts small (a front holds thousands of connections) and
 * grows while a peer fills it.
 */
#include "ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/observe.h"

#define HELLO      "posthouse-ipc"
#define IN_FIRST   2048   /* octets of the receive buffer at first */
#define IN_MOST    262144 /* and at most; a line fits in IPC_LINE_MAX */
#define OUT_MOST   (16u << 20)
#define OUT_KEEP   65536 /* a send buffer above this is freed when empty */
#define SEND_WHOLE 2048  /* octets that the kernel sends in one piece */
#define FDS_MAX    16    /* descriptors that wait on one side */
#define FDS_ONCE   4     /* descriptors of one message, all but one closed */

/* A descriptor and the octet of the stream that it belongs to. */
struct in_fd {
	uint64_t at;
	int fd;
};

/* A line of the send buffer that must be sent with a descriptor. */
struct out_fd {
	uint64_t from, to;
	int fd;
	bool lent; /* not to be closed */
};

struct ipc {
	const struct ipc_exchange *exchange;
	int fd;
	bool greeted; /* the version line has been seen, or is not expected */
	bool eof, broken, reset;
	bool mute; /* the peer hears no more; what it said can be read */
	const char *why;

	char *in;
	size_t capacity, start, end; /* unread input is in[start..end) */
	size_t scanned;              /* no LF in in[start..start+scanned) */
	uint64_t in_at;              /* stream position of in[start] */
	struct in_fd in_fds[FDS_MAX];
	size_t in_fd_count;
	int message_fd;  /* came with the last message */
	int64_t in_wait; /* SO_RCVTIMEO in milliseconds, 0: not set */

	struct buf out;
	size_t sent;     /* octets of out that are gone */
	uint64_t out_at; /* stream position of out.p[sent] */
	struct out_fd out_fds[FDS_MAX];
	size_t out_fd_count;

	size_t msg_size;
	void *msg; /* the last message */
};

/* Octets that the largest message of an exchange takes. */
static size_t largest(const struct ipc_exchange *exchange)
{
	size_t size = sizeof(struct str);

	for (const struct ipc_type *const *t = exchange->types; *t != NULL; t++)
		for (const struct ipc_field *f = (*t)->fields; f->name != NULL;
		     f++)
			if (f->offset + 2 * sizeof(struct str) > size)
				size = f->offset + 2 * sizeof(struct str);
	return size < IPC_STRUCT_MAX ? size : IPC_STRUCT_MAX;
}

struct ipc *ipc_server(int fd, const struct ipc_exchange *exchange)
{
	struct ipc *c = NEW(struct ipc);

	c->exchange = exchange;
	c->fd = fd;
	c->why = "";
	c->message_fd = -1;
	c->out = buf_new(OUT_MOST);
	c->msg_size = largest(exchange);
	c->msg = mem_alloc(c->msg_size);
	return c;
}

/* A UNIX address for a path of any length: what is too long for sun_path is
 * reached through a descriptor of its directory (*dir, to be closed). */
static int unix_address(const char *path, struct sockaddr_un *out, int *dir)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int n;

	*dir = -1;
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof(out->sun_path))
		return str_copy(
		    out->sun_path, sizeof(out->sun_path), str_from(path));
	errno = ENAMETOOLONG;
	if (slash == NULL)
		return -1;
	parent = str_dup(str_of(path, (size_t)(slash - path)));
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (*dir < 0)
		return -1;
	n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d%s",
	    *dir, slash);
	if (n > 0 && (size_t)n < sizeof(out->sun_path))
		return 0;
	file_close(dir);
	errno = ENAMETOOLONG;
	return -1;
}

int ipc_unix_connect(const char *path, int type, int64_t deadline)
{
	struct sockaddr_un to;
	int dir, fd, left = deadline_left(deadline);

	if (unix_address(path, &to, &dir) < 0)
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && left >= 0) {
		/* A full backlog makes connect(2) wait as long as this. */
		struct timeval tv = {left / 1000, left % 1000 * 1000 + 1};

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	}
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno == EAGAIN)
			errno = ETIMEDOUT;
		file_close(&fd);
	}
	file_close(&dir);
	return fd;
}

struct ipc *ipc_connect(const char *name, const struct ipc_exchange *exchange,
    int64_t deadline, const char **why)
{
	int fd = ipc_unix_connect(name, SOCK_STREAM, deadline);

	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	return ipc_client(fd, exchange);
}

struct ipc *ipc_client(int fd, const struct ipc_exchange *exchange)
{
	struct ipc *c = ipc_server(fd, exchange);

	c->greeted = true;
	buf_printf(
	    &c->out, HELLO "\t%s\t%u\n", exchange->name, exchange->version);
	return c;
}

static void out_fd_close(struct out_fd *o)
{
	if (!o->lent)
		file_close(&o->fd);
}

static void drop_fds(struct ipc *c)
{
	for (size_t i = 0; i < c->in_fd_count; i++)
		file_close(&c->in_fds[i].fd);
	for (size_t i = 0; i < c->out_fd_count; i++)
		out_fd_close(&c->out_fds[i]);
	c->in_fd_count = c->out_fd_count = 0;
	file_close(&c->message_fd);
}

void ipc_close(struct ipc **c)
{
	int fd;

	if (*c == NULL)
		return;
	fd = ipc_release(c, NULL);
	file_close(&fd);
}

int ipc_release(struct ipc **c, struct buf *rest)
{
	struct ipc *self = *c;
	int fd = self->fd;

	if (rest != NULL)
		buf_add_bytes(
		    rest, self->in + self->start, self->end - self->start);
	drop_fds(self);
	buf_free(&self->out);
	free(self->in);
	free(self->msg);
	free(self);
	*c = NULL;
	return fd;
}

int ipc_fd(const struct ipc *c)
{
	return c->fd;
}

const char *ipc_why(const struct ipc *c)
{
	return c->why;
}

bool ipc_was_reset(const struct ipc *c)
{
	return c->reset;
}

unsigned ipc_peer_uid(const struct ipc *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return (unsigned)-1;
	return peer.uid;
}

int ipc_peer_pid(const struct ipc *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	return peer.pid;
}

static enum ipc_result break_off(struct ipc *c, const char *why)
{
	c->broken = true;
	c->why = why;
	return IPC_BROKEN;
}

/* ---- sending ------------------------------------------------------------ */

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

	if (c->out_fd_count == FDS_MAX)
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
		out_fd_close(&c->out_fds[0]);
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

/* Waits until fd is ready; IPC_TIMEOUT when the deadline passes. */
static enum ipc_result wait_fd(struct ipc *c, short events, int64_t deadline)
{
	struct pollfd p = {c->fd, events, 0};
	int n;

	do {
		n = poll(&p, 1, deadline_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return break_off(c, strerror(errno));
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

/* ---- receiving ---------------------------------------------------------- */

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
			if (!first || c->in_fd_count == FDS_MAX) {
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
		return break_off(c, strerror(errno));
	}
	if (n == 0) {
		c->eof = true;
		return IPC_EOF;
	}
	*got = (size_t)n;
	keep_fds(c, &m, c->in_at + (c->end - c->start) + (uint64_t)n - 1);
	return IPC_OK;
}

static enum ipc_result receive_in(struct ipc *c, int flags)
{
	enum ipc_result r;
	size_t got;

	make_room(c);
	if (c->in_fd_count == FDS_MAX && !ipc_has_input(c))
		return break_off(c, "too many descriptors");
	if (c->end == c->capacity || c->in_fd_count == FDS_MAX)
		return IPC_OK; /* the caller must take what is there first */
	r = receive(c, c->in + c->end, c->capacity - c->end, flags, &got);
	c->end += got;
	return r;
}

static void consume(struct ipc *c, size_t n)
{
	c->start += n;
	c->in_at += n;
	c->scanned = 0;
}

/* Where the stream ended: between two messages, or within one. */
static enum ipc_result ended(struct ipc *c)
{
	if (c->start == c->end)
		return IPC_EOF;
	if (ipc_has_input(c))
		return IPC_OK;
	return break_off(c, "connection ended within a message");
}

/* The next line without its LF; consumed. */
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
			return break_off(c, "line too long");
		return IPC_AGAIN;
	}
	*line = c->in + c->start;
	*len = (size_t)(lf - *line);
	if (*len >= IPC_LINE_MAX)
		return break_off(c, "line too long");
	consume(c, *len + 1);
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
	if (!str_eq(str_cut(&rest, '\t'), STR(HELLO)))
		return break_off(c, "no version line");
	if (!str_eq(str_cut(&rest, '\t'), str_from(c->exchange->name)))
		return break_off(c, "another exchange");
	if (str_to_u64(rest, c->exchange->version, &version) < 0 ||
	    version + 1 < c->exchange->version || version == 0)
		return break_off(c, "unknown version");
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
		r = ended(c);
	if (r != IPC_OK)
		return r;
	memset(c->msg, 0, c->msg_size);
	*type = ipc_decode(c->exchange, line, len, c->msg, &c->why);
	if (*type == NULL)
		return break_off(c, c->why);
	match_fd(c, *type);
	*msg = c->msg;
	return IPC_OK;
}

enum ipc_result ipc_fill(struct ipc *c)
{
	enum ipc_result r = c->broken ? IPC_BROKEN
				      : receive_in(c, MSG_DONTWAIT);

	return r == IPC_EOF ? ended(c) : r;
}

/*
 * Makes a blocking recvmsg(2) end about when the deadline passes, so that a
 * wait is one system call instead of two. The timeout of the socket is left
 * alone while it is near enough.
 */
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
	r = receive_in(c, 0);
	while (r == IPC_AGAIN) {
		/* A non-blocking socket, or the timeout was short. */
		r = wait_fd(c, POLLIN, deadline);
		if (r == IPC_OK)
			r = receive_in(c, MSG_DONTWAIT);
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
			r = ended(c);
		if (r != IPC_OK)
			return r;
	}
	return r;
}

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

enum ipc_result ipc_wait_view(
    struct ipc *c, const char **p, size_t *len, int64_t deadline)
{
	enum ipc_result r = c->broken ? IPC_BROKEN : IPC_OK;

	while (r == IPC_OK && c->start == c->end) {
		if (c->eof)
			return break_off(c, "connection ended within bytes");
		/* Bulk is on its way: a large buffer spares calls. */
		if (c->capacity < 65536 && *len > c->capacity) {
			c->capacity = 65536;
			c->in = mem_resize(c->in, c->capacity, 1);
		}
		r = await(c, deadline);
		if (r == IPC_EOF)
			return break_off(c, "connection ended within bytes");
	}
	if (r != IPC_OK)
		return r;
	if (*len > c->end - c->start)
		*len = c->end - c->start;
	*p = c->in + c->start;
	consume(c, *len);
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

int ipc_take_fd(struct ipc *c)
{
	int fd = c->message_fd;

	c->message_fd = -1;
	return fd;
}

enum ipc_result ipc_call(struct ipc *c, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline)
{
	int64_t began = observe_begin();
	const struct ipc_type *type;
	enum ipc_result r;

	if (ipc_put(c, request, msg) < 0)
		return break_off(c, "request out of bounds");
	r = ipc_flush(c, deadline);
	if (r == IPC_OK)
		r = ipc_wait(c, &type, reply, deadline);
	observe_end(c->exchange->name, began);
	if (r == IPC_OK && type != answer)
		return break_off(c, "unexpected answer");
	return r;
}

#define ASK_TRIES 4

enum ipc_result ipc_ask(struct ipc **c, const char *name,
    const struct ipc_exchange *exchange, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline, const char **why)
{
	enum ipc_result r = IPC_BROKEN;

	for (int i = 0; i < ASK_TRIES; i++) {
		*c = ipc_connect(name, exchange, deadline, why);
		if (*c == NULL)
			return IPC_BROKEN;
		r = ipc_call(*c, request, msg, answer, reply, deadline);
		if (r == IPC_OK) {
			*why = "";
			return r;
		}
		*why = r == IPC_TIMEOUT ? "no answer in time" : "no answer";
		ipc_close(c);
		if (r == IPC_TIMEOUT)
			break;
	}
	return r;
}
