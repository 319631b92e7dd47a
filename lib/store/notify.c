/* SPDX-License-Identifier: ISC */
#include "store/notify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/le.h"
#include "store/notify_filter.h"

#define LISTENERS_MAX 64
#define HEADER        16 /* magic, length of the account, modseq */
#define PATIENCE      10 /* ms for a listener whose queue is full */

static const char magic[4] = {'P', 'H', 'N', '1'};

struct listeners {
	size_t count;
	struct sockaddr_un at[LISTENERS_MAX];
	bool deaf[LISTENERS_MAX];                /* took nothing in PATIENCE */
	bool gone[LISTENERS_MAX];                /* its process has ended */
	struct notify_held *held[LISTENERS_MAX]; /* NULL: perhaps all */
};

struct notify {
	char *dir;
	int list;   /* the same, open: a jailed process may still read it */
	int socket; /* for sending */
	struct timespec changed;
	struct listeners sessions, keepers;
};

/* The plain path, or where it is too long for sun_path one through the
 * descriptor. */
static int address(
    struct sockaddr_un *out, const char *dir, int fd, const char *name)
{
	size_t size = sizeof(out->sun_path);

	out->sun_family = AF_UNIX;
	if ((size_t)snprintf(out->sun_path, size, "%s/%s", dir, name) < size)
		return 0;
	return (size_t)snprintf(
		   out->sun_path, size, "/proc/self/fd/%d/%s", fd, name) < size
	    ? 0
	    : -1;
}

struct notify *notify_open(const char *dir)
{
	struct notify *n = NEW(struct notify);

	n->dir = str_dup(str_from(dir));
	n->list = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n->socket = socket(
	    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return n; /* what is missing is only latency */
}

static void forget(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		notify_held_close(&l->held[i]);
	l->count = 0;
}

void notify_close(struct notify **n)
{
	if (*n == NULL)
		return;
	forget(&(*n)->sessions);
	forget(&(*n)->keepers);
	free((*n)->dir);
	file_close(&(*n)->list);
	file_close(&(*n)->socket);
	free(*n);
	*n = NULL;
}

static void add(struct notify *n, const char *name)
{
	struct listeners *to = str_starts(
				   str_from(name), STR(NOTIFY_KEEPER "."))
	    ? &n->keepers
	    : &n->sessions;

	if (to->count == LISTENERS_MAX ||
	    address(&to->at[to->count], n->dir, n->list, name) < 0)
		return;
	to->deaf[to->count] = to->gone[to->count] = false;
	to->held[to->count] = to == &n->sessions
	    ? notify_held_open(n->list, name)
	    : NULL;
	to->count++;
}

/* Reads the directory when it changed: one fstat when it did not. */
static void look(struct notify *n)
{
	const struct dirent *entry;
	struct stat st;
	DIR *d;
	int fd;

	if (fstat(n->list, &st) < 0 ||
	    (st.st_mtim.tv_sec == n->changed.tv_sec &&
		st.st_mtim.tv_nsec == n->changed.tv_nsec))
		return;
	n->changed = st.st_mtim;
	forget(&n->sessions);
	forget(&n->keepers);
	/* A file made in the same tick of the clock would not be seen. */
	if (clock_seconds() - st.st_mtim.tv_sec < 2)
		n->changed.tv_nsec = -1;
	fd = openat(n->list, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) /* Landlock forbids a new one */
		fd = fcntl(n->list, F_DUPFD_CLOEXEC, 0);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		file_close(&fd);
		return;
	}
	rewinddir(d);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			add(n, entry->d_name);
	closedir(d);
}

/*
 * Kernels queue as few as ten datagrams, so a burst waits for who listens; for
 * one that does not listen at all it waits once. A socket whose process has
 * ended serves nobody again: a new one changes the folder.
 */
static bool send_one(struct notify *n, struct listeners *to, size_t i,
    const char *packet, size_t len)
{
	for (int waited = 0;; waited++) {
		if (sendto(n->socket, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL,
			(const struct sockaddr *)&to->at[i],
			sizeof(to->at[i])) >= 0) {
			to->deaf[i] = false;
			return true;
		}
		to->gone[i] = errno == ECONNREFUSED;
		if (to->gone[i])
			notify_held_close(&to->held[i]);
		if (errno != EAGAIN || to->deaf[i])
			return false;
		to->deaf[i] = waited == PATIENCE;
		poll(NULL, 0, 1);
	}
}

/* How many took it. */
static size_t send_to(
    struct notify *n, struct listeners *to, struct str account, uint64_t modseq)
{
	char packet[HEADER + NOTIFY_ACCOUNT_MAX];
	size_t sent = 0;

	memcpy(packet, magic, sizeof(magic));
	put_u32(packet + 4, (uint32_t)account.len);
	put_u64(packet + 8, modseq);
	memcpy(packet + HEADER, account.p, account.len);
	for (size_t i = 0; i < to->count; i++)
		if (!to->gone[i] && notify_held_has(to->held[i], account))
			sent += send_one(
			    n, to, i, packet, HEADER + account.len);
	return sent;
}

static bool can_send(const struct notify *n, struct str account)
{
	return n->list >= 0 && n->socket >= 0 &&
	    account.len <= NOTIFY_ACCOUNT_MAX;
}

void notify_send(struct notify *n, struct str account, uint64_t modseq)
{
	if (!can_send(n, account))
		return;
	look(n);
	send_to(n, &n->sessions, account, modseq);
}

bool notify_due(struct notify *n, struct str account, uint64_t modseq)
{
	if (!can_send(n, account))
		return false;
	look(n);
	return send_to(n, &n->keepers, account, modseq) > 0;
}

/* ---- the listener ---- */

/* NAME.PID of a process that is no more, or its filter's name. */
static bool is_stale(struct str file, struct str name)
{
	uint64_t pid;

	if (str_starts(file, STR(".")))
		file = str_skip(file, 1);
	if (!str_starts(file, name) || file.len <= name.len + 1 ||
	    file.p[name.len] != '.' ||
	    str_to_u64(str_skip(file, name.len + 1), INT32_MAX, &pid) < 0)
		return false;
	return (pid_t)pid == getpid() ||
	    (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

static void sweep(int dir, const char *name)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		file_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (is_stale(str_from(entry->d_name), str_from(name)))
			unlinkat(dir, entry->d_name, 0);
	closedir(d);
}

/* A filter that an earlier process of our number left would hide our accounts:
 * 0 when there is none. */
static int no_old_filter(int dir, const char *name)
{
	char file[80];

	snprintf(file, sizeof(file), ".%s.%d", name, (int)getpid());
	return unlinkat(dir, file, 0) < 0 && errno != ENOENT ? -1 : 0;
}

static int bind_in(int at, const char *dir, const char *name)
{
	char file[64];
	struct sockaddr_un where;
	int fd, saved;

	snprintf(file, sizeof(file), "%s.%d", name, (int)getpid());
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 &&
	    (address(&where, dir, at, file) < 0 ||
		bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 ||
		fchmodat(at, file, 0666, 0) < 0)) {
		saved = errno;
		file_close(&fd);
		errno = saved;
	}
	return fd;
}

int notify_listen(
    const char *dir, const char *name, struct notify_filter **filter)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1, saved;

	if (filter != NULL)
		*filter = NULL;
	if (at < 0)
		return -1;
	sweep(at, name);
	if (no_old_filter(at, name) == 0) {
		/* Without one all is sent. */
		if (filter != NULL)
			*filter = notify_filter_new(at, name);
		fd = bind_in(at, dir, name);
	}
	saved = errno;
	if (fd < 0 && filter != NULL)
		notify_filter_free(filter);
	close(at);
	errno = saved;
	return fd;
}

int notify_receive(int fd, char space[NOTIFY_ACCOUNT_MAX + 32],
    struct str *account, uint64_t *modseq)
{
	ssize_t n = recv(fd, space, NOTIFY_ACCOUNT_MAX + 32, MSG_DONTWAIT);

	if (n < 0)
		return 0;
	if (n < HEADER || memcmp(space, magic, sizeof(magic)) != 0 ||
	    get_u32(space + 4) != (uint32_t)n - HEADER)
		return -1;
	*account = str_of(space + HEADER, (size_t)n - HEADER);
	*modseq = get_u64(space + 8);
	return 1;
}
