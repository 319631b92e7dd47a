/* SPDX-License-Identifier: ISC */
#include "policyd/greylist_store.h"

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "daemon/database.h"

#define COMMIT_MS 1000
#define SYNC_MS   (60 * 1000)
#define REST_MS   (60 * 1000) /* after a failure */

static struct {
	struct greylist *greylist;
	struct loop_timer *committing, *syncing;
	uint64_t changes; /* since the last commit */
	bool commit_waits, sync_waits;
	bool incomplete;    /* the database lacks changes: it failed */
	int64_t rest_until; /* deadline */
} store;

int greylist_store_prepare(const char *directory)
{
	return database_prepare("policy_directory", directory, "greylist");
}

static void fail(void)
{
	if (!store.incomplete)
		log_warning("greylist: what is remembered stands in memory "
			    "alone until the database works again");
	store.incomplete = true;
	store.rest_until = deadline_in(REST_MS);
	database_undo();
}

static void commit_later(void)
{
	if (!store.commit_waits)
		loop_timer_set(store.committing, COMMIT_MS);
	if (!store.sync_waits)
		loop_timer_set(store.syncing, SYNC_MS);
	store.commit_waits = store.sync_waits = true;
}

static void changed(void)
{
	daemon_gauge("greylist_unsaved", ++store.changes);
	commit_later();
}

static void put(struct str key, struct str value)
{
	if (!store.incomplete && database_put(key, value) < 0)
		fail();
	changed();
}

static void forget(struct str key)
{
	if (!store.incomplete && database_remove(key) < 0)
		fail();
	changed();
}

/* All of it, when the database had failed and may work again. What was
 * dropped meanwhile stays there until it is over. */
static void catch_up(void)
{
	store.incomplete = false;
	greylist_put_all(store.greylist);
	if (!store.incomplete)
		log_info("greylist: the database works again");
}

static void commit(void *arg)
{
	(void)arg;
	store.commit_waits = false;
	if (store.incomplete && clock_ms() >= store.rest_until)
		catch_up();
	if (!store.incomplete && database_commit() < 0)
		fail();
	if (store.incomplete) {
		commit_later();
		return;
	}
	store.changes = 0;
	daemon_gauge("greylist_unsaved", 0);
}

static void sync_all(void *arg)
{
	(void)arg;
	store.sync_waits = false;
	if (!store.incomplete)
		database_sync();
}

static void load(struct greylist *g, int64_t now)
{
	struct buf at = buf_new(GREYLIST_KEY_MAX + 2);
	struct buf value = buf_new(65536);
	size_t gone = 0;

	while (database_next(&at, &value) == 1)
		if (greylist_load(g, buf_str(&at), buf_str(&value), now) < 0) {
			database_remove(buf_str(&at));
			gone++;
		}
	greylist_loaded(g);
	if (database_commit() < 0)
		fail();
	log_info(
	    "greylist: %zu remembered, %zu were over", g->by_key.count, gone);
	buf_free(&at);
	buf_free(&value);
}

void greylist_store_open(struct greylist *g, struct loop *loop)
{
	store.greylist = g;
	daemon_gauge("greylist_unsaved", 0);
	store.committing = loop_timer_new(loop, commit, NULL);
	store.syncing = loop_timer_new(loop, sync_all, NULL);
	if (database_open() < 0) {
		log_warning("greylist: a restart forgets");
		return;
	}
	load(g, clock_seconds());
	g->put = put;
	g->remove = forget;
}

void greylist_store_close(void)
{
	store.greylist->put = NULL;
	store.greylist->remove = NULL;
	loop_timer_stop(store.committing);
	loop_timer_stop(store.syncing);
	database_close();
	daemon_gauge("greylist_unsaved", 0);
}
