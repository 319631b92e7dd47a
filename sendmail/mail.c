/* SPDX-License-Identifier: ISC */
/* One message on standard input: sendmail -bm, which is the default. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "sendmail/draft.h"

#define PIECE 65536

/* To the end of the input, or to the dot. -1 with errno. */
static int read_content(struct content *c)
{
	static char piece[PIECE];

	while (!c->ended) {
		ssize_t n = read(STDIN_FILENO, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		content_feed(c, str_of(piece, (size_t)n));
	}
	content_end(c);
	return 0;
}

static int set_sender(struct draft *d, const struct sendmail *s)
{
	const char *sender = s->options.sender;

	if (sender == NULL && s->user[0] == '\0')
		return complain(s, EX_OSERR,
		    "uid %u has no login name; say who sends with -f",
		    (unsigned)getuid());
	if (draft_sender(d, s, sender != NULL ? sender : s->user) < 0)
		return complain(s, EX_USAGE,
		    "\"%s\" is not the address of a sender",
		    sender != NULL ? sender : s->user);
	return EX_OK;
}

static int set_recipients(struct draft *d, const struct sendmail *s)
{
	char **to = s->options.recipients;

	for (; *to != NULL; to++)
		header_addresses(str_from(*to), s->house.myorigin, &d->arena,
		    &d->recipients);
	if (d->recipients.wrong.len > 0)
		return complain(s, EX_NOUSER, "\"%.*s\" is not an address",
		    STR_FMT(d->recipients.wrong));
	if (d->recipients.count == 0 && !s->options.extract)
		return complain(s, EX_USAGE,
		    "recipients must be named on the command line, or with -t "
		    "in the header");
	return EX_OK;
}

/* What a reply means to the program that called. */
static int status_of(const struct verdict *v)
{
	if (v->code == 250)
		return EX_OK;
	if (v->code < 500)
		return strcmp(v->dsn, "4.3.5") == 0 ? EX_CANTCREAT
						    : EX_TEMPFAIL;
	if (strncmp(v->dsn, "5.1.", 4) == 0)
		return EX_NOUSER;
	if (strcmp(v->dsn, "5.7.1") == 0)
		return EX_NOPERM;
	if (strcmp(v->dsn, "5.6.0") == 0)
		return EX_DATAERR;
	return strcmp(v->dsn, "5.5.1") == 0 ? EX_USAGE : EX_UNAVAILABLE;
}

static int send_it(struct draft *d, const struct sendmail *s)
{
	struct verdict v;
	int status;

	if (s->options.extract)
		header_recipients(content_header(&d->content),
		    s->house.myorigin, &d->arena, &d->recipients);
	draft_send(d, s, &v);
	status = status_of(&v);
	if (status != EX_OK)
		return complain(s, status, "%u %s %s", v.code, v.dsn, v.text);
	if (s->options.verbose)
		printf("%u %s %s\n", v.code, v.dsn, v.text);
	return EX_OK;
}

int mail_mode(struct sendmail *s)
{
	struct draft d;
	int status = EX_OK;

	if (draft_open(&d, s) < 0)
		status = complain(s, EX_OSERR, "memfd: %s", strerror(errno));
	d.content.ignore_dots = s->options.ignore_dots;
	if (status == EX_OK)
		status = set_sender(&d, s);
	if (status == EX_OK)
		status = set_recipients(&d, s);
	if (status == EX_OK && read_content(&d.content) < 0)
		status = complain(
		    s, EX_IOERR, "standard input: %s", strerror(errno));
	if (status == EX_OK)
		status = send_it(&d, s);
	draft_close(&d);
	return status;
}
