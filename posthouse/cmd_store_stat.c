/* SPDX-License-Identifier: ISC */
/* posthouse store stat: what accounts hold, and what they need on disk. */
#include "posthouse/store_command.h"

static struct {
	uint64_t accounts, messages, octets, disk, expunged;
} total;

static void put_json(
    struct store_command *c, struct str account, const struct store_stat *s)
{
	struct json *j = &c->json;

	json_object(j, NULL);
	json_text(j, "account", account);
	json_u64(j, "mailboxes", s->mailboxes);
	json_u64(j, "messages", s->usage.messages);
	json_u64(j, "octets", s->usage.octets);
	json_u64(j, "disk_octets", s->disk_octets);
	json_u64(j, "files", s->files);
	json_u64(j, "generations", s->generations);
	json_u64(j, "snapshots", s->snapshots);
	json_u64(j, "blobs", s->blobs);
	json_u64(j, "modseq", s->modseq);
	json_u64(j, "snapshot", s->snapshot);
	json_u64(j, "frames_behind", s->frames_behind);
	json_u64(j, "expunged", s->expunged);
	json_u64(j, "expunged_octets", s->expunged_octets);
	store_json_time(c, "oldest", s->oldest * 1000000);
	json_end(j);
	store_flush(c);
}

static void print_one(struct str account, const struct store_stat *s)
{
	char name[600], oldest[TIME_POINT_TEXT];

	printf("account    %s\n"
	       "holds      %llu %s of %llu octets in %llu %s\n"
	       "on disk    %llu octets in %llu %s: %llu %s, %llu %s, %llu "
	       "large %s\n"
	       "expunged   %llu %s of %llu octets, not erased yet\n"
	       "modseq     %llu\n"
	       "snapshot   %llu, %llu octets of the log behind it\n"
	       "reaches    back to %s\n",
	    store_text(account, name, sizeof(name)),
	    STORE_MANY(s->usage.messages, "message"),
	    store_number(s->usage.octets), store_number(s->mailboxes),
	    s->mailboxes == 1 ? "mailbox" : "mailboxes",
	    store_number(s->disk_octets), STORE_MANY(s->files, "file"),
	    STORE_MANY(s->generations, "generation"),
	    STORE_MANY(s->snapshots, "snapshot"),
	    STORE_MANY(s->blobs, "message"), STORE_MANY(s->expunged, "message"),
	    store_number(s->expunged_octets), store_number(s->modseq),
	    store_number(s->snapshot), store_number(s->frames_behind),
	    time_point_text(s->oldest * 1000000, oldest));
}

static void print_row(struct str account, const struct store_stat *s)
{
	char name[600];

	printf("%-40s %9llu %12llu %12llu %9llu %9llu\n",
	    store_text(account, name, sizeof(name)),
	    store_number(s->usage.messages), store_number(s->usage.octets),
	    store_number(s->disk_octets), store_number(s->expunged),
	    store_number(s->frames_behind));
}

static void stat_one(struct store_command *c, struct str account)
{
	struct box *b = store_box(c, c->store, account);
	struct store_stat s = {.modseq = 0};
	enum store_result r;

	if (b == NULL)
		return;
	r = box_stat(b, &s);
	if (r != STORE_OK) {
		store_fail_box(c, account, b, r);
	} else if (store_as_json(c)) {
		put_json(c, account, &s);
	} else if (c->word_count > 0) {
		print_one(account, &s);
	} else {
		print_row(account, &s);
	}
	if (r == STORE_OK) {
		total.accounts++;
		total.messages += s.usage.messages;
		total.octets += s.usage.octets;
		total.disk += s.disk_octets;
		total.expunged += s.expunged;
	}
	box_close(&b);
}

static void all_as_json(struct store_command *c)
{
	struct json *j = &c->json;

	json_object(j, NULL);
	json_array(j, "accounts");
	store_each(c, 0, stat_one);
	json_end(j);
	json_object(j, "total");
	json_u64(j, "accounts", total.accounts);
	json_u64(j, "messages", total.messages);
	json_u64(j, "octets", total.octets);
	json_u64(j, "disk_octets", total.disk);
	json_u64(j, "expunged", total.expunged);
	json_end(j);
	json_end(j);
}

void store_stat_verb(struct store_command *c)
{
	if (c->word_count > 0) {
		store_each(c, 0, stat_one);
		return;
	}
	c->given.all = true;
	if (store_as_json(c)) {
		all_as_json(c);
		return;
	}
	printf("%-40s %9s %12s %12s %9s %9s\n", "ACCOUNT", "MESSAGES", "OCTETS",
	    "ON DISK", "EXPUNGED", "BEHIND");
	store_each(c, 0, stat_one);
	printf("%llu %s, %llu %s of %llu octets, %llu octets on disk\n",
	    STORE_MANY(total.accounts, "account"),
	    STORE_MANY(total.messages, "message"), store_number(total.octets),
	    store_number(total.disk));
}
