/* SPDX-License-Identifier: ISC */
/*
 * The command line of sendmail(1), as programs have used it for decades. What
 * means nothing here is taken and ignored where that does no harm; what would
 * be a promise is refused with words.
 */
#include <getopt.h>
#include <stdio.h>

#include "core/str.h"
#include "sendmail/sendmail.h"

/* For each letter of -b. A refusal says what to do instead. */
static const struct {
	char letter;
	int mode; /* -1: refused */
	const char *instead;
} modes[] = {
    {'m', MODE_MAIL, NULL},
    {'s', MODE_SMTP, NULL},
    {'p', MODE_QUEUE, NULL},
    {'i', MODE_ALIASES, NULL},
    {'v', MODE_VERIFY, NULL},
    {'d', -1, "\"posthouse start\" starts the suite"},
    {'D', -1, "\"posthouse start --foreground\" starts the suite"},
    {'l', -1, "\"posthouse start\" starts the suite"},
    {'t', -1, "there are no rewriting rules to test"},
    {'h', -1, "there is no host status; see \"posthouse status\""},
    {'H', -1, "there is no host status; see \"posthouse status\""},
};

static int take_mode(struct sendmail *s, const char *letter)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (letter[0] != modes[i].letter || letter[1] != '\0')
			continue;
		if (modes[i].mode < 0)
			return complain(s, EX_UNAVAILABLE,
			    "-b%s is not offered: %s", letter,
			    modes[i].instead);
		s->options.mode = (enum mode)modes[i].mode;
		return EX_OK;
	}
	return complain(s, EX_USAGE, "there is no mode -b%s", letter);
}

/* -q, -qI<id>, -qR<site>; an interval was for daemons and is ignored. */
static void take_flush(struct options *o, const char *what)
{
	if (what != NULL && ascii_digit(what[0]))
		return;
	o->mode = MODE_FLUSH;
	if (what == NULL)
		return;
	if (what[0] == 'I')
		o->flush_id = what + 1;
	else if (what[0] == 'R')
		o->flush_site = what + 1;
}

static int take_body(struct sendmail *s, const char *type)
{
	struct str t = str_from(type);

	if (str_case_eq(t, STR("8BITMIME")))
		s->options.body = "8BITMIME";
	else if (str_case_eq(t, STR("7BIT")))
		s->options.body = "7BIT";
	else
		return complain(
		    s, EX_USAGE, "-B takes 7BIT or 8BITMIME, not %s", type);
	return EX_OK;
}

static int take_ret(struct sendmail *s, const char *what)
{
	struct str t = str_from(what);

	if (str_case_eq(t, STR("full")))
		s->options.ret = "FULL";
	else if (str_case_eq(t, STR("hdrs")))
		s->options.ret = "HDRS";
	else
		return complain(
		    s, EX_USAGE, "-R takes full or hdrs, not %s", what);
	return EX_OK;
}

/* RFC 3461 section 4.1, in any case. */
static int take_notify(struct sendmail *s, const char *list)
{
	static const char *const words[] = {
	    "SUCCESS", "FAILURE", "DELAY", "NEVER"};
	static char out[32];
	struct str rest = str_from(list), word;
	unsigned seen = 0, count = 0;

	out[0] = '\0';
	while ((word = str_word(&rest, ", \t")).len > 0) {
		size_t i = 0;

		while (i < ARRAY_LEN(words) &&
		    !str_case_eq(word, str_from(words[i])))
			i++;
		if (i == ARRAY_LEN(words) || (seen & 1u << i))
			break;
		seen |= 1u << i;
		if (count++ > 0)
			strcat(out, ",");
		strcat(out, words[i]);
	}
	if (word.len > 0 || count == 0 || (count > 1 && (seen & 1u << 3)))
		return complain(s, EX_USAGE,
		    "-N takes never, or of success, failure, delay; not %s",
		    list);
	s->options.notify = out;
	return EX_OK;
}

static int take_envid(struct sendmail *s, const char *envid)
{
	for (const char *p = envid; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return complain(
			    s, EX_USAGE, "-V takes printable characters");
	if (strlen(envid) > 100)
		return complain(s, EX_USAGE, "-V takes at most 100 characters");
	s->options.envid = envid;
	return EX_OK;
}

/* The directory, or main.cf in it, as Postfix takes it. */
static void take_config(struct options *o, char *where)
{
	struct str path = str_from(where);

	if (str_ends(path, STR("/main.cf")))
		where[path.len - 8] = '\0';
	o->config_directory = where;
}

static int take(struct sendmail *s, int option, char *value)
{
	struct options *o = &s->options;

	switch (option) {
	case 't':
		o->extract = true;
		return EX_OK;
	case 'i':
		o->ignore_dots = true;
		return EX_OK;
	case 'o':
		if (value[0] == 'i')
			o->ignore_dots = true;
		return EX_OK;
	case 'v':
		o->verbose = true;
		return EX_OK;
	case 'f':
	case 'r':
		o->sender = value;
		return EX_OK;
	case 'F':
		o->full_name = value;
		return EX_OK;
	case 'C':
		take_config(o, value);
		return EX_OK;
	case 'I':
		o->mode = MODE_ALIASES;
		return EX_OK;
	case 'q':
		take_flush(o, value);
		return EX_OK;
	case 'b':
		return take_mode(s, value);
	case 'B':
		return take_body(s, value);
	case 'R':
		return take_ret(s, value);
	case 'N':
		return take_notify(s, value);
	case 'V':
		return take_envid(s, value);
	case '?':
		return complain(s, EX_USAGE,
		    "usage: %s [-t] [-i] [-f sender] [-F name] [option ...] "
		    "[recipient ...]; see sendmail(1)",
		    s->name);
	default: /* known, and without a meaning here */
		return EX_OK;
	}
}

static const char *program(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : path;
}

int options_read(struct sendmail *s, int argc, char **argv)
{
	const char *name = program(argc > 0 ? argv[0] : NULL);
	int option, status = EX_OK;

	s->options = (struct options){.config_directory = POSTHOUSE_SYSCONFDIR,
	    .envid = "",
	    .ret = "",
	    .notify = "",
	    .flush_id = "",
	    .flush_site = ""};
	if (name != NULL && strcmp(name, "mailq") == 0) {
		s->name = "mailq";
		s->options.mode = MODE_QUEUE;
	} else if (name != NULL && strcmp(name, "newaliases") == 0) {
		s->name = "newaliases";
		s->options.mode = MODE_ALIASES;
	}
	opterr = 0;
	while (status == EX_OK &&
	    (option = getopt(argc, argv,
		 "+A:B:C:F:GIL:N:O:R:UV:X:ab:ce:f:h:imno:p:q::r:tvx")) != -1)
		status = take(s, option, optarg);
	s->options.recipients = argv + (optind < argc ? optind : argc);
	return status;
}
