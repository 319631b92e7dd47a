/* SPDX-License-Identifier: ISC */
/*
 * posthouse store restore: mailboxes or messages become what they were at a
 * time, or what they are in a backup.
 */
#include "posthouse/store_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#define OPEN_MS 10000

struct source {
	struct store *store; /* of --from, ours to close */
	int64_t at;          /* microseconds; 0: as it is */
	struct restore_choice choice;
};

static int read_choice(struct store_command *c, struct source *s)
{
	const struct store_options *given = &c->given;
	uint64_t n = 0;

	*s = (struct source){.choice = {.mailbox = str_from(given->mailbox),
				 .message_id = str_from(given->message_id)}};
	if (given->at == NULL && given->from == NULL)
		store_fail(c, EX_USAGE,
		    "from when, or from where? --at TIME takes the mail as it "
		    "was, --from DIR as it is in a backup");
	else if (given->uid != NULL && given->mailbox == NULL)
		store_fail(c, EX_USAGE,
		    "--uid is a message of a mailbox: give --mailbox too");
	else if (given->uid != NULL && given->message_id != NULL)
		store_fail(c, EX_USAGE, "--uid or --message-id, not both");
	else if (given->uid != NULL &&
	    (str_to_u64(str_from(given->uid), UINT32_MAX, &n) < 0 || n == 0))
		store_fail(c, EX_USAGE, "--uid %s: this is no uid", given->uid);
	else if (given->at == NULL ||
	    store_time(c, "--at", given->at, &s->at) == 0) {
		s->choice.uid = (uint32_t)n;
		return 0;
	}
	return -1;
}

static int open_source(struct store_command *c, struct source *s)
{
	const char *why = "", *dir = c->given.from;

	if (dir == NULL)
		return 0;
	if (access(dir, R_OK | X_OK) < 0)
		why = strerror(errno);
	else
		s->store = store_open(dir, NULL, &why);
	if (s->store != NULL)
		return 0;
	store_fail(c, EX_NOINPUT,
	    "--from %s: %s; a backup is a directory that \"store backup\" "
	    "wrote, readable by the store's owner (uid %u)",
	    dir, why, geteuid());
	return -1;
}

static struct box *open_box(
    struct store_command *c, struct source *s, struct str account)
{
	struct store *from = s->store != NULL ? s->store : c->store;
	char name[600], when[TIME_POINT_TEXT];
	struct box *b = NULL;
	enum store_result r;

	if (s->at == 0)
		return store_box(c, from, account);
	if (s->store == NULL && !store_exists(c, account))
		return NULL;
	r = box_open_at(from, account, s->at, 0, &b);
	if (r == STORE_OK)
		return b;
	if (r == STORE_GONE)
		store_fail(c, EX_NOINPUT,
		    "%s: %s is before everything that is kept of it; \"store "
		    "stat %s\" says how far back it reaches",
		    store_text(account, name, sizeof(name)),
		    time_point_text(s->at, when), name);
	else
		store_fail_box(c, account, b, r);
	box_close(&b);
	return NULL;
}

static void tell(struct store_command *c, struct str account,
    const struct source *s, const struct restore_result *r)
{
	char name[600], when[TIME_POINT_TEXT];

	if (store_as_json(c)) {
		json_object(&c->json, NULL);
		json_text(&c->json, "account", account);
		if (s->at != 0)
			store_json_time(c, "at", s->at);
		if (c->given.from != NULL)
			json_text(&c->json, "from", str_from(c->given.from));
		json_u64(&c->json, "mailboxes", r->mailboxes);
		json_u64(&c->json, "messages", r->messages);
		json_u64(&c->json, "copied_octets", r->copied_octets);
		json_u64(&c->json, "lost", r->lost);
		json_end(&c->json);
		return;
	}
	printf("%s:", store_text(account, name, sizeof(name)));
	if (c->given.from != NULL)
		printf(" from %s", c->given.from);
	if (s->at != 0)
		printf(" as of %s", time_point_text(s->at, when));
	printf(": %llu %s and %llu %s restored, %llu octets copied\n",
	    store_number(r->mailboxes),
	    r->mailboxes == 1 ? "mailbox" : "mailboxes",
	    STORE_MANY(r->messages, "message"), store_number(r->copied_octets));
	if (r->lost > 0)
		printf("%s: left out are %llu %s whose octets are erased or "
		       "damaged\n",
		    name, STORE_MANY(r->lost, "message"));
}

static void restore_from(struct store_command *c, struct str account,
    struct source *s, struct box *from)
{
	struct restore_result result = {0};
	struct box *b = NULL;
	/* A lost account is made anew from a backup. */
	enum store_result r = box_open(
	    c->store, account, deadline_in(OPEN_MS), &b);

	if (r == STORE_OK)
		r = box_restore(b, from, &s->choice, &result);
	if (r != STORE_OK)
		store_fail_box(c, account, b, r);
	else
		tell(c, account, s, &result);
	box_close(&b);
}

static void restore(struct store_command *c, struct str account)
{
	struct source s;
	struct box *from;

	if (read_choice(c, &s) < 0 || open_source(c, &s) < 0)
		return;
	from = open_box(c, &s, account);
	if (from != NULL)
		restore_from(c, account, &s, from);
	box_close(&from);
	store_close(&s.store);
}

void store_restore_verb(struct store_command *c)
{
	store_each(c, 0, restore);
}
