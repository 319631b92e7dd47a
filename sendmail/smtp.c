/* SPDX-License-Identifier: ISC */
/*
 * sendmail -bs: SMTP on standard input and output, for programs that know no
 * other way (RFC 5321 section 4.5.1, the least that a server has, and SIZE,
 * 8BITMIME, SMTPUTF8, PIPELINING, ENHANCEDSTATUSCODES). What it takes goes the
 * way of every local submission; nothing is asked of the network.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "ipc/limits.h"
#include "mail/address.h"
#include "queue/queue_file.h"
#include "sendmail/draft.h"

#define LINE_MOST 2048 /* octets of a command */
#define PIECE     65536

enum state { CONNECTED, GREETED, HAS_SENDER, HAS_RECIPIENT, ENDED };

struct session {
	const struct sendmail *s;
	enum state state;
	struct draft d;
	size_t start, end; /* unread input is in[start..end) */
	bool eof;
	char in[PIECE];
};

static void reply(unsigned code, const char *text)
{
	printf("%u %s\r\n", code, text);
}

static void reset(struct session *t)
{
	if (draft_clear(&t->d, t->s) < 0) {
		reply(421, "4.3.0 Out of memory");
		t->state = ENDED;
	} else if (t->state > GREETED) {
		t->state = GREETED;
	}
}

/* More input; replies go out first, in case they are waited for. */
static void read_more(struct session *t)
{
	ssize_t n;

	fflush(stdout);
	if (t->start == t->end)
		t->start = t->end = 0;
	if (t->end == sizeof(t->in)) {
		memmove(t->in, t->in + t->start, t->end - t->start);
		t->end -= t->start;
		t->start = 0;
	}
	do {
		n = read(STDIN_FILENO, t->in + t->end, sizeof(t->in) - t->end);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		t->eof = true;
	else
		t->end += (size_t)n;
}

/* A command without its line end. 1, 0 at the end, -1 when it is too long;
 * that one is swallowed. */
static int next_line(struct session *t, struct str *line)
{
	bool too_long = false;

	for (;;) {
		struct str have = str_of(t->in + t->start, t->end - t->start);
		size_t lf = str_find(have, '\n');

		if (lf < have.len) {
			t->start += lf + 1;
			*line = str_trim(str_sub(have, 0, lf));
			return too_long || lf > LINE_MOST ? -1 : 1;
		}
		if (have.len > LINE_MOST) {
			too_long = true;
			t->start = t->end;
		}
		if (t->eof)
			return 0;
		read_more(t);
	}
}

/* ---- commands ---- */

static void cmd_helo(struct session *t, struct str args)
{
	(void)args;
	reset(t);
	t->state = GREETED;
	reply(250, t->s->house.myhostname);
}

static void cmd_ehlo(struct session *t, struct str args)
{
	(void)args;
	reset(t);
	t->state = GREETED;
	printf("250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n"
	       "250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n",
	    t->s->house.myhostname,
	    (unsigned long long)t->s->house.message_size_limit);
}

/* The path behind "FROM:" or "TO:", as a mailbox; replies when there is
 * none. */
static bool take_path(struct str *args, struct str word, struct str *mailbox)
{
	const char *why;

	if (!str_case_starts(*args, word)) {
		reply(501, "5.5.4 Syntax error in parameters");
		return false;
	}
	*args = str_skip(*args, word.len);
	if (address_cut_path(args, true, mailbox, &why) < 0) {
		printf("501 5.1.7 Bad address: %s\r\n", why);
		return false;
	}
	return true;
}

/* SIZE, BODY and SMTPUTF8; the content itself says what counts of them. */
static bool take_parameters(struct session *t, struct str args)
{
	struct str word;
	uint64_t size;

	while ((word = str_word(&args, " ")).len > 0) {
		if (str_case_starts(word, STR("SIZE="))) {
			if (str_to_u64(str_skip(word, 5), INT64_MAX, &size) <
				0 ||
			    size > t->s->house.message_size_limit) {
				reply(552, "5.3.4 Message too large");
				return false;
			}
		} else if (!str_case_starts(word, STR("BODY=")) &&
		    !str_case_eq(word, STR("SMTPUTF8"))) {
			reply(555, "5.5.4 Unsupported option");
			return false;
		}
	}
	return true;
}

static void cmd_mail(struct session *t, struct str args)
{
	struct str mailbox;
	char text[IPC_ADDRESS_MAX + 1];

	if (!take_path(&args, STR("FROM:"), &mailbox) ||
	    !take_parameters(t, args))
		return;
	if (str_copy(text, sizeof(text), mailbox) < 0 ||
	    draft_sender(&t->d, t->s, text) < 0) {
		reply(501, "5.1.7 Bad sender address");
		return;
	}
	t->state = HAS_SENDER;
	reply(250, "2.1.0 Ok");
}

static void cmd_rcpt(struct session *t, struct str args)
{
	struct addresses *to = &t->d.recipients;
	size_t before = to->count;
	struct str mailbox;

	if (!take_path(&args, STR("TO:"), &mailbox))
		return;
	if (str_trim(args).len > 0) {
		reply(555, "5.5.4 Unsupported option");
		return;
	}
	if (before >= QUEUE_RECIPIENTS_MAX) {
		reply(452, "4.5.3 Too many recipients");
		return;
	}
	header_addresses(mailbox, t->s->house.myorigin, &t->d.arena, to);
	if (to->count != before + 1 || to->wrong.len > 0) {
		to->count = before;
		to->wrong = STR_EMPTY;
		reply(501, "5.1.3 Bad recipient address");
		return;
	}
	t->state = HAS_RECIPIENT;
	reply(250, "2.1.5 Ok");
}

static void take_content(struct session *t)
{
	struct content *c = &t->d.content;

	while (!c->ended && !t->eof) {
		if (t->start == t->end) {
			read_more(t);
			continue;
		}
		t->start += content_feed(
		    c, str_of(t->in + t->start, t->end - t->start));
	}
}

static void cmd_data(struct session *t, struct str args)
{
	struct verdict v;

	(void)args;
	reply(354, "End data with <CR><LF>.<CR><LF>");
	t->d.content.dots.unstuff = true;
	t->d.content.ignore_dots = false;
	take_content(t);
	if (!t->d.content.ended)
		return; /* the client is gone, and its message with it */
	content_end(&t->d.content);
	draft_send(&t->d, t->s, &v);
	if (v.code == 250 && v.id[0] != '\0')
		printf("250 2.0.0 Ok: queued as %s\r\n", v.id);
	else
		printf("%u %s %s\r\n", v.code, v.dsn, v.text);
	reset(t);
}

static void cmd_rset(struct session *t, struct str args)
{
	(void)args;
	reset(t);
	if (t->state != ENDED)
		reply(250, "2.0.0 Ok");
}

static void cmd_noop(struct session *t, struct str args)
{
	(void)t;
	(void)args;
	reply(250, "2.0.0 Ok");
}

static void cmd_vrfy(struct session *t, struct str args)
{
	(void)t;
	(void)args;
	reply(252, "2.5.0 Send some mail, and see");
}

static void cmd_quit(struct session *t, struct str args)
{
	(void)args;
	t->state = ENDED;
	reply(221, "2.0.0 Bye");
}

#define IN(state) (1u << (state))
#define ANY       ~0u

static const struct command {
	const char *verb;
	unsigned states; /* where it is allowed; elsewhere it is 503 */
	void (*run)(struct session *t, struct str args);
} commands[] = {
    {"HELO", ANY, cmd_helo},
    {"EHLO", ANY, cmd_ehlo},
    {"MAIL", IN(GREETED), cmd_mail},
    {"RCPT", IN(HAS_SENDER) | IN(HAS_RECIPIENT), cmd_rcpt},
    {"DATA", IN(HAS_RECIPIENT), cmd_data},
    {"RSET", ANY, cmd_rset},
    {"NOOP", ANY, cmd_noop},
    {"VRFY", ANY, cmd_vrfy},
    {"QUIT", ANY, cmd_quit},
};

static void run(struct session *t, struct str line)
{
	struct str args = line, verb = str_cut(&args, ' ');

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!str_case_eq(verb, str_from(commands[i].verb)))
			continue;
		if (commands[i].states & IN(t->state))
			commands[i].run(t, str_trim(args));
		else
			reply(503, "5.5.1 Command out of order");
		return;
	}
	reply(500, "5.5.2 Command not known");
}

int smtp_mode(struct sendmail *s)
{
	static struct session t;
	struct str line;
	int got;

	t.s = s;
	if (draft_open(&t.d, s) < 0)
		return complain(s, EX_OSERR, "memfd: %s", strerror(errno));
	printf("220 %s ESMTP %s\r\n", s->house.myhostname, s->house.mail_name);
	while (t.state != ENDED && (got = next_line(&t, &line)) != 0) {
		if (got < 0)
			reply(500, "5.5.2 Line too long");
		else
			run(&t, line);
	}
	fflush(stdout);
	draft_close(&t.d);
	return EX_OK;
}
