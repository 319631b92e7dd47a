/* SPDX-License-Identifier: ISC */
/*
 * The ports of inet services. Each is bound for a moment, as master would; one
 * that is taken is looked for in /proc: whose socket it is, and whether that is
 * the suite itself.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "posthouse/check.h"

#define STATE_LISTEN 0x0A /* include/net/tcp_states.h */

/* Who has a listening socket. */
struct holder {
	uint64_t inode; /* 0: none was found */
	unsigned uid;
	long pid;          /* 0: /proc does not tell */
	char program[256]; /* its path, else its name */
};

/* ---- the socket ----------------------------------------------------------- */

/* Eight digits, and no more. */
static bool parse_word(const char *hex, uint32_t *out)
{
	char digits[9] = {0}, *end;

	memcpy(digits, hex, 8);
	*out = (uint32_t)strtoul(digits, &end, 16);
	return end == digits + 8;
}

/* The address of /proc/net/tcp, words of the machine's order in hex. */
static int parse_address(const char *hex, int family, struct netaddr *out)
{
	uint32_t words[4] = {0};
	size_t count = family == AF_INET ? 1 : 4;

	for (size_t i = 0; i < count; i++)
		if (!parse_word(hex + 8 * i, &words[i]))
			return -1;
	*out = (struct netaddr){0};
	out->u.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&out->u.in.sin_addr, words, 4);
	else
		memcpy(&out->u.in6.sin6_addr, words, 16);
	return 0;
}

static bool is_any(const struct netaddr *a)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;

	if (a->u.sa.sa_family == AF_INET)
		return a->u.in.sin_addr.s_addr == INADDR_ANY;
	return memcmp(&a->u.in6.sin6_addr, &any, sizeof(any)) == 0;
}

/* Whether both cannot be listened on at a time; the ports are equal. */
static bool collide(const struct netaddr *a, const struct netaddr *b)
{
	if (is_any(a) || is_any(b))
		return a->u.sa.sa_family == b->u.sa.sa_family ||
		    a->u.sa.sa_family == AF_INET6 ||
		    b->u.sa.sa_family == AF_INET6;
	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	return a->u.sa.sa_family == AF_INET
	    ? a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr
	    : memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, 16) == 0;
}

/* What a line of /proc/net/tcp says of a socket. */
struct row {
	char address[33];
	unsigned port, state;
	uint64_t uid, inode;
};

static unsigned hex_of(struct str word)
{
	char digits[9] = {0};

	if (str_copy(digits, sizeof(digits), word) < 0)
		return 0;
	return (unsigned)strtoul(digits, NULL, 16);
}

/* Its number, its address, the other's, state, queues, timer, retransmissions,
 * user, time-out, inode. */
static bool parse_row(struct str line, struct row *out)
{
	struct str words[10];

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = str_word(&line, " \n");
	struct str address = str_cut(&words[1], ':');

	out->port = hex_of(words[1]);
	out->state = hex_of(words[3]);
	return str_copy(out->address, sizeof(out->address), address) == 0 &&
	    str_to_u64(words[7], UINT32_MAX, &out->uid) == 0 &&
	    str_to_u64(words[9], UINT64_MAX, &out->inode) == 0;
}

static void find_socket(
    const char *path, int family, const struct netaddr *want, struct holder *h)
{
	char line[512];
	struct netaddr a;
	struct row row;
	FILE *f = fopen(path, "re");

	while (f != NULL && h->inode == 0 &&
	    fgets(line, sizeof(line), f) != NULL) {
		if (!parse_row(str_from(line), &row) ||
		    row.state != STATE_LISTEN ||
		    row.port != netaddr_port(want) ||
		    strlen(row.address) != (family == AF_INET ? 8 : 32) ||
		    parse_address(row.address, family, &a) < 0 ||
		    !collide(&a, want))
			continue;
		h->inode = row.inode;
		h->uid = (unsigned)row.uid;
	}
	if (f != NULL)
		fclose(f);
}

/* ---- the process ----------------------------------------------------------- */

static bool has_socket(long pid, uint64_t inode)
{
	char folder[64], path[384], link[64], want[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(folder, sizeof(folder), "/proc/%ld/fd", pid);
	snprintf(want, sizeof(want), "socket:[%" PRIu64 "]", inode);
	d = opendir(folder);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		ssize_t len = readlink(path, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		found = strcmp(link, want) == 0;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static void name_program(struct holder *h)
{
	char path[64];
	ssize_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/exe", h->pid);
	len = readlink(path, h->program, sizeof(h->program) - 1);
	h->program[len > 0 ? len : 0] = '\0';
	if (len > 0)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/comm", h->pid);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fgets(h->program, sizeof(h->program), f) != NULL)
			h->program[strcspn(h->program, "\n")] = '\0';
		fclose(f);
	}
}

/* The first process that has it, which is the one that opened it: those that
 * inherited it are younger. */
static void find_process(struct holder *h)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d != NULL && h->pid == 0 && (e = readdir(d)) != NULL) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (pid > 0 && *end == '\0' && has_socket(pid, h->inode))
			h->pid = pid;
	}
	if (d != NULL)
		closedir(d);
	if (h->pid > 0)
		name_program(h);
}

/* ---- the suite itself ------------------------------------------------------- */

/* The process of master, 0 when it does not run. */
static long own_master(struct check *c)
{
	struct buf text = buf_new(64);
	uint64_t pid = 0;
	char *path;

	if (asprintf(&path, "%s/master.pid", c->config->house.run_directory) <
	    0)
		return 0;
	if (file_read(path, &text) < 0 ||
	    str_to_u64(str_trim(buf_str(&text)), INT32_MAX, &pid) < 0 ||
	    (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH))
		pid = 0;
	free(path);
	buf_free(&text);
	return (long)pid;
}

/* Where the sockets of others cannot be seen, the owner must do. */
static bool is_ours(const struct holder *h, long master)
{
	char path[64];
	struct stat st;

	if (master == 0)
		return false;
	if (h->pid > 0)
		return h->pid == master || has_socket(master, h->inode);
	snprintf(path, sizeof(path), "/proc/%ld", master);
	return stat(path, &st) == 0 && st.st_uid == h->uid;
}

/* ---- a port ------------------------------------------------------------------ */

static void add_where(
    struct buf *out, const struct config_service *s, const struct netaddr *a)
{
	char text[NETADDR_TEXT_MAX];

	netaddr_text(a, text);
	buf_printf(out, "%s:%u: service %s: %s port %u: ", s->row->file,
	    s->row->line, s->row->name, text, netaddr_port(a));
}

static void tell_taken(
    struct check *c, const struct config_service *s, const struct netaddr *a)
{
	struct holder h = {0};
	const struct passwd *user;

	find_socket("/proc/net/tcp", AF_INET, a, &h);
	find_socket("/proc/net/tcp6", AF_INET6, a, &h);
	if (h.inode != 0)
		find_process(&h);
	if (h.inode != 0 && is_ours(&h, own_master(c)))
		return;
	add_where(&c->problems, s, a);
	// cppcheck-suppress getpwuidCalled
	user = getpwuid(h.uid);
	if (h.pid > 0)
		buf_printf(&c->problems, "in use by %s (process %ld)\n",
		    h.program, h.pid);
	else if (h.inode != 0 && user != NULL)
		buf_printf(&c->problems,
		    "in use by a process of %s; which one, root can see\n",
		    user->pw_name);
	else
		buf_printf(&c->problems, "in use by another program\n");
}

/* As master binds it (master/sockets.c), but never listening. */
static int try_bind(const struct netaddr *a)
{
	int family = a->u.sa.sa_family, on = 1, error = 0;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a->u.sa, a->len) < 0)
		error = errno;
	file_close(&fd);
	return error;
}

static void look_at(
    struct check *c, const struct config_service *s, const struct netaddr *a)
{
	int error = try_bind(a);

	switch (error) {
	case 0:
		break;
	case EADDRINUSE:
		tell_taken(c, s, a);
		break;
	case EACCES: /* the check may be another's than the start */
		add_where(&c->warnings, s, a);
		buf_printf(&c->warnings,
		    "only root may listen on it: start the suite as root\n");
		break;
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		if (s->optional && a->u.sa.sa_family == AF_INET6)
			break;
		add_where(&c->problems, s, a);
		buf_printf(&c->problems, "this host has no such address\n");
		break;
	default:
		add_where(&c->problems, s, a);
		buf_printf(&c->problems, "%s\n", strerror(error));
	}
}

void check_ports(struct check *c)
{
	for (size_t i = 0; i < c->config->mastercf->count; i++) {
		const struct config_service *s = &c->config->services[i];

		for (size_t k = 0; k < s->address_count; k++)
			look_at(c, s, &s->addresses[k]);
	}
}
