/* SPDX-License-Identifier: ISC */
/* The tables that Postfix's parameters name: lists of domains, mailboxes,
 * aliases and transports become our text files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "posthouse/import.h"

#define COPIES_MAX 1000

/* ---- which table is it? ---- */

enum table_kind { TABLE_TEXT, TABLE_PATTERNS, TABLE_INLINE, TABLE_NOT };

struct spec {
	enum table_kind kind;
	struct str type;
	const char *path; /* TEXT, PATTERNS */
	struct str text;  /* INLINE: key=value pairs */
	const char *note; /* NOT */
};

static struct spec parse_spec(struct import *im, struct str word)
{
	static const struct str texts[] = {STR_INIT("hash"), STR_INIT("btree"),
	    STR_INIT("lmdb"), STR_INIT("texthash"), STR_INIT("cdb"),
	    STR_INIT("dbm"), STR_INIT("sdbm")};
	static const struct str patterns[] = {
	    STR_INIT("pcre"), STR_INIT("regexp"), STR_INIT("cidr")};
	struct spec s = {.kind = TABLE_NOT, .note = ""};
	struct str rest = word;

	while (str_starts(rest, STR("proxy:")))
		rest = str_skip(rest, 6);
	s.type = str_cut(&rest, ':');
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_eq(s.type, texts[i]))
			s.kind = TABLE_TEXT;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		if (str_eq(s.type, patterns[i]))
			s.kind = TABLE_PATTERNS;
	if (s.kind != TABLE_NOT) {
		s.path = import_path(im, rest);
	} else if (str_eq(s.type, STR("inline"))) {
		s.kind = TABLE_INLINE;
		s.text = str_trim(rest);
		if (s.text.len >= 2 && s.text.p[0] == '{')
			s.text = str_sub(s.text, 1, s.text.len - 2);
	} else if (str_eq(s.type, STR("mysql")) ||
	    str_eq(s.type, STR("pgsql")) || str_eq(s.type, STR("ldap")) ||
	    str_eq(s.type, STR("sqlite"))) {
		s.note = import_format(im,
		    "%.*s: tables are not read yet; write what they say into a "
		    "text table",
		    STR_FMT(s.type));
	} else if (str_eq(s.type, STR("unionmap")) ||
	    str_eq(s.type, STR("pipemap"))) {
		s.note = "name the tables one after the other: the first that "
			 "has the key counts";
	} else {
		s.note = import_format(im,
		    "there are no %.*s: tables; a text table can say the same",
		    STR_FMT(s.type));
	}
	return s;
}

/* ---- their rows ---- */

typedef void each_row(struct import *im, const struct import_place *at,
    struct str key, struct str value, void *arg);

static void rows_of_text(struct import *im, const char *path, struct str text,
    each_row *each, void *arg)
{
	struct import_file f = {.path = path};
	struct import_place at = {.file = path, .service = ""};

	import_lines(im, text, false, &f);
	for (size_t i = 0; i < f.count; i++) {
		struct str value = str_from(f.entries[i].value);
		struct str key = str_word(&value, " \t\r");

		at.line = import_line(&f.entries[i], 0);
		/* alias(5) has "name: value", the name perhaps in quotes. */
		if (key.len > 1 && key.p[key.len - 1] == ':')
			key.len--;
		each(im, &at, key, str_trim(value), arg);
	}
	free(f.entries);
}

static void rows_of_inline(struct import *im, const struct import_place *at,
    struct str text, each_row *each, void *arg)
{
	struct str word;
	size_t from = 0;

	while ((word = import_word(text, &from)).len > 0) {
		if (word.len >= 2 && word.p[0] == '{')
			word = str_trim(str_sub(word, 1, word.len - 2));
		struct str key = str_trim(str_cut(&word, '='));

		each(im, at, key, str_trim(word), arg);
	}
}

/* Calls each for the rows of a table that can be read; -1 after a finding. */
static int rows(struct import *im, const struct import_place *at,
    const char *what, const struct spec *s, each_row *each, void *arg)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);

	if (s->kind == TABLE_INLINE) {
		rows_of_inline(im, at, s->text, each, arg);
		return 0;
	}
	if (im->read(s->path, &text) < 0) {
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    import_format(
			im, "%s cannot be read: %s", s->path, strerror(errno)));
		buf_free(&text);
		return -1;
	}
	rows_of_text(im, s->path, buf_str(&text), each, arg);
	buf_free(&text);
	return 0;
}

static bool has_copy(const struct import *im, const char *name)
{
	for (size_t i = 0; i < im->copy_count; i++)
		if (strcmp(im->copies[i].name, name) == 0)
			return true;
	return false;
}

int import_copy_text(
    struct import *im, const char *name, struct str text, bool is_secret)
{
	if (im->copy_count == COPIES_MAX || has_copy(im, name))
		return -1;
	im->copies = mem_resize(
	    im->copies, im->copy_count + 1, sizeof(im->copies[0]));
	im->copies[im->copy_count] = (struct import_copy){
	    name, buf_new(IMPORT_TEXT_MAX), is_secret};
	buf_add(&im->copies[im->copy_count++].text, text);
	return 0;
}

/* A file of the new directory; its name, which no other has. */
static const char *copy(struct import *im, const char *path, struct str text)
{
	struct str name = str_from(path);
	const char *unique;

	name = str_skip(name, str_find_last(name, '/') + 1);
	if (name.len == 0 || im->copy_count == COPIES_MAX)
		return NULL;
	unique = import_format(im, "postfix-%.*s", STR_FMT(name));
	if (has_copy(im, unique))
		unique = import_format(
		    im, "postfix%zu-%.*s", im->copy_count, STR_FMT(name));
	return import_copy_text(im, unique, text, false) < 0 ? NULL : unique;
}

static const char *copy_file(struct import *im, const struct import_place *at,
    const char *what, const char *path)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	const char *name = NULL;

	if (im->read(path, &text) == 0)
		name = copy(im, path, buf_str(&text));
	else
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    import_format(
			im, "%s cannot be read: %s", path, strerror(errno)));
	buf_free(&text);
	return name;
}

/* ---- domains ---- */

void import_add_domain(struct import *im, struct str domain, const char *class)
{
	if (table_get(&im->domain_names, domain) != NULL)
		return;
	table_put(&im->domain_names, domain, im);
	buf_printf(&im->domains, "%-24.*s %s\n", STR_FMT(domain), class);
}

struct domain_list {
	const char *class;
	size_t count;
};

static void add_row(struct import *im, const struct import_place *at,
    struct str key, struct str value, void *arg)
{
	struct domain_list *l = arg;

	(void)at;
	(void)value;
	import_add_domain(im, key, l->class);
	l->count++;
}

static bool is_domain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '-' &&
		    s.p[i] != '_' && (s.p[i] & 0x80) == 0)
			return false;
	return s.len > 0 && s.len <= 255 && s.p[0] != '.' && s.p[0] != '-';
}

static const char *class_note(const char *class)
{
	if (strcmp(class, "local") == 0)
		return "users of the system have no mailbox yet: each that "
		       "gets mail needs a line in \"users\"";
	return "";
}

/* One word of the list, expanded. */
static void one_domain(struct import *im, const struct import_place *at,
    const char *list, struct str word, const char *class)
{
	const char *what = import_format(im, "%s: %.*s", list, STR_FMT(word));
	struct domain_list l = {class, 0};
	struct spec s = {.kind = TABLE_NOT};

	if (word.p[0] == '/') /* a file of domains */
		s = (struct spec){
		    .kind = TABLE_TEXT, .path = import_path(im, word)};
	else if (str_find(word, ':') < word.len)
		s = parse_spec(im, word);
	else if (is_domain(word)) {
		import_add_domain(im, word, class);
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(im, "domains: %.*s %s", STR_FMT(word), class),
		    class_note(class));
		return;
	} else {
		s.note = "only domains can be listed in \"domains\"";
	}
	if (s.kind == TABLE_PATTERNS)
		s.note = "patterns of domains have to be listed one by one";
	if (s.kind != TABLE_TEXT && s.kind != TABLE_INLINE)
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", s.note);
	else if (rows(im, at, what, &s, add_row, &l) == 0)
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(im, "domains: %zu as %s", l.count, class),
		    class_note(class));
}

/* Words of a list with their lines; those of a $name have its line. */
static void each_word(struct import *im, const struct import_place *at,
    const struct import_entry *e,
    void (*act)(struct import *, const struct import_place *, const char *,
	struct str, const void *),
    const void *arg)
{
	struct str value = str_from(e->value), word, inner;
	struct import_place here = *at;
	size_t from = 0;

	while ((word = import_word(value, &from)).len > 0) {
		struct buf text = buf_new(IMPORT_VALUE_MAX);
		size_t within = 0;

		if (e->spot_count > 0)
			here.line = import_line(e, from - word.len);
		import_expand(im, word, &text);
		while ((inner = import_word(buf_str(&text), &within)).len > 0)
			act(im, &here, e->name, inner, arg);
		buf_free(&text);
	}
}

static void domain_word(struct import *im, const struct import_place *at,
    const char *list, struct str word, const void *arg)
{
	one_domain(im, at, list, word, arg);
}

void import_domains(struct import *im, const struct import_place *at,
    const struct import_entry *e, const char *class)
{
	each_word(im, at, e, domain_word, class);
}

/* ---- users ---- */

static void user_row(struct import *im, const struct import_place *at,
    struct str key, struct str value, void *arg)
{
	size_t *count = arg;
	size_t where = str_find(key, '@');

	(void)value;
	if (where == 0 || where == key.len) {
		import_say(im, at, IMPORT_UNSUPPORTED,
		    import_format(im, "mailbox of %.*s", STR_FMT(key)), "",
		    where == 0 ? "a mailbox for all others of a domain: make a "
				 "user and an alias @domain"
			       : "a mailbox has a whole address");
		return;
	}
	if (table_get(&im->user_names, key) != NULL)
		return;
	table_put(&im->user_names, key, im);
	buf_printf(&im->users, "%.*s\n", STR_FMT(key));
	++*count;
}

static void user_table(struct import *im, const struct import_place *at,
    const char *list, struct str word, const void *arg)
{
	const char *what = import_format(im, "%s: %.*s", list, STR_FMT(word));
	struct spec s = parse_spec(im, word);
	size_t count = 0;

	(void)arg;
	if (s.kind == TABLE_PATTERNS)
		s.note = "mailboxes are listed one by one";
	if (s.kind != TABLE_TEXT && s.kind != TABLE_INLINE)
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", s.note);
	else if (rows(im, at, what, &s, user_row, &count) == 0)
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(im, "users: %zu mailboxes", count),
		    "copy the mail that is there by IMAP, and the password "
		    "hashes into \"passwords\"");
}

void import_users(struct import *im, const struct import_place *at,
    const struct import_entry *e)
{
	each_word(im, at, e, user_table, NULL);
}

/* ---- aliases ---- */

struct alias_table {
	bool is_local; /* alias(5): names without a domain */
	size_t count;
};

static void add_alias(
    struct import *im, struct str local, struct str domain, struct str targets)
{
	const char *key = import_format(
	    im, "%.*s@%.*s", STR_FMT(local), STR_FMT(domain));

	if (table_get(&im->alias_names, str_from(key)) != NULL)
		return;
	table_put(&im->alias_names, str_from(key), im);
	buf_printf(&im->aliases, "%s %.*s\n", key, STR_FMT(targets));
}

/* Targets that are addresses; the others are told. */
static const char *targets_of(struct import *im, const struct import_place *at,
    struct str key, struct str value)
{
	struct buf out = buf_new(IMPORT_VALUE_MAX);
	const char *result;
	struct str word;

	while (
	    (word = str_trim(str_cut(&value, ','))).len > 0 || value.len > 0) {
		if (word.len >= 2 && word.p[0] == '"')
			word = str_sub(word, 1, word.len - 2);
		if (word.len == 0)
			continue;
		if (word.p[0] == '|' || word.p[0] == '/' || word.p[0] == ':' ||
		    word.p[0] == '"') {
			import_say(im, at, IMPORT_UNSUPPORTED,
			    import_format(im, "alias %.*s: %.*s", STR_FMT(key),
				STR_FMT(word)),
			    "",
			    "an alias leads to addresses alone: no commands, "
			    "files or included lists");
			continue;
		}
		buf_printf(
		    &out, "%s%.*s", out.len > 0 ? ", " : "", STR_FMT(word));
	}
	result = import_text(im, buf_str(&out));
	buf_free(&out);
	return result;
}

/* A name without a domain counts for $myorigin and mydestination. */
static void alias_everywhere(
    struct import *im, struct str local, struct str targets)
{
	static const char *const lists[] = {"myorigin", "mydestination"};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct buf names = buf_new(IMPORT_VALUE_MAX);
		struct str word;
		size_t from = 0;

		import_value(im, lists[i], &names);
		if (i == 1 && names.len == 0) /* its default */
			import_expand(im,
			    STR("$myhostname localhost.$mydomain localhost"),
			    &names);
		while ((word = import_word(buf_str(&names), &from)).len > 0)
			if (is_domain(word))
				add_alias(im, local, word, targets);
		buf_free(&names);
	}
}

static void alias_row(struct import *im, const struct import_place *at,
    struct str key, struct str value, void *arg)
{
	struct alias_table *t = arg;
	size_t where = str_find_last(key, '@');
	struct str targets;

	if (key.len >= 2 && key.p[0] == '"' && key.p[key.len - 1] == '"')
		key = str_sub(key, 1, key.len - 2);
	if (!t->is_local && where == key.len && str_find(key, '.') < key.len) {
		/* "example.com anything": a domain of aliases. */
		import_add_domain(im, key, "alias");
		return;
	}
	targets = str_from(targets_of(im, at, key, value));
	if (targets.len == 0)
		return;
	t->count++;
	if (where < key.len)
		add_alias(im, str_sub(key, 0, where), str_skip(key, where + 1),
		    targets);
	else
		alias_everywhere(im, key, targets);
}

static void alias_patterns(struct import *im, const struct import_place *at,
    const char *what, const struct spec *s)
{
	const char *name = copy_file(im, at, what, s->path);

	if (name == NULL)
		return;
	buf_printf(&im->alias_maps, "%spcre:%s",
	    im->alias_maps.len > 0 ? " " : "", name);
	import_say(im, at, IMPORT_TRANSLATED, what,
	    import_format(im, "virtual_alias_maps = ... pcre:%s", name),
	    str_eq(s->type, STR("regexp"))
		? "patterns are Perl's: look at those with ( ) { } | + ?"
		: "");
}

static void alias_table(struct import *im, const struct import_place *at,
    const char *list, struct str word, const void *arg)
{
	const char *what = import_format(im, "%s: %.*s", list, STR_FMT(word));
	struct alias_table t = {arg != NULL, 0};
	struct spec s = parse_spec(im, word);

	if (s.kind == TABLE_PATTERNS && !t.is_local &&
	    !str_eq(s.type, STR("cidr")))
		alias_patterns(im, at, what, &s);
	else if (s.kind != TABLE_TEXT && s.kind != TABLE_INLINE)
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    s.note[0] != '\0' ? s.note : "aliases are addresses");
	else if (rows(im, at, what, &s, alias_row, &t) == 0)
		import_say(im, at, IMPORT_TRANSLATED, what,
		    import_format(im, "aliases: %zu", t.count), "");
}

void import_aliases(struct import *im, const struct import_place *at,
    const struct import_entry *e, bool is_local)
{
	each_word(im, at, e, alias_table, is_local ? im : NULL);
}

/* ---- transports ---- */

const char *import_transport(
    struct import *im, struct str value, const char **note)
{
	static const struct str known[] = {STR_INIT("smtp"), STR_INIT("relay"),
	    STR_INIT("lmtp"), STR_INIT("error"), STR_INIT("")};
	struct str host = value, name = str_cut(&host, ':');

	*note = "";
	if (str_eq(name, STR("virtual")) || str_eq(name, STR("local")) ||
	    str_eq(name, STR("dovecot"))) {
		*note = "mail goes into the mailbox store";
		return str_eq(name, STR("local")) && host.len == 0
		    ? "local"
		    : import_text(im, STR("local"));
	}
	if (str_eq(name, STR("lmtp")) && str_starts(host, STR("unix:"))) {
		*note = "mail goes into the mailbox store; its own IMAP and "
			"POP3 servers show it";
		return "local";
	}
	if (str_eq(name, STR("lmtp")) && str_starts(host, STR("inet:"))) {
		struct str port = str_skip(host, 5), addr;

		addr = str_cut(&port, ':');
		*note = "the host stands in brackets";
		return import_format(im, "lmtp:%s%.*s%s%s%.*s",
		    addr.len > 0 && addr.p[0] == '[' ? "" : "[", STR_FMT(addr),
		    addr.len > 0 && addr.p[0] == '[' ? "" : "]",
		    port.len > 0 ? ":" : "", STR_FMT(port));
	}
	if (str_eq(name, STR("retry")))
		return import_format(im, "error:4.4.1 %.*s", STR_FMT(host));
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(name, known[i]))
			return import_text(im, value);
	*note = import_format(im,
	    "there is no transport %.*s: mail goes by smtp, lmtp, relay, local "
	    "or error",
	    STR_FMT(name));
	return NULL;
}

static void transport_row(struct import *im, const struct import_place *at,
    struct str key, struct str value, void *arg)
{
	struct buf *out = arg;
	const char *note, *to = import_transport(im, value, &note);

	if (to != NULL)
		buf_printf(out, "%.*s %s\n", STR_FMT(key), to);
	else
		import_say(im, at, IMPORT_UNSUPPORTED,
		    import_format(im, "transport of %.*s: %.*s", STR_FMT(key),
			STR_FMT(value)),
		    "", note);
}

/* ---- tables that are taken as they are ---- */

struct map_list {
	struct buf specs;
	bool is_transport;
};

static const char *take_map(struct import *im, const struct import_place *at,
    const char *what, const struct spec *s, bool is_transport)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	const char *name = NULL;

	if (is_transport && s->kind == TABLE_TEXT) {
		if (rows(im, at, what, s, transport_row, &text) == 0)
			name = copy(im, s->path, buf_str(&text));
	} else {
		name = copy_file(im, at, what, s->path);
	}
	buf_free(&text);
	return name;
}

static void map_word(struct import *im, const struct import_place *at,
    const char *list, struct str word, const void *arg)
{
	/* The list belongs to import_maps, which hands it through. */
	struct map_list *l = (struct map_list *)(uintptr_t)arg;
	const char *what = import_format(im, "%s: %.*s", list, STR_FMT(word));
	struct spec s = parse_spec(im, word);
	const char *name, *spec;

	if (s.kind == TABLE_NOT && !str_eq(s.type, STR("static"))) {
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", s.note);
		return;
	}
	if (s.kind == TABLE_INLINE || s.kind == TABLE_NOT) {
		spec = import_text(im, word);
	} else {
		name = take_map(im, at, what, &s, l->is_transport);
		if (name == NULL)
			return;
		spec = import_format(im, "%s:%s",
		    s.kind == TABLE_TEXT ? "hash"
			: str_eq(s.type, STR("regexp"))
			? "pcre"
			: import_text(im, s.type),
		    name);
	}
	buf_printf(&l->specs, "%s%s", l->specs.len > 0 ? " " : "", spec);
	import_say(im, at, IMPORT_TRANSLATED, what,
	    import_format(im, "%s = %s", list, spec),
	    s.kind == TABLE_TEXT || s.kind == TABLE_PATTERNS
		? "a copy beside main.cf"
		: "");
}

void import_maps(struct import *im, const struct import_place *at,
    const struct import_entry *e, bool is_transport)
{
	struct map_list l = {buf_new(IMPORT_VALUE_MAX), is_transport};

	each_word(im, at, e, map_word, &l);
	if (l.specs.len > 0)
		import_set(im, at, e->name, buf_text(&l.specs));
	else if (e->value[0] == '\0')
		import_say(im, at, IMPORT_SAME,
		    import_format(im, "%s =", e->name), "", "");
	buf_free(&l.specs);
}
