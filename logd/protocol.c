/* SPDX-License-Identifier: ISC */
#include "logd/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "logd/line.h"

#define NAME_MOST  200 /* octets */
#define FILES_MOST 100 /* what one daemon makes up fills no disk */
#define ENDING     ".log"

static struct {
	const struct logd_conf *conf;
	int dir;
	struct buf line;
} protocol = {.dir = -1};

int protocol_open(const struct logd_conf *conf, int log_dir)
{
	protocol.conf = conf;
	protocol.line = buf_new(8 * LOG_LINE_MAX);
	if (mkdirat(log_dir, "protocol", 0750) < 0 && errno != EEXIST)
		return -1;
	protocol.dir = openat(
	    log_dir, "protocol", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return protocol.dir < 0 ? -1 : 0;
}

/* An address or a network, a login: nothing that leads elsewhere or is hidden. */
static bool file_name(struct str name, char *out, size_t size)
{
	if (name.len == 0 || name.len > NAME_MOST || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.p[i]);

		if (!ascii_alnum(c) && strchr("@.+-_:=", c) == NULL)
			c = '_';
		if (name.p[i] == '\0')
			return false;
		out[i] = c;
	}
	return snprintf(out + name.len, size - name.len, "%s", ENDING) > 0;
}

/* Calls see for each file; ends with its first true. */
static bool each_file(bool (*see)(const char *name, void *arg), void *arg)
{
	int fd = openat(protocol.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool end = false;

	if (dir == NULL) {
		file_close(&fd);
		return false;
	}
	// cppcheck-suppress readdirCalled
	while (!end && (e = readdir(dir)) != NULL)
		end = str_ends(str_from(e->d_name), STR(ENDING)) &&
		    see(e->d_name, arg);
	closedir(dir);
	return end;
}

static bool is_too_many(const char *name, void *arg)
{
	(void)name;
	return ++*(unsigned *)arg >= FILES_MOST;
}

static int open_file(const char *name)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(protocol.dir, name, flags);
	unsigned count = 0;

	if (fd < 0 && !each_file(is_too_many, &count))
		fd = openat(protocol.dir, name, flags | O_CREAT, 0640);
	return fd;
}

static void add_line(struct str program, pid_t pid, struct str text)
{
	char stamp[40];

	line_time(clock_us(), stamp, sizeof(stamp));
	buf_printf(
	    &protocol.line, "%s %.*s[%d]: ", stamp, STR_FMT(program), (int)pid);
	line_escape(&protocol.line, text);
	buf_add_char(&protocol.line, '\n');
}

bool protocol_line(
    struct str name, struct str program, pid_t pid, struct str text)
{
	char file[NAME_MOST + sizeof(ENDING)];
	struct stat st;
	int fd;

	if (!file_name(name, file, sizeof(file)))
		return false;
	fd = open_file(file);
	if (fd < 0)
		return true;
	uint64_t most = protocol.conf->protocol_log_size_limit;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size < most) {
		buf_clear(&protocol.line);
		add_line(program, pid, text);
		/* Said once: from here on it is full. */
		if ((uint64_t)st.st_size + protocol.line.len >= most)
			add_line(STR("logd"), getpid(),
			    STR("protocol_log_size_limit: nothing more is "
				"written here"));
		(void)file_write_full(fd, protocol.line.p, protocol.line.len);
	}
	file_close(&fd);
	return true;
}

static bool remove_old(const char *name, void *arg)
{
	struct stat st;

	if (fstatat(protocol.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < *(int64_t *)arg)
		unlinkat(protocol.dir, name, 0);
	return false;
}

void protocol_sweep(void)
{
	int64_t oldest = clock_seconds() -
	    protocol.conf->protocol_log_lifetime / 1000;

	each_file(remove_old, &oldest);
}
