/* SPDX-License-Identifier: ISC */
#include "imapd/qresync.h"

#include "imapd/response.h"
#include "imapd/write.h"

static bool known_set(struct command *c, struct set *out)
{
	if (!parser_set(&c->in, out))
		return false;
	for (size_t i = 0; i < out->count; i++)
		if (out->ranges[i].first == SET_STAR ||
		    out->ranges[i].last == SET_STAR)
			return parser_fail(&c->in, "* is not allowed here");
	return !out->saved || parser_fail(&c->in, "$ is not allowed here");
}

/* " (known numbers SP known uids)": an aid that we need not use. */
static bool match_data(struct command *c)
{
	struct set unused;

	return parser_char(&c->in, '(', "a list is missing") &&
	    known_set(c, &unused) && parser_space(&c->in) &&
	    known_set(c, &unused) &&
	    parser_char(&c->in, ')', "a list does not end");
}

bool qresync_parse(struct command *c, struct qresync *out)
{
	memset(out, 0, sizeof(*out));
	if (!parser_space(&c->in) ||
	    !parser_char(&c->in, '(', "a list is missing") ||
	    !parser_u32(&c->in, &out->uidvalidity) || !parser_space(&c->in) ||
	    !parser_u64(&c->in, &out->modseq))
		return false;
	if (parser_skip(&c->in, ' ') && parser_peek(&c->in) != '(') {
		if (!known_set(c, &out->known))
			return false;
		out->has_known = true;
		parser_skip(&c->in, ' ');
	}
	if (parser_peek(&c->in) == '(' && !match_data(c))
		return false;
	out->given = true;
	return parser_char(&c->in, ')', "a list does not end");
}

static void out_gap(struct session *s, uint32_t first, uint32_t last, bool *any)
{
	out_text(s, *any ? "," : "* VANISHED (EARLIER) ");
	*any = true;
	out_number(s, first);
	if (last > first) {
		out_char(s, ':');
		out_number(s, last);
	}
	out_check(s);
}

/* Every uid of known that is not there. */
static bool respond_absent(struct session *s, const struct ranges *known)
{
	uint32_t count = view_count(s->view);
	bool any = false;

	for (size_t i = 0; i < known->count; i++) {
		uint64_t next = known->r[i].first, last = known->r[i].last;
		uint32_t seq = view_seq_from(s->view, known->r[i].first);

		for (; seq <= count && next <= last; seq++) {
			uint32_t uid = view_message(s->view, seq)->uid;

			if (uid > last)
				break;
			if (uid > next)
				out_gap(s, (uint32_t)next, uid - 1, &any);
			next = (uint64_t)uid + 1;
		}
		if (next <= last)
			out_gap(s, (uint32_t)next, (uint32_t)last, &any);
	}
	return any;
}

/* The uids that went and are of known. */
static bool respond_gone(
    struct session *s, const struct ranges *known, struct uid_set gone)
{
	uint32_t *uids = arena_alloc(
	    &s->arena, (gone.count + 1) * sizeof(*uids));
	size_t n = 0;

	if (uids == NULL)
		return respond_absent(s, known);
	for (size_t i = 0; i < gone.count; i++)
		if (ranges_have(known, gone.uids[i]))
			uids[n++] = gone.uids[i];
	if (n == 0)
		return false;
	out_text(s, "* VANISHED (EARLIER) ");
	out_uids(s, uids, n);
	return true;
}

void respond_vanished(
    struct session *s, const struct ranges *known, uint64_t modseq)
{
	struct uid_set gone = {NULL, 0};
	bool complete = false, any;

	if (known->count == 0)
		return;
	enum store_result r = view_vanished(
	    s->view, modseq, &s->arena, &gone, &complete);
	if (r != STORE_OK || !complete)
		any = respond_absent(s, known);
	else
		any = respond_gone(s, known, gone);
	if (any)
		out_end(s);
}

/* Uids that exist or existed, out of those that the client knows. */
static bool known_uids(struct session *s, const struct qresync *q,
    uint32_t uidnext, struct ranges *out)
{
	struct set_range all = {1, uidnext - 1};
	struct set every = {&all, 1, false};

	if (uidnext <= 1)
		return false;
	if (set_normalize(
		q->has_known ? &q->known : &every, 0, &s->arena, out) < 0)
		return false;
	while (out->count > 0 && out->r[out->count - 1].first >= uidnext)
		out->count--;
	if (out->count > 0 && out->r[out->count - 1].last >= uidnext)
		out->r[out->count - 1].last = uidnext - 1;
	return out->count > 0;
}

void respond_qresync(
    struct session *s, const struct qresync *q, const struct mailbox_info *info)
{
	struct ranges known;

	if (q->uidvalidity != info->uidvalidity ||
	    !known_uids(s, q, info->uidnext, &known))
		return;
	respond_vanished(s, &known, q->modseq);
	for (uint32_t seq = 1; seq <= view_count(s->view); seq++) {
		const struct message *m = view_message(s->view, seq);

		if (m->modseq > q->modseq && ranges_have(&known, m->uid))
			respond_fetch_flags(s, seq, m, true, true);
	}
}
