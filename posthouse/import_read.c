/* SPDX-License-Identifier: ISC */
/* Reads main.cf and master.cf as Postfix does, and remembers on which line
 * each part of a logical line stands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/memory.h"
#include "posthouse/import.h"

#define ENTRIES_MAX 20000
#define DEPTH_MAX   32
#define ARENA_MOST  (256u << 20)

const char *import_text(struct import *im, struct str s)
{
	char *copy = arena_alloc(&im->arena, s.len + 1);

	if (copy == NULL)
		return "";
	memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	/* A NUL would end it early for some readers and not for others. */
	for (size_t i = 0; i < s.len; i++)
		if (copy[i] == '\0')
			copy[i] = '?';
	return copy;
}

const char *import_format(struct import *im, const char *format, ...)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	const char *copy;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	copy = import_text(im, buf_str(&text));
	buf_free(&text);
	return copy;
}

const char *import_path(struct import *im, struct str path)
{
	struct str usual = STR("/etc/postfix/");
	const char *copy;

	if (path.len > 0 && path.p[0] != '/')
		return import_format(
		    im, "%s/%.*s", im->directory, STR_FMT(path));
	if (str_starts(path, usual)) {
		copy = import_format(im, "%s/%.*s", im->directory,
		    STR_FMT(str_skip(path, usual.len)));
		if (access(copy, F_OK) == 0)
			return copy;
	}
	return import_text(im, path);
}

/* ---- logical lines ---- */

static bool is_skipped(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

/* The entry that text and spots make; spots count from the value on. */
static void add_entry(struct import *im, struct import_file *out, bool is_main,
    struct str text, const struct import_spot *spots, size_t count)
{
	struct import_entry e = {.name = "", .spot_count = count};
	struct str value = text;
	size_t skipped;

	if (text.len == 0 || out->count == ENTRIES_MAX)
		return;
	if (is_main) {
		e.name = import_text(im, str_trim(str_cut(&value, '=')));
		value = str_trim(value);
	}
	skipped = value.len == 0 ? text.len : (size_t)(value.p - text.p);
	e.value = import_text(im, value);
	e.spots = arena_alloc(&im->arena, count * sizeof(*spots));
	if (e.spots == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		e.spots[i] = spots[i];
		e.spots[i].at = spots[i].at > skipped ? spots[i].at - skipped
						      : 0;
	}
	out->entries = mem_resize(
	    out->entries, out->count + 1, sizeof(out->entries[0]));
	out->entries[out->count++] = e;
}

void import_lines(
    struct import *im, struct str text, bool is_main, struct import_file *out)
{
	struct buf joined = buf_new(IMPORT_VALUE_MAX);
	struct import_spot *spots = NULL;
	size_t count = 0;

	for (unsigned line = 1; text.len > 0; line++) {
		struct str part = str_cut(&text, '\n');
		bool more = part.len > 0 &&
		    (part.p[0] == ' ' || part.p[0] == '\t');

		if (is_skipped(part))
			continue;
		if (!more) {
			add_entry(
			    im, out, is_main, buf_str(&joined), spots, count);
			buf_clear(&joined);
			count = 0;
		} else if (joined.len > 0) {
			buf_add_char(&joined, ' ');
		}
		spots = mem_resize(spots, count + 1, sizeof(*spots));
		spots[count++] = (struct import_spot){joined.len, line};
		buf_add(&joined, str_trim(part));
	}
	add_entry(im, out, is_main, buf_str(&joined), spots, count);
	free(spots);
	buf_free(&joined);
}

unsigned import_line(const struct import_entry *e, size_t at)
{
	unsigned line = e->spot_count > 0 ? e->spots[0].line : 0;

	for (size_t i = 0; i < e->spot_count && e->spots[i].at <= at; i++)
		line = e->spots[i].line;
	return line;
}

struct str import_word(struct str value, size_t *at)
{
	size_t start, depth = 0;

	while (*at < value.len && strchr(" ,\t\r\n", value.p[*at]) != NULL)
		++*at;
	start = *at;
	for (; *at < value.len; ++*at) {
		char c = value.p[*at];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(" ,\t\r\n", c) != NULL)
			break;
	}
	return str_sub(value, start, *at - start);
}

/* ---- $names ---- */

const struct import_entry *import_entry(struct import *im, const char *name)
{
	uintptr_t at = (uintptr_t)table_get(&im->by_name, str_from(name));

	return at == 0 ? NULL : &im->main.entries[at - 1];
}

static void expand(
    struct import *im, struct str value, struct buf *out, unsigned depth);

/* The value of a name, expanded; whether there is more to it than "". */
static bool put_value(
    struct import *im, struct str name, struct buf *out, unsigned depth)
{
	const struct import_entry *e;
	struct import_name known;
	size_t before = out->len;
	char text[128];

	if (str_copy(text, sizeof(text), name) < 0)
		return false;
	e = import_entry(im, text);
	import_known(name, &known);
	if (e != NULL)
		expand(im, str_from(e->value), out, depth);
	else if (known.name != NULL && known.fallback != NULL)
		expand(im, str_from(known.fallback), out, depth);
	return out->len > before;
}

/* What stands between { and its }, or before the end. */
static struct str cut_braces(struct str *rest, char open, char close)
{
	size_t depth = 0, i;
	struct str inner;

	for (i = 0; i < rest->len; i++) {
		if (rest->p[i] == open)
			depth++;
		if (rest->p[i] == close && --depth == 0)
			break;
	}
	inner = i > 0 ? str_sub(*rest, 1, i - 1) : STR_EMPTY;
	*rest = str_skip(*rest, i < rest->len ? i + 1 : i);
	return inner;
}

static struct str unbraced(struct str s)
{
	s = str_trim(s);
	if (s.len >= 2 && s.p[0] == '{' && s.p[s.len - 1] == '}')
		return str_trim(str_sub(s, 1, s.len - 2));
	return s;
}

/* name, name?text, name:text, name?{text}:{text} */
static void put_braced(
    struct import *im, struct str inner, struct buf *out, unsigned depth)
{
	size_t end = 0;
	struct buf value = buf_new(IMPORT_VALUE_MAX);
	bool set;

	while (end < inner.len &&
	    (ascii_alnum(inner.p[end]) || inner.p[end] == '_'))
		end++;
	set = put_value(im, str_sub(inner, 0, end), &value, depth);
	if (end == inner.len) {
		buf_add(out, buf_str(&value));
	} else if (inner.p[end] == ':') {
		if (set)
			buf_add(out, buf_str(&value));
		else
			expand(
			    im, unbraced(str_skip(inner, end + 1)), out, depth);
	} else if (inner.p[end] == '?') {
		struct str rest = str_skip(inner, end + 1), yes = rest,
			   no = STR_EMPTY;

		rest = str_trim(rest);
		if (rest.len > 0 && rest.p[0] == '{') {
			yes = cut_braces(&rest, '{', '}');
			rest = str_trim(rest);
			if (rest.len > 0 && rest.p[0] == ':')
				no = unbraced(str_skip(rest, 1));
		}
		expand(im, set ? yes : no, out, depth);
	}
	buf_free(&value);
}

static void expand(
    struct import *im, struct str value, struct buf *out, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return;
	while (value.len > 0 && !out->overflow) {
		size_t dollar = str_find(value, '$'), end = 0;

		buf_add(out, str_sub(value, 0, dollar));
		value = str_skip(value, dollar);
		if (value.len == 0)
			return;
		value = str_skip(value, 1);
		if (value.len > 0 && value.p[0] == '$') {
			buf_add_char(out, '$');
			value = str_skip(value, 1);
		} else if (value.len > 0 && value.p[0] == '{') {
			put_braced(
			    im, cut_braces(&value, '{', '}'), out, depth + 1);
		} else if (value.len > 0 && value.p[0] == '(') {
			put_value(
			    im, cut_braces(&value, '(', ')'), out, depth + 1);
		} else {
			while (end < value.len &&
			    (ascii_alnum(value.p[end]) || value.p[end] == '_'))
				end++;
			put_value(im, str_sub(value, 0, end), out, depth + 1);
			value = str_skip(value, end);
		}
	}
}

void import_expand(struct import *im, struct str value, struct buf *out)
{
	expand(im, value, out, 0);
}

void import_value(struct import *im, const char *name, struct buf *out)
{
	put_value(im, str_from(name), out, 0);
}

/* ---- the two files ---- */

static void index_main(struct import *im)
{
	for (size_t i = 0; i < im->main.count; i++) {
		struct str name = str_from(im->main.entries[i].name);
		uintptr_t before = (uintptr_t)table_get(&im->by_name, name);

		if (before != 0)
			im->main.entries[before - 1].overruled = true;
		table_put(&im->by_name, name, (void *)(i + 1));
	}
}

/* What Postfix finds out by itself. */
static void add_hidden(struct import *im, const char *name, const char *value)
{
	struct import_file *f = &im->main;

	if (import_entry(im, name) != NULL)
		return;
	f->entries = mem_resize(
	    f->entries, f->count + 1, sizeof(f->entries[0]));
	f->entries[f->count++] = (struct import_entry){
	    .name = name, .value = value};
	table_put(&im->by_name, str_from(name), (void *)f->count);
}

static void add_host(struct import *im)
{
	char host[256] = "localhost";
	struct buf name = buf_new(IMPORT_VALUE_MAX);
	struct str rest;

	gethostname(host, sizeof(host) - 1);
	add_hidden(im, "myhostname",
	    import_format(im, "%s%s", host,
		strchr(host, '.') == NULL ? ".localdomain" : ""));
	import_value(im, "myhostname", &name);
	rest = buf_str(&name);
	str_cut(&rest, '.');
	add_hidden(im, "mydomain",
	    rest.len > 0 ? import_text(im, rest) : "localdomain");
	buf_free(&name);
}

static int read_file(struct import *im, const char *name,
    struct import_file *out, const char **why)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	int result;

	out->path = import_format(im, "%s/%s", im->directory, name);
	result = im->read(out->path, &text);
	if (result == 0)
		import_lines(im, buf_str(&text), out == &im->main, out);
	else
		*why = import_format(im, "%s: %s", out->path, strerror(errno));
	buf_free(&text);
	return result;
}

int import_open(struct import *im, const char *path,
    int (*read)(const char *path, struct buf *text), const char **why)
{
	struct buf errors = buf_new(4096);
	const char *unused;

	*im = (struct import){.directory = path,
	    .read = read,
	    .arena = arena_new(ARENA_MOST),
	    .known = conf_parse(STR_EMPTY, "main.cf", &errors),
	    .main_cf = buf_new(IMPORT_TEXT_MAX),
	    .domains = buf_new(IMPORT_TEXT_MAX),
	    .users = buf_new(IMPORT_TEXT_MAX),
	    .aliases = buf_new(IMPORT_TEXT_MAX),
	    .alias_maps = buf_new(IMPORT_VALUE_MAX),
	    .dnsbl_sites = buf_new(IMPORT_VALUE_MAX),
	    .smtpd_options = buf_new(IMPORT_TEXT_MAX),
	    .services = buf_new(IMPORT_TEXT_MAX)};
	buf_free(&errors);
	if (read_file(im, "main.cf", &im->main, why) < 0)
		return -1;
	read_file(im, "master.cf", &im->master, &unused);
	index_main(im);
	add_host(im);
	return 0;
}

void import_close(struct import *im)
{
	for (size_t i = 0; i < im->copy_count; i++)
		buf_free(&im->copies[i].text);
	free(im->copies);
	free(im->main.entries);
	free(im->master.entries);
	free(im->findings);
	table_free(&im->by_name);
	table_free(&im->settings);
	table_free(&im->domain_names);
	table_free(&im->user_names);
	table_free(&im->alias_names);
	buf_free(&im->main_cf);
	buf_free(&im->domains);
	buf_free(&im->users);
	buf_free(&im->aliases);
	buf_free(&im->alias_maps);
	buf_free(&im->dnsbl_sites);
	buf_free(&im->smtpd_options);
	buf_free(&im->services);
	conf_free(&im->known);
	arena_free(&im->arena);
}
