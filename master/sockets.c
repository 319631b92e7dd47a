/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets. UNIX sockets have mode 0666 and stand in run/sockets,
 * which only master's user can enter; a role reaches just those that have a
 * hard link in its jail directory (tree.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
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

static int open_inet(const struct netaddr *a)
{
	int64_t deadline = deadline_in(BIND_MS);
	int fd;

	while ((fd = try_inet(a)) < 0 && errno == EADDRINUSE &&
	    deadline_left(deadline) > 0)
		poll(NULL, 0, 50);
	return fd;
}

static bool may_be_missing(
    const struct config_service *s, const struct netaddr *a)
{
	return s->optional && a->u.sa.sa_family == AF_INET6 &&
	    (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
}

static int open_all_inet(
    const struct config_service *s, int *fds, char *why, size_t size)
{
	char text[NETADDR_TEXT_MAX];
	int count = 0;

	for (size_t i = 0; i < s->address_count; i++) {
		const struct netaddr *a = &s->addresses[i];

		if (count == SERVICE_LISTENERS)
			break;
		fds[count] = open_inet(a);
		if (fds[count] >= 0) {
			count++;
		} else if (!may_be_missing(s, a)) {
			netaddr_text(a, text);
			snprintf(why, size, "cannot listen on %s port %u: %s",
			    text, netaddr_port(a), strerror(errno));
			while (count > 0)
				file_close(&fds[--count]);
			return -1;
		}
	}
	if (count == 0)
		snprintf(why, size, "no address to listen on");
	return count > 0 ? count : -1;
}

int sockets_open(const struct config_service *s, int fds[SERVICE_LISTENERS],
    char *why, size_t size)
{
	if (s->row->type == SERVICE_INET)
		return open_all_inet(s, fds, why, size);
	if (open_unix(s, &fds[0]) < 0) {
		snprintf(why, size, "%s/sockets/%s: %s",
		    master.config->house.run_directory, s->row->name,
		    strerror(errno));
		return -1;
	}
	tree_link(s->row->name, !s->row->is_private);
	return 1;
}
