/* SPDX-License-Identifier: ISC */
#include "posthouse/trace_search.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

#define NAME_LEN     16 /* YYYYMMDDHH.trace */
#define MESSAGES_MAX 50 /* the newest that an address leads to */
#define ROUNDS_MAX   8  /* DSN of a DSN ... */

typedef void visit(struct trace_search *s, const struct trace_record *r);

/* ---- files --------------------------------------------------------------- */

static int is_trace(const struct dirent *e)
{
	return strlen(e->d_name) == NAME_LEN &&
	    strcmp(e->d_name + 10, ".trace") == 0;
}

/* The file's records, the last first or the first first. */
static void walk_file(
    struct trace_search *s, int dir, const char *name, bool back, visit *act)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	const struct trace_cell *cells;
	struct trace_record r;
	struct stat st;
	size_t count;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < TRACE_CELL) {
		file_close(&fd);
		return;
	}
	count = (size_t)st.st_size / sizeof(*cells);
	cells = mmap(
	    NULL, count * sizeof(*cells), PROT_READ, MAP_SHARED, fd, 0);
	file_close(&fd);
	if (cells == MAP_FAILED)
		return;
	for (size_t i = 0; i < count; i++) {
		size_t at = back ? count - 1 - i : i;

		if (trace_decode(&cells[at], count - at, &r) > 0)
			act(s, &r);
	}
	munmap((void *)(uintptr_t)cells, count * sizeof(*cells));
}

static int walk(
    struct trace_search *s, const char *directory, bool back, visit *act)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **names;
	int n;

	if (dir < 0)
		return -1;
	n = scandirat(dir, ".", &names, is_trace, alphasort);
	for (int i = 0; i < n; i++)
		walk_file(
		    s, dir, names[back ? n - 1 - i : i]->d_name, back, act);
	for (int i = 0; i < n; i++)
		free(names[i]);
	if (n >= 0)
		free(names);
	file_close(&dir);
	return n < 0 ? -1 : 0;
}

/* ---- what belongs together ----------------------------------------------- */

static void add(struct trace_search *s, struct table *t, struct str id)
{
	if (id.len > 0)
		table_put(t, id, s);
}

/* Newest first: what the key itself names. */
static void match(struct trace_search *s, const struct trace_record *r)
{
	struct str message = id_str(&r->message), session = id_str(&r->session);

	if (str_eq(message, s->key)) {
		add(s, &s->messages, message);
	} else if (str_eq(session, s->key)) {
		add(s, &s->sessions, session);
		add(s, &s->messages, message);
	} else if (str_case_eq(r->says.who, s->key) ||
	    str_case_eq(r->says.where, s->key)) {
		if (message.len > 0 && s->messages.count >= MESSAGES_MAX &&
		    table_get(&s->messages, message) == NULL) {
			s->cut = true;
			return;
		}
		if (message.len > 0)
			add(s, &s->messages, message);
		else if (s->sessions.count < MESSAGES_MAX)
			add(s, &s->sessions, session);
	}
}

/* A DSN belongs to its message and the message to its DSN; a session to the
 * messages that came in it. */
static void follow(struct trace_search *s, const struct trace_record *r)
{
	struct str message = id_str(&r->message), dsn;

	if (message.len == 0)
		return;
	if (r->kind == TRACE_BOUNCED) {
		dsn = r->says.where;
		if (table_get(&s->messages, message) != NULL)
			add(s, &s->messages, dsn);
		else if (dsn.len > 0 && table_get(&s->messages, dsn) != NULL)
			add(s, &s->messages, message);
	}
	if (table_get(&s->messages, message) != NULL)
		add(s, &s->sessions, id_str(&r->session));
}

/* Views into another copy. */
static struct trace_fields says_of(
    const struct trace_record *copy, const struct trace_record *r)
{
	struct trace_fields says = r->says;

	says.who.p = copy->text + (says.who.p - r->text);
	says.where.p = copy->text + (says.where.p - r->text);
	says.code.p = copy->text + (says.code.p - r->text);
	says.why.p = copy->text + (says.why.p - r->text);
	return says;
}

static void collect(struct trace_search *s, const struct trace_record *r)
{
	struct str message = id_str(&r->message), session = id_str(&r->session);

	if (message.len > 0
		? table_get(&s->messages, message) == NULL
		: session.len == 0 || table_get(&s->sessions, session) == NULL)
		return;
	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->events = mem_resize(
		    s->events, s->room, sizeof(s->events[0]));
	}
	s->events[s->count] = mem_alloc(sizeof(*r));
	*s->events[s->count] = *r;
	s->events[s->count]->says = says_of(s->events[s->count], r);
	s->count++;
}

static int by_time(const void *a, const void *b)
{
	const struct trace_record *x = *(struct trace_record *const *)a;
	const struct trace_record *y = *(struct trace_record *const *)b;

	return x->time_us < y->time_us ? -1 : x->time_us > y->time_us;
}

int trace_search(struct trace_search *s, const char *directory, struct str key)
{
	size_t before;

	*s = (struct trace_search){.key = key};
	if (key.len > 0 && key.p[0] == '<' && key.p[key.len - 1] == '>')
		s->key = str_sub(key, 1, key.len - 2);
	if (walk(s, directory, true, match) < 0)
		return -1;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		before = s->messages.count + s->sessions.count;
		if (walk(s, directory, false, follow) < 0)
			return -1;
		if (s->messages.count + s->sessions.count == before)
			break;
	}
	if (walk(s, directory, false, collect) < 0)
		return -1;
	if (s->count > 0)
		qsort(s->events, s->count, sizeof(s->events[0]), by_time);
	return 0;
}

void trace_search_free(struct trace_search *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->events[i]);
	free(s->events);
	table_free(&s->messages);
	table_free(&s->sessions);
}
