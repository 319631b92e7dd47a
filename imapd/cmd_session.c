/* SPDX-License-Identifier: ISC */
/* Commands about the session itself (RFC 9051 section 6.1; RFC 2971, 5161,
 * 2342). */
#include "imapd/response.h"

static const struct {
	const char *name;
	unsigned flags; /* what else it switches on */
} can_enable[] = {
    {"IMAP4rev2", ENABLED_REV2},
    {"CONDSTORE", ENABLED_CONDSTORE},
    {"QRESYNC", ENABLED_QRESYNC | ENABLED_CONDSTORE},
};

void out_capabilities(struct session *s)
{
	out_printf(s,
	    "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE "
	    "UIDPLUS UNSELECT MOVE MULTIAPPEND CHILDREN LIST-EXTENDED "
	    "LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE ESEARCH "
	    "SEARCHRES CONDSTORE QRESYNC APPENDLIMIT=%llu",
	    (unsigned long long)s->conf->imap_append_limit);
}

void cmd_capability(struct session *s, struct command *c)
{
	if (!parser_end(&c->in))
		return;
	out_text(s, "* CAPABILITY ");
	out_capabilities(s);
	out_end(s);
	reply_ok(s, c, NULL, "Done");
}

void cmd_noop(struct session *s, struct command *c)
{
	if (parser_end(&c->in))
		reply_ok(s, c, NULL, "Done");
}

void cmd_logout(struct session *s, struct command *c)
{
	if (!parser_end(&c->in))
		return;
	session_bye(s, NULL, "Goodbye", "logout");
	reply_ok(s, c, NULL, "Logged out");
}

void cmd_logged_in(struct session *s, struct command *c)
{
	reply_bad(s, c, "you are logged in");
}

void cmd_enable(struct session *s, struct command *c)
{
	unsigned now = 0;
	struct str name;

	if (c->in.p == c->in.end) {
		parser_fail(&c->in, "the capabilities are missing");
		return;
	}
	while (parser_skip(&c->in, ' ')) {
		if (!parser_atom(&c->in, &name))
			return;
		for (size_t i = 0; i < ARRAY_LEN(can_enable); i++)
			if (str_case_eq(name, str_from(can_enable[i].name)))
				now |= 1u << i;
	}
	if (!parser_end(&c->in))
		return;
	out_text(s, "* ENABLED");
	unsigned flags = 0;
	for (size_t i = 0; i < ARRAY_LEN(can_enable); i++) {
		if (!(now >> i & 1) || !(can_enable[i].flags & ~s->enabled))
			continue;
		out_char(s, ' ');
		out_text(s, can_enable[i].name);
		flags |= can_enable[i].flags;
	}
	out_end(s);
	if (flags & ENABLED_CONDSTORE)
		session_enable_condstore(s);
	s->enabled |= flags;
	reply_ok(s, c, NULL, "Enabled");
}

/* RFC 2971 section 3.3: at most 30 pairs, names of 30 octets. */
static bool skip_id(struct command *c)
{
	struct str name, value;

	if (parser_skip_word(&c->in, "NIL"))
		return true;
	if (!parser_char(&c->in, '(', "a list is missing"))
		return false;
	if (parser_skip(&c->in, ')'))
		return true;
	for (int pairs = 0; pairs < 30; pairs++) {
		if (!parser_string(&c->in, &name) || !parser_space(&c->in) ||
		    !parser_nstring(&c->in, &value))
			return false;
		if (parser_skip(&c->in, ')'))
			return true;
		if (!parser_space(&c->in))
			return false;
	}
	return parser_fail(&c->in, "too many pairs");
}

void cmd_id(struct session *s, struct command *c)
{
	const char *send = s->conf->imap_id_send;

	if (!parser_space(&c->in) || !skip_id(c) || !parser_end(&c->in))
		return;
	if (send[0] == '\0')
		out_text(s, "* ID NIL");
	else
		out_printf(s, "* ID (%s)", send);
	out_end(s);
	reply_ok(s, c, NULL, "Done");
}

void cmd_namespace(struct session *s, struct command *c)
{
	if (!parser_end(&c->in))
		return;
	out_text(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL");
	out_end(s);
	reply_ok(s, c, NULL, "Done");
}
