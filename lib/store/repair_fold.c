/* SPDX-License-Identifier: ISC */
/*
 * Taking what a damaged log still says: records that make no sense are left
 * out, a mailbox whose making was lost gets a name.
 *
 * Counts are not asked for, they are counted anew in the end; so whatever a
 * record says of them is made to fit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "store/repair.h"

/* ---- doubt ---- */

void repair_doubt(struct repair *p, uint32_t mailbox)
{
	if (repair_is_doubtful(p, mailbox))
		return;
	p->doubtful = mem_resize(
	    p->doubtful, p->doubtful_count + 1, sizeof(*p->doubtful));
	p->doubtful[p->doubtful_count++] = mailbox;
}

bool repair_is_doubtful(const struct repair *p, uint32_t mailbox)
{
	for (size_t i = 0; i < p->doubtful_count; i++)
		if (p->doubtful[i] == mailbox)
			return true;
	return p->gap;
}

/* ---- mailboxes that are not as they should be ---- */

/* "Recovered 12", or with what it was called; a name that nobody has. */
static struct str free_name(const struct repair *p, struct str old, uint32_t id,
    char out[MAILBOX_NAME_MAX])
{
	struct str name = STR_EMPTY;

	if (old.len > MAILBOX_NAME_MAX - 64)
		old = STR_EMPTY;
	for (unsigned i = 0; i == 0 || state_folder_named(&p->b->state, name);
	     i++) {
		int len = old.len == 0
		    ? snprintf(out, MAILBOX_NAME_MAX, "Recovered %u", id)
		    : snprintf(out, MAILBOX_NAME_MAX, "%.*s (recovered %u)",
			  STR_FMT(old), id);

		if (i > 0)
			len += snprintf(out + len, 16, " %u", i);
		name = str_of(out, (size_t)len);
	}
	return name;
}

struct folder *repair_make_folder(
    struct repair *p, uint32_t id, struct str name)
{
	struct state *s = &p->b->state;
	char space[MAILBOX_NAME_MAX];
	const char *why;
	struct folder *f;

	if (id == 0)
		id = s->next_mailbox;
	if (name.len == 0 || state_folder_named(s, name) != NULL)
		name = free_name(p, name, id, space);
	f = folder_new(s, id, name, &why);
	if (f != NULL && id >= s->next_mailbox)
		s->next_mailbox = id + 1;
	if (f != NULL)
		repair_doubt(p, id);
	return f;
}

/* Another mailbox needs the name: this one was renamed, or deleted, in what
 * was lost. */
static void move_aside(struct repair *p, const struct folder *f)
{
	char space[MAILBOX_NAME_MAX];
	struct record r = {.type = RECORD_RENAME};

	r.rename = (struct record_rename){f->info.id, p->modseq,
	    free_name(p, f->info.name, f->info.id, space)};
	state_fold_one(&p->b->state, &r, STR_EMPTY);
	repair_doubt(p, f->info.id);
}

/* The mailbox that a record is about; made, if its making was lost. */
static struct folder *folder_of(struct repair *p, uint32_t id)
{
	struct folder *f = state_folder(&p->b->state, id);

	if (f == NULL && state_dead(&p->b->state, id) == NULL)
		f = repair_make_folder(p, id, STR_EMPTY);
	return f;
}

/* Whatever is taken away from these, or added, they stay in range. */
static void loosen(struct state *s, struct folder *f)
{
	const uint64_t middle = (uint64_t)1 << 61;

	s->usage = (struct box_usage){middle, middle};
	if (f == NULL)
		return;
	f->info.messages = f->info.octets = middle;
	f->info.unseen = f->info.deleted = middle / 2;
}

/* ---- records ---- */

/* Keywords have their places: what was lost keeps one. */
static bool make_keyword_fit(struct folder *f, const struct record_keyword *r)
{
	while (f->info.keyword_count < r->index &&
	    f->info.keyword_count < MAILBOX_KEYWORDS_MAX) {
		char name[32];
		int len = snprintf(
		    name, sizeof(name), "$Lost%zu", f->info.keyword_count);

		folder_keyword(f, (uint32_t)f->info.keyword_count,
		    str_of(name, (size_t)len));
	}
	return f->info.keyword_count == r->index;
}

static bool make_mailbox_fit(struct repair *p, const struct record_mailbox *r)
{
	const struct state *s = &p->b->state;
	const struct folder *other = state_folder_named(s, r->name);

	if (state_folder(s, r->id) != NULL || state_dead(s, r->id) != NULL)
		return false;
	if (other != NULL)
		move_aside(p, other);
	return true;
}

static bool make_rename_fit(struct repair *p, const struct record_rename *r)
{
	const struct folder *f = folder_of(p, r->id);
	const struct folder *other = state_folder_named(&p->b->state, r->name);

	if (f == NULL || f == other)
		return false;
	if (other != NULL)
		move_aside(p, other);
	return true;
}

/* Makes the state one that the record can be applied to; false when nothing
 * does. *mailbox: which it is about, 0: none. */
static bool make_fit(
    struct repair *p, const struct record *r, uint32_t *mailbox)
{
	struct state *s = &p->b->state;
	struct folder *f = NULL;

	*mailbox = 0;
	switch (r->type) {
	case RECORD_MAILBOX:
		return make_mailbox_fit(p, &r->mailbox);
	case RECORD_RENAME:
		*mailbox = r->rename.id;
		return make_rename_fit(p, &r->rename);
	case RECORD_DELETE:
		*mailbox = r->delete.id;
		loosen(s, state_folder(s, r->delete.id));
		return true;
	case RECORD_ERASED:
		if (r->horizon.modseq > s->horizon)
			s->horizon = r->horizon.modseq;
		return true;
	case RECORD_MESSAGE:
		*mailbox = r->message.mailbox;
		break;
	case RECORD_FLAGS:
		*mailbox = r->flags.mailbox;
		break;
	case RECORD_EXPUNGE:
		*mailbox = r->expunge.mailbox;
		break;
	case RECORD_KEYWORD:
		*mailbox = r->keyword.mailbox;
		break;
	case RECORD_UIDNEXT:
		*mailbox = r->uidnext.mailbox;
		break;
	default:
		return true;
	}
	f = folder_of(p, *mailbox);
	loosen(s, f);
	return f != NULL &&
	    (r->type != RECORD_KEYWORD || make_keyword_fit(f, &r->keyword));
}

static void take(struct repair *p, const struct record *r, struct str whole)
{
	uint32_t mailbox;

	if (r->type == RECORD_RESTATE) { /* all that was before is said again */
		p->gap = false;
		p->doubtful_count = 0;
		p->out->lost_records = 0;
		p->unnamed_count = 0;
		p->recovered = 0;
	}
	if (make_fit(p, r, &mailbox) &&
	    state_fold_one(&p->b->state, r, whole) == 0)
		return;
	p->out->lost_records++;
	if (mailbox != 0)
		repair_doubt(p, mailbox);
}

static void on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info, bool gap)
{
	struct repair *p = arg;
	struct state *s = &p->b->state;
	struct str whole;
	struct record r;
	int next;

	p->gap = p->gap || gap;
	while ((next = record_next(&heads, &r, &whole)) == 1)
		take(p, &r, whole);
	if (next == -1) {
		p->out->lost_records++;
		p->gap = true;
	}
	p->newer = p->newer || next == -2;
	if (info->time_us > s->time_us)
		s->time_us = info->time_us;
	if (info->after.modseq > p->modseq)
		p->modseq = info->after.modseq;
}

static void on_lost(void *arg, uint64_t generation, uint64_t offset,
    uint64_t octets, const char *what)
{
	struct repair *p = arg;
	char file[64];

	p->gap = true;
	p->out->skipped_octets += octets;
	snprintf(file, sizeof(file), "g.%llu", (unsigned long long)generation);
	repair_found(p, FINDING_DAMAGE, file, offset, 0, 0,
	    "%llu octets of the log are lost: %s", (unsigned long long)octets,
	    what);
	if (engine_set_aside(p->b->engine, generation) != ENGINE_OK)
		p->trouble = box_fail(
		    p->b, STORE_ERROR, "%s", engine_why(p->b->engine));
}

static void on_bodies(
    void *arg, uint64_t generation, uint64_t offset, uint64_t octets)
{
	struct repair *p = arg;

	p->unnamed = mem_resize(
	    p->unnamed, p->unnamed_count + 1, sizeof(*p->unnamed));
	p->unnamed[p->unnamed_count++] = (struct unnamed){
	    generation, offset, octets};
}

struct engine_salvage repair_listener(struct repair *p)
{
	return (struct engine_salvage){
	    .frame = on_frame, .lost = on_lost, .bodies = on_bodies, .arg = p};
}
