/* SPDX-License-Identifier: ISC */
#include "core/log.h"
#include "screen/client_parts.h"
#include "screen/line.h"

static void first_line(struct client *c, unsigned said, struct str input)
{
	const struct screen_conf *conf = clients_conf();

	if (c->trusted) {
		client_queue(c);
		return;
	}
	if (said & LINE_FOREIGN) {
		client_trace(
		    c, TRACE_SCREENED, "its first line is no SMTP command");
		log_info("NON-SMTP COMMAND from %s after CONNECT: %.*s",
		    client_peer(c).text, STR_FMT(str_sub(input, 0, 100)));
		if (client_fails(c, "postscreen_non_smtp_command_action",
			conf->postscreen_non_smtp_command_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (said & LINE_BEHIND) {
		client_trace(c, TRACE_SCREENED, "it sent commands unasked");
		log_info("COMMAND PIPELINING from %s after CONNECT: %.*s",
		    client_peer(c).text, STR_FMT(str_sub(input, 0, 100)));
		if (client_fails(c, "postscreen_pipelining_action",
			conf->postscreen_pipelining_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (said & LINE_BARE) {
		client_trace(c, TRACE_SCREENED, "a line ended without CR");
		log_info(
		    "BARE NEWLINE from %s after CONNECT", client_peer(c).text);
		if (client_fails(c, "postscreen_bare_newline_action",
			conf->postscreen_bare_newline_action,
			"5.5.1 Protocol error"))
			return;
	}
	if (c->failure != NULL)
		client_refuse(c);
	else
		client_queue(c);
}

void first_line_look(struct client *c, struct str input)
{
	unsigned said = line_judge(input);

	if (said & LINE_WHOLE) {
		first_line(c, said, input);
	} else if (input.len == FIRST_LINE_MAX) {
		log_info("COMMAND LENGTH LIMIT from %s after CONNECT",
		    client_peer(c).text);
		client_say(c, "521 5.5.2 Error: line too long\r\n");
		client_close(c);
	} else if (input.len == c->peeked) {
		/* Woken without more: it has stopped sending. */
		client_hung_up(c);
	} else {
		c->peeked = input.len;
		client_wake_at(c, input.len + 1);
	}
}
