/* SPDX-License-Identifier: ISC */
#include "posthouse/trace_search.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "net/netaddr.h"

#define ROUNDS_MAX    8  /* a notification about a notification ... */
#define THINGS_FACTOR 20 /* what one found thing may lead to */
/* Hours after its beginning in which a session without an end is looked for. */
#define SESSION_HOURS 25
/* Events travel: what is sent at the end arrives within this. */
#define LATE_US 60000000u

/* ---- things that belong to it -------------------------------------------------- */

static struct trace_thing *get(const struct table *t, struct str id)
{
	return id.len == 0 ? NULL : table_get(t, id);
}

struct trace_thing *trace_search_message(
    const struct trace_search *s, const struct id *id)
{
	return get(&s->messages, id_str(id));
}

struct trace_thing *trace_search_session(
    const struct trace_search *s, const struct id *id)
{
	return get(&s->sessions, id_str(id));
}

/* What is there already, or new; NULL: no id, or there are too many. */
static struct trace_thing *add(
    struct trace_search *s, struct table *t, struct str text)
{
	struct trace_thing *thing = get(t, text);
	struct id id;

	if (thing != NULL || id_parse(text, &id) < 0)
		return thing;
	if (s->thing_count >= s->query->most * THINGS_FACTOR) {
		s->cut = true;
		return NULL;
	}
	thing = NEW(struct trace_thing);
	thing->id = id;
	table_put(t, text, thing);
	s->things = mem_resize(
	    s->things, s->thing_count + 1, sizeof(s->things[0]));
	s->things[s->thing_count++] = thing;
	return thing;
}

static uint64_t hour_of(const struct id *id)
{
	return id_time_ms(id) / 3600000;
}

/* Nothing follows, but what another process sends late. */
static void note_end(struct trace_thing *t, const struct trace_record *r)
{
	t->ended = true;
	if (r->time_us + LATE_US > t->end_us)
		t->end_us = r->time_us + LATE_US;
}

/* ---- events that belong to it --------------------------------------------------- */

/* A copy whose views point into itself. */
static struct trace_record *copy_of(const struct trace_record *r)
{
	const struct trace_fields *from = &r->says;
	size_t len = from->who.len + from->where.len + from->code.len +
	    from->why.len;
	struct trace_record *copy = mem_alloc(
	    sizeof(*copy) - sizeof(copy->text) + len + 1);

	memcpy(copy, r, offsetof(struct trace_record, text));
	memcpy(copy->text, r->text, len);
	copy->says.who.p = copy->text;
	copy->says.where.p = copy->says.who.p + from->who.len;
	copy->says.code.p = copy->says.where.p + from->where.len;
	copy->says.why.p = copy->says.code.p + from->code.len;
	return copy;
}

static void keep(struct trace_search *s, size_t file, uint32_t cell,
    const struct trace_record *r)
{
	uint64_t place = (uint64_t)file << 32 | cell;

	if (table_put(&s->seen, str_of(&place, sizeof(place)), s) != NULL)
		return;
	if (s->found_count >= TRACE_EVENTS_MAX) {
		s->cut = true;
		return;
	}
	if (s->found_count == s->found_room) {
		s->found_room = s->found_room == 0 ? 64 : s->found_room * 2;
		s->found = mem_resize(
		    s->found, s->found_room, sizeof(s->found[0]));
	}
	s->found[s->found_count++] = (struct trace_found){
	    r->time_us, file, cell, copy_of(r)};
}

/* Keeps the event if it belongs to a thing, and learns what it leads to. */
static bool consider(struct trace_search *s, size_t file, uint32_t cell,
    const struct trace_record *r)
{
	struct trace_thing *m = trace_search_message(s, &r->message);
	struct trace_thing *session = trace_search_session(s, &r->session);
	struct trace_thing *other;

	if (r->message.text[0] == '\0') {
		if (session == NULL)
			return false;
		if (r->kind == TRACE_SESSION_END)
			note_end(session, r);
		keep(s, file, cell, r);
		return true;
	}
	if (m == NULL && r->kind == TRACE_QUEUED && session != NULL &&
	    session->whole)
		m = add(s, &s->messages, id_str(&r->message));
	if (m == NULL && r->kind == TRACE_BOUNCED &&
	    get(&s->messages, r->says.where) != NULL)
		m = add(s, &s->messages, id_str(&r->message));
	if (m == NULL)
		return false;
	m->seen = true;
	if (r->kind == TRACE_BOUNCED) {
		other = add(s, &s->messages, r->says.where);
		if (other != NULL)
			other->child = true;
	}
	if (r->kind == TRACE_REMOVED)
		note_end(m, r);
	add(s, &s->sessions, id_str(&r->session));
	keep(s, file, cell, r);
	return true;
}

/* ---- what the key is found in ---------------------------------------------------- */

static size_t number_of(
    const struct trace_search *s, const struct trace_file *f)
{
	return (size_t)(f - s->files.files);
}

static bool is_matched(
    const struct trace_search *s, const struct trace_record *r)
{
	if (r->time_us < s->query->since_us || r->time_us > s->query->until_us)
		return false;
	return trace_has_key(r, s->keys[0]) ||
	    (s->keys[1].len > 0 && trace_has_key(r, s->keys[1]));
}

/* A client or a user was asked for, not what it wrote. */
static bool is_about_session(const struct trace_record *r)
{
	return r->kind == TRACE_CONNECT || r->kind == TRACE_SCREENED ||
	    r->kind == TRACE_LOGIN;
}

/* False when there are as many as were asked for. */
static bool match(struct trace_search *s, const struct trace_record *r)
{
	struct table *t = r->message.text[0] != '\0' ? &s->messages
						     : &s->sessions;
	struct str id = id_str(t == &s->messages ? &r->message : &r->session);
	struct trace_thing *thing;

	if (!is_matched(s, r))
		return true;
	if (get(t, id) == NULL && t->count >= s->query->most) {
		s->cut = true;
		return false;
	}
	thing = add(s, t, id);
	if (thing != NULL) {
		thing->matched = true;
		thing->whole = thing->whole || is_about_session(r);
	}
	return true;
}

struct cells {
	const struct trace_search *s;
	uint32_t *p;
	size_t count, room;
};

static void note_match(
    void *arg, struct trace_file *f, uint32_t cell, struct trace_record *r)
{
	struct cells *c = arg;

	(void)f;
	if (!is_matched(c->s, r))
		return;
	if (c->count == c->room) {
		c->room = c->room == 0 ? 64 : c->room * 2;
		c->p = mem_resize(c->p, c->room, sizeof(c->p[0]));
	}
	c->p[c->count++] = cell;
}

/* Cells of one file, the last first. */
static bool match_cells(struct trace_search *s, struct trace_file *f,
    const uint32_t *cells, size_t count)
{
	struct trace_record r;

	while (count-- > 0)
		if (trace_file_event(f, cells[count], &r) == 0 && !match(s, &r))
			return false;
	return true;
}

static bool match_scan(
    struct trace_search *s, struct trace_file *f, uint32_t from, uint32_t to)
{
	struct cells c = {.s = s};
	bool go_on;

	trace_file_scan(f, from, to, note_match, &c);
	go_on = match_cells(s, f, c.p, c.count);
	free(c.p);
	return go_on;
}

static bool match_part(
    struct trace_search *s, struct trace_file *f, struct trace_part *p)
{
	const struct trace_segment *g = &p->segment;

	if (g->first_us > s->query->until_us || g->last_us < s->query->since_us)
		return true;
	for (size_t k = 0; k < ARRAY_LEN(s->keys); k++) {
		if (s->keys[k].len == 0)
			continue;
		trace_file_find(&s->files, f, p, trace_key_hash(s->keys[k]));
		if (p->damaged)
			return match_scan(
			    s, f, g->first_cell, g->first_cell + g->cells);
		if (!match_cells(s, f, s->files.cells, s->files.cell_count))
			return false;
	}
	return true;
}

/* The newest first. */
static void match_all(struct trace_search *s)
{
	for (size_t i = s->files.count; i-- > 0;) {
		struct trace_file *f = &s->files.files[i];

		if (f->indexed < f->cells &&
		    !match_scan(s, f, f->indexed, f->cells))
			return;
		for (size_t p = f->part_count; p-- > 0;)
			if (!match_part(s, f, &f->parts[p]))
				return;
	}
}

/* ---- all events of what was found ------------------------------------------------ */

static bool is_session(
    const struct trace_search *s, const struct trace_thing *t)
{
	return get(&s->sessions, id_str(&t->id)) == t;
}

static bool may_be_in(const struct trace_search *s, const struct trace_thing *t,
    const struct trace_file *f)
{
	return !is_session(s, t) || t->whole ||
	    f->hour <= (int64_t)hour_of(&t->id) + SESSION_HOURS;
}

static void look_up(
    struct trace_search *s, struct trace_file *f, struct trace_thing *t)
{
	uint32_t hash = trace_key_hash(id_str(&t->id));
	uint64_t ms = id_time_ms(&t->id);
	struct trace_record r;

	for (size_t p = 0; p < f->part_count; p++) {
		if (f->parts[p].segment.newest_id < ms ||
		    (t->ended && f->parts[p].segment.first_us > t->end_us))
			continue;
		trace_file_find(&s->files, f, &f->parts[p], hash);
		for (size_t i = 0; i < s->files.cell_count; i++)
			if (trace_file_event(f, s->files.cells[i], &r) == 0)
				consider(
				    s, number_of(s, f), s->files.cells[i], &r);
	}
}

static void visit(
    void *arg, struct trace_file *f, uint32_t cell, struct trace_record *r)
{
	consider(arg, number_of(arg, f), cell, r);
}

/* One round: the events of the things from `first` on; they may lead to more
 * things. */
static void collect(struct trace_search *s, size_t first, size_t end)
{
	for (size_t i = 0; i < s->files.count; i++) {
		struct trace_file *f = &s->files.files[i];
		bool any = false;

		for (size_t k = first; k < end; k++) {
			if (!may_be_in(s, s->things[k], f))
				continue;
			look_up(s, f, s->things[k]);
			any = true;
		}
		if (any)
			trace_file_scan_rest(f, visit, s);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct trace_found *x = a, *y = b;

	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->cell < y->cell ? -1 : x->cell > y->cell;
}

static void follow_up(struct trace_search *s)
{
	size_t first = 0;

	for (int round = 0; round < ROUNDS_MAX && first < s->thing_count;
	     round++) {
		size_t end = s->thing_count;

		collect(s, first, end);
		first = end;
	}
	if (first < s->thing_count)
		s->cut = true;
	if (s->found_count > 0)
		qsort(s->found, s->found_count, sizeof(s->found[0]), by_time);
}

/* ---- the key ----------------------------------------------------------------------- */

static struct str without_brackets(struct str s)
{
	if (s.len > 1 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		return str_sub(s, 1, s.len - 2);
	return s;
}

/* A client's address has one spelling, a Message-ID no brackets; a domain may
 * stand without its "@". */
static void prepare_key(struct trace_search *s)
{
	struct str key = without_brackets(str_trim(s->query->key));
	char canonical[NETADDR_TEXT_MAX];
	struct netaddr a;
	int n;

	if (key.len > 1 && key.p[0] == '[' && key.p[key.len - 1] == ']')
		key = str_sub(key, 1, key.len - 2);
	key = str_sub(key, 0, TRACE_KEY_MAX);
	if (netaddr_parse(key, 0, &a) == 0) {
		netaddr_text(&a, canonical);
		key = str_from(canonical);
	} else if (str_find(key, '@') == key.len) {
		n = snprintf(
		    s->text[1], sizeof(s->text[1]), "@%.*s", STR_FMT(key));
		s->keys[1] = str_of(s->text[1], (size_t)n);
	}
	memcpy(s->text[0], key.p, key.len);
	s->keys[0] = str_of(s->text[0], key.len);
}

int trace_search(struct trace_search *s, const char *directory,
    const struct trace_query *query)
{
	char upper[ID_LEN];
	struct trace_thing *t;
	struct id id;

	*s = (struct trace_search){.query = query};
	if (trace_files_open(&s->files, directory) < 0)
		return -1;
	prepare_key(s);
	if (s->keys[0].len == ID_LEN)
		for (size_t i = 0; i < ID_LEN; i++)
			upper[i] = ascii_upper(s->keys[0].p[i]);
	s->is_id = s->keys[0].len == ID_LEN &&
	    id_parse(str_of(upper, ID_LEN), &id) == 0;
	if (s->is_id) {
		add(s, &s->messages, id_str(&id));
		t = add(s, &s->sessions, id_str(&id));
		if (t != NULL)
			t->whole = t->matched = true;
	} else if (s->keys[0].len > 0) {
		match_all(s);
	}
	follow_up(s);
	trace_files_tell(&s->files);
	return 0;
}

/* ---- what comes later ---------------------------------------------------------------- */

static void later(
    void *arg, struct trace_file *f, uint32_t cell, struct trace_record *r)
{
	struct trace_search *s = arg;

	if (!s->is_id)
		match(s, r);
	consider(s, number_of(s, f), cell, r);
}

size_t trace_search_more(struct trace_search *s)
{
	size_t files = s->files.count, found = s->found_count;
	size_t things = s->thing_count;

	trace_files_more(&s->files);
	/* The last two: an hour may end while another has begun. */
	for (size_t i = files < 2 ? 0 : files - 2; i < s->files.count; i++) {
		struct trace_file *f = &s->files.files[i];
		uint32_t now = trace_file_grown(f);
		uint32_t from = i < files ? f->cells : 0;

		f->cells = now;
		if (now > from)
			trace_file_scan(f, from, now, later, s);
	}
	/* A session that is found now has begun before. */
	if (things < s->thing_count)
		collect(s, things, s->thing_count);
	if (s->found_count > found)
		qsort(s->found + found, s->found_count - found,
		    sizeof(s->found[0]), by_time);
	return found;
}

/* A Message-ID is not the sender's or a recipient's address. */
bool trace_search_goes_on(const struct trace_search *s)
{
	if (s->is_id)
		return false;
	for (size_t i = 0; i < s->found_count; i++)
		if (s->found[i].record->kind == TRACE_QUEUED &&
		    str_case_eq(without_brackets(s->found[i].record->says.who),
			s->keys[0]))
			return false;
	return true;
}

bool trace_search_ended(const struct trace_search *s)
{
	size_t messages = 0;

	for (size_t i = 0; i < s->thing_count; i++) {
		const struct trace_thing *t = s->things[i];

		if (!t->seen)
			continue;
		messages++;
		if (!t->ended)
			return false;
	}
	return messages > 0;
}

void trace_search_free(struct trace_search *s)
{
	for (size_t i = 0; i < s->thing_count; i++)
		free(s->things[i]);
	free(s->things);
	for (size_t i = 0; i < s->found_count; i++)
		free(s->found[i].record);
	free(s->found);
	table_free(&s->messages);
	table_free(&s->sessions);
	table_free(&s->seen);
	trace_files_close(&s->files);
}
