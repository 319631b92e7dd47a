/* SPDX-License-Identifier: ISC */
#include "logd/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

#define AGAIN_MS 1000 /* between tries to connect */

int remote_find(struct remote *r, const char *path)
{
	char real[PATH_MAX];
	const char *slash;
	char *folder;

	*r = (struct remote){.path = path, .folder = -1, .fd = -1};
	/* /dev/log is a link where the journal has the socket. */
	if (realpath(path, real) != NULL)
		path = real;
	slash = strrchr(path, '/');
	if (slash == NULL) {
		errno = EINVAL;
		return -1;
	}
	r->name = str_dup(str_from(slash + 1));
	folder = str_dup(
	    str_of(path, slash == path ? 1 : (size_t)(slash - path)));
	r->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return r->folder < 0 ? -1 : 0;
}

/*
 * The folder lies outside of the jail, where no path leads: the socket's name
 * is looked up in it, and the process comes back.
 */
static int connect_there(struct remote *r, int fd)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int home, done = -1, saved;

	if (str_copy(to.sun_path, sizeof(to.sun_path), str_from(r->name)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (home < 0)
		return -1;
	if (fchdir(r->folder) == 0) {
		done = connect(fd, (struct sockaddr *)&to, sizeof(to));
		saved = errno;
		if (fchdir(home) < 0)
			done = -1;
		errno = saved;
	}
	file_close(&home);
	return done;
}

static bool open_again(struct remote *r)
{
	int64_t now = clock_ms();
	int fd;

	if (r->folder < 0 || now < r->again)
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect_there(r, fd) == 0)
		r->fd = fd;
	else
		file_close(&fd);
	r->again = r->fd < 0 ? now + AGAIN_MS : now;
	return r->fd >= 0;
}

static bool is_gone(int error)
{
	return error != EAGAIN && error != EWOULDBLOCK && error != ENOBUFS &&
	    error != EMSGSIZE && error != EINTR;
}

bool remote_send(struct remote *r, struct str datagram)
{
	/* Twice: who was restarted has another socket. */
	for (int i = 0; i < 2; i++) {
		if (r->fd < 0 && !open_again(r))
			break;
		if (send(r->fd, datagram.p, datagram.len,
			MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return true;
		if (!is_gone(errno))
			break;
		file_close(&r->fd);
	}
	r->lost++;
	return false;
}

void remote_close(struct remote *r)
{
	if (r->path == NULL)
		return;
	file_close(&r->fd);
	file_close(&r->folder);
	free(r->name);
	r->path = NULL;
}
