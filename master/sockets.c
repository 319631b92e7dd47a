/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets. UNIX sockets have mode 0666 and stand in run/sockets,
 * which only master's user can enter; a role reaches just those that have a
 * hard link in its jail directory (tree.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

/* A port may still be held by a process of a master that was killed. */
#define BIND_MS 3000

static int bind_unix(const char *name, int type, int *fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int flags = SOCK_CLOEXEC | SOCK_NONBLOCK, on = 1;

	if (str_copy(a.sun_path, sizeof(a.sun_path), str_from(name)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (unlink(name) < 0 && errno != ENOENT)
		return -1;
	*fd = socket(AF_UNIX, type | flags, 0);
	if (*fd < 0)
		return -1;
	if (bind(*fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(name, 0666) < 0)
		return -1;
	if (type != SOCK_DGRAM)
		return listen(*fd, master.conf.inet_backlog);
	/* logd learns from the kernel who sent a line. */
	return setsockopt(*fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

/* In run/sockets by chdir: a UNIX socket's path is at most 107 octets. */
static int open_unix(const struct config_service *s, int *fd)
{
	int r = -1, kept;
	int type = s->row->type == SERVICE_DGRAM ? SOCK_DGRAM : SOCK_STREAM;

	*fd = -1;
	if (fchdir(master.run_fd) == 0 && chdir("sockets") == 0)
		r = bind_unix(s->row->name, type, fd);
	kept = errno;
	if (chdir("/") < 0)
		r = -1;
	errno = kept;
	if (r < 0)
		file_close(fd);
	return r;
}

static int try_inet(const struct netaddr *a)
{
	int family = a->u.sa.sa_family, on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a->u.sa, a->len) < 0 ||
	    listen(fd, master.conf.inet_backlog) < 0)
		file_close(&fd);
	return fd;
}

/* At the start; later nobody shall wait. */
static int open_inet(const struct netaddr *a)
{
	int64_t deadline = deadline_in(BIND_MS);
	int fd;

	while ((fd = try_inet(a)) < 0 && errno == EADDRINUSE && !master.up &&
	    deadline_left(deadline) > 0)
		poll(NULL, 0, 50);
	return fd;
}

/* ---- those that are listened on already ---------------------------------- */

static struct retired {
	struct retired *next;
	struct listener listener;
} * retired;

static bool same_address(const struct netaddr *a, const struct netaddr *b)
{
	return a->len > 0 && a->len == b->len &&
	    memcmp(&a->u, &b->u, a->len) == 0;
}

/* A duplicate; -1 when nobody listens there. */
static int share(const struct netaddr *a)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		for (int i = 0; i < s->listener_count; i++)
			if (same_address(&s->listeners[i].address, a))
				return fcntl(
				    s->listeners[i].fd, F_DUPFD_CLOEXEC, 3);
	for (struct retired *r = retired; r != NULL; r = r->next)
		if (same_address(&r->listener.address, a))
			return fcntl(r->listener.fd, F_DUPFD_CLOEXEC, 3);
	return -1;
}

/* Somebody else of ours listens there too. */
static bool is_shared(const struct listener *l)
{
	for (struct running *s = master.services; s != NULL; s = s->next)
		for (int i = 0; i < s->listener_count; i++)
			if (&s->listeners[i] != l &&
			    same_address(&s->listeners[i].address, &l->address))
				return true;
	for (struct retired *r = retired; r != NULL; r = r->next)
		if (&r->listener != l &&
		    same_address(&r->listener.address, &l->address))
			return true;
	return false;
}

void sockets_retire(struct listener *l)
{
	struct retired *r = NEW(struct retired);

	loop_watch_free(&l->watch);
	r->listener = *l;
	l->fd = -1;
	r->next = retired;
	retired = r;
}

void sockets_close_retired(void)
{
	while (retired != NULL) {
		struct retired *r = retired;

		retired = r->next;
		sockets_close(&r->listener, 1);
		free(r);
	}
}

/* ---- all of a service ---------------------------------------------------- */

static bool may_be_missing(
    const struct config_service *s, const struct netaddr *a)
{
	return s->optional && a->u.sa.sa_family == AF_INET6 &&
	    (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
}

static int open_all_inet(const struct config_service *s, struct listener *out,
    char *why, size_t size)
{
	char text[NETADDR_TEXT_MAX];
	int count = 0;

	for (size_t i = 0; i < s->address_count; i++) {
		const struct netaddr *a = &s->addresses[i];
		struct listener l = {.address = *a};

		if (count == SERVICE_LISTENERS)
			break;
		l.fd = share(a);
		if (l.fd < 0)
			l.fd = open_inet(a);
		if (l.fd >= 0) {
			out[count++] = l;
		} else if (!may_be_missing(s, a)) {
			netaddr_text(a, text);
			snprintf(why, size, "cannot listen on %s port %u: %s",
			    text, netaddr_port(a), strerror(errno));
			sockets_close(out, count);
			return -1;
		}
	}
	if (count == 0)
		snprintf(why, size, "no address to listen on");
	return count > 0 ? count : -1;
}

int sockets_open(const struct config_service *s,
    struct listener out[SERVICE_LISTENERS], char *why, size_t size)
{
	if (s->row->type == SERVICE_INET)
		return open_all_inet(s, out, why, size);
	out[0] = (struct listener){.fd = -1};
	if (open_unix(s, &out[0].fd) < 0) {
		snprintf(why, size, "%s/sockets/%s: %s",
		    master.config->house.run_directory, s->row->name,
		    strerror(errno));
		return -1;
	}
	tree_link(s->row->name, !s->row->is_private);
	return 1;
}

void sockets_close(struct listener *l, int count)
{
	for (int i = 0; i < count; i++) {
		loop_watch_free(&l[i].watch);
		/* Busy processes have it open too; nobody shall wait there
		 * until they have time. */
		if (l[i].fd >= 0 && l[i].address.len > 0 && !is_shared(&l[i]))
			shutdown(l[i].fd, SHUT_RDWR);
		file_close(&l[i].fd);
	}
}
