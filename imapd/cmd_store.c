/* SPDX-License-Identifier: ISC */
/* STORE and EXPUNGE (RFC 9051 sections 6.4.3, 6.4.6, 6.4.9; RFC 7162 section
 * 3.1.3). */
#include "imapd/response.h"
#include "imapd/write.h"

/* What the client believes a message's flags to be. */
struct belief {
	uint32_t flags;
	uint64_t keywords;
};

struct store {
	struct ranges seqs;
	struct uid_set uids;
	enum flag_op op;
	bool silent;
	uint64_t unchanged_since; /* 0: any */
	bool unchanged_given;
	struct flag_list flags;
	uint64_t keyword_bits;   /* of flags.keywords, after the change */
	struct belief *before;   /* SILENT: from the first message of seqs to
	                        * the last */
	const uint32_t *refused; /* uids that UNCHANGEDSINCE spared */
	size_t refused_count;
};

/* " (UNCHANGEDSINCE n)" */
static bool modifiers(struct session *s, struct command *c, struct store *st)
{
	if (!parser_skip(&c->in, '('))
		return true;
	if (!parser_skip_word(&c->in, "UNCHANGEDSINCE"))
		return parser_fail(&c->in, "an unknown modifier");
	if (!parser_space(&c->in) ||
	    !parser_u64(&c->in, &st->unchanged_since) ||
	    !parser_char(&c->in, ')', "a list does not end") ||
	    !parser_space(&c->in))
		return false;
	st->unchanged_given = true;
	session_enable_condstore(s);
	return true;
}

static bool parse(struct session *s, struct command *c, struct store *st)
{
	struct str item;

	if (!parser_space(&c->in) || !arg_messages(s, c, &st->seqs) ||
	    !parser_space(&c->in) || !modifiers(s, c, st))
		return false;
	st->op = parser_skip(&c->in, '+') ? FLAGS_ADD
	    : parser_skip(&c->in, '-')    ? FLAGS_REMOVE
					  : FLAGS_SET;
	if (!parser_word(&c->in, &item))
		return false;
	st->silent = str_case_eq(item, STR("FLAGS.SILENT"));
	if (!st->silent && !str_case_eq(item, STR("FLAGS")))
		return parser_fail(&c->in, "FLAGS was expected");
	return parser_space(&c->in) && arg_flags(c, true, &st->flags) &&
	    parser_end(&c->in);
}

static bool remember(struct session *s, struct store *st)
{
	uint32_t first = st->seqs.r[0].first;
	uint32_t end = st->seqs.r[st->seqs.count - 1].last;

	st->before = arena_alloc(
	    &s->arena, ((size_t)end - first + 1) * sizeof(*st->before));
	if (st->before == NULL)
		return false;
	for (uint32_t q = first; q <= end; q++) {
		const struct message *m = view_message(s->view, q);

		st->before[q - first].flags = m->flags;
		st->before[q - first].keywords = m->keywords;
	}
	return true;
}

static uint64_t keyword_bits(struct session *s, const struct flag_list *flags)
{
	const struct mailbox_info *info = box_find_id(s->box, s->mailbox);
	uint64_t bits = 0;

	for (size_t i = 0; info != NULL && i < info->keyword_count; i++)
		for (size_t k = 0; k < flags->keyword_count; k++)
			if (str_case_eq(info->keywords[i], flags->keywords[k]))
				bits |= (uint64_t)1 << i;
	return bits;
}

/* The client knows already what it asked for. */
static bool as_believed(
    const struct store *st, uint32_t seq, const struct message *m)
{
	struct belief b = st->before[seq - st->seqs.r[0].first];

	switch (st->op) {
	case FLAGS_SET:
		b.flags = st->flags.flags;
		b.keywords = st->keyword_bits;
		break;
	case FLAGS_ADD:
		b.flags |= st->flags.flags;
		b.keywords |= st->keyword_bits;
		break;
	case FLAGS_REMOVE:
		b.flags &= ~st->flags.flags;
		b.keywords &= ~st->keyword_bits;
		break;
	}
	return b.flags == m->flags && b.keywords == m->keywords;
}

static bool was_refused(const struct store *st, uint32_t uid)
{
	for (size_t low = 0, high = st->refused_count; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (st->refused[mid] == uid)
			return true;
		if (st->refused[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* For messages with new flags: of the set, they are told below. */
static bool skip(
    struct session *s, uint32_t seq, const struct message *m, void *arg)
{
	const struct store *st = arg;

	if (!ranges_have(&st->seqs, seq) || was_refused(st, m->uid))
		return false;
	if (!st->silent)
		return true;
	if (!as_believed(st, seq, m))
		return false;
	if (s->enabled & ENABLED_CONDSTORE)
		respond_fetch_flags(s, seq, m, false, true);
	return true;
}

static void respond_all(
    struct session *s, struct command *c, const struct store *st)
{
	/* RFC 7162 section 3.2.4: with CONDSTORE the uid is always there. */
	bool uid = c->uid || (s->enabled & ENABLED_CONDSTORE) != 0;

	for (size_t i = 0; i < st->seqs.count; i++) {
		uint32_t last = st->seqs.r[i].last;

		for (uint32_t q = st->seqs.r[i].first; q <= last; q++) {
			const struct message *m = view_message(s->view, q);

			if (m == NULL || s->dead)
				return;
			if (!was_refused(st, m->uid))
				respond_fetch_flags(s, q, m, true, uid);
		}
	}
}

/* "MODIFIED set": what UNCHANGEDSINCE spared, as the client counts. */
static void modified_code(struct session *s, struct command *c,
    const struct store *st, struct buf *code)
{
	uint32_t *numbers = arena_alloc(
	    &s->arena, (st->refused_count + 1) * sizeof(*numbers));
	size_t n = 0;

	for (size_t i = 0; numbers != NULL && i < st->refused_count; i++) {
		uint32_t number = c->uid ? st->refused[i]
					 : view_seq(s->view, st->refused[i]);

		if (number != 0)
			numbers[n++] = number;
	}
	if (n == 0)
		return;
	buf_add_text(code, "MODIFIED ");
	put_uids(code, numbers, n);
}

static enum store_result change(
    struct session *s, struct store *st, struct uid_set *refused)
{
	uint64_t modseq;
	/* 0 stands for "any" at the store; every message has been changed
	 * since 0. */
	if (st->unchanged_given && st->unchanged_since == 0) {
		*refused = st->uids;
		return STORE_OK;
	}
	return box_store(s->box, s->mailbox, st->uids, st->op, st->flags.flags,
	    st->flags.keywords, st->flags.keyword_count, st->unchanged_since,
	    &s->arena, refused, &modseq);
}

void cmd_store(struct session *s, struct command *c)
{
	struct store st = {.op = FLAGS_SET};
	struct uid_set refused = {NULL, 0};

	if (!parse(s, c, &st))
		return;
	if (s->read_only) {
		reply_no(s, c, "CANNOT", "The mailbox is read-only");
		return;
	}
	if (st.seqs.total == 0) {
		reply_ok(s, c, NULL, "Nothing to store");
		return;
	}
	if (!messages_to_uids(s, &st.seqs, &st.uids) ||
	    (st.silent && !remember(s, &st))) {
		reply_no(s, c, "LIMIT", "Too many messages at once");
		return;
	}
	enum store_result r = change(s, &st, &refused);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	st.refused = refused.uids;
	st.refused_count = refused.count;
	struct buf code = buf_new((size_t)16 << 20);
	st.keyword_bits = keyword_bits(s, &st.flags);
	session_sync(s, false, skip, &st);
	if (!st.silent && !s->gone)
		respond_all(s, c, &st);
	modified_code(s, c, &st, &code);
	reply_ok(s, c, code.len > 0 ? buf_text(&code) : NULL, "Stored");
	buf_free(&code);
}

void cmd_expunge(struct session *s, struct command *c)
{
	struct ranges seqs;
	struct uid_set uids, vanished = {NULL, 0};

	if (c->uid) {
		if (!parser_space(&c->in) || !arg_messages(s, c, &seqs))
			return;
		if (!messages_to_uids(s, &seqs, &uids)) {
			reply_no(s, c, "LIMIT", "Too many messages at once");
			return;
		}
	}
	if (!parser_end(&c->in))
		return;
	if (s->read_only) {
		reply_no(s, c, "CANNOT", "The mailbox is read-only");
		return;
	}
	enum store_result r = box_expunge(
	    s->box, s->mailbox, c->uid ? &uids : NULL, &s->arena, &vanished);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	char code[64];
	const char *told = NULL;
	session_sync(s, true, NULL, NULL);
	const struct mailbox_info *info = box_find_id(s->box, s->mailbox);
	if (info != NULL && (s->enabled & ENABLED_CONDSTORE) &&
	    vanished.count > 0) {
		memcpy(code, "HIGHESTMODSEQ ", 14);
		*write_number(code + 14, info->highest_modseq) = '\0';
		told = code;
	}
	reply_ok(s, c, told, "Expunged");
}
