/* SPDX-License-Identifier: ISC */
/*
 * What postsrsd 1.x is told by its init script: /etc/default/postsrsd, lines
 * NAME=value of a shell, and the file of secrets that it names. Both are looked
 * for beside Postfix's directory, so that a copy of /etc will do.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "mail/address.h"
#include "posthouse/import.h"

struct srs_line {
	struct import *im;
	const struct import_place *at;
	const char *what;
	struct str value; /* without its quotes */
};

/* A path of /etc, beside the directory that is read. */
static const char *beside(struct import *im, struct str path)
{
	if (!str_starts(path, STR("/etc/")))
		return import_text(im, path);
	return import_format(
	    im, "%s/../%.*s", im->directory, STR_FMT(str_skip(path, 5)));
}

static void lost(const struct srs_line *l, const char *note)
{
	import_say(l->im, l->at, IMPORT_UNSUPPORTED, l->what, "", note);
}

static void carry(const struct srs_line *l, const char *name, const char *value)
{
	import_set(l->im, l->at, name, value);
	import_say(l->im, l->at, IMPORT_TRANSLATED, l->what,
	    import_format(l->im, "%s = %s", name, value), "");
}

static void take_domain(const struct srs_line *l)
{
	if (address_is_domain(l->value, false))
		carry(l, "srs_domain", import_text(l->im, l->value));
	else
		lost(l, "this is no domain: set srs_domain");
}

/* "a.org,.b.org" and blanks; both mean by ".b.org" what is below it. */
static void take_exclude(const struct srs_line *l)
{
	struct buf list = buf_new(IMPORT_VALUE_MAX);
	struct str word;
	size_t from = 0;

	while ((word = import_word(l->value, &from)).len > 0) {
		struct str domain = str_starts(word, STR("."))
		    ? str_skip(word, 1)
		    : word;

		if (!address_is_domain(domain, false)) {
			lost(l,
			    "a word of it is no domain: set "
			    "srs_exclude_domains");
			buf_free(&list);
			return;
		}
		buf_printf(
		    &list, "%s%.*s", list.len > 0 ? " " : "", STR_FMT(word));
	}
	if (list.len == 0)
		import_say(
		    l->im, l->at, IMPORT_IGNORED, l->what, "", "it is empty");
	else
		carry(l, "srs_exclude_domains", buf_text(&list));
	buf_free(&list);
}

static void take_secret(const struct srs_line *l)
{
	const char *path = beside(l->im, l->value);
	struct buf text = buf_new(IMPORT_TEXT_MAX);

	if (l->im->read(path, &text) < 0) {
		lost(l,
		    "the secrets cannot be read: put them into srs_secrets, "
		    "or what others still hold does not find its way back");
	} else if (import_copy_text(
		       l->im, "srs_secrets", buf_str(&text), true) < 0) {
		lost(l, "there are too many files");
	} else {
		import_say(l->im, l->at, IMPORT_TRANSLATED, l->what,
		    "srs_secrets: a copy", "");
	}
	mem_wipe(text.p, text.len);
	buf_free(&text);
}

static void take_number(const struct srs_line *l, const char *name)
{
	uint64_t n;

	if (str_to_u64(l->value, 26, &n) < 0 || n < 4)
		lost(l, "it is a number from 4 to 26 here");
	else
		carry(l, name, import_text(l->im, l->value));
}

static void take_length(const struct srs_line *l)
{
	take_number(l, "srs_hash_length");
}

static void take_minimum(const struct srs_line *l)
{
	take_number(l, "srs_hash_minimum");
}

static const struct {
	const char *name;
	void (*take)(const struct srs_line *l);
} variables[] = {
    {"SRS_DOMAIN", take_domain},
    {"SRS_EXCLUDE_DOMAINS", take_exclude},
    {"SRS_SECRET", take_secret},
    {"SRS_HASHLENGTH", take_length},
    {"SRS_HASHMIN", take_minimum},
};

static struct str unquoted(struct str s)
{
	if (s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') &&
	    s.p[s.len - 1] == s.p[0])
		s = str_sub(s, 1, s.len - 2);
	return s;
}

static bool is_set(const struct import *im, const char *name)
{
	return table_get(&im->settings, str_from(name)) != NULL;
}

static void take_line(
    struct import *im, const struct import_place *at, struct str line)
{
	struct srs_line l = {.im = im, .at = at};
	struct str name;

	line = str_trim(line);
	if (line.len == 0 || line.p[0] == '#')
		return;
	l.what = import_text(im, line);
	name = str_trim(str_cut(&line, '='));
	l.value = unquoted(str_trim(line));
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (str_eq(name, str_from(variables[i].name))) {
			variables[i].take(&l);
			return;
		}
	import_say(im, at, IMPORT_IGNORED, l.what, "",
	    "how postsrsd runs: lookup(8) does its work");
}

bool import_postsrsd(struct import *im)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	struct import_place at = {
	    .file = beside(im, STR("/etc/default/postsrsd")), .service = ""};
	struct str rest;

	if (is_set(im, "srs_hash_minimum"))
		return true; /* it was read for an earlier line */
	if (im->read(at.file, &text) < 0) {
		buf_free(&text);
		return false;
	}
	rest = buf_str(&text);
	while (rest.len > 0) {
		at.line++;
		take_line(im, &at, str_cut(&rest, '\n'));
	}
	/* Its own default; senders of it are on their way for weeks. */
	if (!is_set(im, "srs_hash_minimum"))
		import_set(im, &at, "srs_hash_minimum", "4");
	buf_free(&text);
	return true;
}
