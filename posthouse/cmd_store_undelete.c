/* SPDX-License-Identifier: ISC */
/* posthouse store undelete: what was expunged is listed, or comes back. */
#include "posthouse/store_command.h"

#include <stdlib.h>

#include "core/memory.h"
#include "mail/header.h"

#define ARENA_MOST ((size_t)4 << 30)
#define WORD_MOST  ((size_t)1 << 20)

/* ---- which messages ---- */

struct range {
	uint32_t first, last;
};

struct choice {
	struct undelete_choice c;
	struct range *ranges; /* of --uid */
	size_t range_count;
	uint32_t *uids; /* of those there are, the chosen ones */
};

static int uid(struct str word, uint32_t *out)
{
	uint64_t n;

	if (str_eq(word, STR("*"))) {
		*out = UINT32_MAX;
		return 0;
	}
	if (str_to_u64(word, UINT32_MAX, &n) < 0 || n == 0)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

/* "3,7:9,20:*" */
static int take_set(struct choice *choice, const char *text)
{
	struct str rest = str_from(text);

	while (rest.len > 0) {
		struct str word = str_cut(&rest, ',');
		bool single = str_find(word, ':') == word.len;
		struct range r;

		if (uid(str_cut(&word, ':'), &r.first) < 0)
			return -1;
		r.last = r.first;
		if (!single && uid(word, &r.last) < 0)
			return -1;
		if (r.last < r.first)
			r = (struct range){r.last, r.first};
		choice->ranges = mem_resize(choice->ranges,
		    choice->range_count + 1, sizeof(*choice->ranges));
		choice->ranges[choice->range_count++] = r;
	}
	return choice->range_count > 0 ? 0 : -1;
}

static int read_choice(struct store_command *c, struct choice *out)
{
	const struct store_options *given = &c->given;
	int64_t us = 0;

	*out = (struct choice){.c = {.mailbox = str_from(given->mailbox)}};
	if (given->since != NULL &&
	    store_time(c, "--since", given->since, &us) < 0)
		return -1;
	out->c.since = us / 1000000;
	if (given->uid == NULL)
		return 0;
	if (given->mailbox == NULL)
		store_fail(c, EX_USAGE,
		    "--uid says which messages of a mailbox: give --mailbox "
		    "too");
	else if (take_set(out, given->uid) < 0)
		store_fail(c, EX_USAGE,
		    "--uid %s: a set of uids is like 3,7:9,20:*", given->uid);
	else
		return 0;
	return -1;
}

static bool is_of(struct str mailbox, const struct expunged_message *m)
{
	return mailbox.len == 0 || str_eq(mailbox, m->mailbox_name) ||
	    (str_case_eq(mailbox, STR("INBOX")) &&
		str_eq(m->mailbox_name, STR("INBOX")));
}

static bool is_chosen(
    const struct choice *choice, const struct expunged_message *m)
{
	if (!is_of(choice->c.mailbox, m) || m->expunged < choice->c.since)
		return false;
	for (size_t i = 0; i < choice->range_count; i++)
		if (m->m.uid >= choice->ranges[i].first &&
		    m->m.uid <= choice->ranges[i].last)
			return true;
	return choice->range_count == 0;
}

/* ---- the words of an ENVELOPE ---- */

/* The next string or NIL, as text; lists are entered and left silently. -1 at
 * the end, or where it makes no sense. */
static int next_word(struct str *s, struct buf *out)
{
	uint64_t len;

	buf_clear(out);
	while (s->len > 0 && strchr("() ", s->p[0]) != NULL)
		*s = str_skip(*s, 1);
	if (str_starts(*s, STR("NIL"))) {
		*s = str_skip(*s, 3);
		return 0;
	}
	if (str_starts(*s, STR("{"))) {
		struct str size = str_skip(*s, 1);

		*s = size;
		size = str_cut(s, '}');
		if (str_to_u64(size, WORD_MOST, &len) < 0 || s->len < len + 2)
			return -1;
		buf_add(out, str_sub(*s, 2, (size_t)len));
		*s = str_skip(*s, (size_t)len + 2);
		return 0;
	}
	if (!str_starts(*s, STR("\"")))
		return -1;
	for (*s = str_skip(*s, 1); s->len > 0 && s->p[0] != '"';
	     *s = str_skip(*s, 1)) {
		if (s->p[0] == '\\')
			*s = str_skip(*s, 1);
		if (s->len > 0)
			buf_add_char(out, s->p[0]);
	}
	*s = str_skip(*s, s->len > 0 ? 1 : 0);
	return 0;
}

/* Subject, and the first address of From. */
static void describe(struct str envelope, struct buf *subject, struct buf *from)
{
	struct buf word = buf_new(WORD_MOST), text = buf_new(WORD_MOST);

	buf_clear(subject);
	buf_clear(from);
	if (next_word(&envelope, &word) == 0 && /* date */
	    next_word(&envelope, &text) == 0)
		header_decode(buf_str(&text), subject);
	if (str_starts(envelope, STR(" ((")) &&
	    next_word(&envelope, &word) == 0 && /* name, route */
	    next_word(&envelope, &word) == 0 &&
	    next_word(&envelope, &word) == 0 &&
	    next_word(&envelope, &text) == 0)
		buf_printf(from, "%.*s@%.*s", STR_FMT(buf_str(&word)),
		    STR_FMT(buf_str(&text)));
	buf_free(&word);
	buf_free(&text);
}

/* ---- the list ---- */

static void put_json(struct store_command *c, const struct expunged_message *m,
    struct str subject, struct str from)
{
	struct json *j = &c->json;

	json_object(j, NULL);
	store_json_time(c, "expunged", m->expunged * 1000000);
	json_text(j, "mailbox", m->mailbox_name);
	json_bool(j, "mailbox_deleted", m->mailbox_deleted);
	json_u64(j, "uid", m->m.uid);
	json_u64(j, "size", m->m.size);
	store_json_time(c, "date", m->m.internal_date * 1000000);
	json_text(j, "from", from);
	json_text(j, "subject", subject);
	json_end(j);
	store_flush(c);
}

static void print_row(
    const struct expunged_message *m, struct str subject, struct str from)
{
	char when[TIME_POINT_TEXT], mailbox[200], sender[200], text[300];

	printf("%s  %-20s %8u %10llu  %-30s %s\n",
	    time_point_text(m->expunged * 1000000, when),
	    store_text(m->mailbox_name, mailbox, sizeof(mailbox)), m->m.uid,
	    store_number(m->m.size), store_text(from, sender, sizeof(sender)),
	    store_text(subject, text, sizeof(text)));
}

static void list(struct store_command *c, const struct choice *choice,
    const struct expunged_message *all, size_t count)
{
	struct buf subject = buf_new(WORD_MOST), from = buf_new(WORD_MOST);
	uint64_t shown = 0;

	json_object(&c->json, NULL);
	json_array(&c->json, "messages");
	for (size_t i = 0; i < count; i++) {
		if (!is_chosen(choice, &all[i]))
			continue;
		if (shown++ == 0 && !store_as_json(c))
			printf("%-24s  %-20s %8s %10s  %-30s %s\n", "EXPUNGED",
			    "MAILBOX", "UID", "SIZE", "FROM", "SUBJECT");
		describe(all[i].envelope, &subject, &from);
		if (store_as_json(c))
			put_json(c, &all[i], buf_str(&subject), buf_str(&from));
		else
			print_row(&all[i], buf_str(&subject), buf_str(&from));
	}
	json_end(&c->json);
	json_u64(&c->json, "count", shown);
	json_end(&c->json);
	if (!store_as_json(c))
		printf("%llu %s can be brought back\n",
		    STORE_MANY(shown, "message"));
	buf_free(&subject);
	buf_free(&from);
}

/* ---- bringing back ---- */

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The set as uids that there are: a range may be wide. */
static void name_uids(
    struct choice *choice, const struct expunged_message *all, size_t count)
{
	choice->uids = mem_array(count, sizeof(*choice->uids));
	for (size_t i = 0; i < count; i++)
		if (is_chosen(choice, &all[i]))
			choice->uids[choice->c.uid_count++] = all[i].m.uid;
	qsort(choice->uids, choice->c.uid_count, sizeof(*choice->uids), by_uid);
	choice->c.uids = choice->uids;
}

static void tell(struct store_command *c, struct str account,
    const struct choice *choice, uint64_t count)
{
	char name[600], since[TIME_POINT_TEXT];

	if (store_as_json(c)) {
		json_object(&c->json, NULL);
		json_text(&c->json, "account", account);
		if (choice->c.since != 0)
			store_json_time(c, "since", choice->c.since * 1000000);
		json_u64(&c->json, "undeleted", count);
		json_end(&c->json);
		return;
	}
	printf("%s: %llu %s brought back",
	    store_text(account, name, sizeof(name)),
	    STORE_MANY(count, "message"));
	if (choice->c.since != 0)
		printf(", of those expunged since %s",
		    time_point_text(choice->c.since * 1000000, since));
	printf("%s\n", count == 0 ? "; --list shows what there is" : "");
}

static void bring_back(struct store_command *c, struct str account,
    struct box *b, struct choice *choice)
{
	struct arena arena = arena_new(ARENA_MOST);
	struct expunged_message *all = NULL;
	size_t count = 0;
	uint64_t brought = 0;
	enum store_result r = STORE_OK;

	if (c->given.list || choice->range_count > 0)
		r = box_expunged(b, &arena, &all, &count);
	if (r == STORE_OK && choice->range_count > 0)
		name_uids(choice, all, count);
	if (r == STORE_OK && c->given.list)
		list(c, choice, all, count);
	else if (r == STORE_OK)
		r = box_undelete(b, &choice->c, &brought);
	if (r != STORE_OK)
		store_fail_box(c, account, b, r);
	else if (!c->given.list)
		tell(c, account, choice, brought);
	arena_free(&arena);
}

static void undelete(struct store_command *c, struct str account)
{
	struct choice choice;
	struct box *b;

	if (read_choice(c, &choice) == 0 &&
	    (b = store_box(c, c->store, account)) != NULL) {
		bring_back(c, account, b, &choice);
		box_close(&b);
	}
	free(choice.ranges);
	free(choice.uids);
}

void store_undelete_verb(struct store_command *c)
{
	store_each(c, 0, undelete);
}
