/* SPDX-License-Identifier: ISC */
/* The folder of keys, read and changed. Its owner is root (or who runs a
 * private instance); cleanup's group reads it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "daemon/roles.h"
#include "posthouse/dkim.h"

#define ROWS_MEMORY (256u << 20)

/* ---- reading ---- */

struct reading {
	struct key_rows *r;
	struct str domain;
	size_t room;
};

static int add_row(struct str selector, enum key_state state, void *arg)
{
	struct reading *in = arg;
	struct key_rows *r = in->r;
	char path[KEY_PATH_MAX];
	struct stat st = {0};

	if (r->count == in->room) {
		in->room = in->room == 0 ? 16 : in->room * 2;
		r->list = mem_resize(r->list, in->room, sizeof(r->list[0]));
	}
	key_path(in->domain, selector, state, path);
	if (fstatat(r->folder, path, &st, 0) < 0 && errno == ENOENT)
		return 0; /* it was changing */
	r->list[r->count] = (struct key_row){.domain = in->domain,
	    .selector = arena_copy(&r->arena, selector),
	    .state = state,
	    .since = st.st_mtim.tv_sec,
	    .mode = st.st_mode & 07777u,
	    .why = ""};
	struct key_row *row = &r->list[r->count++];
	row->key = key_folder_read(
	    r->folder, in->domain, selector, state, &row->why);
	return 0;
}

static int read_domain(struct reading *in, struct str domain)
{
	in->domain = arena_copy(&in->r->arena, domain);
	if (key_folder_each(in->r->folder, domain, add_row, in) < 0)
		return posthouse_fail("dkim", "dkim_key_directory/%.*s: %s",
		    STR_FMT(domain), strerror(errno));
	return 0;
}

static int read_all(struct reading *in)
{
	int fd = openat(in->r->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int result = 0;

	if (dir == NULL)
		return posthouse_fail(
		    "dkim", "dkim_key_directory: %s", strerror(errno));
	// cppcheck-suppress readdirCalled
	while (result == 0 && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			result = read_domain(in, str_from(e->d_name));
	closedir(dir);
	return result;
}

static int by_name(const void *a, const void *b)
{
	const struct key_row *x = a, *y = b;
	int order = str_cmp(x->domain, y->domain);

	if (order == 0)
		order = (int)x->state - (int)y->state;
	return order != 0 ? order : str_cmp(x->selector, y->selector);
}

/* ---- opening ---- */

static int open_folder(struct key_rows *r, const char *path, bool for_change)
{
	r->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->folder < 0)
		return posthouse_fail("dkim", "dkim_key_directory %s: %s%s",
		    path, strerror(errno),
		    errno == ENOENT ? " (posthouse start makes it)" : "");
	if (for_change && flock(r->folder, LOCK_EX | LOCK_NB) < 0)
		return posthouse_fail("dkim",
		    "another posthouse dkim is changing the keys; try again "
		    "when it has ended");
	return 0;
}

/* What was retired long ago goes. */
static int purge(struct key_rows *r, const struct house_conf *house)
{
	int64_t before = clock_seconds() - house->dkim_retired_key_time / 1000;
	int result = 0;

	for (size_t i = r->count; i > 0 && result == 0; i--)
		if (r->list[i - 1].state == KEY_RETIRED &&
		    r->list[i - 1].since <= before)
			result = key_remove(r, &r->list[i - 1]);
	return result;
}

int key_rows_open(
    struct key_rows *r, struct posthouse *p, struct str domain, bool for_change)
{
	struct reading in = {.r = r};
	int result;

	*r = (struct key_rows){.folder = -1, .arena = arena_new(ROWS_MEMORY)};
	if (posthouse_conf(p) < 0)
		return 1;
	result = open_folder(r, p->house.dkim_key_directory, for_change);
	if (result == 0)
		result = domain.len > 0 ? read_domain(&in, domain)
					: read_all(&in);
	if (result == 0 && r->count > 0)
		qsort(r->list, r->count, sizeof(r->list[0]), by_name);
	if (result == 0 && for_change)
		result = purge(r, &p->house);
	return result;
}

void key_rows_close(struct key_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		dkim_key_free(&r->list[i].key);
	free(r->list);
	arena_free(&r->arena);
	file_close(&r->folder);
}

struct key_row *key_rows_find(struct key_rows *r, struct str selector)
{
	for (size_t i = 0; i < r->count; i++)
		if (str_eq(r->list[i].selector, selector))
			return &r->list[i];
	return NULL;
}

/* ---- changing ---- */

static int failed(const char *path)
{
	return posthouse_fail(
	    "dkim", "dkim_key_directory/%s: %s", path, strerror(errno));
}

/* Its owner stays root; cleanup reads it by its group. */
static int give(int fd, const struct house_conf *house, mode_t mode)
{
	unsigned uid, gid;
	char why[160];

	if (geteuid() == 0) {
		if (role_ids(house, "cleanup", &uid, &gid, why, sizeof(why)) <
		    0)
			return posthouse_fail("dkim", "%s", why);
		if (fchown(fd, 0, gid) < 0)
			return failed("");
	}
	return fchmod(fd, mode) < 0 ? failed("") : 0;
}

static int make_domain(
    struct key_rows *r, const struct house_conf *house, const char *domain)
{
	int result = 0;

	if (mkdirat(r->folder, domain, 0750) < 0)
		return errno == EEXIST ? 0 : failed(domain);
	int fd = openat(r->folder, domain, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failed(domain);
	result = give(fd, house, 0750);
	file_close(&fd);
	if (result == 0 && file_sync_dir_at(r->folder, ".") < 0)
		result = failed(domain);
	return result;
}

static int write_key(int fd, const struct house_conf *house, struct str pem)
{
	int result = give(fd, house, 0640);

	if (result == 0 &&
	    (file_write_full(fd, pem.p, pem.len) < 0 || fsync(fd) < 0))
		result = failed("");
	return result;
}

/* Under a name that no reader takes for a key, until it is whole. */
static int place(struct key_rows *r, const struct house_conf *house,
    const char *domain, const char *path, struct str pem)
{
	char partial[KEY_PATH_MAX];
	int result;

	snprintf(partial, sizeof(partial), "%s/.making", domain);
	unlinkat(r->folder, partial, 0);
	int fd = openat(r->folder, partial,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(domain);
	result = write_key(fd, house, pem);
	file_close(&fd);
	if (result == 0 && renameat(r->folder, partial, r->folder, path) < 0)
		result = failed(path);
	if (result == 0 && file_sync_dir_at(r->folder, domain) < 0)
		result = failed(domain);
	if (result != 0)
		unlinkat(r->folder, partial, 0);
	return result;
}

int key_add(struct key_rows *r, const struct house_conf *house,
    struct str domain, struct str selector, const struct dkim_key *key)
{
	char path[KEY_PATH_MAX], name[KEY_DOMAIN_MAX + 1];
	struct buf pem = buf_new(KEY_FILE_MAX);
	int result = 1;

	key_path(domain, selector, KEY_NEW, path);
	if (str_copy(name, sizeof(name), domain) < 0)
		return 1;
	if (dkim_key_pem(key, &pem) < 0)
		posthouse_fail("dkim", "the key cannot be written as PEM");
	else if (make_domain(r, house, name) == 0)
		result = place(r, house, name, path, buf_str(&pem));
	mem_wipe(pem.p, pem.len);
	buf_free(&pem);
	return result;
}

int key_move(struct key_rows *r, struct key_row *row, enum key_state state)
{
	char from[KEY_PATH_MAX], to[KEY_PATH_MAX];
	char domain[KEY_DOMAIN_MAX + 1];
	struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

	key_path(row->domain, row->selector, row->state, from);
	key_path(row->domain, row->selector, state, to);
	(void)str_copy(domain, sizeof(domain), row->domain);
	if (utimensat(r->folder, from, now, 0) < 0 ||
	    renameat(r->folder, from, r->folder, to) < 0 ||
	    file_sync_dir_at(r->folder, domain) < 0)
		return failed(from);
	row->state = state;
	row->since = clock_seconds();
	return 0;
}

int key_remove(struct key_rows *r, struct key_row *row)
{
	char path[KEY_PATH_MAX], domain[KEY_DOMAIN_MAX + 1];
	size_t at = (size_t)(row - r->list);

	key_path(row->domain, row->selector, row->state, path);
	(void)str_copy(domain, sizeof(domain), row->domain);
	if (unlinkat(r->folder, path, 0) < 0 ||
	    file_sync_dir_at(r->folder, domain) < 0)
		return failed(path);
	dkim_key_free(&row->key);
	memmove(row, row + 1, (r->count - at - 1) * sizeof(*row));
	r->count--;
	/* The last key takes the folder with it. */
	unlinkat(r->folder, domain, AT_REMOVEDIR);
	return 0;
}
