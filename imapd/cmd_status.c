/* SPDX-License-Identifier: ISC */
#include "imapd/response.h"
#include "imapd/status.h"

enum item {
	MESSAGES,
	RECENT,
	UIDNEXT,
	UIDVALIDITY,
	UNSEEN,
	DELETED,
	SIZE,
	HIGHESTMODSEQ,
	APPENDLIMIT
};

static const char *const items[] = {
    [MESSAGES] = "MESSAGES",
    [RECENT] = "RECENT",
    [UIDNEXT] = "UIDNEXT",
    [UIDVALIDITY] = "UIDVALIDITY",
    [UNSEEN] = "UNSEEN",
    [DELETED] = "DELETED",
    [SIZE] = "SIZE",
    [HIGHESTMODSEQ] = "HIGHESTMODSEQ",
    [APPENDLIMIT] = "APPENDLIMIT",
};

static bool find(struct str name, size_t *out)
{
	for (*out = 0; *out < ARRAY_LEN(items); (*out)++)
		if (str_case_eq(name, str_from(items[*out])))
			return true;
	return false;
}

bool status_parse(struct command *c, unsigned *wanted)
{
	struct str name;
	size_t i;

	*wanted = 0;
	if (!parser_char(&c->in, '(', "a list is missing"))
		return false;
	do {
		if (!parser_word(&c->in, &name))
			return false;
		if (!find(name, &i))
			return parser_fail(&c->in, "an unknown status item");
		*wanted |= 1u << i;
	} while (parser_skip(&c->in, ' '));
	return parser_char(&c->in, ')', "a list does not end");
}

bool status_has_modseq(unsigned wanted)
{
	return wanted >> HIGHESTMODSEQ & 1;
}

static uint64_t value(
    struct session *s, const struct mailbox_info *info, size_t item)
{
	switch ((enum item)item) {
	case MESSAGES:
		return info->messages;
	case RECENT:
		return 0;
	case UIDNEXT:
		return info->uidnext;
	case UIDVALIDITY:
		return info->uidvalidity;
	case UNSEEN:
		return info->unseen;
	case DELETED:
		return info->deleted;
	case SIZE:
		return info->octets;
	case HIGHESTMODSEQ:
		return info->highest_modseq;
	case APPENDLIMIT:
		return s->conf->imap_append_limit;
	}
	return 0;
}

void respond_status(
    struct session *s, const struct mailbox_info *info, unsigned wanted)
{
	bool space = false;

	out_text(s, "* STATUS ");
	out_mailbox(s, info->name);
	out_text(s, " (");
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		if (!(wanted >> i & 1))
			continue;
		if (space)
			out_char(s, ' ');
		space = true;
		out_text(s, items[i]);
		out_char(s, ' ');
		out_number(s, value(s, info, i));
	}
	out_char(s, ')');
	out_end(s);
}

void cmd_status(struct session *s, struct command *c)
{
	const struct mailbox_info *info;
	struct str name;
	unsigned wanted;

	if (!parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !parser_space(&c->in) || !status_parse(c, &wanted) ||
	    !parser_end(&c->in))
		return;
	enum store_result r = box_refresh(s->box);
	info = r == STORE_OK ? box_find(s->box, name) : NULL;
	if (r == STORE_OK && (info == NULL || !info->selectable))
		r = STORE_NO_MAILBOX;
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	if (status_has_modseq(wanted))
		session_enable_condstore(s);
	info = box_find(s->box, name);
	if (info != NULL)
		respond_status(s, info, wanted);
	reply_ok(s, c, NULL, "Done");
}
