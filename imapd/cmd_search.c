/* SPDX-License-Identifier: ISC */
/* SEARCH: runs the program and answers with SEARCH or ESEARCH (RFC 9051
 * sections 6.4.4 and 7.3.4; RFC 4731, 5182, 7162 section 3.1.5). */
#include <stdlib.h>

#include "core/memory.h"

#include "imapd/response.h"
#include "imapd/search.h"
#include "imapd/write.h"

struct found {
	uint32_t *seqs; /* rising; in the arena */
	size_t count, room;
	uint64_t modseq; /* the highest */
};

static bool add(struct session *s, struct found *f, uint32_t seq)
{
	if (f->count == f->room) {
		size_t more = f->room * 2 + 64;
		uint32_t *grown = arena_alloc(&s->arena, more * sizeof(*grown));

		if (grown == NULL)
			return false;
		if (f->count > 0)
			memcpy(grown, f->seqs, f->count * sizeof(*grown));
		f->seqs = grown;
		f->room = more;
	}
	f->seqs[f->count++] = seq;
	return true;
}

/* A set that bounds the whole program spares looking at the rest. */
static struct ranges candidates(
    const struct search_key *program, uint32_t count, struct set_range *all)
{
	for (const struct search_key *k = program->child; k; k = k->next)
		if (k->kind == KEY_SET || k->kind == KEY_UID)
			return k->ranges;
	*all = (struct set_range){1, count};
	return (struct ranges){all, count > 0, count};
}

static bool run(
    struct session *s, const struct search_key *program, struct found *f)
{
	uint32_t count = view_count(s->view);
	struct set_range all;
	struct ranges r = candidates(program, count, &all);

	for (size_t i = 0; i < r.count; i++) {
		uint32_t first = r.r[i].first > 0 ? r.r[i].first : 1;
		uint32_t last = r.r[i].last < count ? r.r[i].last : count;

		for (uint32_t q = first; q <= last && !s->dead; q++) {
			if (!search_match(s, program, q))
				continue;
			if (!add(s, f, q))
				return false;
			uint64_t modseq = view_message(s->view, q)->modseq;
			if (modseq > f->modseq)
				f->modseq = modseq;
		}
	}
	return true;
}

/* "$" (RFC 5182 section 2.1): what was asked for, all of it but when MIN and
 * MAX alone were. */
static void save(
    struct session *s, const struct search *search, const struct found *f)
{
	unsigned ends = search->wanted & (RETURN_MIN | RETURN_MAX);
	bool all = ends == 0 || (search->wanted & (RETURN_ALL | RETURN_COUNT));
	size_t n = 0;

	free(s->saved);
	s->saved = mem_array(f->count + 1, sizeof(*s->saved));
	for (size_t i = 0; i < f->count; i++) {
		bool min = i == 0 && (ends & RETURN_MIN);
		bool max = i == f->count - 1 && (ends & RETURN_MAX);

		if (all || min || max)
			s->saved[n++] = view_message(s->view, f->seqs[i])->uid;
	}
	s->saved_count = n;
}

/* The numbers as the client counts them. */
static void to_uids(struct session *s, struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->seqs[i] = view_message(s->view, f->seqs[i])->uid;
}

static void respond_search(
    struct session *s, const struct search *search, const struct found *f)
{
	out_text(s, "* SEARCH");
	for (size_t i = 0; i < f->count; i++) {
		char *p = out_room(s, WRITE_NUMBER_MAX + 1);

		*p++ = ' ';
		out_wrote(s, write_number(p, f->seqs[i]));
		out_check(s);
	}
	if (search->by_modseq && f->count > 0) {
		out_text(s, " (MODSEQ ");
		out_number(s, f->modseq);
		out_char(s, ')');
	}
	out_end(s);
}

static void data(struct session *s, const char *name, uint64_t value)
{
	out_text(s, name);
	out_number(s, value);
}

static void respond_esearch(struct session *s, struct command *c,
    const struct search *search, const struct found *f)
{
	unsigned wanted = search->wanted;

	out_text(s, "* ESEARCH (TAG ");
	put_string(&s->out, c->tag, false);
	out_text(s, c->uid ? ") UID" : ")");
	if (f->count > 0) {
		if (wanted & RETURN_MIN)
			data(s, " MIN ", f->seqs[0]);
		if (wanted & RETURN_MAX)
			data(s, " MAX ", f->seqs[f->count - 1]);
		if (wanted & RETURN_ALL) {
			out_text(s, " ALL ");
			out_uids(s, f->seqs, f->count);
		}
	}
	if (wanted & RETURN_COUNT)
		data(s, " COUNT ", f->count);
	if (search->by_modseq && f->count > 0)
		data(s, " MODSEQ ", f->modseq);
	out_end(s);
}

/* With MIN and MAX alone, MODSEQ is of those messages (RFC 7162 section
 * 3.1.10). */
static void modseq_of_ends(
    struct session *s, const struct search *search, struct found *f)
{
	uint64_t a, b;

	if (!search->by_modseq || f->count == 0 ||
	    !(search->wanted & (RETURN_MIN | RETURN_MAX)) ||
	    (search->wanted & (RETURN_ALL | RETURN_COUNT)))
		return;
	a = view_message(s->view, f->seqs[0])->modseq;
	b = view_message(s->view, f->seqs[f->count - 1])->modseq;
	if (!(search->wanted & RETURN_MAX))
		f->modseq = a;
	else if (!(search->wanted & RETURN_MIN))
		f->modseq = b;
	else
		f->modseq = a > b ? a : b;
}

static void respond(struct session *s, struct command *c, struct search *search,
    struct found *f)
{
	modseq_of_ends(s, search, f);
	if (search->wanted & RETURN_SAVE)
		save(s, search, f);
	if (c->uid)
		to_uids(s, f);
	if (!search->extended && (s->enabled & ENABLED_REV2)) {
		search->extended = true;
		search->wanted = RETURN_ALL;
	}
	if (!search->extended)
		respond_search(s, search, f);
	else if (search->wanted != RETURN_SAVE)
		respond_esearch(s, c, search, f);
	reply_ok(s, c, NULL, "Found what there is");
}

static void forget_saved(struct session *s, const struct search *search)
{
	if (search->wanted & RETURN_SAVE)
		s->saved_count = 0;
}

void cmd_search(struct session *s, struct command *c)
{
	struct search search = {.keys = 0};
	struct found found = {NULL, 0, 0, 0};
	const char *why = "the search is too large";

	if (!parser_space(&c->in) ||
	    !search_parse(&c->in, s->conf->imap_max_search_keys, &search))
		return;
	if (search.bad_charset) {
		forget_saved(s, &search);
		reply_no(s, c, "BADCHARSET (US-ASCII UTF-8 ISO-8859-1)",
		    "The charset is not known");
		return;
	}
	if (!search_resolve(s, search.program, &why)) {
		parser_fail(&c->in, why);
		return;
	}
	search_order(search.program);
	if (search.by_modseq)
		session_enable_condstore(s);
	if (!run(s, search.program, &found)) {
		forget_saved(s, &search);
		reply_no(s, c, "LIMIT", "Too many results");
		return;
	}
	respond(s, c, &search, &found);
}
