/* SPDX-License-Identifier: ISC */
/* IDLE (RFC 9051 section 6.3.13). */
#include "core/clock.h"

#include "imapd/response.h"

/* Tells what is new, until the client says something. */
static enum wait_result idle(struct session *s)
{
	int64_t end = deadline_in(s->conf->imap_timeout);

	for (;;) {
		int64_t tell = deadline_in(s->conf->imap_idle_notify_interval);
		enum wait_result r = session_wait(s, tell < end ? tell : end);

		if (r != WAIT_WAKE && r != WAIT_TIMEOUT)
			return r;
		if (r == WAIT_TIMEOUT && clock_ms() >= end)
			return r;
		uint64_t before = s->octets_out + s->out.len;
		session_sync(s, true, NULL, NULL);
		arena_clear(&s->arena);
		if (s->gone)
			return r;
		if (r == WAIT_TIMEOUT && s->octets_out + s->out.len == before)
			out_text(s, "* OK Still here\r\n");
	}
}

void cmd_idle(struct session *s, struct command *c)
{
	enum input_event event;
	char tag[COMMAND_TAG_MAX + 1];

	if (!parser_end(&c->in))
		return;
	/* The command's text goes when the next line comes, or before. */
	str_copy(tag, sizeof(tag), c->tag);
	c->tag = str_from(tag);
	session_sync(s, true, NULL, NULL);
	out_text(s, "+ Idling\r\n");
	enum wait_result r = idle(s);
	if (s->gone || r == WAIT_TIMEOUT) {
		c->replied = true;
		session_bye(s, NULL,
		    s->gone ? "The selected mailbox was deleted"
			    : "Silent for too long",
		    s->gone ? "mailbox deleted" : "timeout in IDLE");
		return;
	}
	if (session_read(s, &event) < 0) {
		c->replied = true;
		return;
	}
	if (event == INPUT_LITERAL)
		input_refuse(&s->input);
	if (event == INPUT_COMMAND &&
	    str_case_eq(buf_str(&s->input.text), STR("DONE")))
		reply_ok(s, c, NULL, "Done");
	else
		reply_bad(s, c, "DONE was expected");
}
