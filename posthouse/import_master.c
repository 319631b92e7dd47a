/* SPDX-License-Identifier: ISC */
/* master.cf: which of Postfix's services are ours, and what their options
 * become. */
#include <stdlib.h>

#include "daemon/config.h"
#include "posthouse/import.h"

enum { NAME, TYPE, PRIVATE, UNPRIV, CHROOT, WAKEUP, MAXPROC, COMMAND, COLUMNS };

/* Programs of Postfix and what does their work here; "": nothing needs to. */
static const struct {
	const char *program;
	enum import_verdict verdict;
	const char *note;
} programs[] = {
    {"pickup", IMPORT_BUILT_IN, "pickup"},
    {"cleanup", IMPORT_BUILT_IN, "cleanup"},
    {"qmgr", IMPORT_BUILT_IN, "qmgr"},
    {"nqmgr", IMPORT_BUILT_IN, "qmgr"},
    {"oqmgr", IMPORT_BUILT_IN, "qmgr"},
    {"trivial-rewrite", IMPORT_BUILT_IN, "lookup does its work"},
    {"proxymap", IMPORT_BUILT_IN, "lookup does its work"},
    {"bounce", IMPORT_BUILT_IN, "bounce"},
    {"smtp", IMPORT_BUILT_IN, "smtp"},
    {"lmtp", IMPORT_BUILT_IN, "smtp speaks LMTP too"},
    {"local", IMPORT_BUILT_IN, "local"},
    {"virtual", IMPORT_BUILT_IN, "local does its work"},
    {"error", IMPORT_BUILT_IN, "lookup answers for it"},
    {"anvil", IMPORT_BUILT_IN, "policyd does its work"},
    {"postlogd", IMPORT_BUILT_IN, "logd does its work"},
    {"postscreen", IMPORT_BUILT_IN, "screen does its work"},
    {"dnsblog", IMPORT_BUILT_IN, "screen asks the DNS lists itself"},
    {"tlsproxy", IMPORT_IGNORED, "screen passes the connection on"},
    {"tlsmgr", IMPORT_IGNORED, "nothing has to be kept between sessions"},
    {"scache", IMPORT_IGNORED, "smtp keeps its connections itself"},
    {"verify", IMPORT_IGNORED, "addresses are not probed"},
    {"flush", IMPORT_IGNORED, "\"posthouse queue flush\" takes domains"},
    {"showq", IMPORT_IGNORED, "\"posthouse queue list\" asks qmgr"},
    {"discard", IMPORT_UNSUPPORTED,
	"nothing throws mail away; refuse it with transport error:"},
    {"pipe", IMPORT_UNSUPPORTED,
	"mail is not given to commands; let the program take LMTP and name it "
	"in transport_maps"},
    {"spawn", IMPORT_UNSUPPORTED, "there are no policy servers"},
    {"qmqpd", IMPORT_UNSUPPORTED, "there is no QMQP"},
};

struct row {
	struct str column[COLUMNS];
	size_t rest; /* where the arguments begin */
};

static bool parse_row(const struct import_entry *e, struct row *r)
{
	struct str value = str_from(e->value);
	size_t at = 0;

	for (int i = 0; i < COLUMNS; i++) {
		r->column[i] = import_word(value, &at);
		if (r->column[i].len == 0)
			return false;
	}
	r->rest = at;
	return true;
}

static uint16_t port_of(struct str name)
{
	size_t colon = str_find_last(name, ':');

	return config_port(colon < name.len ? str_skip(name, colon + 1) : name);
}

/* ---- options ---- */

/* -o name=value and -o { name = value } */
static void option(
    struct import *im, const struct import_place *at, struct str word)
{
	struct import_entry e = {.name = "", .value = ""};
	struct import_name known;
	struct str value, name;
	const char *what;

	if (word.len >= 2 && word.p[0] == '{')
		word = str_trim(str_sub(word, 1, word.len - 2));
	value = word;
	name = str_trim(str_cut(&value, '='));
	e.name = import_text(im, name);
	e.value = import_text(im, str_trim(value));
	if (at->options != NULL) {
		import_parameter(im, at, &e, str_from(e.value), 0);
		return;
	}
	import_known(name, &known);
	what = import_format(im, "%s: -o %s=%s", at->service, e.name, e.value);
	if (known.name != NULL && known.verdict >= IMPORT_IGNORED)
		import_say(im, at, known.verdict, what, "", known.note);
	else
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    "there is one smtp, local and cleanup for all mail; "
		    "main.cf says how they work");
}

/* Whether the service has this option with this value. */
static bool has_option(const struct import_entry *e, const struct row *r,
    struct str name, struct str wanted)
{
	struct str value = str_from(e->value), word;
	size_t at = r->rest;

	while ((word = import_word(value, &at)).len > 0) {
		struct str rest;

		if (word.len >= 2 && word.p[0] == '{')
			word = str_trim(str_sub(word, 1, word.len - 2));
		rest = word;
		if (str_eq(str_trim(str_cut(&rest, '=')), name) &&
		    str_eq(str_trim(rest), wanted))
			return true;
	}
	return false;
}

static void options(struct import *im, struct import_place *at,
    const struct import_entry *e, const struct row *r)
{
	struct str value = str_from(e->value), word;
	size_t from = r->rest;

	while ((word = import_word(value, &from)).len > 0) {
		at->line = import_line(e, from - word.len);
		if (str_eq(word, STR("-o"))) {
			word = import_word(value, &from);
			at->line = import_line(e, from - word.len);
			if (word.len > 0)
				option(im, at, word);
		} else if (word.p[0] == '-') {
			import_say(im, at, IMPORT_IGNORED,
			    import_format(
				im, "%s: %.*s", at->service, STR_FMT(word)),
			    "", "it is about more or less in the log");
		}
	}
}

/* ---- services ---- */

static void add_service(struct import *im, struct str name, const char *type,
    struct str limit, const char *command, const struct buf *given)
{
	buf_printf(&im->services, "%-15.*s %s n       -      y      -      ",
	    STR_FMT(name), type);
	buf_printf(&im->services, "%-7.*s %s%.*s\n", STR_FMT(limit), command,
	    STR_FMT(buf_str(given)));
}

/* An smtpd that listens: port 25 has screen in front, 587 and 465 and all
 * that take passwords are submission. */
static void smtp_server(struct import *im, struct import_place *at,
    const struct import_entry *e, const struct row *r)
{
	struct buf given = buf_new(IMPORT_VALUE_MAX);
	uint16_t port = port_of(r->column[NAME]);
	bool is_submission = port == 587 || port == 465 ||
	    has_option(e, r, STR("smtpd_sasl_auth_enable"), STR("yes"));
	const char *what = import_format(
	    im, "%s %.*s", at->service, STR_FMT(r->column[COMMAND]));
	struct str name = r->column[NAME];

	if (str_eq(name, STR("smtps")))
		name = STR("submissions");
	if (port == 0) {
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    "its port has no number that we know");
		buf_free(&given);
		return;
	}
	at->is_submission = is_submission;
	/* cppcheck-suppress autoVariables ; taken back at the end */
	at->options = &given;
	if (is_submission) {
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(
			im, "%.*s inet smtpd -r submission", STR_FMT(name)),
		    "");
		options(im, at, e, r);
		add_service(im, name, "inet       ", r->column[MAXPROC],
		    "smtpd -r submission", &given);
	} else {
		if (!str_eq(r->column[MAXPROC], STR("1")))
			im->smtpd_limit = import_text(im, r->column[MAXPROC]);
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(im, "%.*s inet screen", STR_FMT(name)),
		    "screen tests strangers and passes the connection to "
		    "smtpd");
		/* smtpd's own row is one for all. */
		at->options = NULL;
		options(im, at, e, r);
		add_service(
		    im, name, "inet       ", STR("1"), "screen", &given);
	}
	at->options = NULL;
	buf_free(&given);
}

static void pass_server(struct import *im, struct import_place *at,
    const struct import_entry *e, const struct row *r)
{
	im->smtpd_limit = import_text(im, r->column[MAXPROC]);
	import_say(im, at, IMPORT_SAME,
	    import_format(im, "%s smtpd", at->service), "", "");
	at->options = &im->smtpd_options;
	options(im, at, e, r);
}

static void other_service(struct import *im, struct import_place *at,
    const struct import_entry *e, const struct row *r)
{
	const char *what = import_format(
	    im, "%s %.*s", at->service, STR_FMT(r->column[COMMAND]));

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		if (!str_eq(r->column[COMMAND], str_from(programs[i].program)))
			continue;
		import_say(
		    im, at, programs[i].verdict, what, "", programs[i].note);
		if (programs[i].verdict == IMPORT_BUILT_IN)
			options(im, at, e, r);
		return;
	}
	import_say(im, at, IMPORT_UNSUPPORTED, what, "",
	    "Postfix 3.7 has no such program, and neither have we");
}

static void one_service(struct import *im, const struct import_entry *e)
{
	struct import_place at = {
	    .file = im->master.path, .line = import_line(e, 0), .service = ""};
	struct row r;

	if (!parse_row(e, &r)) {
		import_say(im, &at, IMPORT_UNKNOWN, e->value, "",
		    "this is no service: there are eight columns");
		return;
	}
	at.service = import_format(
	    im, "%.*s/%.*s", STR_FMT(r.column[NAME]), STR_FMT(r.column[TYPE]));
	if (str_eq(r.column[COMMAND], STR("smtpd")) &&
	    str_eq(r.column[TYPE], STR("inet")))
		smtp_server(im, &at, e, &r);
	else if (str_eq(r.column[COMMAND], STR("postscreen")) &&
	    str_eq(r.column[TYPE], STR("inet")))
		smtp_server(im, &at, e, &r);
	else if (str_eq(r.column[COMMAND], STR("smtpd")))
		pass_server(im, &at, e, &r);
	else
		other_service(im, &at, e, &r);
}

void import_services(struct import *im)
{
	for (size_t i = 0; i < im->master.count; i++)
		one_service(im, &im->master.entries[i]);
}
