/* SPDX-License-Identifier: ISC */
#include "conf/mastercf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/lines.h"
#include "core/file.h"
#include "core/memory.h"

#define FILE_SIZE_MAX (1024u * 1024u)
#define SERVICES_MAX  1000
#define ARGS_MAX      200

/* The seven columns before the command. */
enum { NAME, TYPE, PRIVATE, UNPRIVILEGED, CHROOT, WAKEUP, MAXPROC, COLUMNS };

static const char *const types[] = {"inet", "unix", "unix-dgram", "pass"};

static const char *parse_type(struct str word, int *type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (str_eq(word, str_from(types[i]))) {
			*type = (int)i;
			return NULL;
		}
	}
	return "the type is inet, unix, unix-dgram or pass";
}

static const char *parse_flag(struct str word, bool fallback, bool *flag)
{
	if (str_eq(word, STR("y")))
		*flag = true;
	else if (str_eq(word, STR("n")))
		*flag = false;
	else if (str_eq(word, STR("-")))
		*flag = fallback;
	else
		return "private, unpriv and chroot are y, n or -";
	return NULL;
}

static const char *parse_number(struct str word, int fallback, int *number)
{
	uint64_t n;

	if (str_eq(word, STR("-"))) {
		*number = fallback;
		return NULL;
	}
	/* Postfix's 60? (only when asked for) means the same here. */
	if (word.len > 1 && word.p[word.len - 1] == '?')
		word.len--;
	if (str_to_u64(word, 100000, &n) < 0)
		return "wakeup and maxproc are numbers up to 100000, or -";
	*number = (int)n;
	return NULL;
}

/* Socket names become file names. */
static const char *check_name(struct str name, int type)
{
	if (name.len > 100)
		return "the service's name is too long";
	if (type != SERVICE_INET &&
	    (str_find(name, '/') < name.len || name.p[0] == '.'))
		return "the name of a unix service is a file name without /";
	return NULL;
}

static const char *parse_columns(const struct str *w, struct service *s)
{
	const char *why = parse_type(w[TYPE], &s->type);

	if (why == NULL)
		why = check_name(w[NAME], s->type);
	if (why == NULL)
		why = parse_flag(w[PRIVATE], true, &s->is_private);
	if (why == NULL)
		why = parse_flag(w[UNPRIVILEGED], true, &s->unprivileged);
	if (why == NULL)
		why = parse_flag(w[CHROOT], true, &s->chroot);
	if (why == NULL)
		why = parse_number(w[WAKEUP], 0, &s->wakeup);
	if (why == NULL)
		why = parse_number(w[MAXPROC], -1, &s->maxproc);
	return why;
}

/* The next word; one in { } may contain blanks. NULL, or what is wrong. */
static const char *cut_arg(struct str *rest, struct str *word)
{
	size_t depth = 0;

	*rest = str_trim(*rest);
	if (rest->len == 0 || rest->p[0] != '{') {
		*word = str_word(rest, " \t");
		return NULL;
	}
	for (size_t i = 0; i < rest->len; i++) {
		if (rest->p[i] == '{')
			depth++;
		if (rest->p[i] == '}' && --depth == 0) {
			*word = str_trim(str_sub(*rest, 1, i - 1));
			*rest = str_skip(*rest, i + 1);
			return NULL;
		}
	}
	return "a { is not closed";
}

static bool is_program(struct str word)
{
	return word.len > 0 && word.len <= 64 && word.p[0] != '.' &&
	    str_find(word, '/') == word.len;
}

static const char *parse_command(struct str rest, struct service *s)
{
	struct str word;
	const char *why;
	size_t count = 0;

	word = str_word(&rest, " \t");
	if (!is_program(word))
		return "the command is a program of daemon_directory, without "
		       "a path";
	s->command = str_dup(word);
	s->args = mem_array(ARGS_MAX + 1, sizeof(s->args[0]));
	for (;;) {
		why = cut_arg(&rest, &word);
		if (why != NULL || word.len == 0)
			return why;
		if (count == ARGS_MAX)
			return "too many arguments";
		s->args[count++] = str_dup(word);
	}
}

static void service_clear(struct service *s)
{
	for (size_t i = 0; s->args != NULL && s->args[i] != NULL; i++)
		free(s->args[i]);
	free(s->args);
	free(s->command);
	free(s->name);
	free(s->file);
}

static const char *parse_line(struct str text, struct service *s)
{
	struct str words[COLUMNS];
	const char *why;

	for (int i = 0; i < COLUMNS; i++) {
		words[i] = str_word(&text, " \t");
		if (words[i].len == 0)
			return "a service has eight columns: service type "
			       "private unpriv chroot wakeup maxproc command";
	}
	why = parse_columns(words, s);
	if (why != NULL)
		return why;
	s->name = str_dup(words[NAME]);
	return parse_command(text, s);
}

static const struct service *find(
    const struct mastercf *m, const struct service *like)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->services[i].type == like->type &&
		    strcmp(m->services[i].name, like->name) == 0)
			return &m->services[i];
	return NULL;
}

static void take_line(struct mastercf *m, const struct lines *l,
    const char *name, struct buf *errors)
{
	struct service s = {.line = l->first};
	const struct service *same = NULL;
	const char *why = l->why;

	if (why == NULL)
		why = parse_line(buf_str(&l->text), &s);
	if (why == NULL && m->count == SERVICES_MAX)
		why = "too many services";
	if (why == NULL && (same = find(m, &s)) != NULL) {
		buf_printf(errors,
		    "%s:%u: service %s %s stands in %s:%u already\n", name,
		    l->first, s.name, types[s.type], same->file, same->line);
		service_clear(&s);
		return;
	}
	if (why != NULL) {
		buf_printf(errors, "%s:%u: %s\n", name, l->first, why);
		service_clear(&s);
		return;
	}
	s.file = str_dup(str_from(name));
	m->services = mem_resize(
	    m->services, m->count + 1, sizeof(struct service));
	m->services[m->count++] = s;
}

void mastercf_add(
    struct mastercf *m, struct str text, const char *name, struct buf *errors)
{
	struct lines l = lines_start(text);

	while (lines_next(&l))
		take_line(m, &l, name, errors);
	lines_end(&l);
}

struct mastercf *mastercf_parse(
    struct str text, const char *name, struct buf *errors)
{
	struct mastercf *m = NEW(struct mastercf);

	mastercf_add(m, text, name, errors);
	return m;
}

/* ---- the files ----------------------------------------------------------- */

static int read_file(struct mastercf *m, const char *directory,
    const char *name, struct buf *all, struct buf *errors)
{
	struct buf text = buf_new(FILE_SIZE_MAX);
	char *path;
	int result = -1;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return -1;
	if (file_read(path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
	} else {
		mastercf_add(m, buf_str(&text), path, errors);
		result = 0;
	}
	if (all != NULL) {
		buf_add(all, buf_str(&text));
		buf_add_char(all, '\n');
	}
	free(path);
	buf_free(&text);
	return result;
}

static int is_part(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(str_from(e->d_name), STR(".cf"));
}

static int read_parts(struct mastercf *m, const char *directory,
    struct buf *all, struct buf *errors)
{
	struct dirent **parts = NULL;
	char *path;
	int result = 0, n;

	if (asprintf(&path, "%s/master.d", directory) < 0)
		return -1;
	n = scandir(path, &parts, is_part, alphasort);
	if (n < 0 && errno != ENOENT) {
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
		result = -1;
	}
	for (int i = 0; i < n; i++) {
		result |= read_file(m, path, parts[i]->d_name, all, errors);
		free(parts[i]);
	}
	free(parts);
	free(path);
	return result;
}

struct mastercf *mastercf_read(
    const char *directory, struct buf *all, struct buf *errors)
{
	struct mastercf *m = NEW(struct mastercf);
	int result = read_file(m, directory, "master.cf", all, errors);

	result |= read_parts(m, directory, all, errors);
	if (all != NULL && all->overflow) {
		buf_printf(errors, "%s/master.d: too much text\n", directory);
		result = -1;
	}
	if (result < 0)
		mastercf_free(&m);
	return m;
}

void mastercf_free(struct mastercf **m)
{
	if (*m == NULL)
		return;
	for (size_t i = 0; i < (*m)->count; i++)
		service_clear(&(*m)->services[i]);
	free((*m)->services);
	free(*m);
	*m = NULL;
}

const char *service_place(const struct service *s)
{
	struct str path = str_from(s->file);
	size_t slash = str_find_last(path, '/');
	struct str folder = str_sub(path, 0, slash);

	if (slash == path.len)
		return s->file;
	if (!str_ends(folder, STR("/master.d")))
		return s->file + slash + 1;
	return s->file + str_find_last(folder, '/') + 1;
}
