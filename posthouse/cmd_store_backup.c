/* SPDX-License-Identifier: ISC */
/*
 * posthouse store backup: brings a copy of accounts in another directory up
 * to date, while mail arrives. The copy is a store by itself.
 */
#include "posthouse/store_command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

static struct {
	struct store *to;
	uint64_t accounts, failed, written;
} backup;

int store_backup_prepare(struct store_command *c, unsigned uid, unsigned gid)
{
	const char *root = c->p->house.mail_store_directory;
	char *dir = c->words[0], path[PATH_MAX], own[PATH_MAX];
	bool fresh = mkdir(dir, 0700) == 0;

	if (!fresh && errno != EEXIST) {
		store_fail(c, EX_CANTCREAT, "%s: %s", dir, strerror(errno));
		return -1;
	}
	if (realpath(dir, path) == NULL ||
	    (fresh && geteuid() == 0 && chown(path, uid, gid) < 0)) {
		store_fail(c, EX_CANTCREAT, "%s: %s", dir, strerror(errno));
		return -1;
	}
	if (realpath(root, own) != NULL && strcmp(path, own) == 0) {
		store_fail(c, EX_USAGE, "%s is the store itself", dir);
		return -1;
	}
	c->words[0] = strdup(path);
	return c->words[0] == NULL ? -1 : 0;
}

/* Two at once would write the same files. */
static int lock_dir(struct store_command *c, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && access(dir, W_OK) == 0 &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		store_fail(
		    c, EX_TEMPFAIL, "%s: another backup is writing there", dir);
	else
		store_fail(c, EX_CANTCREAT,
		    "%s: %s; it has to belong to the store's owner (uid %u)",
		    dir, strerror(errno), geteuid());
	file_close(&fd);
	return -1;
}

static void copy(struct store_command *c, struct str account)
{
	struct backup_result result = {0};
	char name[600];
	enum store_result r = store_backup(
	    c->store, backup.to, account, &result);

	backup.accounts++;
	backup.failed += r != STORE_OK;
	backup.written += result.written;
	if (r != STORE_OK) {
		store_fail_why(c, account, result.why, r);
	} else if (store_as_json(c)) {
		json_object(&c->json, NULL);
		json_text(&c->json, "account", account);
		json_u64(&c->json, "modseq", result.modseq);
		json_u64(&c->json, "written", result.written);
		json_end(&c->json);
		store_flush(c);
	} else if (!c->given.all) {
		printf("%s: up to modseq %llu, %llu octets written\n",
		    store_text(account, name, sizeof(name)),
		    store_number(result.modseq), store_number(result.written));
	}
}

static void copy_named(struct store_command *c, struct str account)
{
	if (store_exists(c, account))
		copy(c, account);
}

static void copy_all(struct store_command *c)
{
	struct json *j = &c->json;

	json_object(j, NULL);
	json_text(j, "directory", str_from(c->words[0]));
	store_json_time(c, "at", c->now);
	json_array(j, "accounts");
	store_each(c, 1, c->given.all ? copy : copy_named);
	json_end(j);
	json_u64(j, "count", backup.accounts);
	json_u64(j, "failed", backup.failed);
	json_u64(j, "written", backup.written);
	json_end(j);
	if (!store_as_json(c))
		printf("%s: %llu %s, %llu octets written\n", c->words[0],
		    STORE_MANY(backup.accounts - backup.failed, "account"),
		    store_number(backup.written));
	if (backup.failed > 0)
		store_fail(c, c->status, "not up to date: %llu %s",
		    STORE_MANY(backup.failed, "account"));
}

void store_backup_verb(struct store_command *c)
{
	const char *why = "", *dir = c->words[0];
	int lock;

	if (c->given.all == (c->word_count > 1)) {
		store_fail(c, EX_USAGE, "which accounts? Name them, or --all");
		return;
	}
	lock = lock_dir(c, dir);
	if (lock < 0)
		return;
	backup.to = store_open(dir, NULL, &why);
	if (backup.to == NULL)
		store_fail(c, EX_CANTCREAT, "%s: %s", dir, why);
	else
		copy_all(c);
	store_close(&backup.to);
	file_close(&lock);
}
