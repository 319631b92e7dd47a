/* SPDX-License-Identifier: ISC */
/* posthouse store repair and rebuild: an account is mended. */
#include "posthouse/store_findings.h"

static void put_json(
    struct store_command *c, struct str account, const struct repair_result *r)
{
	struct json *j = &c->json;

	json_text(j, "account", account);
	json_u64(j, "messages", r->messages);
	json_u64(j, "lost_records", r->lost_records);
	json_u64(j, "skipped_octets", r->skipped_octets);
	json_u64(j, "damaged", r->damaged);
	json_u64(j, "dropped", r->dropped);
	json_u64(j, "recovered", r->recovered);
	json_bool(j, "restarted", r->restarted);
}

static void print(struct str account, const struct repair_result *r)
{
	char name[600];

	printf("%s: %llu %s there now", store_text(account, name, sizeof(name)),
	    STORE_MANY(r->messages, "message"));
	if (r->damaged > 0)
		printf(", %llu of them damaged (keyword $Damaged)",
		    store_number(r->damaged));
	if (r->recovered > 0)
		printf(", %llu of them recovered (mailbox Recovered)",
		    store_number(r->recovered));
	if (r->dropped > 0)
		printf("; dropped: %llu %s of which nothing is left",
		    STORE_MANY(r->dropped, "message"));
	if (r->lost_records > 0 || r->skipped_octets > 0)
		printf("; lost: %llu %s, %llu octets of the log",
		    STORE_MANY(r->lost_records, "record"),
		    store_number(r->skipped_octets));
	printf("%s\n",
	    r->restarted ? "; the log was begun anew, and mail clients read "
			   "the mailboxes anew"
			 : "; the log was sound and is as it was");
}

static void repair(struct store_command *c, struct str account)
{
	struct repair_result result = {0};
	struct findings f;
	enum store_result r;

	if (!store_exists(c, account))
		return;
	findings_open(&f, c, account);
	f.tried = true; /* it is about to change: no handle of ours meanwhile */
	json_object(&c->json, NULL);
	json_array(&c->json, "findings");
	r = box_repair(c->store, account, findings_take, &f, &result);
	json_end(&c->json);
	if (r != STORE_OK)
		store_fail_box(c, account, NULL, r);
	else if (store_as_json(c))
		put_json(c, account, &result);
	else
		print(account, &result);
	json_end(&c->json);
	findings_close(&f);
}

static void rebuild(struct store_command *c, struct str account)
{
	struct repair_result result = {0};
	char name[600];
	enum store_result r;

	if (!store_exists(c, account))
		return;
	r = box_rebuild(c->store, account, &result);
	if (r != STORE_OK) {
		store_fail_box(c, account, NULL, r);
	} else if (store_as_json(c)) {
		json_object(&c->json, NULL);
		put_json(c, account, &result);
		json_end(&c->json);
	} else {
		printf("%s: a new snapshot of %llu %s\n",
		    store_text(account, name, sizeof(name)),
		    STORE_MANY(result.messages, "message"));
	}
}

void store_repair_verb(struct store_command *c)
{
	store_each(c, 0, repair);
}

void store_rebuild_verb(struct store_command *c)
{
	store_each(c, 0, rebuild);
}
