/* SPDX-License-Identifier: ISC */
/*
 * A second engine, in the memory of one process, written against
 * store/engine.h. With it the tests that know no engine (store_test,
 * model_test) show that lib/store leans on nothing but that header.
 *
 * An account is shared by all handles of its engine. Nothing here can fail
 * half way, so there is no mark, no recovery and no torn frame; blobs are
 * memory files, because the interface hands out descriptors for them.
 */
#include "store/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"

#define FIRST      64u /* offset of a generation's first frame and body */
#define FRAME_HEAD 64u /* octets that a frame takes besides its records */
#define BODIES_MAX ((size_t)1 << 30)

struct frame {
	char *heads;
	size_t len;
	struct engine_frame_info info;
};

struct generation {
	uint64_t number; /* 0: free */
	bool anew;       /* the log begins here again */
	struct engine_pos previous, end;
	struct frame *frames;
	size_t count;
	struct buf bodies; /* the first stands at offset FIRST */
};

struct blob {
	unsigned char id[16];
	int fd;
	int64_t modified;
};

struct snapshot {
	uint64_t number;
	char *octets;
	size_t len;
};

struct account {
	struct account *next;
	char *name;
	unsigned handles;
	bool removed;
	uint64_t incarnation;
	struct generation *generations;
	size_t generation_count;
	struct blob *blobs;
	size_t blob_count;
	struct snapshot *snapshots;
	size_t snapshot_count;
	const struct engine_box *session;
};

/* What engines on the same root share, while there is one. */
struct shared {
	struct shared *next;
	char *root;
	unsigned users;
	struct account *accounts;
};

struct engine {
	struct shared *shared;
	uint64_t seal_frames, seal_bodies, reserve;
};

static struct shared *roots;

struct engine_box {
	struct engine *engine;
	char *name;
	struct account *account; /* NULL: not attached */
	const char *why;
};

static enum engine_status fail(
    struct engine_box *b, enum engine_status s, const char *why)
{
	b->why = why;
	return s;
}

/* One more element at the end of an array, zeroed. */
#define ADD(array, count)                                                      \
	((array) = mem_resize((array), (count) + 1, sizeof(*(array))),         \
	    memset(&(array)[count], 0, sizeof(*(array))), &(array)[(count)++])

/* ---- accounts ---- */

struct engine *engine_open(const char *root, const char **why)
{
	struct engine *e = NEW(struct engine);
	struct shared *x = roots;

	(void)why;
	while (x != NULL && strcmp(x->root, root) != 0)
		x = x->next;
	if (x == NULL) {
		x = NEW(struct shared);
		x->root = str_dup(str_from(root));
		x->next = roots;
		roots = x;
	}
	x->users++;
	e->shared = x;
	e->seal_frames = 196608;
	e->seal_bodies = 67108864;
	return e;
}

void engine_set_seal(struct engine *e, uint64_t frames, uint64_t bodies)
{
	e->seal_frames = frames;
	e->seal_bodies = bodies;
}

static void generation_free(struct generation *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->frames[i].heads);
	free(g->frames);
	buf_free(&g->bodies);
}

static void account_empty(struct account *a)
{
	for (size_t i = 0; i < a->generation_count; i++)
		generation_free(&a->generations[i]);
	for (size_t i = 0; i < a->blob_count; i++)
		close(a->blobs[i].fd);
	for (size_t i = 0; i < a->snapshot_count; i++)
		free(a->snapshots[i].octets);
	free(a->generations);
	free(a->blobs);
	free(a->snapshots);
	a->generations = NULL;
	a->blobs = NULL;
	a->snapshots = NULL;
	a->generation_count = a->blob_count = a->snapshot_count = 0;
	a->incarnation = 0;
}

static void account_release(struct account *a)
{
	if (!a->removed || a->handles > 0)
		return;
	account_empty(a);
	free(a->name);
	free(a);
}

static void shared_free(struct shared *x)
{
	struct shared **at = &roots;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	while (x->accounts != NULL) {
		struct account *a = x->accounts;

		x->accounts = a->next;
		a->removed = true;
		account_release(a);
	}
	free(x->root);
	free(x);
}

void engine_close(struct engine **e)
{
	if (*e == NULL)
		return;
	if (--(*e)->shared->users == 0)
		shared_free((*e)->shared);
	free(*e);
	*e = NULL;
}

enum engine_status engine_box_open(
    struct engine *e, struct str account, struct engine_box **out)
{
	*out = NEW(struct engine_box);
	(*out)->engine = e;
	(*out)->name = str_dup(account);
	(*out)->why = "";
	return ENGINE_OK;
}

static void detach(struct engine_box *b)
{
	struct account *a = b->account;

	b->account = NULL;
	if (a == NULL)
		return;
	if (a->session == b)
		a->session = NULL;
	a->handles--;
	account_release(a);
}

void engine_box_close(struct engine_box **b)
{
	if (*b == NULL)
		return;
	detach(*b);
	free((*b)->name);
	free(*b);
	*b = NULL;
}

const char *engine_why(const struct engine_box *b)
{
	return b->why;
}

/* The account, if there is one. ENGINE_GONE once, when it was removed. */
static enum engine_status attach(struct engine_box *b)
{
	if (b->account != NULL && b->account->removed) {
		detach(b);
		return fail(b, ENGINE_GONE, "the account was removed");
	}
	for (struct account *a = b->engine->shared->accounts;
	     b->account == NULL && a != NULL; a = a->next)
		if (strcmp(a->name, b->name) == 0) {
			b->account = a;
			a->handles++;
		}
	return ENGINE_OK;
}

enum engine_status engine_box_prepare(struct engine_box *b)
{
	enum engine_status s = attach(b);

	if (s != ENGINE_OK || b->account != NULL)
		return s;
	struct account *a = NEW(struct account);
	a->name = str_dup(str_from(b->name));
	a->next = b->engine->shared->accounts;
	b->engine->shared->accounts = a;
	return attach(b);
}

int engine_box_directory(struct engine_box *b)
{
	(void)b; /* there is none */
	return -1;
}

uint64_t engine_incarnation(const struct engine_box *b)
{
	return b->account == NULL ? 0 : b->account->incarnation;
}

enum engine_status engine_remove(
    struct engine *e, struct str account, int64_t deadline)
{
	struct account **at = &e->shared->accounts;

	(void)deadline;
	while (*at != NULL && !str_eq(str_from((*at)->name), account))
		at = &(*at)->next;
	if (*at != NULL) {
		struct account *a = *at;

		*at = a->next;
		a->removed = true;
		account_release(a);
	}
	return ENGINE_OK;
}

enum engine_status engine_session_lock(struct engine_box *b, bool on)
{
	enum engine_status s = engine_box_prepare(b);

	if (s != ENGINE_OK)
		return s;
	if (on && b->account->session != NULL && b->account->session != b)
		return fail(b, ENGINE_BUSY, "another session has it");
	if (on || b->account->session == b)
		b->account->session = on ? b : NULL;
	return ENGINE_OK;
}

/* ---- generations ---- */

static struct generation *find(const struct account *a, uint64_t number)
{
	for (size_t i = 0; a != NULL && i < a->generation_count; i++)
		if (a->generations[i].number == number)
			return &a->generations[i];
	return NULL;
}

static struct generation *newest(const struct account *a)
{
	return a == NULL || a->generation_count == 0
	    ? NULL
	    : &a->generations[a->generation_count - 1];
}

static struct engine_pos start_of(
    uint64_t number, const struct engine_pos *previous)
{
	return (struct engine_pos){.generation = number,
	    .length = FIRST,
	    .chain = previous->chain,
	    .modseq = previous->modseq,
	    .bodies = FIRST};
}

static struct generation *generation_add(
    struct account *a, const struct engine_pos *previous)
{
	struct generation *g = ADD(a->generations, a->generation_count);

	while (a->incarnation == 0)
		if (getrandom(&a->incarnation, sizeof(a->incarnation), 0) < 0)
			break;
	g->number = previous->generation + 1;
	g->previous = *previous;
	g->end = start_of(g->number, previous);
	g->bodies = buf_new(BODIES_MAX);
	return g;
}

static uint64_t first_read(const struct account *a)
{
	uint64_t first = 1;

	for (size_t i = 0; i < a->generation_count; i++)
		if (a->generations[i].anew)
			first = a->generations[i].number;
	return first;
}

enum engine_status engine_generations(
    struct engine_box *b, uint64_t *oldest, uint64_t *first, uint64_t *last)
{
	enum engine_status s = attach(b);

	*oldest = *first = *last = 0;
	if (s == ENGINE_OK && newest(b->account) != NULL) {
		*oldest = b->account->generations[0].number;
		*first = first_read(b->account);
		*last = newest(b->account)->number;
	}
	return s;
}

enum engine_status engine_previous(
    struct engine_box *b, uint64_t generation, struct engine_pos *end)
{
	enum engine_status s = attach(b);
	const struct generation *g = find(b->account, generation);

	if (s == ENGINE_OK && g == NULL)
		s = fail(b, ENGINE_GONE, "no such generation");
	if (s == ENGINE_OK)
		*end = g->previous;
	return s;
}

enum engine_status engine_drop(struct engine_box *b, uint64_t generation)
{
	enum engine_status s = attach(b);
	struct account *a = b->account;

	if (s != ENGINE_OK)
		return s;
	if (a == NULL || a->generation_count < 2 ||
	    a->generations[0].number != generation)
		return fail(b, ENGINE_REFUSED, "not the oldest, or not sealed");
	generation_free(&a->generations[0]);
	a->generation_count--;
	memmove(a->generations, a->generations + 1,
	    a->generation_count * sizeof(*a->generations));
	return ENGINE_OK;
}

/* ---- frames ---- */

static enum engine_status tell(struct engine_box *b, struct engine_pos *seen,
    const struct frame *f, engine_on_frame *on_frame, void *arg, bool *enough)
{
	switch (on_frame(arg, str_of(f->heads, f->len), &f->info)) {
	case 0:
		*seen = f->info.after;
		return ENGINE_OK;
	case 2:
		return fail(b, ENGINE_NEWER, "record of a newer version");
	case 3:
		*enough = true;
		return ENGINE_OK;
	default:
		return fail(b, ENGINE_CORRUPT, "records make no sense");
	}
}

enum engine_status engine_read(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg)
{
	enum engine_status s = attach(b);
	bool enough = false;

	if (s != ENGINE_OK)
		return s;
	if (newest(b->account) == NULL)
		return seen->modseq == 0
		    ? ENGINE_OK
		    : fail(b, ENGINE_GONE, "the log is gone");
	if (seen->generation == 0) {
		uint64_t first = first_read(b->account);
		const struct generation *g = find(b->account, first);

		if (g == NULL)
			return fail(
			    b, ENGINE_CORRUPT, "the first generation is gone");
		*seen = start_of(first, &g->previous);
	}
	while (s == ENGINE_OK && !enough) {
		const struct generation *g = find(b->account, seen->generation);

		if (g == NULL && find(b->account, seen->generation + 1) == NULL)
			return fail(
			    b, ENGINE_CORRUPT, "a generation is missing");
		for (size_t i = 0;
		     g != NULL && i < g->count && s == ENGINE_OK && !enough;
		     i++)
			if (g->frames[i].info.at.length >= seen->length)
				s = tell(b, seen, &g->frames[i], on_frame, arg,
				    &enough);
		g = find(b->account, seen->generation + 1);
		if (s != ENGINE_OK || enough || g == NULL)
			break;
		*seen = start_of(g->number, &g->previous);
	}
	return s;
}

/* Adds what decide gave to a generation; *seen moves behind it. */
static enum engine_status add_frame(struct engine_box *b, struct generation *g,
    struct engine_pos *seen, const struct engine_frame *in,
    engine_on_frame *on_frame, void *arg)
{
	struct frame *f = ADD(g->frames, g->count);
	bool enough = false;

	f->len = in->heads.len;
	f->heads = mem_resize(NULL, f->len + 1, 1);
	memcpy(f->heads, in->heads.p, f->len);
	f->info = (struct engine_frame_info){
	    .at = g->end, .time_us = clock_us(), .count = in->count};
	for (size_t i = 0; i < in->body_count; i++)
		buf_add_bytes(
		    &g->bodies, in->bodies[i].iov_base, in->bodies[i].iov_len);
	g->end.length += (FRAME_HEAD + f->len + 7) & ~(uint64_t)7;
	g->end.bodies = FIRST + g->bodies.len;
	g->end.modseq = in->modseq > g->end.modseq ? in->modseq
						   : g->end.modseq + 1;
	g->end.chain = hash64(g->end.chain, f->heads, f->len);
	f->info.after = g->end;
	return tell(b, seen, f, on_frame, arg, &enough) == ENGINE_OK
	    ? ENGINE_OK
	    : ENGINE_UNKNOWN; /* it is in the log for good */
}

/* The lock is that nobody else runs; then the state is brought up to date. */
static enum engine_status catch_up(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg)
{
	enum engine_status s = engine_box_prepare(b);

	if (s == ENGINE_OK)
		s = engine_read(b, seen, on_frame, arg);
	if (s == ENGINE_OK && newest(b->account) == NULL) {
		const struct engine_pos none = {0};

		*seen = start_of(1, &none);
	}
	return s;
}

static void seal(struct account *a, struct engine_pos *seen)
{
	const struct engine_pos end = newest(a)->end;

	*seen = generation_add(a, &end)->end;
}

enum engine_status engine_append(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg,
    int64_t deadline)
{
	static const struct engine_pos none;
	struct engine_frame in = {0};
	enum engine_status s = catch_up(b, seen, on_frame, arg);
	struct account *a = b->account;

	(void)deadline;
	if (s != ENGINE_OK)
		return s;
	if (newest(a) != NULL &&
	    (seen->length >= b->engine->seal_frames ||
		seen->bodies >= b->engine->seal_bodies))
		seal(a, seen);
	in.generation = seen->generation;
	in.body_offset = seen->bodies;
	if (decide(arg, seen, &in) != 0)
		return fail(b, ENGINE_REFUSED, "refused");
	return add_frame(b,
	    newest(a) != NULL ? newest(a) : generation_add(a, &none), seen, &in,
	    on_frame, arg);
}

enum engine_status engine_seal(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg, int64_t deadline)
{
	enum engine_status s = catch_up(b, seen, on_frame, arg);

	(void)deadline;
	if (s == ENGINE_OK && newest(b->account) != NULL &&
	    newest(b->account)->count > 0)
		seal(b->account, seen);
	return s;
}

enum engine_status engine_restart(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg, bool damaged,
    int64_t deadline)
{
	struct engine_frame in = {0};
	enum engine_status s = catch_up(b, seen, on_frame, arg);
	struct generation *g;

	(void)deadline;
	if (s != ENGINE_OK && !(damaged && s == ENGINE_CORRUPT))
		return s;
	if (newest(b->account) == NULL)
		return fail(b, ENGINE_REFUSED, "there is no log");
	*seen = newest(b->account)->end;
	in.generation = seen->generation + 1;
	in.body_offset = FIRST;
	if (decide(arg, seen, &in) != 0)
		return fail(b, ENGINE_REFUSED, "refused");
	g = generation_add(b->account, seen);
	g->anew = true;
	*seen = g->end;
	return add_frame(b, g, seen, &in, on_frame, arg);
}

/* ---- bodies and blobs ---- */

static struct blob *find_blob(
    const struct account *a, const unsigned char id[16])
{
	for (size_t i = 0; a != NULL && i < a->blob_count; i++)
		if (memcmp(a->blobs[i].id, id, 16) == 0)
			return &a->blobs[i];
	return NULL;
}

enum engine_status engine_get(struct engine_box *b,
    const struct engine_place *place, uint64_t offset, void *p, size_t len)
{
	enum engine_status s = attach(b);
	const struct generation *g = find(b->account, place->generation);
	const struct blob *blob = find_blob(b->account, place->id);

	if (s != ENGINE_OK)
		return s;
	if (place->blob ? blob == NULL : g == NULL)
		return fail(b, ENGINE_GONE, "the bytes are gone");
	if (offset > place->length || len > place->length - offset)
		return fail(b, ENGINE_CORRUPT, "beyond the end");
	if (place->blob) {
		if (file_pread_full(blob->fd, p, len, offset) < 0)
			return fail(b, ENGINE_CORRUPT, "a blob ends early");
	} else {
		if (place->offset < FIRST ||
		    place->offset - FIRST + offset + len > g->bodies.len)
			return fail(b, ENGINE_CORRUPT, "a body ends early");
		memcpy(p, g->bodies.p + place->offset - FIRST + offset, len);
	}
	return offset == 0 && len == place->length &&
		crc32c(0, p, len) != place->crc
	    ? fail(b, ENGINE_CORRUPT, "a body's checksum")
	    : ENGINE_OK;
}

enum engine_status engine_file(struct engine_box *b,
    const struct engine_place *place, int *fd, uint64_t *offset)
{
	(void)place, (void)fd, (void)offset;
	return fail(b, ENGINE_DOWN, "there are no files");
}

enum engine_status engine_erase(
    struct engine_box *b, const struct engine_place *places, size_t count)
{
	enum engine_status s = attach(b);

	if (s != ENGINE_OK || b->account == NULL)
		return s;
	for (size_t i = 0; i < count; i++)
		if (!places[i].blob && newest(b->account) != NULL &&
		    places[i].generation == newest(b->account)->number)
			return fail(b, ENGINE_REFUSED, "not sealed");
	for (size_t i = 0; i < count; i++) {
		struct generation *g = find(b->account, places[i].generation);
		uint64_t at = places[i].offset - FIRST;

		if (places[i].blob)
			engine_blob_drop(b, places[i].id);
		else if (g != NULL && at + places[i].length <= g->bodies.len)
			memset(g->bodies.p + at, 0, places[i].length);
	}
	return ENGINE_OK;
}

enum engine_status engine_blob_new(
    struct engine_box *b, unsigned char id[16], int *fd)
{
	enum engine_status s = engine_box_prepare(b);
	struct blob *blob;

	if (s != ENGINE_OK)
		return s;
	blob = ADD(b->account->blobs, b->account->blob_count);
	blob->fd = memfd_create("blob", MFD_CLOEXEC);
	blob->modified = clock_seconds();
	*fd = dup(blob->fd);
	if (getrandom(blob->id, 16, 0) != 16 || *fd < 0)
		return fail(b, ENGINE_DOWN, "no memory file");
	memcpy(id, blob->id, 16);
	return ENGINE_OK;
}

enum engine_status engine_blob_write(
    struct engine_box *b, int fd, const void *p, size_t len, uint64_t at)
{
	return pwrite(fd, p, len, (off_t)at) == (ssize_t)len
	    ? ENGINE_OK
	    : fail(b, ENGINE_NO_SPACE, "writing a blob");
}

enum engine_status engine_blob_sync(struct engine_box *b, int fd)
{
	(void)b, (void)fd;
	return ENGINE_OK;
}

void engine_blob_drop(struct engine_box *b, const unsigned char id[16])
{
	struct blob *blob = find_blob(b->account, id);

	if (blob == NULL)
		return;
	close(blob->fd);
	*blob = b->account->blobs[--b->account->blob_count];
}

enum engine_status engine_blob_there(
    struct engine_box *b, const unsigned char id[16])
{
	return find_blob(b->account, id) != NULL
	    ? ENGINE_OK
	    : fail(b, ENGINE_GONE, "the blob is gone");
}

enum engine_status engine_blobs(struct engine_box *b,
    void (*found)(void *arg, const unsigned char id[16], uint64_t octets,
	int64_t modified),
    void *arg)
{
	enum engine_status s = attach(b);
	struct stat st;

	for (size_t i = 0;
	     s == ENGINE_OK && b->account != NULL && i < b->account->blob_count;
	     i++) {
		const struct blob *blob = &b->account->blobs[i];

		if (fstat(blob->fd, &st) == 0)
			found(arg, blob->id, (uint64_t)st.st_size,
			    blob->modified);
	}
	return s;
}

/* ---- snapshots ---- */

static struct snapshot *find_snapshot(const struct account *a, uint64_t number)
{
	for (size_t i = 0; a != NULL && i < a->snapshot_count; i++)
		if (a->snapshots[i].number == number)
			return &a->snapshots[i];
	return NULL;
}

enum engine_status engine_snapshot_put(struct engine_box *b, uint64_t number,
    const struct iovec *parts, size_t count)
{
	enum engine_status s = engine_box_prepare(b);
	struct snapshot *x;

	if (s != ENGINE_OK)
		return s;
	if (find_snapshot(b->account, number) != NULL)
		return fail(b, ENGINE_REFUSED, "the number is taken");
	x = ADD(b->account->snapshots, b->account->snapshot_count);
	x->number = number;
	for (size_t i = 0; i < count; i++) {
		x->octets = mem_resize(
		    x->octets, x->len + parts[i].iov_len + 1, 1);
		if (parts[i].iov_len > 0)
			memcpy(x->octets + x->len, parts[i].iov_base,
			    parts[i].iov_len);
		x->len += parts[i].iov_len;
	}
	return ENGINE_OK;
}

enum engine_status engine_snapshot_get(
    struct engine_box *b, uint64_t number, uint64_t offset, void *p, size_t len)
{
	enum engine_status s = attach(b);
	const struct snapshot *x = find_snapshot(b->account, number);

	if (s != ENGINE_OK)
		return s;
	if (x == NULL)
		return fail(b, ENGINE_GONE, "no such snapshot");
	if (offset > x->len || len > x->len - offset)
		return fail(b, ENGINE_CORRUPT, "a snapshot ends early");
	memcpy(p, x->octets + offset, len);
	return ENGINE_OK;
}

enum engine_status engine_snapshot_newest(
    struct engine_box *b, uint64_t most, uint64_t *number)
{
	enum engine_status s = attach(b);

	*number = 0;
	for (size_t i = 0; s == ENGINE_OK && b->account != NULL &&
	     i < b->account->snapshot_count;
	     i++) {
		uint64_t n = b->account->snapshots[i].number;

		if (n <= most && n > *number)
			*number = n;
	}
	return s;
}

enum engine_status engine_snapshots(
    struct engine_box *b, void (*found)(void *arg, uint64_t number), void *arg)
{
	enum engine_status s = attach(b);

	/* From the end: found may drop the one that it is told. */
	for (size_t i = b->account == NULL ? 0 : b->account->snapshot_count;
	     s == ENGINE_OK && i > 0; i--)
		found(arg, b->account->snapshots[i - 1].number);
	return s;
}

void engine_snapshot_drop(struct engine_box *b, uint64_t number)
{
	struct snapshot *x = find_snapshot(b->account, number);

	if (x == NULL)
		return;
	free(x->octets);
	*x = b->account->snapshots[--b->account->snapshot_count];
}

enum engine_status engine_snapshot_erase(
    struct engine_box *b, uint64_t number, uint64_t offset, uint64_t length)
{
	enum engine_status s = attach(b);
	struct snapshot *x = find_snapshot(b->account, number);

	if (s == ENGINE_OK && x != NULL && offset <= x->len &&
	    length <= x->len - offset)
		memset(x->octets + offset, 0, length);
	return s;
}

/* ---- checks, repair, the store as a whole ---- */

void engine_look_only(struct engine_box *b)
{
	(void)b; /* a look changes nothing here */
}

enum engine_status engine_end(
    struct engine_box *b, const struct engine_pos *end, struct engine_end *out)
{
	(void)end;
	*out = (struct engine_end){0};
	return attach(b);
}

enum engine_status engine_leftovers(struct engine_box *b,
    void (*found)(void *arg, const char *name, int64_t modified), void *arg)
{
	(void)found, (void)arg; /* nothing is ever half made */
	return attach(b);
}

enum engine_status engine_leftover_drop(struct engine_box *b, const char *name)
{
	(void)name;
	return fail(b, ENGINE_REFUSED, "no such file");
}

enum engine_status engine_sync_drops(struct engine_box *b)
{
	return attach(b); /* memory forgets at once */
}

enum engine_status engine_salvage(struct engine_box *b, struct engine_pos *from,
    const struct engine_salvage *to)
{
	enum engine_status s = attach(b);

	for (size_t i = 0; s == ENGINE_OK && b->account != NULL &&
	     i < b->account->generation_count;
	     i++) {
		const struct generation *g = &b->account->generations[i];

		for (size_t k = 0; k < g->count; k++) {
			const struct frame *f = &g->frames[k];

			if (f->info.at.modseq < from->modseq)
				continue;
			to->frame(
			    to->arg, str_of(f->heads, f->len), &f->info, false);
			*from = f->info.after;
		}
	}
	return s;
}

enum engine_status engine_mend_headers(struct engine_box *b, int64_t deadline,
    void (*mended)(void *arg, uint64_t generation), void *arg)
{
	(void)deadline, (void)mended, (void)arg;
	return attach(b);
}

enum engine_status engine_set_aside(struct engine_box *b, uint64_t generation)
{
	(void)generation; /* it can only be whole */
	return attach(b);
}

enum engine_status engine_box_size(
    struct engine_box *b, struct engine_size *out)
{
	enum engine_status s = attach(b);
	const struct account *a = b->account;

	*out = (struct engine_size){0};
	if (s != ENGINE_OK || a == NULL)
		return s;
	for (size_t i = 0; i < a->generation_count; i++)
		out->octets += a->generations[i].end.length +
		    a->generations[i].bodies.len;
	for (size_t i = 0; i < a->snapshot_count; i++)
		out->octets += a->snapshots[i].len;
	out->generations = a->generation_count;
	out->snapshots = a->snapshot_count;
	out->blobs = a->blob_count;
	out->files = out->generations + out->snapshots + out->blobs;
	return ENGINE_OK;
}

enum engine_status engine_scan(struct engine *e, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg)
{
	for (const struct account *a = e->shared->accounts; a != NULL;
	     a = a->next)
		if (hash64(0, a->name, strlen(a->name)) % ENGINE_SHARDS ==
			shard &&
		    found(arg, str_from(a->name)) != 0)
			break;
	return ENGINE_OK;
}

static void copy_all(const struct account *from, struct account *to)
{
	to->incarnation = from->incarnation;
	for (size_t i = 0; i < from->generation_count; i++) {
		const struct generation *g = &from->generations[i];
		struct generation *x = ADD(
		    to->generations, to->generation_count);

		*x = *g;
		x->frames = mem_array(g->count, sizeof(*x->frames));
		for (size_t k = 0; k < g->count; k++) {
			x->frames[k] = g->frames[k];
			x->frames[k].heads = str_dup(
			    str_of(g->frames[k].heads, g->frames[k].len));
		}
		x->bodies = buf_new(BODIES_MAX);
		buf_add(&x->bodies, buf_str(&g->bodies));
	}
	for (size_t i = 0; i < from->blob_count; i++) {
		struct blob *x = ADD(to->blobs, to->blob_count);

		*x = from->blobs[i]; /* never written again: shared */
		x->fd = dup(x->fd);
	}
	for (size_t i = 0; i < from->snapshot_count; i++) {
		struct snapshot *x = ADD(to->snapshots, to->snapshot_count);

		*x = from->snapshots[i];
		x->octets = mem_resize(NULL, x->len + 1, 1);
		memcpy(x->octets, from->snapshots[i].octets, x->len);
	}
}

enum engine_status engine_copy(struct engine_box *from, struct engine_box *to,
    struct engine_pos *end, uint64_t *written)
{
	struct engine_size before, after;
	enum engine_status s = attach(from);

	*end = (struct engine_pos){0};
	*written = 0;
	if (s == ENGINE_OK && newest(from->account) == NULL)
		return ENGINE_OK;
	if (s == ENGINE_OK)
		s = engine_box_prepare(to);
	if (s == ENGINE_OK)
		s = engine_box_size(to, &before);
	if (s != ENGINE_OK)
		return s;
	account_empty(to->account);
	copy_all(from->account, to->account);
	*end = newest(from->account)->end;
	engine_box_size(to, &after);
	*written = after.octets > before.octets ? after.octets - before.octets
						: 0;
	return ENGINE_OK;
}

enum engine_status engine_reserve(
    struct engine *e, uint64_t octets, uint64_t *have)
{
	*have = e->reserve = octets;
	return ENGINE_OK;
}
