/* SPDX-License-Identifier: ISC */
/* How a log begins anew, also one that cannot be read to its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/engine_file.h"
#include "store/le.h"
#include "store/seeded.h"

static void file_name(uint64_t number, char out[32])
{
	snprintf(out, 32, "g.%llu", (unsigned long long)number);
}

static void note_modseq(
    void *arg, struct str heads, const struct engine_frame_info *info, bool gap)
{
	uint64_t *modseq = arg;

	(void)heads;
	(void)gap;
	if (info->after.modseq > *modseq)
		*modseq = info->after.modseq;
}

/* The modification sequence of the new frame must lie above all that anybody
 * may have seen. */
static enum engine_status highest_modseq(
    struct engine_box *b, uint64_t newest, uint64_t *modseq)
{
	struct engine_salvage to = {.frame = note_modseq, .arg = modseq};
	struct engine_pos none = {0};
	struct generation *g;

	for (uint64_t i = newest; i > 0; i--)
		if (engine_generation(b, i, &g) == ENGINE_OK) {
			if (g->previous.modseq > *modseq)
				*modseq = g->previous.modseq;
			break;
		}
	return engine_salvage(b, &none, &to);
}

struct restart {
	struct engine_work *a;
	struct engine_pos end;
	struct engine_frame in;
	struct frame f;
	struct engine_pos start; /* of the new generation */
};

static int write_first_frame(void *arg, struct generation *g, struct mark *m)
{
	struct restart *r = arg;
	struct engine_box *b = r->a->b;

	r->f = (struct frame){0};
	r->start = engine_generation_start(g);
	engine_frame_begin(b, &r->start, &r->in, &r->f);
	if (engine_write_bodies(b, g, &r->start, &r->in, &r->f) < 0 ||
	    engine_write_head(b, g, &r->start, &r->f) < 0)
		return -1;
	m->at += r->f.length;
	return 0;
}

/* Who has the last generation open goes on in the new one. */
static enum engine_status end_last(struct engine_box *b, uint64_t number)
{
	struct generation g = {.number = number};
	struct mark m = {0};
	enum engine_status s = ENGINE_OK;
	char name[32];

	file_name(number, name);
	g.fd = b->io->open(b->dir, name, O_RDWR | O_CLOEXEC, 0);
	if (g.fd < 0)
		return engine_fail_errno(b, "opening a generation");
	if (engine_mark_read(b, &g, &m) == 0 && m.state == STATE_REMOVED)
		s = engine_fail(b, ENGINE_GONE, "the account was removed");
	m.state = STATE_SEALING;
	m.holder_pid = m.holder_start = 0;
	if (s == ENGINE_OK && engine_mark_write(b, &g, &m) < 0)
		s = engine_fail_errno(b, "writing the mark");
	file_close(&g.fd);
	return s;
}

/* Where the log ends, as far as it can be read, and its newest generation. */
static enum engine_status find_end(struct restart *r, uint64_t *newest)
{
	struct engine_box *b = r->a->b;
	struct mark m;
	enum engine_status s = engine_to_end(r->a, &m);

	r->end = *r->a->seen;
	*newest = b->newest;
	if (s != ENGINE_CORRUPT || !r->a->damaged)
		return s;
	if (engine_highest(b, 'g', UINT64_MAX, newest) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	return highest_modseq(b, *newest, &r->end.modseq);
}

/* decide says what it is about to begin with. A number that somebody has seen
 * is not used again, though its file is lost. */
static enum engine_status begin_anew(struct restart *r, uint64_t newest)
{
	struct engine_work *a = r->a;
	uint64_t before = r->end.generation > newest ? r->end.generation
						     : newest;
	struct generation g = {.fd = -1,
	    .number = before + 1,
	    .begins = before + 1,
	    .previous = r->end};
	enum engine_status s = ENGINE_OK;

	r->in.generation = g.number;
	r->in.body_offset = HEAD_SIZE;
	if (a->decide(a->arg, &r->end, &r->in) != 0)
		return ENGINE_REFUSED;
	if (r->in.heads.len > HEADS_MAX)
		return engine_fail(a->b, ENGINE_DOWN, "too many records");
	if (newest != 0 && !seeded("restart-beside-writers"))
		s = end_last(a->b, newest);
	if (s == ENGINE_OK)
		s = engine_generation_make(a->b, &g, write_first_frame, r);
	for (uint64_t octets = RESERVE_FRAME;
	     s == ENGINE_NO_SPACE && r->in.may_use_reserve &&
	     engine_reserve_spend(a->b->engine, octets);
	     octets *= 2)
		s = engine_generation_make(a->b, &g, write_first_frame, r);
	return s;
}

static enum engine_status restart_locked(struct engine_work *a)
{
	struct restart r = {.a = a};
	uint64_t newest;
	enum engine_status s = find_end(&r, &newest);

	if (newest == 0)
		r.end = (struct engine_pos){0};
	if (s == ENGINE_OK)
		s = begin_anew(&r, newest);
	if (s != ENGINE_OK)
		return s;
	struct engine_frame_info info = {r.start,
	    engine_frame_after(&r.start, &r.f), r.f.time_us, r.f.count};
	if (a->on_frame(a->arg, r.in.heads, &info) != 0)
		return engine_fail(
		    a->b, ENGINE_UNKNOWN, "the new records make no sense");
	*a->seen = info.after;
	a->b->checked = true;
	a->b->doubtful = false;
	return ENGINE_OK;
}

enum engine_status engine_restart(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, engine_decide *decide, void *arg, bool damaged,
    int64_t deadline)
{
	struct engine_work a = {b, seen, on_frame, decide, arg, damaged};

	return engine_locked(&a, restart_locked, deadline);
}
