/* SPDX-License-Identifier: ISC */
#include "store/named.h"

#include <stdlib.h>

struct walk {
	const struct named_scan *scan;
	bool enough;
};

static void visit_gone(void *arg, const struct expunged *e)
{
	struct walk *w = arg;
	struct named n = {&e->m, &e->place, e->modseq, e->time};

	if (!w->enough && w->scan->visit(w->scan->arg, &n) != 0)
		w->enough = true;
}

static void forget_places(struct segment *s)
{
	free(s->places);
	s->places = NULL;
}

static enum store_result visit_alive(
    struct box *b, struct folder *f, struct walk *w)
{
	struct segment *last = NULL;
	enum store_result r = folder_load(b, f);

	for (size_t i = 0; i < f->count && !w->enough && r == STORE_OK; i++) {
		struct named n = {
		    .m = &f->messages[i], .place = folder_place(b, f, i)};
		struct segment *s = f->where[i] & WHERE_FRESH
		    ? NULL
		    : &f->segments[f->where[i] / SEGMENT_ROWS];

		if (s != last && last != NULL)
			forget_places(last);
		last = s;
		if (n.place == NULL)
			r = box_fail(b, STORE_CORRUPT, "a snapshot's column");
		else if (w->scan->visit(w->scan->arg, &n) != 0)
			w->enough = true;
	}
	return r;
}

/* Whether it can have rows that are gone; false spares loading it. */
static bool has_gone(const struct state *s, const struct folder *f)
{
	if (f->dead_modseq != 0 || f->pending.len > 0 || f->gone_count > 0)
		return true;
	for (size_t i = 0; i < f->segment_count; i++)
		if (f->segments[i].columns[COLUMN_U].snapshot != 0 &&
		    f->segments[i].last_modseq > s->erased)
			return true;
	return false;
}

/* Back to what a snapshot says of it: nothing came since. */
static void release(struct folder *f)
{
	free(f->messages);
	free(f->where);
	free(f->vanished);
	free(f->gone);
	f->messages = NULL;
	f->where = NULL;
	f->vanished = NULL;
	f->gone = NULL;
	f->count = f->room = f->vanished_count = f->vanished_room = 0;
	f->gone_count = f->gone_room = 0;
	f->loaded = false;
}

static enum store_result visit_folder(
    struct box *b, struct folder *f, struct walk *w)
{
	bool ours = !f->loaded && f->pending.len == 0;
	enum store_result r = STORE_OK;

	if (w->enough)
		return STORE_OK;
	if (f->dead_modseq == 0 && !w->scan->gone_only)
		r = visit_alive(b, f, w);
	if (r == STORE_OK && has_gone(&b->state, f))
		r = folder_each_expunged(b, f, visit_gone, w);
	for (size_t i = 0; i < f->segment_count; i++)
		forget_places(&f->segments[i]);
	if (ours)
		release(f);
	return r;
}

static enum store_result visit_all(struct box *b, const struct named_scan *scan)
{
	struct walk w = {scan, false};
	const struct state *s = &b->state;
	enum store_result r = STORE_OK;

	scan->begin(scan->arg);
	for (size_t i = 0; i < s->folder_count && r == STORE_OK; i++)
		r = visit_folder(b, s->folders[i], &w);
	for (size_t i = 0; i < s->dead_count && r == STORE_OK; i++)
		r = visit_folder(b, s->dead[i], &w);
	return r;
}

enum store_result box_each_named(struct box *b, const struct named_scan *scan)
{
	enum store_result r = visit_all(b, scan);

	/* As it is; from the newest snapshot; from the log alone. */
	for (int attempt = 1; attempt < 3 && r != STORE_OK; attempt++) {
		r = box_reload(b, attempt == 2);
		if (r == STORE_OK)
			r = visit_all(b, scan);
	}
	return r;
}
