/* SPDX-License-Identifier: ISC */
/* What is there: generations, snapshots, blobs, accounts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "store/engine_file.h"

#define LISTING    16384u              /* octets of names read at once */
#define NAMES_MOST ((size_t)256 << 20) /* of a shard */

int engine_list(int at, const char *path,
    void (*found)(void *arg, int dir, const char *name), void *arg)
{
	_Alignas(struct dirent64) char space[LISTING];
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : 1;
	int error;

	/* Not by opendir(3): that costs as many calls again. */
	while (len > 0) {
		len = getdents64(fd, space, sizeof(space));
		for (ssize_t i = 0; i < len;) {
			const struct dirent64 *entry = (const void *)(space +
			    i);

			i += entry->d_reclen;
			if (strcmp(entry->d_name, ".") != 0 &&
			    strcmp(entry->d_name, "..") != 0)
				found(arg, fd, entry->d_name);
		}
	}
	error = errno;
	file_close(&fd);
	errno = error;
	return len < 0 ? -1 : 0;
}

uint64_t engine_number(const char *name, char kind)
{
	struct str s = str_from(name);
	uint64_t n;

	if (s.len < 3 || s.p[0] != kind || s.p[1] != '.' || s.p[2] == '0')
		return 0;
	return str_to_u64(str_skip(s, 2), UINT64_MAX, &n) == 0 ? n : 0;
}

struct numbers {
	char kind;
	uint64_t most, lowest, highest;
};

static void note_number(void *arg, int dir, const char *name)
{
	struct numbers *n = arg;
	uint64_t number = engine_number(name, n->kind);

	(void)dir;
	if (number == 0 || number > n->most)
		return;
	if (n->lowest == 0 || number < n->lowest)
		n->lowest = number;
	if (number > n->highest)
		n->highest = number;
}

int engine_highest(
    struct engine_box *b, char kind, uint64_t most, uint64_t *out)
{
	struct numbers n = {kind, most, 0, 0};
	int result = engine_list(b->dir, ".", note_number, &n);

	*out = n.highest;
	return result;
}

int engine_lowest(struct engine_box *b, char kind, uint64_t *out)
{
	struct numbers n = {kind, UINT64_MAX, 0, 0};
	int result = engine_list(b->dir, ".", note_number, &n);

	*out = n.lowest;
	return result;
}

struct both {
	struct numbers generations, snapshots;
};

static void note_both(void *arg, int dir, const char *name)
{
	struct both *n = arg;

	note_number(&n->generations, dir, name);
	note_number(&n->snapshots, dir, name);
}

int engine_look_around(struct engine_box *b)
{
	struct both n = {{'g', UINT64_MAX, 0, 0}, {'s', UINT64_MAX, 0, 0}};
	int result = engine_list(b->dir, ".", note_both, &n);

	b->newest = n.generations.highest;
	b->snapshot_seen = n.snapshots.highest;
	b->looked = result == 0;
	return result;
}

enum engine_status engine_snapshot_newest(
    struct engine_box *b, uint64_t most, uint64_t *number)
{
	enum engine_status s = engine_attach(b);

	*number = 0;
	if (s == ENGINE_OK && b->looked && b->snapshot_seen <= most) {
		*number = b->snapshot_seen; /* before anything was read */
		b->looked = false;
		return ENGINE_OK;
	}
	if (s == ENGINE_OK && b->dir >= 0 &&
	    engine_highest(b, 's', most, number) < 0)
		s = engine_fail_errno(b, "reading the account's directory");
	return s;
}

struct each_snapshot {
	void (*found)(void *arg, uint64_t number);
	void *arg;
};

static void note_snapshot(void *arg, int dir, const char *name)
{
	const struct each_snapshot *each = arg;
	uint64_t number = engine_number(name, 's');

	(void)dir;
	if (number != 0)
		each->found(each->arg, number);
}

enum engine_status engine_snapshots(
    struct engine_box *b, void (*found)(void *arg, uint64_t number), void *arg)
{
	struct each_snapshot each = {found, arg};
	enum engine_status s = engine_attach(b);

	if (s == ENGINE_OK && b->dir >= 0 &&
	    engine_list(b->dir, ".", note_snapshot, &each) < 0)
		s = engine_fail_errno(b, "reading the account's directory");
	return s;
}

enum engine_status engine_generations(struct engine_box *b, uint64_t *oldest,
    uint64_t *first_read, uint64_t *newest)
{
	struct numbers n = {'g', UINT64_MAX, 0, 0};
	enum engine_status s = engine_attach(b);
	struct generation *g;

	*oldest = *first_read = *newest = 0;
	if (s != ENGINE_OK || b->dir < 0)
		return s;
	if (engine_list(b->dir, ".", note_number, &n) < 0)
		return engine_fail_errno(b, "reading the account's directory");
	*oldest = n.lowest;
	*newest = n.highest;
	/* The newest says it, or the newest that still can. */
	for (uint64_t i = n.highest; i >= n.lowest && i != 0; i--)
		if (engine_generation(b, i, &g) == ENGINE_OK) {
			*first_read = g->begins;
			return ENGINE_OK;
		}
	*first_read = n.highest == 0 ? 0 : 1;
	return ENGINE_OK;
}

/* ---- blobs ---- */

struct blobs {
	void (*found)(void *arg, const unsigned char id[16], uint64_t octets,
	    int64_t modified);
	void *arg;
};

static int hex_value(char c)
{
	return ascii_digit(c)      ? c - '0'
	    : c >= 'a' && c <= 'f' ? c - 'a' + 10
				   : -1;
}

int engine_blob_id(const char *name, unsigned char id[16])
{
	if (strlen(name) != 32)
		return -1;
	for (size_t i = 0; i < 16; i++) {
		int high = hex_value(name[2 * i]);
		int low = hex_value(name[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		id[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static void tell_blob(void *arg, int dir, const char *name)
{
	struct blobs *blobs = arg;
	unsigned char id[16];
	struct stat st;

	if (engine_blob_id(name, id) == 0 && fstatat(dir, name, &st, 0) == 0)
		blobs->found(blobs->arg, id, (uint64_t)st.st_size, st.st_mtime);
}

enum engine_status engine_blobs(struct engine_box *b,
    void (*found)(void *arg, const unsigned char id[16], uint64_t octets,
	int64_t modified),
    void *arg)
{
	struct blobs blobs = {found, arg};
	enum engine_status s = engine_attach(b);

	if (s == ENGINE_OK && b->dir >= 0 &&
	    engine_list(b->dir, BLOBS, tell_blob, &blobs) < 0 &&
	    errno != ENOENT)
		s = engine_fail_errno(b, "reading the blobs' directory");
	return s;
}

/* ---- sizes ---- */

static void add_file(void *arg, int dir, const char *name)
{
	struct engine_size *size = arg;
	unsigned char id[16];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	size->octets += (uint64_t)st.st_blocks * 512;
	size->files++;
	size->generations += engine_number(name, 'g') != 0;
	size->snapshots += engine_number(name, 's') != 0;
	size->blobs += engine_blob_id(name, id) == 0;
}

enum engine_status engine_box_size(
    struct engine_box *b, struct engine_size *out)
{
	enum engine_status s = engine_attach(b);

	memset(out, 0, sizeof(*out));
	if (s == ENGINE_OK && b->dir >= 0 &&
	    (engine_list(b->dir, ".", add_file, out) < 0 ||
		(engine_list(b->dir, BLOBS, add_file, out) < 0 &&
		    errno != ENOENT)))
		s = engine_fail_errno(b, "reading the account's directory");
	return s;
}

/* ---- accounts ---- */

static void keep_name(void *arg, int dir, const char *name)
{
	(void)dir;
	buf_add_bytes(arg, name, strlen(name) + 1);
}

/* 0 to go on. */
static int scan_one(struct engine *e, const char *shard, const char *name,
    int (*found)(void *arg, struct str account), void *arg)
{
	struct buf account;
	int result = 0;

	if (name[0] == '.') {
		engine_finish_removal(e, shard, name);
		return 0;
	}
	account = buf_new(NAMES_MOST);
	if (engine_name_account(e->root, shard, name, &account) == 0)
		result = found(arg, buf_str(&account));
	buf_free(&account);
	return result;
}

enum engine_status engine_scan(struct engine *e, unsigned shard,
    int (*found)(void *arg, struct str account), void *arg)
{
	struct buf names = buf_new(NAMES_MOST);
	enum engine_status s = ENGINE_OK;
	char path[16];

	/* All names first: what is found may take its time and may remove
	 * accounts. */
	snprintf(path, sizeof(path), "%02x", shard & 0xff);
	if (engine_list(e->root, path, keep_name, &names) < 0 &&
	    errno != ENOENT)
		s = ENGINE_DOWN;
	if (names.overflow)
		s = ENGINE_DOWN;
	for (size_t at = 0; s == ENGINE_OK && at < names.len;
	     at += strlen(names.p + at) + 1)
		if (scan_one(e, path, names.p + at, found, arg) != 0)
			break;
	buf_free(&names);
	return s;
}
