/* SPDX-License-Identifier: ISC */
/* Finds the type of a table, and reads its files anew when they change. */
#include "conf/map_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/memory.h"

#define CHECK_MS 1000

static const struct map_kind *const kinds[] = {&map_hash, &map_btree, &map_text,
    &map_texthash, &map_aliases, &map_inline, &map_static, &map_cidr,
    &map_pcre};

/* What tells that a file is another than it was. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct map {
	const struct map_kind *kind;
	char *where; /* path, or the text of inline and static */
	void *data;
	struct stamp text, db;
	int64_t next_check; /* clock_ms */
	struct buf why, warning;
};

static struct stamp stamp_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct stamp){0};
	return (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool same(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode &&
	    a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether a file is another than at the last call. */
static bool changed(struct map *m)
{
	char db_path[4100];
	struct stamp text = stamp_of(m->where), db;

	snprintf(db_path, sizeof(db_path), "%s.db", m->where);
	db = stamp_of(db_path);
	bool is_same = same(&text, &m->text) && same(&db, &m->db);
	m->text = text;
	m->db = db;
	return !is_same;
}

static void refresh(struct map *m)
{
	int64_t now = clock_ms();
	void *data;

	if (!m->kind->is_file || now < m->next_check)
		return;
	m->next_check = now + CHECK_MS;
	if (!changed(m))
		return;
	buf_clear(&m->warning);
	data = m->kind->load(m->where, &m->warning);
	if (data == NULL)
		return; /* the old one goes on serving */
	m->kind->unload(m->data);
	m->data = data;
}

static const struct map_kind *find_kind(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(str_from(kinds[i]->name), name))
			return kinds[i];
	return NULL;
}

static char *path_below(const char *base, struct str name)
{
	char *path;
	int len;

	if (name.len > 0 && name.p[0] == '/')
		return str_dup(name);
	len = asprintf(
	    &path, "%s/%.*s", base == NULL ? "." : base, STR_FMT(name));
	if (len < 0)
		abort();
	return path;
}

/* What stands before the colon, and behind it. */
static const struct map_kind *cut_kind(struct str spec, struct str *where)
{
	*where = str_trim(spec);
	if (str_starts(*where, STR("proxy:"))) /* lookup is the proxy */
		*where = str_skip(*where, 6);
	struct str type = str_cut(where, ':');
	*where = str_trim(*where);
	return where->len > 0 ? find_kind(type) : NULL;
}

bool map_is_spec(struct str word)
{
	struct str where;

	return cut_kind(word, &where) != NULL;
}

char *map_path(const char *spec, const char *base)
{
	struct str where;
	const struct map_kind *kind = cut_kind(str_from(spec), &where);

	return kind != NULL && kind->is_file ? path_below(base, where) : NULL;
}

char *map_folder(const char *spec, const char *base)
{
	char *path = map_path(spec, base), *slash;

	if (path == NULL)
		return NULL;
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	return path;
}

struct map *map_open(const char *spec, const char *base, const char **why)
{
	static char reason[1024];
	struct str where;
	const struct map_kind *kind = cut_kind(str_from(spec), &where);
	struct map *m;

	*why = reason;
	if (kind == NULL) {
		snprintf(reason, sizeof(reason),
		    "%s: a table is written type:name, with one of the types "
		    "hash, btree, text, aliases, inline, static, cidr and pcre",
		    spec);
		return NULL;
	}
	m = NEW(struct map);
	m->kind = kind;
	m->why = buf_new(sizeof(reason) - 1);
	m->warning = buf_new(sizeof(reason) - 1);
	m->where = kind->is_file ? path_below(base, where) : str_dup(where);
	if (strlen(m->where) > 4095) {
		buf_add_text(&m->why, "the table's name is too long");
	} else {
		if (kind->is_file)
			changed(m);
		m->next_check = clock_ms() + CHECK_MS;
		m->data = kind->load(m->where, &m->why);
	}
	if (m->data == NULL) {
		snprintf(reason, sizeof(reason), "%s", buf_text(&m->why));
		map_close(&m);
	}
	return m;
}

int map_check(const char *spec, const char *base, struct buf *errors)
{
	struct str where;
	const struct map_kind *kind = cut_kind(str_from(spec), &where);
	const char *why;

	if (kind != NULL && kind->check != NULL) {
		char *path = path_below(base, where);
		int result = kind->check(path, errors);

		free(path);
		return result;
	}
	struct map *m = map_open(spec, base, &why);

	if (m == NULL) {
		buf_printf(errors, "%s\n", why);
		return -1;
	}
	map_close(&m);
	return 0;
}

const char *map_type(size_t n)
{
	return n < ARRAY_LEN(kinds) ? kinds[n]->name : NULL;
}

struct str map_cut_spec(struct str *maps)
{
	size_t depth = 0, n = 0;

	while (maps->len > 0 &&
	    (maps->p[0] == ' ' || maps->p[0] == '\t' || maps->p[0] == ','))
		*maps = str_skip(*maps, 1);
	while (n < maps->len) {
		char c = maps->p[n];

		if (depth == 0 && (c == ' ' || c == '\t' || c == ','))
			break;
		if (c == '{')
			depth++;
		if (c == '}' && depth > 0)
			depth--;
		n++;
	}
	struct str spec = str_sub(*maps, 0, n);
	*maps = str_skip(*maps, n);
	return spec;
}

void map_close(struct map **m)
{
	if (*m == NULL)
		return;
	if ((*m)->data != NULL)
		(*m)->kind->unload((*m)->data);
	free((*m)->where);
	buf_free(&(*m)->why);
	buf_free(&(*m)->warning);
	free(*m);
	*m = NULL;
}

void map_keep(struct map *m)
{
	m->next_check = INT64_MAX;
}

enum map_result map_find(struct map *m, struct str key, struct buf *out)
{
	enum map_result result;

	refresh(m);
	buf_clear(&m->why);
	result = m->kind->find(m->data, key, out, &m->why);
	if (result == MAP_FOUND && out->overflow) {
		buf_printf(&m->why, "%s: the value is too long", m->where);
		return MAP_ERROR;
	}
	return result;
}

void map_place(struct map *m, struct str key, struct map_place *out)
{
	struct buf said = buf_new(MAP_VALUE_MAX);
	struct buf answer = buf_new(MAP_VALUE_MAX);

	*out = (struct map_place){NULL, 0, false};
	if (m->kind->line != NULL) {
		out->file = m->where;
		out->line = m->kind->line(m->data, m->where, key, &said);
		out->differs = map_find(m, key, &answer) == MAP_FOUND &&
		    (out->line == 0 ||
			!str_eq(buf_str(&said), buf_str(&answer)));
	}
	buf_free(&said);
	buf_free(&answer);
}

const char *map_why(const struct map *m)
{
	return buf_text((struct buf *)(uintptr_t)&m->why);
}

int map_take_warning(struct map *m, struct buf *out)
{
	if (m->warning.len == 0)
		return 0;
	buf_add(out, buf_str(&m->warning));
	buf_clear(&m->warning);
	return 1;
}

struct str map_fold(struct str key, char *space)
{
	if (key.len > MAP_KEY_MAX)
		return str_of(NULL, 0);
	for (size_t i = 0; i < key.len; i++)
		space[i] = ascii_lower(key.p[i]);
	return str_of(space, key.len);
}
