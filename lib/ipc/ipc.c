/* SPDX-License-Identifier: ISC */
/* Making and ending a connection, and a question with its answer. */
#include "ipc/ipc_internal.h"

#include <errno.h>
#include <fcntl.h>
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
	c->out = buf_new(IPC_OUT_MOST);
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
	    &c->out, IPC_HELLO "\t%s\t%u\n", exchange->name, exchange->version);
	return c;
}

void ipc_out_fd_close(struct out_fd *o)
{
	if (!o->lent)
		file_close(&o->fd);
}

static void drop_fds(struct ipc *c)
{
	for (size_t i = 0; i < c->in_fd_count; i++)
		file_close(&c->in_fds[i].fd);
	for (size_t i = 0; i < c->out_fd_count; i++)
		ipc_out_fd_close(&c->out_fds[i]);
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

enum ipc_result ipc_break_off(struct ipc *c, const char *why)
{
	c->broken = true;
	c->why = why;
	return IPC_BROKEN;
}

/* ---- a question with its answer ---- */

enum ipc_result ipc_call(struct ipc *c, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline)
{
	int64_t began = observe_begin();
	const struct ipc_type *type;
	enum ipc_result r;

	if (ipc_put(c, request, msg) < 0)
		return ipc_break_off(c, "request out of bounds");
	r = ipc_flush(c, deadline);
	if (r == IPC_OK)
		r = ipc_wait(c, &type, reply, deadline);
	observe_end(c->exchange->name, began);
	if (r == IPC_OK && type != answer)
		return ipc_break_off(c, "unexpected answer");
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
