/* SPDX-License-Identifier: ISC */
/*
 * IMAP before the login (RFC 9051 section 6.1 and 6.2). A command is put
 * together in c->command, literals and all, before it runs; everything in it
 * is bounded.
 */
#include "daemon/daemon.h"
#include "login/client.h"
#include "login/imap_words.h"

struct command {
	const char *verb;
	void (*run)(struct client *c, struct str args);
};

/* ---- answers ---- */

static void answer(struct client *c, const char *what)
{
	stream_printf(c->stream, "%s %s\r\n", c->tag, what);
}

static void bad(struct client *c, const char *why)
{
	stream_printf(
	    c->stream, "%s BAD %s\r\n", c->tag[0] != '\0' ? c->tag : "*", why);
	client_error(c);
}

static void put_capabilities(struct client *c)
{
	bool login = client_may_login(c);

	/* ENABLE and IDLE: some clients never ask again after the login. */
	stream_puts(c->stream,
	    "CAPABILITY IMAP4rev1 IMAP4rev2 SASL-IR "
	    "LITERAL+ ID ENABLE IDLE");
	if (client_has_tls() && !stream_is_tls(c->stream))
		stream_puts(c->stream, " STARTTLS");
	stream_puts(
	    c->stream, login ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED");
}

static void greet(struct client *c)
{
	stream_puts(c->stream, "* OK [");
	put_capabilities(c);
	stream_printf(c->stream, "] %s ready\r\n", daemon_house()->mail_name);
}

/* ---- commands ---- */

static void cmd_capability(struct client *c, struct str args)
{
	if (args.len > 0) {
		bad(c, "CAPABILITY takes no arguments");
		return;
	}
	stream_puts(c->stream, "* ");
	put_capabilities(c);
	stream_puts(c->stream, "\r\n");
	answer(c, "OK Capabilities listed");
}

static void cmd_noop(struct client *c, struct str args)
{
	(void)args;
	answer(c, "OK Nothing to tell");
}

/* RFC 2971; what the client says of itself is not used. */
static void cmd_id(struct client *c, struct str args)
{
	(void)args;
	stream_printf(
	    c->stream, "* ID (\"name\" \"%s\")\r\n", daemon_house()->mail_name);
	answer(c, "OK It is me");
}

static void cmd_logout(struct client *c, struct str args)
{
	(void)args;
	stream_puts(c->stream, "* BYE Logging out\r\n");
	answer(c, "OK Logged out");
	client_close_after(c);
}

static void cmd_starttls(struct client *c, struct str args)
{
	if (stream_is_tls(c->stream)) {
		bad(c, "TLS is active already");
	} else if (!client_has_tls() || args.len > 0) {
		bad(c,
		    args.len > 0 ? "STARTTLS takes no arguments"
				 : "TLS is not available");
	} else {
		answer(c, "OK Begin TLS negotiation now");
		client_starttls(c);
	}
}

static bool refuse_insecure(struct client *c)
{
	if (client_may_login(c))
		return false;
	answer(c, "NO [PRIVACYREQUIRED] Passwords are not taken without TLS");
	client_error(c);
	return true;
}

static void cmd_login(struct client *c, struct str args)
{
	struct buf user = buf_new(c->command.most);
	struct buf password = buf_new(c->command.most);

	if (!refuse_insecure(c)) {
		if (imap_cut_astring(&args, &user) < 0 ||
		    imap_cut_blank(&args) < 0 ||
		    imap_cut_astring(&args, &password) < 0 || args.len > 0)
			bad(c, "LOGIN takes a user name and a password");
		else
			client_login(c, buf_str(&user), buf_str(&password));
	}
	imap_wipe(&user);
	imap_wipe(&password);
}

static void cmd_authenticate(struct client *c, struct str args)
{
	struct str mechanism = str_cut(&args, ' ');
	bool has_initial = args.len > 0;

	if (refuse_insecure(c))
		return;
	if (mechanism.len == 0 || str_find(args, ' ') < args.len)
		bad(c, "AUTHENTICATE takes a mechanism");
	else if (!str_case_eq(mechanism, STR("PLAIN")) &&
	    !str_case_eq(mechanism, STR("LOGIN"))) {
		answer(c, "NO [CANNOT] Mechanism not known");
		client_error(c);
	} else
		client_sasl(c, mechanism, has_initial, args);
}

/* clang-format off */
static const struct command commands[] = {
	{"CAPABILITY",   cmd_capability},
	{"NOOP",         cmd_noop},
	{"ID",           cmd_id},
	{"LOGOUT",       cmd_logout},
	{"STARTTLS",     cmd_starttls},
	{"LOGIN",        cmd_login},
	{"AUTHENTICATE", cmd_authenticate},
};
/* clang-format on */

/* ---- input ---- */

static void run_command(struct client *c)
{
	struct str args = buf_str(&c->command);
	struct str tag = str_cut(&args, ' '), verb;

	if (!imap_is_tag(tag) || str_copy(c->tag, sizeof(c->tag), tag) < 0) {
		c->tag[0] = '\0';
		bad(c, "A command starts with a tag");
		return;
	}
	verb = str_cut(&args, ' ');
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_case_eq(verb, str_from(commands[i].verb))) {
			commands[i].run(c, args);
			return;
		}
	bad(c, "Command not known, or not before the login");
}

static void forget(struct client *c)
{
	imap_wipe(&c->command);
	c->literal_left = 0;
}

/* The tag of what has come of a command, for an error about it. */
static void find_tag(struct client *c)
{
	struct str rest = buf_str(&c->command), tag = str_cut(&rest, ' ');

	if (!imap_is_tag(tag) || str_copy(c->tag, sizeof(c->tag), tag) < 0)
		c->tag[0] = '\0';
}

/* RFC 7888 section 4: octets that the client sends without waiting cannot be
 * stopped but by closing. */
static void too_big(struct client *c, bool waits)
{
	find_tag(c);
	if (waits) {
		stream_printf(c->stream, "%s NO [TOOBIG] Literal too long\r\n",
		    c->tag[0] != '\0' ? c->tag : "*");
		client_error(c);
	} else {
		stream_puts(c->stream, "* BYE [TOOBIG] Literal too long\r\n");
		client_close_after(c);
	}
	forget(c);
}

static void take_line(struct client *c, struct str line)
{
	bool waits;
	uint64_t len = 0;
	bool literal = imap_literal(line, &len, &waits);

	if (buf_add(&c->command, line) < 0 ||
	    len > (uint64_t)c->conf->login_literal_length_limit ||
	    len > c->command.most - c->command.len) {
		too_big(c, literal && waits);
		return;
	}
	if (literal) {
		/* so that the words can be told apart again */
		buf_add(&c->command, STR("\r\n"));
		c->literal_left = (size_t)len;
		if (waits)
			stream_puts(c->stream, "+ OK\r\n");
		return;
	}
	run_command(c);
	if (c->state != CLIENT_AUTH && c->state != CLIENT_RESPONSE)
		forget(c);
	else
		imap_wipe(&c->command);
}

static bool input(struct client *c)
{
	struct str line;

	if (c->literal_left > 0) {
		struct str in = stream_peek(c->stream);
		size_t n = in.len < c->literal_left ? in.len : c->literal_left;

		buf_add(&c->command, str_sub(in, 0, n));
		stream_consume(c->stream, n);
		c->literal_left -= n;
		return n > 0;
	}
	switch (stream_get_line(
	    c->stream, (size_t)c->conf->login_line_length_limit, &line, NULL)) {
	case STREAM_OK:
		take_line(c, line);
		return true;
	case STREAM_TOO_LONG:
		find_tag(c);
		bad(c, "Line too long");
		forget(c);
		return true;
	default:
		return false;
	}
}

static void refuse(struct client *c, enum refusal why, struct str text)
{
	/* RFC 5530 */
	static const char *const codes[] = {
	    [REFUSE_AUTH] = "NO [AUTHENTICATIONFAILED] ",
	    [REFUSE_UNAVAILABLE] = "NO [UNAVAILABLE] ",
	    [REFUSE_CANCELLED] = "BAD ",
	    [REFUSE_MALFORMED] = "BAD ",
	};
	bool coded = text.len > 0 && text.p[0] == '[';

	stream_printf(c->stream, "%s %s%.*s\r\n", c->tag,
	    coded ? "NO " : codes[why], STR_FMT(text));
	if (why == REFUSE_MALFORMED)
		client_error(c);
}

static void bye(struct client *c, const char *text)
{
	stream_printf(c->stream, "* BYE %s\r\n", text);
}

const struct protocol protocol_imap = {
    .name = "imap",
    .daemon = "imapd",
    .greet = greet,
    .input = input,
    .refuse = refuse,
    .bye = bye,
};
