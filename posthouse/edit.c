/* SPDX-License-Identifier: ISC */
#include "posthouse/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "conf/lines.h"
#include "conf/map.h"
#include "core/clock.h"
#include "core/file.h"

#define TEXT_MAX    (256u * 1024u * 1024u) /* octets of a file */
#define LOCK_MS     10000
#define LISTING_MAX (512u * 1024u * 1024u) /* octets printed */

int edit_lock(const struct posthouse *p, const char *command)
{
	int fd = open(p->config_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t deadline = deadline_in(LOCK_MS);

	if (fd < 0) {
		posthouse_fail(
		    command, "%s: %s", p->config_directory, strerror(errno));
		return -1;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || deadline_left(deadline) == 0) {
			posthouse_fail(command,
			    "%s is locked: another "
			    "command edits it (%s)",
			    p->config_directory, strerror(errno));
			close(fd);
			return -1;
		}
		usleep(20000);
	}
	return fd;
}

int edit_open(struct edit *e, const struct posthouse *p, const char *command,
    const char *name)
{
	*e = (struct edit){.path = posthouse_path(p, name),
	    .is_conf = strcmp(name, "main.cf") == 0,
	    .text = buf_new(TEXT_MAX)};
	e->exists = file_read(e->path, &e->text) == 0;
	if (e->exists || errno == ENOENT)
		return 0;
	posthouse_fail(command, "%s: %s", e->path, strerror(errno));
	edit_close(e);
	return -1;
}

void edit_close(struct edit *e)
{
	free(e->path);
	e->path = NULL;
	buf_free(&e->text);
}

/* ---- entries ---- */

/* An entry in the text: octets start to end, the last line's LF included. */
struct entry {
	size_t start, end;
	struct str key; /* a view of the text */
};

static bool is_skipped(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static bool continues(struct str line)
{
	return line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

static struct str cut_key(const struct edit *e, struct str *line)
{
	return e->is_conf ? str_trim(str_cut(line, '='))
			  : str_word(line, " \t\r");
}

/* The entry at or behind *at; *at moves behind it. */
static bool next_entry(const struct edit *e, size_t *at, struct entry *out)
{
	struct str rest = str_skip(buf_str(&e->text), *at);
	const char *base = e->text.p;
	bool found = false;

	while (rest.len > 0) {
		struct str after = rest;
		struct str line = str_cut(&after, '\n');
		bool more = continues(line) && !is_skipped(line);

		if (found && !is_skipped(line) && !more)
			break;
		if (!found && !is_skipped(line)) {
			found = true;
			out->start = (size_t)(line.p - base);
			out->end = out->start;
			out->key = cut_key(e, &line);
			more = true;
		}
		if (found && more)
			out->end = (size_t)(after.p - base);
		rest = after;
	}
	*at = found ? out->end : e->text.len;
	return found;
}

static bool last_entry(const struct edit *e, struct str key, struct entry *out)
{
	struct entry one;
	size_t at = 0;
	bool found = false;

	while (next_entry(e, &at, &one)) {
		if (!str_case_eq(one.key, key))
			continue;
		*out = one;
		found = true;
	}
	return found;
}

/* The value of an entry, its lines joined. */
static void value_of(
    const struct edit *e, const struct entry *one, struct buf *value)
{
	struct lines l = lines_start(
	    str_sub(buf_str(&e->text), one->start, one->end - one->start));

	if (lines_next(&l)) {
		struct str rest = buf_str(&l.text);

		cut_key(e, &rest);
		buf_add(value, str_trim(rest));
	}
	lines_end(&l);
}

bool edit_get(const struct edit *e, struct str key, struct buf *value)
{
	struct entry one;

	if (!last_entry(e, key, &one))
		return false;
	value_of(e, &one, value);
	return true;
}

/* The text with octets start to end replaced. */
static void replace(struct edit *e, size_t start, size_t end, struct str by)
{
	struct buf text = buf_new(TEXT_MAX);
	struct str all = buf_str(&e->text);

	buf_add(&text, str_sub(all, 0, start));
	buf_add(&text, by);
	buf_add(&text, str_skip(all, end));
	buf_free(&e->text);
	e->text = text;
}

void edit_set(struct edit *e, struct str key, struct str value)
{
	struct buf line = buf_new(TEXT_MAX);
	struct str all = buf_str(&e->text);
	struct entry one = {all.len, all.len, STR_EMPTY};
	bool found = last_entry(e, key, &one);

	if (!found && all.len > 0 && all.p[all.len - 1] != '\n')
		buf_add_char(&line, '\n');
	buf_add(&line, key);
	buf_add_text(&line, e->is_conf ? " =" : "");
	if (value.len > 0)
		buf_add_char(&line, ' ');
	buf_add(&line, value);
	buf_add_char(&line, '\n');
	replace(e, one.start, one.end, buf_str(&line));
	buf_free(&line);
}

bool edit_delete(struct edit *e, struct str key)
{
	struct entry one;
	bool found = false;

	while (last_entry(e, key, &one)) {
		replace(e, one.start, one.end, STR_EMPTY);
		found = true;
	}
	return found;
}

void edit_each(const struct edit *e,
    int (*each)(struct str key, struct str value, void *arg), void *arg)
{
	struct buf value = buf_new(LINES_MAX);
	struct entry one;
	size_t at = 0;

	while (next_entry(e, &at, &one)) {
		buf_clear(&value);
		value_of(e, &one, &value);
		if (each(one.key, buf_str(&value), arg) != 0)
			break;
	}
	buf_free(&value);
}

int edit_list(const struct posthouse *p, const char *command, const char *name,
    int (*each)(struct str key, struct str value, void *listing))
{
	struct edit_listing l = {.as_json = p->json};
	struct edit e;

	if (edit_open(&e, p, command, name) < 0)
		return 1;
	l.out = buf_new(LISTING_MAX);
	l.json = json_start(&l.out);
	if (p->json)
		json_array(&l.json, NULL);
	edit_each(&e, each, &l);
	if (p->json)
		json_end(&l.json);
	fputs(buf_text(&l.out), stdout);
	buf_free(&l.out);
	edit_close(&e);
	return 0;
}

static int compile(struct edit *e)
{
	struct buf errors = buf_new(65536);
	int result = map_compile("hash", e->path, &errors);

	if (errors.len > 0)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	return result;
}

int edit_save(struct edit *e, const char *command, mode_t mode)
{
	if (e->text.overflow) {
		posthouse_fail(command, "%s would be too long", e->path);
		return -1;
	}
	if (file_replace(e->path, buf_str(&e->text), mode) < 0) {
		posthouse_fail(command, "%s: %s", e->path, strerror(errno));
		return -1;
	}
	return e->is_conf ? 0 : compile(e);
}

bool edit_domain(const struct posthouse *p, const char *command,
    struct str domain, struct buf *entry)
{
	struct edit e;
	bool found;

	if (edit_open(&e, p, command, "domains") < 0)
		return false;
	found = edit_get(&e, domain, entry);
	if (found && entry->len == 0)
		buf_add_text(entry, "mailbox");
	if (!found)
		posthouse_fail(command,
		    "%.*s is not a domain of ours; "
		    "\"posthouse -c %s domain add %.*s\" makes it one",
		    STR_FMT(domain), p->config_directory, STR_FMT(domain));
	edit_close(&e);
	return found;
}
