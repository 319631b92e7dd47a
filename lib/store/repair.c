/* SPDX-License-Identifier: ISC */
/*
 * Mending a box: headers of generations first, without which nothing can be
 * used; then box_check says whether something is wrong. If so, the newest
 * snapshot that holds and what the log says behind it become the beginning of
 * a new log.
 */
#include "store/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/snapshot.h"
#include "store/target.h"

void repair_found(struct repair *p, enum finding_kind kind, const char *file,
    uint64_t offset, uint32_t mailbox, uint32_t uid, const char *format, ...)
{
	struct store_finding f = {
	    .kind = kind, .offset = offset, .mailbox = mailbox, .uid = uid};
	va_list args;

	snprintf(f.file, sizeof(f.file), "%s", file);
	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	p->found(p->arg, &f);
}

/* ---- is it healthy? ---- */

struct health {
	struct repair *p;
	bool damaged;   /* the log, or messages: it must be begun anew */
	bool snapshots; /* these are bad: they can be taken anew */
	bool mark;      /* so is the one that says where the log ends */
	bool unsure;    /* upkeep was at work, or it only looks like that */
};

static void on_finding(void *arg, const struct store_finding *f)
{
	struct health *h = arg;

	if (f->kind == FINDING_DAMAGE)
		h->damaged = true;
	if (f->kind == FINDING_DERIVED) {
		if (str_starts(str_from(f->file), STR("s.")))
			h->snapshots = true;
		else if (f->mailbox == 0)
			h->mark = true;
		else
			h->damaged = true; /* a cache: the log names it */
	}
	if (f->kind == FINDING_DAMAGE || f->kind == FINDING_DERIVED)
		h->p->found(h->p->arg, f);
}

static void on_mended(void *arg, uint64_t generation)
{
	char file[64];

	snprintf(file, sizeof(file), "g.%llu", (unsigned long long)generation);
	repair_found(arg, FINDING_DAMAGE, file, 0, 0, 0,
	    "its header was damaged, and is written anew");
}

static enum store_result examine(struct repair *p, struct health *h)
{
	struct check_result result;
	enum store_result r;
	enum engine_status s = engine_mend_headers(
	    p->b->engine, deadline_in(p->store->lock_wait_ms), on_mended, p);

	*h = (struct health){.p = p};
	if (s != ENGINE_OK && s != ENGINE_CORRUPT && s != ENGINE_GONE)
		return box_status(p->b, s);
	r = box_check(p->store, p->account, true, on_finding, h, &result);
	p->out->messages = result.messages;
	h->unsure = r == STORE_BUSY;
	h->damaged = h->damaged || (r != STORE_OK && r != STORE_BUSY);
	return r == STORE_BAD_NAME ? r : STORE_OK;
}

/* ---- what can be read ---- */

static void ignore(void *arg, const struct expunged *e)
{
	(void)arg, (void)e;
}

/* With all its messages; false when it does not hold. */
static bool load_snapshot(struct repair *p, uint64_t number)
{
	struct box *b = p->b;
	struct state *s = &b->state;
	struct snapshot_header h;
	bool ok = snapshot_verify(b, number, &h) == STORE_OK &&
	    (engine_incarnation(b->engine) == 0 ||
		engine_incarnation(b->engine) == h.incarnation) &&
	    snapshot_load_one(b, number) == STORE_OK;

	for (size_t i = 0; ok && i < s->folder_count; i++)
		ok = folder_each_expunged(b, s->folders[i], ignore, NULL) ==
		    STORE_OK;
	for (size_t i = 0; ok && i < s->dead_count; i++)
		ok = folder_each_expunged(b, s->dead[i], ignore, NULL) ==
		    STORE_OK;
	if (!ok)
		state_clear(s);
	return ok;
}

/* None holds, and the log has lost its start: the newest one that says
 * anything. */
static enum store_result load_bad_snapshot(struct repair *p)
{
	struct box *b = p->b;
	uint64_t number = UINT64_MAX;

	while (
	    engine_snapshot_newest(b->engine, number, &number) == ENGINE_OK &&
	    number != 0) {
		if (snapshot_load_one(b, number) == STORE_OK)
			return repair_load_rest(p);
		state_clear(&b->state);
		number--;
	}
	return STORE_OK;
}

static enum store_result find_start(struct repair *p)
{
	struct box *b = p->b;
	uint64_t number = UINT64_MAX;
	enum store_result r = STORE_OK;

	state_clear(&b->state);
	b->state.deliveries.oldest = clock_seconds() - p->store->delivery_kept;
	for (;; number--) {
		enum engine_status s = engine_snapshot_newest(
		    b->engine, number, &number);

		if (s != ENGINE_OK)
			return box_status(b, s);
		if (number == 0 || load_snapshot(p, number))
			break;
	}
	if (number == 0 && box_is_cut(b))
		r = load_bad_snapshot(p);
	p->pos = b->state.pos;
	p->modseq = p->pos.modseq;
	b->state.incarnation = engine_incarnation(b->engine);
	return r;
}

/* Snapshots may know more of the log than there is. */
static void note_snapshot(void *arg, uint64_t number)
{
	struct repair *p = arg;
	uint64_t oldest, first_read, newest;
	struct snapshot_header h;

	if (snapshot_header_read(p->b, number, &h) != STORE_OK ||
	    engine_generations(p->b->engine, &oldest, &first_read, &newest) !=
		ENGINE_OK)
		return;
	if (h.at.modseq > p->modseq)
		p->modseq = h.at.modseq;
	if (h.at.generation > newest && h.at.generation > p->beyond)
		p->beyond = h.at.generation;
}

static enum store_result survey(struct repair *p)
{
	struct engine_salvage to = repair_listener(p);
	enum store_result r = find_start(p);
	enum engine_status s;

	if (r != STORE_OK)
		return r;
	s = engine_salvage(p->b->engine, &p->pos, &to);
	if (s == ENGINE_GONE) /* no generation is left, but a snapshot is */
		p->gap = true;
	else if (s != ENGINE_OK)
		return box_status(p->b, s);
	engine_snapshots(p->b->engine, note_snapshot, p);
	if (p->beyond != 0)
		p->gap = true;
	if (p->newer)
		return box_fail(
		    p->b, STORE_ERROR, "written by a newer version");
	r = repair_recover(p);
	return r == STORE_OK ? repair_look(p) : r;
}

/* ---- all of it ---- */

static enum store_result decide_nothing(struct change *c)
{
	(void)c;
	return STORE_OK;
}

static enum store_result reopen(struct repair *p)
{
	struct box *b;
	enum store_result r = box_open(
	    p->store, p->account, DEADLINE_NEVER, &b);

	if (r == STORE_OK)
		r = box_renew_snapshots(b);
	if (r == STORE_OK)
		p->out->messages = box_usage(b).messages;
	if (r != STORE_OK && b != NULL)
		box_note(p->b, "%s", store_why(b));
	box_close(&b);
	return r;
}

static enum store_result mend(struct repair *p)
{
	enum store_result r = repair_restate(p);

	if (r != STORE_OK)
		return r;
	p->out->restarted = true;
	return reopen(p);
}

/* Whoever opens the box proves its frames and writes the mark anew; behind a
 * bad frame he would find the end of the log, so we look first. */
static enum store_result write_mark(struct repair *p)
{
	struct change c = {.decide = decide_nothing};
	struct box *b;
	enum store_result r = box_open(
	    p->store, p->account, DEADLINE_NEVER, &b);

	if (r == STORE_OK)
		r = box_change(b, &c);
	if (r != STORE_OK && b != NULL)
		box_note(p->b, "%s", store_why(b));
	box_close(&b);
	return r;
}

static enum store_result repair(struct repair *p)
{
	struct repair_result rebuilt;
	struct health h;
	enum store_result r = examine(p, &h);

	if (r == STORE_OK && (h.damaged || h.mark || h.unsure))
		r = survey(p);
	if (r != STORE_OK)
		return r;
	if (h.damaged || p->gap || p->doubtful_count > 0 ||
	    p->out->lost_records > 0 || p->bad)
		return mend(p);
	if (h.unsure)
		return box_fail(p->b, STORE_BUSY, "upkeep is at work");
	if (h.mark)
		r = write_mark(p);
	if (r == STORE_OK && h.snapshots)
		r = box_rebuild(p->store, p->account, &rebuilt);
	if (r != STORE_CORRUPT)
		return r;
	/* No snapshot holds where one is needed. */
	r = survey(p);
	return r == STORE_OK ? mend(p) : r;
}

enum store_result box_repair(struct store *s, struct str account,
    void (*found)(void *arg, const struct store_finding *f), void *arg,
    struct repair_result *out)
{
	struct repair p = {.store = s,
	    .account = account,
	    .found = found,
	    .arg = arg,
	    .out = out,
	    .verdicts = table_new()};
	enum store_result r = box_new(s, account, &p.b);

	*out = (struct repair_result){0};
	if (r == STORE_OK)
		r = repair(&p);
	if (p.b != NULL && r != STORE_OK)
		repair_found(
		    &p, FINDING_DAMAGE, "", 0, 0, 0, "%s", store_why(p.b));
	repair_forget(&p);
	free(p.doubtful);
	free(p.unnamed);
	box_close(&p.b);
	return r;
}
