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
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

#define TRIES        5     /* while `from` drops what is copied */
#define LOCK_MS      10000 /* for the copy's lock */
#define PIECE        262144u
#define BLOCK        4096u
#define LEFTOVER_AGE 3600 /* seconds */
#define ERASED_LEAST 8    /* zeroes that are no accident */
#define LIST_MOST    ((size_t)1 << 30)

struct copied_blob {
	unsigned char id[16];
	uint64_t octets;
};

struct copy {
	struct engine_box *from, *to;
	struct engine_pos end;   /* of what is copied */
	uint64_t oldest, begins; /* generations of from */
	struct buf snapshots;    /* their numbers, uint64_t each */
	struct buf blobs;        /* struct copied_blob each, sorted */
	uint64_t written;
	unsigned char *piece, *other; /* PIECE octets each */
};

/* What went wrong is asked of `to`. */
static enum engine_status from_failed(struct copy *c, enum engine_status s)
{
	if (s != ENGINE_OK)
		engine_note(c->to, engine_why(c->from));
	return s;
}

static enum engine_status failed(struct copy *c, const char *what)
{
	return engine_fail_errno(c->to, what);
}

/* A file of `from`, which may go at any time. */
static enum engine_status open_from(struct copy *c, const char *name, int *fd)
{
	*fd = c->from->io->open(c->from->dir, name, O_RDONLY | O_CLOEXEC, 0);
	if (*fd >= 0)
		return ENGINE_OK;
	return errno == ENOENT
	    ? engine_fail(c->to, ENGINE_GONE, "what is copied went away")
	    : failed(c, "opening what is copied");
}

static void generation_name(uint64_t number, char out[32])
{
	snprintf(out, 32, "g.%llu", (unsigned long long)number);
}

/* ---- octets ---- */

static int put(struct copy *c, int fd, const void *p, size_t len, uint64_t at)
{
	c->written += len;
	return engine_io_write(c->to->io, fd, p, len, at);
}

/* Len octets, zeroes where the file ended before. */
static int get(const struct engine_box *b, int fd, unsigned char *p, size_t len,
    uint64_t at)
{
	ssize_t n = engine_io_read_some(b->io, fd, p, len, at);

	if (n < 0)
		return -1;
	memset(p + n, 0, len - (size_t)n);
	return 0;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Writes a piece to a new file: blocks of zeroes stay holes. */
static int put_sparse(
    struct copy *c, int fd, const unsigned char *p, size_t len, uint64_t at)
{
	size_t start = 0, end = 0;

	while (end < len) {
		size_t some = len - end < BLOCK ? len - end : BLOCK;

		if (is_zero(p + end, some)) {
			if (end > start &&
			    put(c, fd, p + start, end - start, at + start) < 0)
				return -1;
			start = end + some;
		}
		end += some;
	}
	return end > start ? put(c, fd, p + start, end - start, at + start) : 0;
}

/* [start, end) of one file to the same place in another. */
static int copy_range(
    struct copy *c, int from, int to, uint64_t start, uint64_t end, bool fresh)
{
	while (start < end) {
		size_t some = end - start < PIECE ? (size_t)(end - start)
						  : PIECE;

		if (get(c->from, from, c->piece, some, start) < 0 ||
		    (fresh ? put_sparse(c, to, c->piece, some, start)
			   : put(c, to, c->piece, some, start)) < 0)
			return -1;
		start += some;
	}
	return 0;
}

/* A whole file, which appears under its name when it is durable. */
static enum engine_status copy_file(
    struct copy *c, const char *name, const char *temporary)
{
	struct engine_box *to = c->to;
	struct stat st;
	int in, out;
	enum engine_status s = open_from(c, name, &in);

	if (s != ENGINE_OK)
		return s;
	to->io->unlink(to->dir, temporary);
	out = to->io->open(
	    to->dir, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || fstat(in, &st) < 0 ||
	    copy_range(c, in, out, 0, (uint64_t)st.st_size, true) < 0 ||
	    to->io->truncate(out, st.st_size) < 0 || to->io->fsync(out) < 0 ||
	    to->io->rename(to->dir, temporary, name) < 0)
		s = failed(c, "copying a file");
	file_close(&in);
	file_close(&out);
	if (s != ENGINE_OK)
		to->io->unlink(to->dir, temporary);
	return s;
}

/* ---- what `from` has ---- */

static void note_snapshot(void *arg, int dir, const char *name)
{
	uint64_t number = engine_number(name, 's');

	(void)dir;
	if (number != 0)
		buf_add_bytes(arg, &number, sizeof(number));
}

static void note_generation(void *arg, int dir, const char *name)
{
	uint64_t number = engine_number(name, 'g');

	(void)dir;
	if (number != 0)
		buf_add_bytes(arg, &number, sizeof(number));
}

static bool listed(const struct buf *numbers, uint64_t number)
{
	for (size_t at = 0; at < numbers->len; at += sizeof(number))
		if (memcmp(numbers->p + at, &number, sizeof(number)) == 0)
			return true;
	return false;
}

static void note_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct copied_blob blob = {.octets = octets};

	(void)modified;
	memcpy(blob.id, id, sizeof(blob.id));
	buf_add_bytes(arg, &blob, sizeof(blob));
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static enum engine_status list_blobs(struct engine_box *b, struct buf *out)
{
	enum engine_status s;

	buf_clear(out);
	s = engine_blobs(b, note_blob, out);
	if (s == ENGINE_OK && out->overflow)
		s = engine_fail(b, ENGINE_DOWN, "too many blobs");
	if (s == ENGINE_OK && out->len > 0)
		qsort(out->p, out->len / sizeof(struct copied_blob),
		    sizeof(struct copied_blob), by_id);
	return s;
}

static const struct copied_blob *find_blob(
    const struct buf *blobs, const unsigned char id[16])
{
	return blobs->len == 0
	    ? NULL
	    : bsearch(id, blobs->p, blobs->len / sizeof(struct copied_blob),
		  sizeof(struct copied_blob), by_id);
}

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
		return from_failed(c, s);
	s = engine_generation(b, newest, &g);
	if (s == ENGINE_OK) {
		c->begins = g->begins;
		c->end = engine_generation_start(g);
		s = engine_read(b, &c->end, skip_frame, NULL);
	}
	return from_failed(c, s);
}

/* In this order: a snapshot that is there lies before the durable end, and a
 * blob that a frame before the end names is there. */
static enum engine_status look_at_from(struct copy *c)
{
	enum engine_status s;

	engine_lost(c->from);
	s = engine_attach(c->from);
	if (s != ENGINE_OK || c->from->newest == 0)
		return from_failed(c, s);
	buf_clear(&c->snapshots);
	if (engine_list(c->from->dir, ".", note_snapshot, &c->snapshots) < 0)
		return failed(c, "reading the account's directory");
	s = find_end(c);
	return s == ENGINE_OK ? from_failed(c, list_blobs(c->from, &c->blobs))
			      : s;
}

/* ---- one generation ---- */

struct source {
	struct copy *c;
	uint64_t number;
	int fd;
	unsigned char *head; /* [0, MARK_AT) of its file */
	uint64_t frames_end, bodies_end;
	unsigned char erased[ERASED_OCTETS];
};

/* How far it goes; where that is not known, because the log was begun anew
 * behind damage, all of it is copied. */
static void find_limits(struct source *o)
{
	struct copy *c = o->c;
	struct generation *next;
	struct stat st;

	o->frames_end = c->end.length;
	o->bodies_end = c->end.bodies;
	if (o->number == c->end.generation)
		return;
	if (engine_generation(c->from, o->number + 1, &next) == ENGINE_OK &&
	    next->previous.generation == o->number &&
	    next->previous.length <= MARK_AT) {
		o->frames_end = next->previous.length;
		o->bodies_end = next->previous.bodies;
		return;
	}
	o->frames_end = MARK_AT;
	o->bodies_end = fstat(o->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static enum engine_status source_open(
    struct copy *c, uint64_t number, struct source *o)
{
	enum engine_status s;
	char name[32];

	*o = (struct source){.c = c, .number = number};
	generation_name(number, name);
	s = open_from(c, name, &o->fd);
	if (s != ENGINE_OK)
		return s;
	o->head = mem_alloc(MARK_AT);
	/* The number first: what is erased from now on is found next time. */
	if (get(c->from, o->fd, o->erased, ERASED_OCTETS, ERASED_AT) < 0 ||
	    get(c->from, o->fd, o->head, MARK_AT, 0) < 0)
		return failed(c, "reading what is copied");
	find_limits(o);
	return ENGINE_OK;
}

static void source_close(struct source *o)
{
	file_close(&o->fd);
	free(o->head);
}

/* Every frame holds, up to the end; and where the bodies of those from `at` on
 * begin. */
static enum engine_status prove(
    const struct source *o, uint64_t at, uint64_t *bodies)
{
	struct copy *c = o->c;
	struct engine_pos pos;
	struct generation *g;
	enum engine_status s = engine_generation(c->from, o->number, &g);

	*bodies = HEAD_SIZE;
	if (s != ENGINE_OK)
		return from_failed(c, s);
	pos = engine_generation_start(g);
	while (pos.length < o->frames_end) {
		struct frame f;
		const char *why;

		if (engine_frame_parse(c->from, &pos, o->head + pos.length,
			o->frames_end - pos.length, &f, &why) != 0)
			return engine_fail(c->to, ENGINE_CORRUPT, why);
		pos = engine_frame_after(&pos, &f);
		if (pos.length == at)
			*bodies = pos.bodies;
	}
	return pos.bodies == o->bodies_end
	    ? ENGINE_OK
	    : engine_fail(c->to, ENGINE_CORRUPT, "generations do not follow");
}

static enum engine_status prove_unless_left_behind(
    const struct source *o, uint64_t at, uint64_t *bodies)
{
	enum engine_status s = prove(o, at, bodies);

	return s == ENGINE_CORRUPT && o->number < o->c->begins ? ENGINE_OK : s;
}

/* As engine_fill: all of it into a new file. */
static int fill(void *arg, struct generation *g, struct mark *m)
{
	const struct source *o = arg;
	struct copy *c = o->c;
	uint64_t size = o->bodies_end < HEAD_SIZE ? HEAD_SIZE : o->bodies_end;

	m->at = o->frames_end;
	c->written += 40; /* the mark */
	return put(c, g->fd, o->head, o->frames_end, 0) < 0 ||
		put(c, g->fd, o->erased, ERASED_OCTETS, ERASED_AT) < 0 ||
		copy_range(c, o->fd, g->fd, HEAD_SIZE, o->bodies_end, true) <
		    0 ||
		c->to->io->truncate(g->fd, (off_t)size) < 0
	    ? -1
	    : 0;
}

static enum engine_status create(struct source *o)
{
	struct generation g = {.number = o->number, .fd = -1};
	uint64_t bodies;
	enum engine_status s = prove_unless_left_behind(o, 0, &bodies);

	if (s == ENGINE_OK)
		s = engine_generation_make(o->c->to, &g, fill, o);
	return s == ENGINE_UNKNOWN ? ENGINE_DOWN : s;
}

/* The copy's newest generation, open, and its mark. */
static enum engine_status open_newest(
    struct copy *c, struct generation *g, struct mark *m)
{
	char name[32];

	*g = (struct generation){.number = c->to->newest};
	generation_name(g->number, name);
	g->fd = c->to->io->open(c->to->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (g->fd < 0 || engine_mark_read(c->to, g, m) < 0) {
		file_close(&g->fd);
		return failed(c, "opening the copy");
	}
	if (m->at == 0)
		m->at = FRAMES_AT;
	return ENGINE_OK;
}

/* Bodies from their offset on, and frames from the mark on. */
static int append(const struct source *o, const struct generation *g,
    uint64_t frames, uint64_t bodies)
{
	static const char zeroes[8];
	struct copy *c = o->c;

	return copy_range(c, o->fd, g->fd, bodies, o->bodies_end, false) < 0 ||
		put(c, g->fd, o->head + frames, o->frames_end - frames,
		    frames) < 0 ||
		(o->frames_end < MARK_AT &&
		    put(c, g->fd, zeroes, sizeof(zeroes), o->frames_end) < 0) ||
		(!seeded("copy-not-synced") && c->to->io->fdatasync(g->fd) < 0)
	    ? -1
	    : 0;
}

/* What the copy's newest generation lacks. */
static enum engine_status extend(const struct source *o)
{
	struct copy *c = o->c;
	struct generation g;
	struct mark m = {0}, was;
	uint64_t bodies;
	enum engine_status s = open_newest(c, &g, &m);

	if (s != ENGINE_OK)
		return s;
	was = m;
	if (m.at < o->frames_end) {
		s = prove_unless_left_behind(o, m.at, &bodies);
		if (s == ENGINE_OK && append(o, &g, m.at, bodies) < 0)
			s = failed(c, "writing the copy");
		m.at = o->frames_end;
	}
	/* Who reads the copy goes on in the next one when it is there. */
	if (o->number < c->end.generation)
		m.state = STATE_SEALING;
	m.holder_pid = m.holder_start = 0;
	if (s == ENGINE_OK && memcmp(&m, &was, sizeof(m)) != 0 &&
	    engine_mark_write(c->to, &g, &m) < 0)
		s = failed(c, "writing the copy");
	file_close(&g.fd);
	return s;
}

static enum engine_status copy_generations(struct copy *c)
{
	uint64_t had = c->to->newest;
	enum engine_status s = ENGINE_OK;

	for (uint64_t i = had == 0 ? c->oldest : had;
	     i <= c->end.generation && s == ENGINE_OK; i++) {
		struct source o;

		s = source_open(c, i, &o);
		if (s == ENGINE_OK && i != had)
			s = create(&o);
		if (s == ENGINE_OK)
			s = extend(&o);
		source_close(&o);
	}
	return s;
}

/* ---- does the copy belong to this log? ---- */

/* The frame that ends at `at` says by its chain what all frames before it
 * were. */
static bool same_frames(
    const struct source *o, const struct generation *g, uint64_t at)
{
	unsigned char chain[8];

	return at == FRAMES_AT ||
	    (engine_io_read(o->c->to->io, g->fd, chain, 8, at - 8) == 0 &&
		memcmp(chain, o->head + at - 8, 8) == 0);
}

static bool fits(
    const struct source *o, const struct generation *g, const struct mark *m)
{
	unsigned char header[FRAMES_AT];

	if (engine_io_read(o->c->to->io, g->fd, header, FRAMES_AT, 0) < 0 ||
	    memcmp(header, o->head, FRAMES_AT) != 0)
		return false;
	if (m->at > o->frames_end) /* begun anew behind damage */
		return o->number < o->c->begins;
	return same_frames(o, g, m->at);
}

/* The copy's generations have no gap, and so many as it needs. */
static bool complete(const struct copy *c, const struct buf *generations)
{
	uint64_t lowest = UINT64_MAX, highest = 0, number;

	for (size_t at = 0; at < generations->len; at += sizeof(number)) {
		memcpy(&number, generations->p + at, sizeof(number));
		lowest = number < lowest ? number : lowest;
		highest = number > highest ? number : highest;
	}
	return highest - lowest + 1 == generations->len / sizeof(number) &&
	    lowest <= c->oldest && highest >= c->oldest &&
	    highest <= c->end.generation;
}

static enum engine_status does_it_fit(struct copy *c, bool *yes)
{
	struct buf generations = buf_new(LIST_MOST);
	struct generation g;
	struct source o;
	struct mark m = {0};
	enum engine_status s;

	*yes = c->to->newest == 0;
	if (*yes)
		return ENGINE_OK;
	if (engine_list(c->to->dir, ".", note_generation, &generations) < 0)
		return failed(c, "reading the copy");
	*yes = complete(c, &generations);
	buf_free(&generations);
	if (!*yes)
		return ENGINE_OK;
	s = open_newest(c, &g, &m);
	if (s != ENGINE_OK)
		return s;
	s = source_open(c, c->to->newest, &o);
	*yes = s == ENGINE_OK && fits(&o, &g, &m);
	source_close(&o);
	file_close(&g.fd);
	return s;
}

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
		return failed(c, "setting another life's copy aside");
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
	    ? failed(c, "making the copy")
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
		s = does_it_fit(c, &fit);
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

/* ---- blobs and snapshots ---- */

static enum engine_status copy_blob(
    struct copy *c, const struct copied_blob *blob)
{
	char name[64], temporary[128];

	engine_blob_name(blob->id, name);
	snprintf(temporary, sizeof(temporary), "new.b.%s.%d",
	    name + sizeof(BLOBS), (int)getpid());
	return copy_file(c, name, temporary);
}

/* One that was half written when it was copied is longer by now. */
static enum engine_status copy_blobs(struct copy *c)
{
	const struct copied_blob *all = (const struct copied_blob *)(void *)
					    c->blobs.p;
	size_t count = c->blobs.len / sizeof(*all);
	struct buf there = buf_new(LIST_MOST);
	enum engine_status s = list_blobs(c->to, &there);

	if (s == ENGINE_OK && count > 0 &&
	    c->to->io->mkdir(c->to->dir, BLOBS, 0700) < 0 && errno != EEXIST)
		s = failed(c, "making the blobs' directory");
	for (size_t i = 0; i < count && s == ENGINE_OK; i++) {
		const struct copied_blob *old = find_blob(&there, all[i].id);

		if (old == NULL || old->octets != all[i].octets)
			s = copy_blob(c, &all[i]);
	}
	if (s == ENGINE_OK && count > 0 &&
	    (engine_sync_dir(c->to, c->to->dir, BLOBS) < 0 ||
		engine_sync_dir(c->to, c->to->dir, ".") < 0))
		s = failed(c, "sync of the blobs' directory");
	buf_free(&there);
	return s;
}

/* The number that tells of erasures, at the end of a snapshot; -1 when there
 * is no such snapshot. */
static int snapshot_erased(struct engine_box *b, const char *name,
    uint64_t *size, unsigned char erased[ERASED_OCTETS])
{
	int fd = b->io->open(b->dir, name, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	int result = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= ERASED_OCTETS) {
		*size = (uint64_t)st.st_size;
		result = engine_io_read(
		    b->io, fd, erased, ERASED_OCTETS, *size - ERASED_OCTETS);
	}
	file_close(&fd);
	return result;
}

static enum engine_status copy_snapshot(struct copy *c, uint64_t number)
{
	unsigned char here[ERASED_OCTETS], there[ERASED_OCTETS];
	uint64_t size_here, size_there;
	char name[64], temporary[64];

	engine_snapshot_name(number, name);
	if (snapshot_erased(c->to, name, &size_there, there) == 0 &&
	    snapshot_erased(c->from, name, &size_here, here) == 0 &&
	    size_here == size_there && memcmp(here, there, sizeof(here)) == 0)
		return ENGINE_OK;
	snprintf(temporary, sizeof(temporary), "new.s.%llu.%d",
	    (unsigned long long)number, (int)getpid());
	return copy_file(c, name, temporary);
}

/* All that were listed, and they are still there at the end: then so is what
 * they point into. */
static enum engine_status copy_snapshots(struct copy *c)
{
	struct buf now = buf_new(LIST_MOST);
	enum engine_status s = ENGINE_OK;
	uint64_t number;

	for (size_t at = 0; at < c->snapshots.len && s == ENGINE_OK;
	     at += sizeof(number)) {
		memcpy(&number, c->snapshots.p + at, sizeof(number));
		s = copy_snapshot(c, number);
	}
	if (s == ENGINE_OK &&
	    (engine_sync_dir(c->to, c->to->dir, ".") < 0 ||
		engine_list(c->from->dir, ".", note_snapshot, &now) < 0))
		s = failed(c, "copying snapshots");
	for (size_t at = 0; at < c->snapshots.len && s == ENGINE_OK;
	     at += sizeof(number)) {
		memcpy(&number, c->snapshots.p + at, sizeof(number));
		if (!listed(&now, number))
			s = engine_fail(
			    c->to, ENGINE_GONE, "what is copied went away");
	}
	buf_free(&now);
	return s;
}

/* ---- what goes ---- */

/* Octets that are zero in `from` and not in the copy were erased. Others that
 * differ are damage in one of them, which a check finds, and so may be a few
 * zeroes. */
static void note_erased(
    struct copy *c, size_t len, uint64_t at, struct buf *ranges)
{
	const unsigned char *from = c->piece, *to = c->other;

	for (size_t i = 0; i < len; i++) {
		size_t start = i;
		struct engine_range r;

		if (from[i] != 0 || to[i] == 0)
			continue;
		while (i < len && from[i] == 0)
			i++;
		r = (struct engine_range){at + start, at + i};
		if (i - start >= ERASED_LEAST || start == 0 || i == len) {
			buf_add_bytes(ranges, &r, sizeof(r));
			c->written += i - start;
		}
	}
}

static int find_erased(
    struct copy *c, int from, int to, uint64_t end, struct buf *ranges)
{
	for (uint64_t at = HEAD_SIZE; at < end; at += PIECE) {
		size_t some = end - at < PIECE ? (size_t)(end - at) : PIECE;

		if (get(c->from, from, c->piece, some, at) < 0 ||
		    get(c->to, to, c->other, some, at) < 0)
			return -1;
		if (memcmp(c->piece, c->other, some) != 0)
			note_erased(c, some, at, ranges);
	}
	return ranges->overflow ? -1 : 0;
}

static int erase_as(
    struct copy *c, int from, int to, const unsigned char *erased)
{
	struct buf ranges = buf_new(LIST_MOST);
	struct stat here, there;
	int result = fstat(from, &here) < 0 ? -1 : fstat(to, &there);

	/* What a file that is too short lacks is damage. */
	if (result == 0)
		result = find_erased(c, from, to,
		    (uint64_t)(here.st_size < there.st_size ? here.st_size
							    : there.st_size),
		    &ranges);
	if (result == 0)
		result = engine_erase_ranges(c->to, to, ERASED_AT,
		    get_u64(erased),
		    (const struct engine_range *)(void *)ranges.p,
		    ranges.len / sizeof(struct engine_range));
	c->written += ERASED_OCTETS;
	buf_free(&ranges);
	return result;
}

static enum engine_status erase_in_generation(struct copy *c, uint64_t number)
{
	unsigned char here[ERASED_OCTETS], there[ERASED_OCTETS];
	int from, to;
	char name[32];
	enum engine_status s;

	generation_name(number, name);
	s = open_from(c, name, &from);
	if (s != ENGINE_OK)
		return s;
	to = c->to->io->open(c->to->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (to < 0 || get(c->from, from, here, ERASED_OCTETS, ERASED_AT) < 0 ||
	    get(c->to, to, there, ERASED_OCTETS, ERASED_AT) < 0 ||
	    (memcmp(here, there, ERASED_OCTETS) != 0 &&
		erase_as(c, from, to, here) < 0))
		s = failed(c, "erasing in the copy");
	file_close(&from);
	file_close(&to);
	return s;
}

static enum engine_status drop_generations(struct copy *c)
{
	uint64_t oldest;
	enum engine_status s = ENGINE_OK;

	for (;;) {
		if (engine_lowest(c->to, 'g', &oldest) < 0)
			return failed(c, "reading the copy");
		if (oldest == 0 || oldest >= c->oldest)
			return s;
		s = engine_drop(c->to, oldest);
		if (s != ENGINE_OK)
			return s;
	}
}

static void drop_blobs(struct copy *c)
{
	struct buf there = buf_new(LIST_MOST);

	if (list_blobs(c->to, &there) == ENGINE_OK)
		for (size_t at = 0; at < there.len;
		     at += sizeof(struct copied_blob)) {
			unsigned char id[16];

			memcpy(id, there.p + at, sizeof(id));
			if (find_blob(&c->blobs, id) == NULL)
				engine_blob_drop(c->to, id);
		}
	buf_free(&there);
}

static void drop_snapshots(struct copy *c)
{
	struct buf there = buf_new(LIST_MOST);
	uint64_t number;

	engine_list(c->to->dir, ".", note_snapshot, &there);
	for (size_t at = 0; at < there.len; at += sizeof(number)) {
		memcpy(&number, there.p + at, sizeof(number));
		if (!listed(&c->snapshots, number))
			engine_snapshot_drop(c->to, number);
	}
	buf_free(&there);
}

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
		s = seeded("copy-keeps-erased") ? ENGINE_OK
						: erase_in_generation(c, i);
	if (s != ENGINE_OK)
		return s;
	drop_snapshots(c);
	s = drop_generations(c);
	if (s != ENGINE_OK)
		return s;
	drop_blobs(c);
	engine_leftovers(c->to, drop_leftover, c->to);
	return (engine_sync_dir(c->to, c->to->dir, BLOBS) < 0 &&
		   errno != ENOENT) ||
		engine_sync_dir(c->to, c->to->dir, ".") < 0
	    ? failed(c, "sync of the copy's directory")
	    : ENGINE_OK;
}

/* ---- all of it ---- */

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
	    .piece = mem_alloc(PIECE),
	    .other = mem_alloc(PIECE)};
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
