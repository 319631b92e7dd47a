/* SPDX-License-Identifier: ISC */
/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 sections 6.3.4 to
 * 6.3.8; RFC 6154 section 3). */
#include "imapd/response.h"
#include "imapd/special_use.h"

/* " (USE (\Sent))" */
static bool use_parameter(struct session *s, struct command *c, int *use)
{
	struct str name;

	*use = USE_NONE;
	if (!parser_skip(&c->in, ' '))
		return true;
	if (!parser_char(&c->in, '(', "a list is missing"))
		return false;
	if (!parser_skip_word(&c->in, "USE"))
		return parser_fail(&c->in, "an unknown parameter");
	if (!parser_space(&c->in) ||
	    !parser_char(&c->in, '(', "a list is missing"))
		return false;
	while (!parser_skip(&c->in, ')')) {
		if (!parser_flag(&c->in, &name))
			return false;
		int found = special_use_find(name);
		if (found == USE_NONE || *use != USE_NONE) {
			reply_no(s, c, "USEATTR",
			    found == USE_NONE ? "This use is not known"
					      : "One use for one mailbox");
			return false;
		}
		*use = found;
		if (!parser_skip(&c->in, ' ') && parser_peek(&c->in) != ')')
			return parser_fail(&c->in, "a list does not end");
	}
	return parser_char(&c->in, ')', "a list does not end");
}

void cmd_create(struct session *s, struct command *c)
{
	struct str name;
	int use;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !use_parameter(s, c, &use) || !parser_end(&c->in))
		return;
	/* A delimiter at the end says that names below will follow; it needs
	 * no more than the mailbox itself (RFC 9051 section 6.3.4). */
	if (name.len > 1 && name.p[name.len - 1] == '/')
		name.len--;
	if (str_case_eq(name, STR("INBOX"))) {
		reply_no(s, c, "ALREADYEXISTS", "INBOX is always there");
		return;
	}
	enum store_result r = box_create(s->box, name, (enum special_use)use);
	if (r == STORE_LIMIT && use != USE_NONE)
		reply_no(s, c, "USEATTR", "Another mailbox has this use");
	else
		reply_result(s, c, r, "Created");
}

void cmd_delete(struct session *s, struct command *c)
{
	const struct mailbox_info *info;
	struct str name;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !parser_end(&c->in))
		return;
	if (str_case_eq(name, STR("INBOX"))) {
		reply_no(s, c, "CANNOT", "INBOX stays");
		return;
	}
	enum store_result r = box_refresh(s->box);
	info = r == STORE_OK ? box_find(s->box, name) : NULL;
	bool selected = s->state == SELECTED && info != NULL &&
	    info->id == s->mailbox;
	if (r == STORE_OK)
		r = box_delete(s->box, name);
	if (r == STORE_OK && selected) {
		session_deselect(s);
		out_text(s, "* OK [CLOSED] The mailbox is deleted");
		out_end(s);
	}
	if (r == STORE_LIMIT)
		reply_no(s, c, "HASCHILDREN", "Mailboxes lie below it");
	else
		reply_result(s, c, r, "Deleted");
}

void cmd_rename(struct session *s, struct command *c)
{
	struct str from, to;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &from) ||
	    !parser_space(&c->in) || !arg_mailbox(s, c, &to) ||
	    !parser_end(&c->in))
		return;
	if (to.len > 1 && to.p[to.len - 1] == '/')
		to.len--;
	if (str_case_eq(to, STR("INBOX"))) {
		reply_no(s, c, "ALREADYEXISTS", "INBOX is always there");
		return;
	}
	/* INBOX gives its messages away: the client hears of it. */
	c->sync = SYNC_ALL;
	reply_result(s, c, box_rename(s->box, from, to), "Renamed");
}

static void subscribe(struct session *s, struct command *c, bool on)
{
	struct str name;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !parser_end(&c->in))
		return;
	enum store_result r = box_subscribe(s->box, name, on);
	/* Taking away what is not there is what was asked for. */
	if (!on && r == STORE_NO_MAILBOX)
		r = STORE_OK;
	reply_result(s, c, r, on ? "Subscribed" : "Unsubscribed");
}

void cmd_subscribe(struct session *s, struct command *c)
{
	subscribe(s, c, true);
}

void cmd_unsubscribe(struct session *s, struct command *c)
{
	subscribe(s, c, false);
}
