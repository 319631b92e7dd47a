/* SPDX-License-Identifier: ISC */
/* SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 sections 6.3.2, 6.3.3, 6.4.1,
 * 6.4.2; RFC 7162 section 3.1.2). */
#include <stdlib.h>

#include "imapd/message.h"
#include "imapd/qresync.h"
#include "imapd/response.h"

void session_deselect(struct session *s)
{
	if (s->view != NULL)
		view_close(&s->view);
	message_close(s);
	free(s->saved);
	s->saved = NULL;
	s->saved_count = 0;
	s->mailbox = 0;
	s->told = 0;
	s->keywords_told = 0;
	s->read_only = s->gone = false;
	if (s->state == SELECTED)
		s->state = AUTHENTICATED;
}

static void respond_modseq(struct session *s, const struct mailbox_info *info)
{
	out_text(s, "* OK [HIGHESTMODSEQ ");
	out_number(s, info->highest_modseq);
	out_text(s, "] Highest");
	out_end(s);
}

void session_enable_condstore(struct session *s)
{
	const struct mailbox_info *info;

	if (s->enabled & ENABLED_CONDSTORE)
		return;
	s->enabled |= ENABLED_CONDSTORE;
	if (s->state != SELECTED)
		return;
	info = box_find_id(s->box, s->mailbox);
	if (info != NULL)
		respond_modseq(s, info);
}

/* " (CONDSTORE)", " (QRESYNC (...))" */
static bool parameters(
    struct session *s, struct command *c, bool *condstore, struct qresync *q)
{
	if (!parser_skip(&c->in, ' '))
		return true;
	if (!parser_char(&c->in, '(', "a list is missing"))
		return false;
	do {
		if (parser_skip_word(&c->in, "CONDSTORE")) {
			*condstore = true;
		} else if (parser_skip_word(&c->in, "QRESYNC")) {
			*condstore = true;
			if (!(s->enabled & ENABLED_QRESYNC))
				return parser_fail(
				    &c->in, "QRESYNC is not enabled");
			if (!qresync_parse(c, q))
				return false;
		} else {
			return parser_fail(&c->in, "an unknown parameter");
		}
	} while (parser_skip(&c->in, ' '));
	return parser_char(&c->in, ')', "a list does not end");
}

static void respond_rev1(struct session *s, const struct mailbox_info *info)
{
	uint32_t seq;

	out_text(s, "* 0 RECENT");
	out_end(s);
	if (info->unseen == 0 || view_first_unseen(s->view, &seq) != STORE_OK ||
	    seq == 0)
		return;
	out_text(s, "* OK [UNSEEN ");
	out_number(s, seq);
	out_text(s, "] First unseen");
	out_end(s);
}

static void respond_selected(struct session *s, const struct mailbox_info *info)
{
	respond_flags(s, info);
	s->told = view_count(s->view);
	out_text(s, "* ");
	out_number(s, s->told);
	out_text(s, " EXISTS");
	out_end(s);
	if (!(s->enabled & ENABLED_REV2))
		respond_rev1(s, info);
	out_text(s, "* OK [UIDVALIDITY ");
	out_number(s, info->uidvalidity);
	out_text(s, "] Uids are valid");
	out_end(s);
	out_text(s, "* OK [UIDNEXT ");
	out_number(s, info->uidnext);
	out_text(s, "] Next uid");
	out_end(s);
	respond_modseq(s, info);
	if (s->enabled & ENABLED_REV2)
		respond_list_one(s, info);
}

/* Messages are looked up by the first command that needs them. */
static enum store_result open_view(struct session *s, struct str name,
    bool messages, const struct mailbox_info **info)
{
	enum store_result r = box_refresh(s->box);

	if (r != STORE_OK)
		return r;
	*info = box_find(s->box, name);
	if (*info == NULL || !(*info)->selectable)
		return STORE_NO_MAILBOX;
	r = view_open_late(s->box, (*info)->id, &s->view);
	if (r == STORE_OK && messages && (r = view_rows(s->view)) != STORE_OK)
		view_close(&s->view);
	if (r == STORE_OK) {
		/* Opening may have read on. */
		*info = box_find_id(s->box, view_mailbox(s->view));
		if (*info == NULL) {
			view_close(&s->view);
			return STORE_NO_MAILBOX;
		}
	}
	return r;
}

static void select_mailbox(struct session *s, struct command *c, bool read_only)
{
	const struct mailbox_info *info = NULL;
	struct qresync q = {0};
	bool condstore = false;
	struct str name;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !parameters(s, c, &condstore, &q) || !parser_end(&c->in))
		return;
	if (s->state == SELECTED) {
		session_deselect(s);
		out_text(s, "* OK [CLOSED] The previous mailbox is closed");
		out_end(s);
	}
	if (condstore)
		s->enabled |= ENABLED_CONDSTORE;
	enum store_result r = open_view(s, name, q.given, &info);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	s->state = SELECTED;
	s->mailbox = info->id;
	s->read_only = read_only;
	respond_selected(s, info);
	if (q.given)
		respond_qresync(s, &q, info);
	reply_ok(s, c, read_only ? "READ-ONLY" : "READ-WRITE", "Selected");
}

void cmd_select(struct session *s, struct command *c)
{
	select_mailbox(s, c, false);
}

void cmd_examine(struct session *s, struct command *c)
{
	select_mailbox(s, c, true);
}

void cmd_close(struct session *s, struct command *c)
{
	struct uid_set vanished;

	if (!parser_end(&c->in))
		return;
	if (!s->read_only) {
		enum store_result r = box_expunge(
		    s->box, s->mailbox, NULL, &s->arena, &vanished);

		if (r != STORE_OK && r != STORE_GONE && r != STORE_NO_MAILBOX) {
			reply_result(s, c, r, "");
			return;
		}
	}
	session_deselect(s);
	reply_ok(s, c, NULL, "Closed");
}

void cmd_unselect(struct session *s, struct command *c)
{
	if (!parser_end(&c->in))
		return;
	session_deselect(s);
	reply_ok(s, c, NULL, "Unselected");
}
