/* SPDX-License-Identifier: ISC */
/* posthouse store check: what is wrong, a line each; nothing is changed. */
#include "posthouse/store_findings.h"

static struct {
	uint64_t accounts, messages, octets, damaged;
	uint64_t serious, leftovers;
} total;

/* What to do, once for each account and not once for each line. */
static void advise(
    struct store_command *c, struct str account, const struct findings *f)
{
	const char *etc = c->p->config_directory;
	char name[600];

	if (store_as_json(c) || findings_serious(f) == 0)
		return;
	store_text(account, name, sizeof(name));
	if (f->count[FINDING_DAMAGE] > 0)
		printf("%s: to mend it: posthouse -c %s store repair %s\n",
		    name, etc, name);
	else if (f->count[FINDING_DERIVED] > 0)
		printf("%s: no mail is lost; to renew what is derived: "
		       "posthouse -c %s store rebuild %s\n",
		    name, etc, name);
	else
		printf("%s: to erase what should be erased: posthouse -c %s "
		       "store upkeep %s\n",
		    name, etc, name);
}

static void check_one(struct store_command *c, struct str account)
{
	struct check_result result = {0};
	struct findings f;
	enum store_result r;

	findings_open(&f, c, account);
	r = box_check(
	    c->store, account, c->given.deep, findings_take, &f, &result);
	if (r != STORE_OK)
		store_fail_why(c, account, result.why, r);
	advise(c, account, &f);
	total.accounts++;
	total.messages += result.messages;
	total.octets += result.octets;
	total.serious += findings_serious(&f);
	total.leftovers += f.count[FINDING_LEFTOVER];
	total.damaged += findings_serious(&f) > 0;
	findings_close(&f);
}

static void check_named(struct store_command *c, struct str account)
{
	if (store_exists(c, account))
		check_one(c, account);
}

static void finish(struct store_command *c)
{
	struct json *j = &c->json;

	if (store_as_json(c)) {
		json_end(j);
		json_u64(j, "accounts", total.accounts);
		json_u64(j, "messages", total.messages);
		json_u64(j, "octets", total.octets);
		json_u64(j, "damaged_accounts", total.damaged);
		json_u64(j, "serious", total.serious);
		json_u64(j, "leftovers", total.leftovers);
		json_bool(j, "deep", c->given.deep);
		json_end(j);
	} else {
		printf("%llu %s, %llu %s of %llu octets%s: ",
		    STORE_MANY(total.accounts, "account"),
		    STORE_MANY(total.messages, "message"),
		    store_number(total.octets),
		    c->given.deep ? ", every one read" : "");
		if (total.serious == 0)
			printf("%s\n",
			    c->status == EX_OK ? "all is well"
					       : "not all could be looked at");
		else
			printf("%llu %s in %llu %s\n",
			    STORE_MANY(total.serious, "finding"),
			    STORE_MANY(total.damaged, "account"));
	}
	if (c->status == EX_OK && total.serious > 0)
		c->status = 1;
}

void store_check_verb(struct store_command *c)
{
	if (!c->given.all && c->word_count == 0) {
		store_fail(c, EX_USAGE, "which accounts? Name them, or --all");
		return;
	}
	json_object(&c->json, NULL);
	json_array(&c->json, "findings");
	store_each(c, 0, c->given.all ? check_one : check_named);
	finish(c);
}
