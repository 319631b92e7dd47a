/* SPDX-License-Identifier: ISC */
#include "keeper/visit.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/table.h"
#include "daemon/daemon.h"

#define OPEN_MS     10000
#define AGAIN_S     60 /* a busy box, and one that is still due, wait so long */
#define SILENCE_S   3600 /* between two words about the same trouble */
#define SILENT_MOST 10000

static struct {
	struct store *store;
	const struct upkeep_policy *policy;
	struct table said; /* by account: when its trouble was logged, s + 1 */
} self;

void visit_open(struct store *s, const struct upkeep_policy *policy)
{
	self.store = s;
	self.policy = policy;
	self.said = table_new();
}

/* ---- what is said ---- */

/* Once in SILENCE_S for each name. */
static bool may_say(struct str name)
{
	uintptr_t now = (uintptr_t)(clock_ms() / 1000) + 1;
	uintptr_t last = (uintptr_t)table_get(&self.said, name);

	if (last != 0 && now - last < SILENCE_S)
		return false;
	if (self.said.count >= SILENT_MOST) {
		table_free(&self.said);
		self.said = table_new();
	}
	table_put(&self.said, name, (void *)now);
	return true;
}

void visit_trouble(const char *what, enum store_result r)
{
	if (may_say(str_from(what)))
		log_warning("%s: %s", what, store_result_name(r));
}

static void report_trouble(
    struct str account, const struct box *b, enum store_result r)
{
	const char *why = b != NULL ? store_why(b) : "cannot be opened";
	const char *config = daemon_house()->config_directory;
	char name[256];

	daemon_count(r == STORE_CORRUPT ? "damaged" : "failed", 1);
	if (!may_say(account))
		return;
	log_name(name, sizeof(name), account);
	if (r == STORE_CORRUPT)
		log_error("damaged: account=<%s>, reason=%s; what is wrong "
			  "says \"posthouse -c %s store check %s\"",
		    name, why, config, name);
	else
		log_warning("upkeep: account=<%s>, status=%s, reason=%s", name,
		    store_result_name(r), why);
}

static void report(struct str account, const struct upkeep_result *r)
{
	char name[256];

	daemon_count("snapshots", r->snapshots);
	daemon_count("expired", r->expired);
	daemon_count("erased", r->erased);
	daemon_count("erased_octets", r->erased_octets);
	daemon_count("generations_dropped", r->generations);
	daemon_count("orphans", r->orphans);
	log_name(name, sizeof(name), account);
	if (r->expired > 0)
		log_info("expired: account=<%s>, messages=%llu", name,
		    (unsigned long long)r->expired);
	if (r->erased > 0 || r->generations > 0)
		log_info("erased: account=<%s>, messages=%llu, octets=%llu, "
			 "generations=%llu",
		    name, (unsigned long long)r->erased,
		    (unsigned long long)r->erased_octets,
		    (unsigned long long)r->generations);
	if (r->orphans > 0)
		log_info("swept: account=<%s>, files=%llu", name,
		    (unsigned long long)r->orphans);
}

/* ---- what is done ---- */

int64_t visit(struct str account)
{
	struct upkeep_result out = {0};
	int64_t now = clock_seconds();
	struct box *b = NULL;
	enum store_result r = box_open(
	    self.store, account, deadline_in(OPEN_MS), &b);

	/* An account that was removed since is not made again. */
	if (r == STORE_OK && box_directory(b) >= 0) {
		r = box_upkeep(b, self.policy, &out);
		report(account, &out);
	}
	if (r != STORE_OK && r != STORE_BUSY && r != STORE_BAD_NAME)
		report_trouble(account, b, r);
	box_close(&b);
	if (r == STORE_BUSY)
		return now + AGAIN_S;
	if (r != STORE_OK || out.next == 0)
		return 0; /* the walk comes by again */
	return out.next > now ? out.next : now + AGAIN_S;
}
