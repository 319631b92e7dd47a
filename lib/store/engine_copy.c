/* SPDX-License-Identifier: ISC */
/*
 * A box's copy in another store: what a backup is.
 *
 * `from` is not locked. What is there below its durable end never changes but
 * for bytes that are erased and files that go, so it is copied up to an end
 * found at the start. `to` is a box like any other at every moment: blobs
 * come first, then generations from the oldest on, each durable before the
 * next one has its name, then snapshots, which were listed before the end was
 * looked for and so lie before it; last, what `from` has not any more goes.
 * Until then it may show messages without their bytes that `from` has erased.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/engine_copy.h"
#include "store/seeded.h"

#define TRIES        5     /* while `from` drops what is copied */
#define LOCK_MS      10000 /* for the copy's lock */
#define LEFTOVER_AGE 3600  /* seconds */

/* What went wrong is asked of `to`. */
enum engine_status copy_from_failed(struct copy *c, enum engine_status s)
{
	if (s != ENGINE_OK)
		engine_note(c->to, engine_why(c->from));
	return s;
}

enum engine_status copy_failed(struct copy *c, const char *what)
{
	return engine_fail_errno(c->to, what);
}

/* ---- what `from` has ---- */

static int skip_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

/* The durable end: the newest generation is read, and what a crash left
 * behind its mark completed. */
static enum engine_status find_end(struct copy *c)
{
	struct engine_box *b = c->from;
	struct generation *g;
	uint64_t newest;
	enum engine_status s = engine_generations(
	    b, &c->oldest, &c->begins, &newest);

	c->end = (struct engine_pos){0};
	if (s != ENGINE_OK || newest == 0)
		return copy_from_failed(c, s);
	s = engine_generation(b, newest, &g);
	if (s == ENGINE_OK) {
		c->begins = g->begins;
		c->end = engine_generation_start(g);
		s = engine_read(b, &c->end, skip_frame, NULL);
	}
	return copy_from_failed(c, s);
}

/* In this order: a snapshot that is there lies before the durable end, and a
 * blob that a frame before the end names is there. */
static enum engine_status look_at_from(struct copy *c)
{
	enum engine_status s;

	engine_lost(c->from);
	s = engine_attach(c->from);
	if (s != ENGINE_OK || c->from->newest == 0)
		return copy_from_failed(c, s);
	buf_clear(&c->snapshots);
	if (engine_list(c->from->dir, ".", copy_note_snapshot, &c->snapshots) <
	    0)
		return copy_failed(c, "reading the account's directory");
	s = find_end(c);
	return s == ENGINE_OK
	    ? copy_from_failed(c, copy_list_blobs(c->from, &c->blobs))
	    : s;
}

/* ---- the copy ---- */

/* Under a name that is no account's. */
static enum engine_status set_aside(struct copy *c)
{
	struct engine_box *to = c->to;
	char from[300], aside[300];
	uint64_t number = to->incarnation;

	snprintf(from, sizeof(from), "%s/%s", to->shard, to->name);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(aside, sizeof(aside), "%s/.%016llx.%s", to->shard,
		    (unsigned long long)number++, to->name);
		if (to->io->rename(to->engine->root, from, aside) == 0 ||
		    (errno != EEXIST && errno != ENOTEMPTY))
			break;
	}
	if (engine_directory_is_live(to) ||
	    engine_sync_dir(to, to->engine->root, to->shard) < 0)
		return copy_failed(c, "setting another life's copy aside");
	engine_detach(to);
	return ENGINE_OK;
}

static enum engine_status lock_copy(struct copy *c)
{
	struct engine_box *to = c->to;
	enum engine_status s;

	engine_detach(to);
	s = engine_box_prepare(to);
	if (s == ENGINE_OK)
		s = engine_lock(to, deadline_in(LOCK_MS));
	if (s == ENGINE_OK && !engine_directory_is_live(to))
		return engine_fail(to, ENGINE_BUSY, "the copy is being moved");
	to->newest = 0;
	if (s == ENGINE_OK)
		s = engine_attach(to);
	return s;
}

/* A box that nothing was copied to so far: what it is called is durable. */
static enum engine_status begin_copy(struct copy *c)
{
	struct engine_box *to = c->to;

	return engine_name_write(to) < 0 ||
		engine_sync_dir(to, to->engine->root, to->shard) < 0 ||
		engine_sync_dir(to, to->engine->root, ".") < 0
	    ? copy_failed(c, "making the copy")
	    : ENGINE_OK;
}

static enum engine_status prepare_copy(struct copy *c)
{
	struct generation *g;
	bool fit = false;
	enum engine_status s = lock_copy(c);

	/* Its incarnation, as far as it has one. */
	if (s == ENGINE_OK && c->to->newest != 0)
		engine_generation(c->to, c->to->newest, &g);
	if (s == ENGINE_OK)
		s = copy_fits(c, &fit);
	if (s == ENGINE_OK && !fit && !seeded("copies-are-mixed")) {
		s = set_aside(c);
		if (s == ENGINE_OK)
			s = lock_copy(c);
	}
	if (s == ENGINE_OK && c->to->newest == 0)
		s = begin_copy(c);
	c->to->incarnation = c->from->incarnation;
	return s;
}

/* ---- all of it ---- */

static void drop_leftover(void *arg, const char *name, int64_t modified)
{
	if (modified < clock_seconds() - LEFTOVER_AGE)
		engine_leftover_drop(arg, name);
}

/* What `from` erased and dropped. */
static enum engine_status take_away(struct copy *c)
{
	enum engine_status s = ENGINE_OK;

	for (uint64_t i = c->oldest; i < c->end.generation && s == ENGINE_OK;
	     i++)
		s = seeded("copy-keeps-erased") ? ENGINE_OK : copy_erased(c, i);
	if (s != ENGINE_OK)
		return s;
	copy_drop_snapshots(c);
	s = copy_drop_generations(c);
	if (s != ENGINE_OK)
		return s;
	copy_drop_blobs(c);
	engine_leftovers(c->to, drop_leftover, c->to);
	return (engine_sync_dir(c->to, c->to->dir, BLOBS) < 0 &&
		   errno != ENOENT) ||
		engine_sync_dir(c->to, c->to->dir, ".") < 0
	    ? copy_failed(c, "sync of the copy's directory")
	    : ENGINE_OK;
}

static enum engine_status copy_once(struct copy *c)
{
	enum engine_status s = look_at_from(c);

	if (s != ENGINE_OK || c->from->newest == 0)
		return s;
	s = prepare_copy(c);
	if (s == ENGINE_OK)
		s = copy_blobs(c);
	if (s == ENGINE_OK)
		s = copy_generations(c);
	if (s == ENGINE_OK)
		s = copy_snapshots(c);
	if (s == ENGINE_OK)
		s = take_away(c);
	engine_unlock(c->to);
	return s;
}

enum engine_status engine_copy(struct engine_box *from, struct engine_box *to,
    struct engine_pos *end, uint64_t *written)
{
	struct copy c = {.from = from,
	    .to = to,
	    .snapshots = buf_new(LIST_MOST),
	    .blobs = buf_new(LIST_MOST),
	    .piece = mem_alloc(COPY_PIECE),
	    .other = mem_alloc(COPY_PIECE)};
	enum engine_status s = ENGINE_GONE;

	for (int i = 0; i < TRIES && s == ENGINE_GONE; i++)
		s = copy_once(&c);
	if (s == ENGINE_GONE)
		s = ENGINE_BUSY;
	engine_detach(to); /* whatever it knew */
	*end = c.end;
	*written = c.written;
	buf_free(&c.snapshots);
	buf_free(&c.blobs);
	free(c.piece);
	free(c.other);
	return s;
}
