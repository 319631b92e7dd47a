/* SPDX-License-Identifier: ISC */
/* posthouse store upkeep: what keeper would do, at once. */
#include "posthouse/store_command.h"

#include <poll.h>
#include <stdlib.h>

#include "core/clock.h"

static int read_policy(struct store_command *c, struct upkeep_policy *policy)
{
	int64_t undelete = c->p->house.mail_undelete_time;
	const char *given = c->given.undelete_time, *why;

	if (given != NULL && conf_parse_time(given, &undelete, &why) < 0) {
		store_fail(c, EX_USAGE, "--undelete-time %s: %s", given, why);
		return -1;
	}
	if (store_conf_policy(&c->conf, undelete, policy, &why) == 0)
		return 0;
	store_fail(c, EX_CONFIG, "mailbox_expire: %s", why);
	return -1;
}

static void put_json(
    struct store_command *c, struct str account, const struct upkeep_result *r)
{
	struct json *j = &c->json;

	json_object(j, NULL);
	json_text(j, "account", account);
	json_u64(j, "expired", r->expired);
	json_u64(j, "snapshots", r->snapshots);
	json_u64(j, "erased", r->erased);
	json_u64(j, "erased_octets", r->erased_octets);
	json_u64(j, "generations_dropped", r->generations);
	json_u64(j, "orphans", r->orphans);
	if (r->next != 0)
		store_json_time(c, "next", r->next * 1000000);
	json_end(j);
}

static void print(struct str account, const struct upkeep_result *r)
{
	char name[600], next[TIME_POINT_TEXT];

	printf("%s: %llu %s expired, %llu erased (%llu octets), %u %s taken, "
	       "%llu %s dropped, %llu %s removed\n",
	    store_text(account, name, sizeof(name)),
	    STORE_MANY(r->expired, "message"), store_number(r->erased),
	    store_number(r->erased_octets), r->snapshots,
	    r->snapshots == 1 ? "snapshot" : "snapshots",
	    STORE_MANY(r->generations, "generation"),
	    STORE_MANY(r->orphans, "orphan"));
	if (r->next != 0)
		printf("%s: next at %s\n", name,
		    time_point_text(r->next * 1000000, next));
}

/* Times are kept in seconds: what was expunged in this one is not old yet. */
static void wait_a_second(void)
{
	poll(NULL, 0, (int)(1001 - clock_us() / 1000 % 1000));
}

static void upkeep(struct store_command *c, struct str account)
{
	struct upkeep_result result = {0};
	struct upkeep_policy policy;
	enum store_result r;
	struct box *b;

	if (read_policy(c, &policy) < 0)
		return;
	b = store_box(c, c->store, account);
	if (b != NULL) {
		if (policy.undelete == 0)
			wait_a_second();
		r = box_upkeep(b, &policy, &result);
		if (r != STORE_OK)
			store_fail_box(c, account, b, r);
		else if (store_as_json(c))
			put_json(c, account, &result);
		else
			print(account, &result);
	}
	box_close(&b);
	free((void *)(uintptr_t)policy.expiries);
}

void store_upkeep_verb(struct store_command *c)
{
	store_each(c, 0, upkeep);
}
