/* SPDX-License-Identifier: ISC */
/*
 * FETCH: flags, uids, sizes, dates and the cached ENVELOPE and BODYSTRUCTURE
 * are written in one pass at memory speed; sections follow (fetch_section.c).
 */
#include "imapd/fetch.h"
#include "imapd/qresync.h"
#include "imapd/response.h"
#include "imapd/write.h"

struct job {
	struct fetch what;
	struct ranges seqs;
	uint64_t changed_since; /* 0: all */
	bool changed_given, vanished;
	const struct mailbox_info *info;
	unsigned char *told_flags; /* a bit for each message whose flags have
	                            * changed while we are at it; or NULL */
	bool gone, unknown_cte;
};

/* " (CHANGEDSINCE n VANISHED)" */
static bool modifiers(struct session *s, struct command *c, struct job *j)
{
	if (!parser_skip(&c->in, ' '))
		return true;
	if (!parser_char(&c->in, '(', "a list is missing"))
		return false;
	do {
		if (parser_skip_word(&c->in, "CHANGEDSINCE")) {
			if (!parser_space(&c->in) ||
			    !parser_u64(&c->in, &j->changed_since))
				return false;
			j->changed_given = true;
		} else if (parser_skip_word(&c->in, "VANISHED")) {
			j->vanished = true;
		} else {
			return parser_fail(&c->in, "an unknown modifier");
		}
	} while (parser_skip(&c->in, ' '));
	if (!parser_char(&c->in, ')', "a list does not end"))
		return false;
	if (j->vanished &&
	    (!c->uid || !j->changed_given || !(s->enabled & ENABLED_QRESYNC)))
		return parser_fail(&c->in,
		    "VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC");
	return true;
}

static bool wanted(const struct job *j, const struct message *m)
{
	return !j->changed_given || m->modseq > j->changed_since;
}

/* ---- \Seen ---- */

static bool skip_told(
    struct session *s, uint32_t seq, const struct message *m, void *arg)
{
	struct job *j = arg;

	(void)s;
	if (!ranges_have(&j->seqs, seq) || !wanted(j, m))
		return false;
	/* Its own FETCH has the flags. */
	j->told_flags[seq / 8] |= (unsigned char)(1u << seq % 8);
	return true;
}

static bool unseen_uids(
    struct session *s, const struct job *j, struct uid_set *out)
{
	uint32_t *uids = arena_alloc(
	    &s->arena, (size_t)(j->seqs.total + 1) * sizeof(*uids));
	size_t n = 0;

	if (uids == NULL)
		return false;
	for (size_t i = 0; i < j->seqs.count; i++) {
		uint32_t last = j->seqs.r[i].last;

		for (uint32_t q = j->seqs.r[i].first; q <= last; q++) {
			const struct message *m = view_message(s->view, q);

			if (!(m->flags & FLAG_SEEN) && wanted(j, m))
				uids[n++] = m->uid;
		}
	}
	*out = (struct uid_set){uids, n};
	return true;
}

/*
 * One frame for all, before the first body goes out. Where it fails the
 * bodies are sent all the same: reading must work on a full disk.
 */
static void set_seen(struct session *s, struct job *j)
{
	struct uid_set uids, modified = {NULL, 0};
	uint64_t modseq;

	if (s->read_only || !unseen_uids(s, j, &uids) || uids.count == 0)
		return;
	j->told_flags = arena_alloc(
	    &s->arena, (size_t)view_count(s->view) / 8 + 1);
	if (j->told_flags == NULL)
		return;
	if (box_store(s->box, s->mailbox, uids, FLAGS_ADD, FLAG_SEEN, NULL, 0,
		0, &s->arena, &modified, &modseq) == STORE_OK)
		session_sync(s, false, skip_told, j);
}

/* ---- one message ---- */

static char *put_flags(
    struct session *s, const struct job *j, const struct message *m, char *p)
{
	if (m->keywords == 0) {
		*p++ = '(';
		p = write_system_flags(p, m->flags);
		*p++ = ')';
		return p;
	}
	out_wrote(s, p);
	out_flags(s, m->flags, m->keywords, j->info);
	return out_room(s, 256);
}

/* "* 5 FETCH (UID 7 FLAGS (\Seen) ..."; returns the octet that goes before
 * the next item. */
static char simple_items(struct session *s, const struct job *j, uint32_t seq,
    const struct message *m, unsigned items)
{
	char *p = out_room(s, 256);
	char sep = '(';

	p = write_str(p, STR("* "));
	p = write_number(p, seq);
	p = write_str(p, STR(" FETCH "));
	if (items & FETCH_UID) {
		*p++ = sep;
		sep = ' ';
		p = write_str(p, STR("UID "));
		p = write_number(p, m->uid);
	}
	if (items & FETCH_FLAGS) {
		*p++ = sep;
		sep = ' ';
		p = write_str(p, STR("FLAGS "));
		p = put_flags(s, j, m, p);
	}
	if (items & FETCH_MODSEQ) {
		*p++ = sep;
		sep = ' ';
		p = write_str(p, STR("MODSEQ ("));
		p = write_number(p, m->modseq);
		*p++ = ')';
	}
	if (items & FETCH_DATE) {
		*p++ = sep;
		sep = ' ';
		p = write_str(p, STR("INTERNALDATE "));
		p = write_date(p, m->internal_date);
	}
	if (items & FETCH_SIZE) {
		*p++ = sep;
		sep = ' ';
		p = write_str(p, STR("RFC822.SIZE "));
		p = write_number(p, m->size);
	}
	out_wrote(s, p);
	return sep;
}

static char cached_item(
    struct session *s, const char *name, struct str value, char sep)
{
	out_char(s, sep);
	out_text(s, name);
	out_str(s, value.len > 0 ? value : STR("NIL"));
	return ' ';
}

static char cached_items(
    struct session *s, struct job *j, uint32_t seq, unsigned items, char sep)
{
	struct message_cache cache = {STR_EMPTY, STR_EMPTY, STR_EMPTY};

	arena_clear(&s->scratch);
	enum store_result r = view_cache(s->view, seq, &s->scratch, &cache);
	if (r != STORE_OK) {
		s->read_failed = r;
		j->gone = true;
		return sep;
	}
	if (items & FETCH_ENVELOPE)
		sep = cached_item(s, "ENVELOPE ", cache.envelope, sep);
	if (items & FETCH_BODY)
		sep = cached_item(s, "BODY ", cache.body, sep);
	if (items & FETCH_STRUCTURE)
		sep = cached_item(
		    s, "BODYSTRUCTURE ", cache.bodystructure, sep);
	return sep;
}

static void fetch_one(struct session *s, struct job *j, uint32_t seq)
{
	const struct message *m = view_message(s->view, seq);
	unsigned items = j->what.items;
	size_t start = s->out.len;

	if (m == NULL || !wanted(j, m))
		return;
	if (j->told_flags != NULL && (j->told_flags[seq / 8] >> seq % 8 & 1))
		items |= FETCH_FLAGS |
		    (s->enabled & ENABLED_CONDSTORE ? FETCH_MODSEQ | FETCH_UID
						    : 0);
	char sep = simple_items(s, j, seq, m, items);
	if (items & FETCH_CACHED)
		sep = cached_items(s, j, seq, items, sep);
	if (j->what.section_count > 0) {
		struct opened *o = message_open(s, seq);

		for (size_t i = 0; i < j->what.section_count; i++) {
			enum section_result r = fetch_section(
			    s, o, &j->what.sections[i], sep);

			j->gone |= r == SECTION_GONE;
			j->unknown_cte |= r == SECTION_UNKNOWN_CTE;
			sep = ' ';
		}
	}
	if (sep == '(') {
		s->out.len = start; /* nothing could be read */
		return;
	}
	out_text(s, ")\r\n");
	out_check(s);
}

static void fetch_all(struct session *s, struct job *j)
{
	for (size_t i = 0; i < j->seqs.count; i++) {
		uint32_t last = j->seqs.r[i].last;

		for (uint32_t q = j->seqs.r[i].first; q <= last; q++) {
			if (s->dead)
				return;
			fetch_one(s, j, q);
		}
	}
}

/* The uids that the set names, whether they exist or not. */
static void tell_vanished(
    struct session *s, const struct job *j, const struct set *set)
{
	const struct mailbox_info *info = box_find_id(s->box, s->mailbox);
	uint32_t count = view_count(s->view);
	struct ranges uids;

	if (info == NULL || info->uidnext <= 1 || set->saved)
		return;
	uint32_t star = count > 0 ? view_message(s->view, count)->uid
				  : info->uidnext - 1;
	if (set_normalize(set, star, &s->arena, &uids) < 0)
		return;
	while (uids.count > 0 && uids.r[uids.count - 1].first >= info->uidnext)
		uids.count--;
	if (uids.count > 0 && uids.r[uids.count - 1].last >= info->uidnext)
		uids.r[uids.count - 1].last = info->uidnext - 1;
	respond_vanished(s, &uids, j->changed_since);
}

void cmd_fetch(struct session *s, struct command *c)
{
	struct job j = {.gone = false};
	struct set set;
	const char *why;

	if (!parser_space(&c->in) || !parser_set(&c->in, &set) ||
	    !parser_space(&c->in) || !fetch_parse(&c->in, &j.what) ||
	    !modifiers(s, c, &j) || !parser_end(&c->in))
		return;
	if (!set_to_messages(s, &set, c->uid, &j.seqs, &why)) {
		parser_fail(&c->in, why);
		return;
	}
	if (c->uid)
		j.what.items |= FETCH_UID;
	if (j.changed_given)
		j.what.items |= FETCH_MODSEQ;
	if (j.what.items & FETCH_MODSEQ)
		session_enable_condstore(s);
	if (j.vanished)
		tell_vanished(s, &j, &set);
	if (j.what.sees)
		set_seen(s, &j);
	j.info = box_find_id(s->box, s->mailbox);
	s->read_failed = STORE_GONE;
	fetch_all(s, &j);
	arena_clear(&s->scratch);
	if (j.unknown_cte)
		reply_no(s, c, "UNKNOWN-CTE", "A part's encoding is not known");
	else if (j.gone)
		reply_result(s, c, s->read_failed, "");
	else
		reply_ok(s, c, NULL, "Fetched");
}
