/* SPDX-License-Identifier: ISC */
/* IDLE (RFC 9051 section 6.3.13). */
#include "core/clock.h"

#include "imapd/response.h"

/* Tells what is new, until the client says something. */
static enum wait_result idle(struct session *s)
{
	session_begin_silence(s);
	for (;;) {
		int64_t tell = deadline_in(s->conf->imap_idle_notify_interval);
		s->may_park = input_is_empty(&s->input);
		enum wait_result r = session_wait(
		    s, tell < s->silent_until ? tell : s->silent_until);
		s->may_park = false;

		if (r != WAIT_WAKE && r != WAIT_TIMEOUT)
			return r;
		if (r == WAIT_TIMEOUT && clock_ms() >= s->silent_until)
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

/* What the client said instead of waiting on. */
static void end(struct session *s, struct command *c)
{
	enum input_event event;

	if (session_read(s, &event) < 0)
		return;
	if (event == INPUT_LITERAL)
		input_refuse(&s->input);
	if (event == INPUT_COMMAND &&
	    str_case_eq(buf_str(&s->input.text), STR("DONE")))
		reply_ok(s, c, NULL, "Done");
	else
		reply_bad(s, c, "DONE was expected");
}

void session_idle(struct session *s)
{
	char tag[COMMAND_TAG_MAX + 1];
	struct command c = {.sync = SYNC_ALL};
	enum wait_result r = s->gone ? WAIT_WAKE : idle(s);

	if (r == WAIT_PARKED)
		return;
	str_copy(tag, sizeof(tag), str_from(s->idle));
	c.tag = str_from(tag);
	s->idle[0] = '\0';
	if (s->gone || r == WAIT_TIMEOUT)
		session_bye(s, NULL,
		    s->gone ? "The selected mailbox was deleted"
			    : "Silent for too long",
		    s->gone ? "mailbox deleted" : "timeout in IDLE");
	else
		end(s, &c);
}

void cmd_idle(struct session *s, struct command *c)
{
	if (!parser_end(&c->in))
		return;
	/* The command's text goes when the next line comes, or before. */
	str_copy(s->idle, sizeof(s->idle), c->tag);
	session_sync(s, true, NULL, NULL);
	out_text(s, "+ Idling\r\n");
	session_idle(s);
	c->replied = true;
}
