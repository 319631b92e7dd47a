/* SPDX-License-Identifier: ISC */
/* What checks ask of the engine: looking without touching. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/str.h"
#include "store/engine_file.h"
#include "store/le.h"

void engine_look_only(struct engine_box *b)
{
	b->look_only = true;
}

enum engine_status engine_previous(
    struct engine_box *b, uint64_t generation, struct engine_pos *end)
{
	struct generation *g;
	enum engine_status s = engine_attach(b);

	if (s == ENGINE_OK && b->dir < 0)
		s = engine_fail(b, ENGINE_GONE, "nothing on disk");
	if (s == ENGINE_OK)
		s = engine_generation(b, generation, &g);
	if (s == ENGINE_OK)
		*end = g->previous;
	return s;
}

enum engine_status engine_end(
    struct engine_box *b, const struct engine_pos *end, struct engine_end *out)
{
	struct generation *g;
	unsigned char p[4] = {0};
	struct mark m;
	enum engine_status s = engine_generation(b, end->generation, &g);

	*out = (struct engine_end){.mark = MARK_AT};
	if (s != ENGINE_OK)
		return s;
	out->lost = engine_mark_read(b, g, &m) < 0 || m.at == 0;
	out->more = end->length < MARK_AT - sizeof(p) &&
	    engine_io_read_some(b->io, g->fd, p, sizeof(p), end->length) > 0 &&
	    get_u32(p) != 0;
	return ENGINE_OK;
}

/* ---- leftovers ---- */

static bool numbered(struct str name, char kind)
{
	uint64_t n;

	return name.len > 2 && name.p[0] == kind && name.p[1] == '.' &&
	    str_to_u64(str_skip(name, 2), UINT64_MAX, &n) == 0;
}

static bool is_blob(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum(name.p[i]))
			return false;
	return name.len == 32;
}

static enum engine_status look_through(struct engine_box *b, const char *path,
    void (*found)(void *arg, const char *name, int64_t modified), void *arg)
{
	int fd = openat(b->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool blobs = strcmp(path, "b") == 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		int error = errno;

		file_close(&fd);
		errno = error;
		return blobs && error == ENOENT
		    ? ENGINE_OK
		    : engine_fail_errno(b, "reading the account's directory");
	}
	while ((entry = readdir(d)) != NULL) {
		struct str name = str_from(entry->d_name);
		char whole[300];
		struct stat st;

		if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
			continue;
		if (blobs ? is_blob(name)
			  : numbered(name, 'g') || numbered(name, 's') ||
			    str_eq(name, STR("lock")) || str_eq(name, STR("b")))
			continue;
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) <
		    0)
			continue; /* gone meanwhile */
		snprintf(whole, sizeof(whole), "%s%s", blobs ? "b/" : "",
		    entry->d_name);
		found(arg, whole, st.st_mtime);
	}
	closedir(d);
	return ENGINE_OK;
}

enum engine_status engine_leftovers(struct engine_box *b,
    void (*found)(void *arg, const char *name, int64_t modified), void *arg)
{
	enum engine_status s = engine_attach(b);

	if (s != ENGINE_OK || b->dir < 0)
		return s;
	s = look_through(b, ".", found, arg);
	return s == ENGINE_OK ? look_through(b, "b", found, arg) : s;
}

enum engine_status engine_leftover_drop(struct engine_box *b, const char *name)
{
	if (!str_starts(str_from(name), STR("new.")) ||
	    strchr(name, '/') != NULL)
		return engine_fail(b, ENGINE_REFUSED, "not a temporary file");
	if (b->dir >= 0 && b->io->unlink(b->dir, name) < 0 && errno != ENOENT)
		return engine_fail_errno(b, "removing a temporary file");
	return ENGINE_OK;
}
