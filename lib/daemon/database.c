/* SPDX-License-Identifier: ISC */
#include "daemon/database.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#ifndef WITHOUT_BDB
#include <db.h>
#endif

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

#ifdef WITHOUT_BDB

int database_prepare(
    const char *parameter, const char *directory, const char *name)
{
	(void)parameter;
	(void)directory;
	log_warning("built without Berkeley DB: %s are not stored", name);
	return 0;
}

int database_open(void)
{
	return -1;
}

void database_close(void)
{
}

int database_get(struct str key, struct buf *value)
{
	(void)key;
	(void)value;
	return -1;
}

int database_put(struct str key, struct str value)
{
	(void)key;
	(void)value;
	return -1;
}

int database_remove(struct str key)
{
	(void)key;
	return -1;
}

int database_next(struct buf *key, struct buf *value)
{
	(void)key;
	(void)value;
	return -1;
}

int database_commit(void)
{
	return -1;
}

void database_undo(void)
{
}

int database_sync(void)
{
	return -1;
}

#else

#define CACHE_OCTETS (8u << 20)
#define LOG_OCTETS   (4u << 20) /* of one file of the log */
#define PAGE_OCTETS  8192
#define OWNER_MS     5000 /* for another owner to end */
#define LOOK_MS      50   /* between two looks whether he has */

static struct {
	const char *parameter; /* "report_directory" */
	const char *name;      /* "rows" */
	int directory;         /* the parameter's */
	int folder;            /* rows/ in it */
	int home;              /* where the sockets are */
	DB_ENV *env;
	DB *db;
	DB_TXN *txn;
} store = {.directory = -1, .folder = -1, .home = -1};

/* ---- the working directory ------------------------------------------------ */

static void enter(void)
{
	if (fchdir(store.folder) < 0)
		log_fatal("%s: %s", store.parameter, strerror(errno));
}

/* The result of what was called in between. */
static int leave(int result)
{
	if (fchdir(store.home) < 0)
		log_fatal("run_directory: %s", strerror(errno));
	return result;
}

int database_prepare(
    const char *parameter, const char *directory, const char *name)
{
	store.parameter = parameter;
	store.name = name;
	store.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store.directory >= 0)
		return 0;
	log_error("%s %s: %s", parameter, directory, strerror(errno));
	return -1;
}

/* ---- opening -------------------------------------------------------------- */

static void complain(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	log_warning("%s: %s", store.name, text);
}

/* What cannot go on in this process can after a recovery: in the next. */
static int failed(const char *what, int error)
{
	if (error == DB_RUNRECOVERY)
		log_fatal("%s: %s: %s", store.name, what, db_strerror(error));
	log_error("%s: %s: %s", store.name, what, db_strerror(error));
	return -1;
}

static int open_env(void)
{
	DB_ENV *env = NULL;
	int e = db_env_create(&env, 0);

	if (e != 0)
		return e;
	env->set_errcall(env, complain);
	(void)env->set_cachesize(env, 0, CACHE_OCTETS, 1);
	(void)env->set_lg_max(env, LOG_OCTETS);
	(void)env->set_tmp_dir(env, ".");
	(void)env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1);
	e = env->open(env, ".",
	    DB_CREATE | DB_PRIVATE | DB_RECOVER | DB_INIT_MPOOL | DB_INIT_LOG |
		DB_INIT_TXN,
	    0600);
	if (e != 0) {
		(void)env->close(env, 0);
		return e;
	}
	store.env = env;
	return 0;
}

static int open_db(void)
{
	char file[64];
	DB *db = NULL;
	int e = db_create(&db, store.env, 0);

	if (e != 0)
		return e;
	snprintf(file, sizeof(file), "%s.db", store.name);
	(void)db->set_pagesize(db, PAGE_OCTETS);
	e = db->open(
	    db, NULL, file, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
	if (e != 0) {
		(void)db->close(db, 0);
		return e;
	}
	store.db = db;
	return 0;
}

/* Who opens a database recovers it, under the hands of another owner: one that
 * is at its end while the next one starts already. Where the file system knows
 * no such lock there is none. */
static int own_folder(void)
{
	int64_t until = deadline_in(OWNER_MS);

	while (flock(store.folder, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return 0;
		if (clock_ms() >= until)
			return EBUSY;
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

static int open_all(void)
{
	int e;

	if (mkdirat(store.directory, store.name, 0700) < 0 && errno != EEXIST)
		return errno;
	store.folder = openat(
	    store.directory, store.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store.folder < 0)
		return errno;
	e = own_folder();
	if (e != 0) {
		file_close(&store.folder);
		return e;
	}
	enter();
	e = open_env();
	if (e == 0)
		e = open_db();
	leave(0);
	if (e != 0)
		database_close();
	return e;
}

/* Whether it is the system that fails, and not what is stored. */
static bool is_of_system(int e)
{
	static const int errors[] = {ENOSPC, EDQUOT, EFBIG, EROFS, EACCES,
	    EPERM, ENOMEM, EMFILE, ENFILE, EAGAIN, EINTR, EBUSY};

	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (e == errors[i])
			return true;
	return false;
}

/* What cannot be opened is kept for who wants to look at it. */
static int set_aside(int why)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.damaged.%lld", store.name,
	    (long long)clock_seconds());
	if (renameat(store.directory, store.name, store.directory, name) < 0) {
		log_error("%s: %s, and cannot be set aside: %s", store.name,
		    db_strerror(why), strerror(errno));
		return -1;
	}
	log_error("%s: %s; set aside as %s in %s, all begins anew", store.name,
	    db_strerror(why), name, store.parameter);
	return 0;
}

int database_open(void)
{
	int e;

	store.home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (store.home < 0)
		log_fatal("run_directory: %s", strerror(errno));
	e = open_all();
	if (is_of_system(e)) {
		log_error("%s: %s", store.name,
		    e == EBUSY ? "another process has it open"
			       : db_strerror(e));
		return -1;
	}
	if (e != 0)
		e = set_aside(e) < 0 ? e : open_all();
	return e == 0 ? 0 : -1;
}

void database_close(void)
{
	if (store.folder < 0)
		return;
	enter();
	if (store.txn != NULL)
		(void)store.txn->commit(store.txn, 0);
	if (store.db != NULL)
		(void)store.db->close(store.db, 0);
	if (store.env != NULL) {
		(void)store.env->txn_checkpoint(store.env, 0, 0, DB_FORCE);
		(void)store.env->close(store.env, 0);
	}
	leave(0);
	store.txn = NULL;
	store.db = NULL;
	store.env = NULL;
	file_close(&store.folder);
}

/* ---- records -------------------------------------------------------------- */

/* The transaction; in the folder. -1, logged. */
static int begin(void)
{
	int e;

	if (store.db == NULL)
		return -1;
	enter();
	if (store.txn != NULL)
		return 0;
	e = store.env->txn_begin(store.env, NULL, &store.txn, 0);
	if (e == 0)
		return 0;
	store.txn = NULL;
	return leave(failed("begin", e));
}

static DBT dbt_of(struct str s)
{
	DBT d = {.size = (uint32_t)s.len};

	/* Berkeley DB does not write to what it is given. */
	memcpy(&d.data, &s.p, sizeof(d.data));
	return d;
}

static int copy(struct buf *out, const DBT *from)
{
	buf_clear(out);
	return buf_add_bytes(out, from->data, from->size);
}

int database_get(struct str key, struct buf *value)
{
	DBT k = dbt_of(key), v = {0};
	int e;

	if (begin() < 0)
		return -1;
	e = store.db->get(store.db, store.txn, &k, &v, 0);
	leave(0);
	if (e == DB_NOTFOUND)
		return 0;
	if (e != 0)
		return failed("get", e);
	return copy(value, &v) < 0 ? -1 : 1;
}

int database_put(struct str key, struct str value)
{
	DBT k = dbt_of(key), v = dbt_of(value);
	int e;

	if (begin() < 0)
		return -1;
	e = store.db->put(store.db, store.txn, &k, &v, 0);
	return leave(e == 0 ? 0 : failed("put", e));
}

int database_remove(struct str key)
{
	DBT k = dbt_of(key);
	int e;

	if (begin() < 0)
		return -1;
	e = store.db->del(store.db, store.txn, &k, 0);
	return leave(e == 0 || e == DB_NOTFOUND ? 0 : failed("remove", e));
}

/* The least key that is greater is this one with a NUL behind it. */
int database_next(struct buf *key, struct buf *value)
{
	DBT k, v = {0};
	DBC *cursor = NULL;
	int e, result;

	if (key->len > 0)
		buf_add_char(key, '\0');
	k = dbt_of(buf_str(key));
	if (begin() < 0)
		return -1;
	e = store.db->cursor(store.db, store.txn, &cursor, 0);
	if (e == 0)
		e = cursor->get(cursor, &k, &v, DB_SET_RANGE);
	result = e == DB_NOTFOUND                      ? 0
	    : e != 0                                   ? failed("next", e)
	    : copy(key, &k) < 0 || copy(value, &v) < 0 ? -1
						       : 1;
	if (cursor != NULL)
		(void)cursor->close(cursor);
	return leave(result);
}

int database_commit(void)
{
	DB_TXN *txn = store.txn;
	int e;

	if (txn == NULL)
		return store.db == NULL ? -1 : 0;
	store.txn = NULL;
	enter();
	e = txn->commit(txn, 0);
	return leave(e == 0 ? 0 : failed("commit", e));
}

void database_undo(void)
{
	DB_TXN *txn = store.txn;

	if (txn == NULL)
		return;
	store.txn = NULL;
	enter();
	(void)txn->abort(txn);
	leave(0);
}

/* Files of the log that no recovery needs; Berkeley DB would do it, but wants
 * the folder's path, which a jail does not know. */
static void remove_old_logs(void)
{
	char **names = NULL;

	if (store.env->log_archive(store.env, &names, 0) != 0 || names == NULL)
		return;
	for (char **name = names; *name != NULL; name++)
		if (unlinkat(store.folder, *name, 0) < 0)
			log_warning(
			    "%s: %s: %s", store.name, *name, strerror(errno));
	free(names);
}

int database_sync(void)
{
	int e;

	if (store.env == NULL)
		return -1;
	enter();
	e = store.env->txn_checkpoint(store.env, 0, 0, 0);
	if (e == 0)
		remove_old_logs();
	return leave(e == 0 ? 0 : failed("sync", e));
}

#endif
