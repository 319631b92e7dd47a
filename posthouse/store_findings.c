/* SPDX-License-Identifier: ISC */
#include "posthouse/store_findings.h"

#include "core/clock.h"

#define OPEN_MS 10000

static const char *const kinds[] = {
    [FINDING_DAMAGE] = "damage",
    [FINDING_DERIVED] = "derived",
    [FINDING_LEFTOVER] = "leftover",
    [FINDING_READABLE] = "readable",
};

void findings_open(
    struct findings *f, struct store_command *c, struct str account)
{
	*f = (struct findings){.c = c, .account = account};
}

void findings_close(struct findings *f)
{
	box_close(&f->box);
}

uint64_t findings_serious(const struct findings *f)
{
	return f->count[FINDING_DAMAGE] + f->count[FINDING_DERIVED] +
	    f->count[FINDING_READABLE];
}

/* A damaged account may not open: its mailboxes have no names then. */
static struct str name_of(struct findings *f, uint32_t mailbox)
{
	const struct mailbox_info *m;

	if (!f->tried &&
	    box_open(f->c->store, f->account, deadline_in(OPEN_MS), &f->box) !=
		STORE_OK)
		box_close(&f->box);
	f->tried = true;
	m = f->box == NULL ? NULL : box_find_id(f->box, mailbox);
	return m == NULL ? STR_EMPTY : m->name;
}

static void put_json(
    struct findings *f, const struct store_finding *finding, struct str mailbox)
{
	struct json *j = &f->c->json;

	json_object(j, NULL);
	json_text(j, "account", f->account);
	json_text(j, "kind", str_from(kinds[finding->kind]));
	json_text(j, "file", str_from(finding->file));
	json_u64(j, "offset", finding->offset);
	json_u64(j, "mailbox_id", finding->mailbox);
	json_text(j, "mailbox", mailbox);
	json_u64(j, "uid", finding->uid);
	json_text(j, "text", str_from(finding->text));
	json_end(j);
	store_flush(f->c);
}

static void print(
    struct findings *f, const struct store_finding *finding, struct str mailbox)
{
	char account[600], name[1100];

	printf("%s: %s:", store_text(f->account, account, sizeof(account)),
	    kinds[finding->kind]);
	if (finding->file[0] != '\0')
		printf(
		    " %s:%llu:", finding->file, store_number(finding->offset));
	if (mailbox.len > 0)
		printf(" %s", store_text(mailbox, name, sizeof(name)));
	else if (finding->mailbox != 0)
		printf(" mailbox %u", finding->mailbox);
	if (finding->uid != 0)
		printf(" uid %u", finding->uid);
	printf("%s %s\n", finding->mailbox != 0 ? ":" : "", finding->text);
}

void findings_take(void *arg, const struct store_finding *finding)
{
	struct findings *f = arg;
	struct str mailbox = STR_EMPTY;

	if ((size_t)finding->kind >= ARRAY_LEN(kinds))
		return;
	f->count[finding->kind]++;
	if (finding->mailbox != 0)
		mailbox = name_of(f, finding->mailbox);
	if (store_as_json(f->c))
		put_json(f, finding, mailbox);
	else
		print(f, finding, mailbox);
}
