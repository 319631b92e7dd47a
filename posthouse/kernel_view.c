/* SPDX-License-Identifier: ISC */
#include "posthouse/kernel_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

const char *const view_capability_names[5] = {
    "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

/* The value of a line "Name:\tvalue" of /proc/PID/status. */
static struct str field(struct str text, const char *name)
{
	while (text.len > 0) {
		struct str line = str_cut(&text, '\n');
		struct str key = str_cut(&line, ':');

		if (str_eq(key, str_from(name)))
			return str_trim(line);
	}
	return STR_EMPTY;
}

static uint64_t number(struct str word)
{
	uint64_t n = 0;

	return str_to_u64(word, UINT64_MAX, &n) == 0 ? n : 0;
}

static size_t numbers(struct str words, unsigned *out, size_t most)
{
	struct str word;
	size_t n = 0;

	while (n < most && (word = str_word(&words, " \t")).len > 0)
		out[n++] = (unsigned)number(word);
	return n;
}

static uint64_t hexadecimal(struct str word)
{
	char text[32];

	if (str_copy(text, sizeof(text), word) < 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 16);
}

/* The hard limit in a line of /proc/PID/limits: name, soft, hard, unit. */
static uint64_t limit(struct str text, const char *name)
{
	while (text.len > 0) {
		struct str line = str_cut(&text, '\n'), word;

		if (!str_starts(line, str_from(name)))
			continue;
		line = str_skip(line, strlen(name));
		str_word(&line, " ");
		word = str_word(&line, " ");
		return str_eq(word, STR("unlimited")) ? VIEW_NO_LIMIT
						      : number(word);
	}
	return VIEW_NO_LIMIT;
}

static void take_status(struct kernel_view *v, struct str text)
{
	numbers(field(text, "Uid"), v->uid, 4);
	numbers(field(text, "Gid"), v->gid, 4);
	v->group_count = numbers(
	    field(text, "Groups"), v->groups, ARRAY_LEN(v->groups));
	v->no_new_privs = str_eq(field(text, "NoNewPrivs"), STR("1"));
	v->seccomp = (unsigned)number(field(text, "Seccomp"));
	v->filters = (unsigned)number(field(text, "Seccomp_filters"));
	for (int i = 0; i < 5; i++)
		v->capabilities[i] = hexadecimal(
		    field(text, view_capability_names[i]));
}

static void take_limits(struct kernel_view *v, struct str text)
{
	v->core = limit(text, "Max core file size");
	v->processes = limit(text, "Max processes");
	v->file_size = limit(text, "Max file size");
	v->data = limit(text, "Max data size");
}

int kernel_view(unsigned pid, struct kernel_view *out)
{
	struct buf text = buf_new(65536);
	struct stat st;
	char path[64];
	ssize_t n;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	if (stat(path, &st) < 0 || file_read(path, &text) < 0) {
		buf_free(&text);
		return -1;
	}
	take_status(out, buf_str(&text));
	/* proc(5): what is not dumpable belongs to root. */
	out->dumpable = st.st_uid != 0 || out->uid[1] == 0;
	buf_clear(&text);
	snprintf(path, sizeof(path), "/proc/%u/limits", pid);
	file_read(path, &text);
	take_limits(out, buf_str(&text));
	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	n = readlink(path, out->root, sizeof(out->root) - 1);
	out->root[n > 0 ? n : 0] = '\0';
	buf_free(&text);
	return 0;
}

int kernel_view_sockets(
    const char *folder, struct buf *sockets, struct buf *others)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	struct stat st;

	if (dir == NULL)
		return -1;
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		bool is_socket = fstatat(dirfd(dir), e->d_name, &st,
				     AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode);
		struct buf *to = is_socket ? sockets : others;

		buf_printf(to, "%s%s", to->len > 0 ? " " : "", e->d_name);
	}
	closedir(dir);
	return 0;
}
