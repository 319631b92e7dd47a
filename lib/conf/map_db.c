/* SPDX-License-Identifier: ISC */
/*
 * hash: and btree:, Berkeley DB files name.db beside the text.
 *
 * The newer of the two counts: a text that was edited after it was compiled
 * (or never was) is read into memory, so that an edit is never forgotten and
 * compiling is what makes a large table quick. A name.db made by Postfix, with
 * NULs behind keys and values, is understood.
 */
#include "conf/map_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#ifndef WITHOUT_BDB
#include <db.h>
#endif

#include "core/file.h"
#include "core/memory.h"

#define PATH_SPACE 4200

/* One of the two is not NULL. */
struct source {
	void *db;
	struct table *text;
};

static void db_path_of(char *out, const char *text_path)
{
	snprintf(out, PATH_SPACE, "%s.db", text_path);
}

static bool newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
				      : a->tv_nsec > b->tv_nsec;
}

int map_is_stale(const char *text_path)
{
	char db_path[PATH_SPACE];
	struct stat text, db;

	db_path_of(db_path, text_path);
	if (stat(text_path, &text) < 0)
		return -1;
	if (stat(db_path, &db) < 0)
		return errno == ENOENT ? 1 : -1;
	return newer(&text.st_mtim, &db.st_mtim);
}

#ifdef WITHOUT_BDB

static bool has_db(const char *where)
{
	(void)where;
	return false;
}

static void *db_open(const char *where, struct buf *why)
{
	(void)where;
	(void)why;
	return NULL;
}

static enum map_result db_find(
    void *db, struct str key, struct buf *out, struct buf *why)
{
	(void)db;
	(void)key;
	(void)out;
	(void)why;
	return MAP_NONE;
}

static void db_close(void *db)
{
	(void)db;
}

/* Built without Berkeley DB every table is read from its text. */
int map_compile(const char *type, const char *text_path, struct buf *errors)
{
	struct buf why = buf_new(1024);
	struct table *t = map_text_load(text_path, &why);

	(void)type;
	if (t == NULL)
		buf_printf(errors, "%s\n", buf_text(&why));
	else
		map_text_unload(t);
	buf_free(&why);
	return t == NULL ? -1 : 0;
}

#else

static void say_nothing(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

/* Whether name.db is there and not older than the text. */
static bool has_db(const char *where)
{
	char db_path[PATH_SPACE];
	struct stat text, db;

	db_path_of(db_path, where);
	if (stat(db_path, &db) < 0)
		return false;
	return stat(where, &text) < 0 || !newer(&text.st_mtim, &db.st_mtim);
}

static DB *db_new(void)
{
	DB *db;

	if (db_create(&db, NULL, 0) != 0)
		return NULL;
	db->set_errcall(db, say_nothing);
	return db;
}

static void *db_open(const char *where, struct buf *why)
{
	char db_path[PATH_SPACE];
	DB *db = db_new();
	int error = ENOMEM;

	db_path_of(db_path, where);
	if (db != NULL)
		error = db->open(
		    db, NULL, db_path, NULL, DB_UNKNOWN, DB_RDONLY, 0);
	if (error == 0)
		return db;
	buf_printf(why, "%s: %s", db_path, db_strerror(error));
	if (db != NULL)
		db->close(db, DB_NOSYNC);
	return NULL;
}

static DBT dbt_of(struct str s)
{
	DBT t;

	memset(&t, 0, sizeof(t));
	t.data = (void *)(uintptr_t)s.p;
	t.size = (u_int32_t)s.len;
	return t;
}

static enum map_result db_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	char space[MAP_KEY_MAX + 1];
	struct str folded = map_fold(key, space);
	DB *db = data;
	DBT value = dbt_of(STR_EMPTY);

	if (folded.p == NULL)
		return MAP_NONE;
	space[folded.len] = '\0';
	DBT k = dbt_of(folded);
	int error = db->get(db, NULL, &k, &value, 0);
	if (error == DB_NOTFOUND) {
		k.size++; /* Postfix counts the NUL */
		error = db->get(db, NULL, &k, &value, 0);
	}
	if (error == DB_NOTFOUND)
		return MAP_NONE;
	if (error != 0) {
		buf_printf(why, "%s", db_strerror(error));
		return MAP_ERROR;
	}
	struct str found = str_of(value.data, value.size);
	if (found.len > 0 && found.p[found.len - 1] == '\0')
		found.len--;
	buf_add(out, found);
	return MAP_FOUND;
}

static void db_close(void *db)
{
	((DB *)db)->close(db, DB_NOSYNC);
}

struct compile {
	DB *db;
	const char *path;
	struct buf *errors;
	int error;
};

static int store_row(struct str key, struct str value, unsigned line, void *arg)
{
	struct compile *c = arg;
	char space[MAP_KEY_MAX];
	DBT k = dbt_of(map_fold(key, space)), v = dbt_of(value);

	c->error = c->db->put(c->db, NULL, &k, &v, DB_NOOVERWRITE);
	if (c->error == DB_KEYEXIST) {
		buf_printf(c->errors,
		    "%s:%u: %.*s stands here twice; the "
		    "first counts\n",
		    c->path, line, STR_FMT(key));
		c->error = 0;
	}
	return c->error;
}

/* Writes the new database; returns 0, or -1 with error lines. */
static int write_db(const char *type, const char *text_path,
    const char *db_path, struct buf *errors)
{
	DB *db = db_new();
	struct compile c = {db, text_path, errors, 0};
	int result = -1;

	if (db == NULL)
		return -1;
	db->set_cachesize(db, 0, 16u * 1024u * 1024u, 1);
	c.error = db->open(db, NULL, db_path, NULL,
	    strcmp(type, "btree") == 0 ? DB_BTREE : DB_HASH,
	    DB_CREATE | DB_EXCL, 0600);
	if (c.error == 0)
		result = map_each(text_path, store_row, &c, errors);
	int closed = db->close(db, 0);
	if (c.error == 0)
		c.error = closed;
	if (c.error != 0) {
		buf_printf(errors, "%s: %s\n", db_path, db_strerror(c.error));
		result = -1;
	}
	return result;
}

/* Owner, mode and time of the text: the time is what makes the pair fresh,
 * and an edit during the compilation is newer. */
static int dress(int fd, const struct stat *text)
{
	const struct timespec times[2] = {text->st_mtim, text->st_mtim};

	if ((text->st_uid != geteuid() || text->st_gid != getegid()) &&
	    fchown(fd, text->st_uid, text->st_gid) < 0 && errno != EPERM)
		return -1;
	if (fchmod(fd, text->st_mode & 0666) < 0)
		return -1;
	return futimens(fd, times);
}

static int finish(
    const char *temporary, const char *db_path, const struct stat *text)
{
	int fd = open(temporary, O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -1;
	result = dress(fd, text);
	if (result == 0)
		result = fsync(fd);
	file_close(&fd);
	return result < 0 ? -1 : rename(temporary, db_path);
}

int map_compile(const char *type, const char *text_path, struct buf *errors)
{
	char db_path[PATH_SPACE], temporary[PATH_SPACE + 16];
	struct stat text;

	if (strlen(text_path) > 4095) {
		buf_printf(errors, "%s: the name is too long\n", text_path);
		return -1;
	}
	db_path_of(db_path, text_path);
	snprintf(temporary, sizeof(temporary), "%s.%d", db_path, (int)getpid());
	if (stat(text_path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", text_path, strerror(errno));
		return -1;
	}
	unlink(temporary);
	if (write_db(type, text_path, temporary, errors) < 0) {
		unlink(temporary);
		return -1;
	}
	if (finish(temporary, db_path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", db_path, strerror(errno));
		unlink(temporary);
		return -1;
	}
	return 0;
}

#endif

static void *hash_load(const char *where, struct buf *why)
{
	struct source s = {NULL, NULL}, *kept;
	struct buf ignored = buf_new(1024);

	if (has_db(where))
		s.db = db_open(where, why);
	if (s.db == NULL)
		s.text = map_text_load(where, why->len > 0 ? &ignored : why);
	buf_free(&ignored);
	if (s.db == NULL && s.text == NULL)
		return NULL;
	kept = NEW(struct source);
	*kept = s;
	return kept;
}

static enum map_result hash_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	const struct source *s = data;

	if (s->db != NULL)
		return db_find(s->db, key, out, why);
	return map_text.find(s->text, key, out, why);
}

static void hash_unload(void *data)
{
	struct source *s = data;

	if (s->db != NULL)
		db_close(s->db);
	if (s->text != NULL)
		map_text_unload(s->text);
	free(s);
}

/* A name.db alone, as Postfix leaves it, is a table too. */
static int hash_check(const char *where, struct buf *errors)
{
	struct buf why = buf_new(1024);
	bool compiled = has_db(where);
	void *db = compiled ? db_open(where, &why) : NULL;
	int result = compiled && access(where, F_OK) < 0
	    ? 0
	    : map_text_check(where, errors);

	if (compiled && db == NULL) {
		buf_printf(errors, "%s\n", buf_text(&why));
		result = -1;
	}
	if (db != NULL)
		db_close(db);
	buf_free(&why);
	return result;
}

const struct map_kind map_hash = {
    "hash", true, hash_load, hash_find, hash_unload, hash_check, map_text_line};
const struct map_kind map_btree = {"btree", true, hash_load, hash_find,
    hash_unload, hash_check, map_text_line};
