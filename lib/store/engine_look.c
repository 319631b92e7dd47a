/* SPDX-License-Identifier: ISC */
/* What checks ask of the engine: looking without touching. */
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

struct leftovers {
	bool blobs; /* in their directory */
	void (*found)(void *arg, const char *name, int64_t modified);
	void *arg;
};

static void tell_leftover(void *arg, int dir, const char *name)
{
	struct leftovers *l = arg;
	unsigned char id[16];
	char whole[300];
	struct stat st;

	if (l->blobs ? engine_blob_id(name, id) == 0
		     : engine_number(name, 'g') != 0 ||
		    engine_number(name, 's') != 0 ||
		    strcmp(name, "lock") == 0 || strcmp(name, BLOBS) == 0 ||
		    strcmp(name, ACCOUNT_FILE) == 0 ||
		    str_starts(str_from(name), STR(DAMAGED)))
		return;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* gone meanwhile */
	snprintf(whole, sizeof(whole), "%s%s", l->blobs ? BLOBS "/" : "", name);
	l->found(l->arg, whole, st.st_mtime);
}

enum engine_status engine_leftovers(struct engine_box *b,
    void (*found)(void *arg, const char *name, int64_t modified), void *arg)
{
	struct leftovers here = {false, found, arg}, blobs = {true, found, arg};
	enum engine_status s = engine_attach(b);

	if (s == ENGINE_OK && b->dir >= 0 &&
	    (engine_list(b->dir, ".", tell_leftover, &here) < 0 ||
		(engine_list(b->dir, BLOBS, tell_leftover, &blobs) < 0 &&
		    errno != ENOENT)))
		s = engine_fail_errno(b, "reading the account's directory");
	return s;
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
