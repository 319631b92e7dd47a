/* SPDX-License-Identifier: ISC */
#include "policyd/memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/file.h"
#include "core/memory.h"

#define FIRST_LINE "posthouse-memory 1\n"
#define LAST_LINE  "end\n" /* what may stand behind it is older */
/* Octets; the limits of the fields leave room. */
#define LINE_MOST     2048
#define WRITE_AT_ONCE 65536

struct memory_entry {
	struct memory_entry *newer, *older;
	int64_t until;
	size_t key_len;
	char *value;
	char key[]; /* name SP key */
};

struct memory memory_new(size_t most)
{
	return (struct memory){.by_key = table_new(), .most = most};
}

static void unlink_entry(struct memory *m, struct memory_entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &m->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &m->oldest) = e->newer;
}

static void link_newest(struct memory *m, struct memory_entry *e)
{
	e->newer = NULL;
	e->older = m->newest;
	*(m->newest != NULL ? &m->newest->newer : &m->oldest) = e;
	m->newest = e;
}

static void drop(struct memory *m, struct memory_entry *e)
{
	unlink_entry(m, e);
	table_remove(&m->by_key, str_of(e->key, e->key_len));
	free(e->value);
	free(e);
}

void memory_free(struct memory *m)
{
	while (m->oldest != NULL)
		drop(m, m->oldest);
	table_free(&m->by_key);
}

/* Copies of these are made. */
static void put(
    struct memory *m, struct str key, struct str value, int64_t until)
{
	struct memory_entry *e = table_get(&m->by_key, key);

	if (e == NULL) {
		while (m->by_key.count >= m->most && m->oldest != NULL)
			drop(m, m->oldest);
		e = mem_alloc(sizeof(*e) + key.len);
		memcpy(e->key, key.p, key.len);
		e->key_len = key.len;
		table_put(&m->by_key, key, e);
	} else {
		unlink_entry(m, e);
		free(e->value);
	}
	e->value = str_dup(value);
	e->until = until;
	link_newest(m, e);
}

static bool printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

static struct buf whole_key(struct str name, struct str key)
{
	struct buf b = buf_new(LINE_MOST);

	buf_add(&b, name);
	buf_add_char(&b, ' ');
	buf_add(&b, key);
	return b;
}

int memory_remember(
    struct memory *m, const struct policy_remember *what, int64_t now)
{
	if (!printable(what->name) || !printable(what->key) ||
	    !printable(what->value))
		return -1;
	struct buf key = whole_key(what->name, what->key);
	struct memory_entry *e = table_get(&m->by_key, buf_str(&key));
	if (what->seconds > 0)
		put(m, buf_str(&key), what->value,
		    now + (int64_t)what->seconds);
	else if (e != NULL)
		drop(m, e);
	buf_free(&key);
	return 0;
}

bool memory_recall(struct memory *m, struct str name, struct str key,
    int64_t now, struct str *value)
{
	struct buf whole = whole_key(name, key);
	struct memory_entry *e = table_get(&m->by_key, buf_str(&whole));

	buf_free(&whole);
	if (e == NULL)
		return false;
	if (e->until <= now) {
		drop(m, e);
		return false;
	}
	unlink_entry(m, e);
	link_newest(m, e);
	*value = str_from(e->value);
	return true;
}

bool memory_look(const struct memory *m, struct str name, struct str key,
    int64_t now, struct str *value)
{
	struct buf whole = whole_key(name, key);
	const struct memory_entry *e = table_get(&m->by_key, buf_str(&whole));

	buf_free(&whole);
	if (e == NULL || e->until <= now)
		return false;
	*value = str_from(e->value);
	return true;
}

bool memory_next(const struct memory *m, const struct memory_entry **at,
    struct str *key, struct str *value, int64_t *until)
{
	*at = *at == NULL ? m->newest : (*at)->older;
	if (*at == NULL)
		return false;
	*key = str_of((*at)->key, (*at)->key_len);
	*value = str_from((*at)->value);
	*until = (*at)->until;
	return true;
}

size_t memory_forget_if(
    struct memory *m, bool (*take)(struct str key, void *arg), void *arg)
{
	struct memory_entry *older;
	size_t count = 0;

	for (struct memory_entry *e = m->newest; e != NULL; e = older) {
		older = e->older;
		if (!take(str_of(e->key, e->key_len), arg))
			continue;
		drop(m, e);
		count++;
	}
	return count;
}

/* ---- the file ---- */

/* By write(2): the jail allows no other way. */
int memory_save(const struct memory *m, int fd)
{
	struct buf out = buf_new(WRITE_AT_ONCE + LINE_MOST);
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;

	buf_add_text(&out, FIRST_LINE);
	/* The oldest first, so that reading makes the same order. */
	for (const struct memory_entry *e = m->oldest; e != NULL && r == 0;
	     e = e->newer) {
		buf_printf(&out, "%lld\t", (long long)e->until);
		buf_add(&out, str_of(e->key, e->key_len));
		buf_printf(&out, "\t%s\n", e->value);
		if (out.len < WRITE_AT_ONCE)
			continue;
		r = file_write_full(fd, out.p, out.len);
		buf_clear(&out);
	}
	buf_add_text(&out, LAST_LINE);
	if (r == 0)
		r = file_write_full(fd, out.p, out.len);
	buf_free(&out);
	return r;
}

static void load_line(struct memory *m, struct str line, int64_t now)
{
	struct str rest = line, until = str_cut(&rest, '\t');
	struct str key = str_cut(&rest, '\t');
	uint64_t end;

	if (str_to_u64(until, INT64_MAX, &end) == 0 && (int64_t)end > now &&
	    key.len > 0 && printable(key) && printable(rest))
		put(m, key, rest, (int64_t)end);
}

void memory_load(struct memory *m, int fd, int64_t now)
{
	/* No more than what can be kept is read. */
	struct buf text = buf_new(m->most * 512);

	if (lseek(fd, 0, SEEK_SET) == 0)
		(void)file_read_fd(fd, &text);
	struct str rest = buf_str(&text);
	if (str_starts(rest, STR(FIRST_LINE)))
		while (str_find(rest, '\n') < rest.len &&
		    !str_starts(rest, STR(LAST_LINE)))
			load_line(m, str_cut(&rest, '\n'), now);
	buf_free(&text);
}
