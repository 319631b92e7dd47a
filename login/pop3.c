/* SPDX-License-Identifier: ISC */
/* POP3's AUTHORIZATION state (RFC 1939 section 4, 2449, 2595, 5034). */
#include "core/memory.h"
#include "daemon/daemon.h"
#include "login/client.h"

struct command {
	const char *verb;
	void (*run)(struct client *c, struct str args);
};

static void error(struct client *c, const char *text)
{
	stream_printf(c->stream, "-ERR %s\r\n", text);
	client_error(c);
}

static void greet(struct client *c)
{
	stream_printf(c->stream, "+OK %s ready\r\n", daemon_house()->mail_name);
}

static void cmd_capa(struct client *c, struct str args)
{
	(void)args;
	stream_puts(c->stream,
	    "+OK Capability list follows\r\n"
	    "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
	    "EXPIRE NEVER\r\n");
	if (client_has_tls() && !stream_is_tls(c->stream))
		stream_puts(c->stream, "STLS\r\n");
	if (client_may_login(c))
		stream_puts(c->stream, "USER\r\nSASL PLAIN LOGIN\r\n");
	stream_printf(
	    c->stream, "IMPLEMENTATION %s\r\n.\r\n", daemon_house()->mail_name);
}

static void cmd_noop(struct client *c, struct str args)
{
	(void)args;
	stream_puts(c->stream, "+OK\r\n");
}

static void cmd_quit(struct client *c, struct str args)
{
	(void)args;
	stream_puts(c->stream, "+OK Logging out\r\n");
	client_close_after(c);
}

static void cmd_stls(struct client *c, struct str args)
{
	if (stream_is_tls(c->stream)) {
		error(c, "TLS is active already");
	} else if (!client_has_tls() || args.len > 0) {
		error(c,
		    args.len > 0 ? "STLS takes no arguments"
				 : "TLS is not available");
	} else {
		stream_puts(c->stream, "+OK Begin TLS negotiation now\r\n");
		client_starttls(c);
	}
}

static bool refuse_insecure(struct client *c)
{
	if (client_may_login(c))
		return false;
	error(c, "[AUTH] Passwords are not taken without TLS");
	return true;
}

static void cmd_user(struct client *c, struct str args)
{
	if (refuse_insecure(c))
		return;
	buf_clear(&c->command);
	if (args.len == 0 || str_find(args, '\0') < args.len) {
		error(c, "USER takes a name");
		return;
	}
	buf_add(&c->command, args);
	stream_puts(c->stream, "+OK\r\n");
}

/* The password is all that follows the blank, blanks included. */
static void cmd_pass(struct client *c, struct str args)
{
	struct buf user = c->command;

	if (refuse_insecure(c))
		return;
	if (user.len == 0) {
		error(c, "USER comes first");
		return;
	}
	if (str_find(args, '\0') < args.len) {
		error(c, "PASS takes a password");
		return;
	}
	c->command = buf_new(user.most);
	client_login(c, buf_str(&user), args);
	buf_free(&user);
}

static void cmd_auth(struct client *c, struct str args)
{
	struct str mechanism = str_cut(&args, ' ');
	bool has_initial = args.len > 0;

	if (mechanism.len == 0) { /* what clients did before CAPA */
		stream_puts(c->stream,
		    client_may_login(c) ? "+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"
					: "+OK\r\n.\r\n");
		return;
	}
	if (refuse_insecure(c))
		return;
	if (!str_case_eq(mechanism, STR("PLAIN")) &&
	    !str_case_eq(mechanism, STR("LOGIN")))
		error(c, "Mechanism not known");
	else
		client_sasl(c, mechanism, has_initial, args);
}

/* clang-format off */
static const struct command commands[] = {
	{"CAPA", cmd_capa},
	{"NOOP", cmd_noop},
	{"STLS", cmd_stls},
	{"USER", cmd_user},
	{"PASS", cmd_pass},
	{"AUTH", cmd_auth},
	{"QUIT", cmd_quit},
};
/* clang-format on */

static void run_command(struct client *c, struct str line)
{
	struct str verb = str_cut(&line, ' ');

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_case_eq(verb, str_from(commands[i].verb))) {
			commands[i].run(c, line);
			return;
		}
	error(c, "Command not known, or not before the login");
}

static bool input(struct client *c)
{
	struct str line;

	switch (stream_get_line(
	    c->stream, (size_t)c->conf->login_line_length_limit, &line, NULL)) {
	case STREAM_OK:
		run_command(c, line);
		return true;
	case STREAM_TOO_LONG:
		error(c, "Line too long");
		return true;
	default:
		return false;
	}
}

static void refuse(struct client *c, enum refusal why, struct str text)
{
	/* RFC 3206 */
	static const char *const codes[] = {
	    [REFUSE_AUTH] = "[AUTH] ",
	    [REFUSE_UNAVAILABLE] = "[SYS/TEMP] ",
	    [REFUSE_CANCELLED] = "",
	    [REFUSE_MALFORMED] = "",
	};
	bool coded = text.len > 0 && text.p[0] == '[';

	stream_printf(c->stream, "-ERR %s%.*s\r\n", coded ? "" : codes[why],
	    STR_FMT(text));
	if (why == REFUSE_MALFORMED)
		client_error(c);
}

static void bye(struct client *c, const char *text)
{
	stream_printf(c->stream, "-ERR %s\r\n", text);
}

const struct protocol protocol_pop3 = {
    .name = "pop3",
    .daemon = "pop3d",
    .greet = greet,
    .input = input,
    .refuse = refuse,
    .bye = bye,
};
