/* SPDX-License-Identifier: ISC */
#include "imapd/search.h"

#include "mail/charset.h"
#include "mail/date.h"

#include "imapd/command.h"

#define DECODED_MAX ((size_t)64 << 20) /* octets of one part's text */
#define DAY         86400

static bool contains(struct str text, struct str needle)
{
	return needle.len == 0 ||
	    (text.len >= needle.len &&
		memmem(text.p, text.len, needle.p, needle.len) != NULL);
}

static bool folded_contains(struct str utf8, struct str needle)
{
	struct buf folded = buf_new(DECODED_MAX);

	text_casefold(utf8, &folded);
	bool found = contains(buf_str(&folded), needle);
	buf_free(&folded);
	return found;
}

static bool value_contains(struct str value, struct str needle)
{
	struct buf decoded = buf_new(value.len * 4 + 1024);

	if (needle.len == 0)
		return true;
	header_decode(value, &decoded);
	bool found = folded_contains(buf_str(&decoded), needle);
	buf_free(&decoded);
	return found;
}

bool search_header(struct str header, struct str field, struct str text)
{
	struct header_field f;
	int r;

	while ((r = header_next(&header, &f)) != 0)
		if (r > 0 && str_case_eq(f.name, field) &&
		    value_contains(f.value, text))
			return true;
	return false;
}

/* Any field, its name included. */
static bool fields_contain(struct str header, struct str text)
{
	struct header_field f;

	while (header_next(&header, &f) != 0)
		if (value_contains(f.whole, text))
			return true;
	return false;
}

bool search_sent_day(struct str header, int64_t *day)
{
	struct header_field f;
	int64_t seconds;
	int zone;

	if (!header_find(header, STR("Date"), &f) ||
	    date_parse_rfc5322(f.value, &seconds, &zone) < 0)
		return false;
	seconds += (int64_t)zone * 60;
	*day = seconds / DAY - (seconds % DAY < 0);
	return true;
}

static bool part_contains(
    const struct mime_part *part, struct str message, struct str text)
{
	struct str charset;
	bool found;

	if (!str_case_eq(part->type, STR("text")) &&
	    !str_case_eq(part->type, STR("message")))
		return false;
	if (!mime_param_find(part->params, STR("charset"), &charset))
		charset = STR("utf-8");
	struct buf body = buf_new(DECODED_MAX), utf8 = buf_new(DECODED_MAX);
	mime_decode_body(part, message, &body);
	charset_to_utf8(charset, buf_str(&body), &utf8);
	buf_free(&body);
	found = folded_contains(buf_str(&utf8), text);
	buf_free(&utf8);
	return found;
}

/* The part behind this one in a walk through the tree. */
static const struct mime_part *following(
    const struct mime_part *root, const struct mime_part *part)
{
	if (part->child != NULL)
		return part->child;
	while (part != root && part->next == NULL)
		part = part->parent;
	return part == root ? NULL : part->next;
}

bool search_text(const struct mime_part *root, struct str message, bool header,
    struct str text)
{
	for (const struct mime_part *p = root; p != NULL;
	     p = following(root, p)) {
		struct str fields = str_sub(
		    message, p->header_offset, p->header_len);

		if ((header || p != root) && fields_contain(fields, text))
			return true;
		if (p->child == NULL && part_contains(p, message, text))
			return true;
	}
	return false;
}

/* ---- resolving and ordering ---- */

static void resolve_keyword(struct session *s, struct search_key *k)
{
	const struct mailbox_info *info = box_find_id(s->box, s->mailbox);

	k->keywords = 0;
	for (size_t i = 0; info != NULL && i < info->keyword_count; i++)
		if (str_case_eq(info->keywords[i], k->text))
			k->keywords |= (uint64_t)1 << i;
}

/* Numbers beyond the last message match nothing. */
static bool resolve_set(
    struct session *s, struct search_key *k, const char **why)
{
	uint32_t count = view_count(s->view);

	if (k->kind == KEY_UID || k->set.saved)
		return set_to_messages(s, &k->set, true, &k->ranges, why);
	*why = "the sequence set is too large";
	return set_normalize(&k->set, count, &s->arena, &k->ranges) == 0;
}

bool search_resolve(struct session *s, struct search_key *key, const char **why)
{
	if ((key->kind == KEY_SET || key->kind == KEY_UID) &&
	    !resolve_set(s, key, why))
		return false;
	if (key->kind == KEY_KEYWORD)
		resolve_keyword(s, key);
	for (struct search_key *k = key->child; k != NULL; k = k->next)
		if (!search_resolve(s, k, why))
			return false;
	return true;
}

/* 0: in memory; 1: the header; 2: the whole message. */
static int cost(const struct search_key *key)
{
	int most = 0;

	switch (key->kind) {
	case KEY_BODY:
	case KEY_TEXT:
		return 2;
	case KEY_HEADER:
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return 1;
	default:
		for (const struct search_key *k = key->child; k; k = k->next)
			if (cost(k) > most)
				most = cost(k);
		return most;
	}
}

void search_order(struct search_key *key)
{
	struct search_key *by_cost[3] = {NULL, NULL, NULL};
	struct search_key **ends[3] = {&by_cost[0], &by_cost[1], &by_cost[2]};
	struct search_key **end = &key->child;

	for (struct search_key *k = key->child, *next; k != NULL; k = next) {
		int c = cost(k);

		next = k->next;
		k->next = NULL;
		search_order(k);
		*ends[c] = k;
		ends[c] = &k->next;
	}
	for (int c = 0; c < 3; c++) {
		*end = by_cost[c];
		if (by_cost[c] != NULL)
			end = ends[c];
	}
}

/* ---- matching ---- */

static bool match_sent(
    struct session *s, const struct search_key *key, struct opened *o)
{
	struct str header;
	int64_t day;

	if (message_header(s, o, &header) != STORE_OK ||
	    !search_sent_day(header, &day))
		return false;
	return key->kind == KEY_SENTBEFORE ? day < key->day
	    : key->kind == KEY_SENTON      ? day == key->day
					   : day >= key->day;
}

/* What needs the message's bytes. */
static bool match_bytes(
    struct session *s, const struct search_key *key, uint32_t seq)
{
	struct opened *o = message_open(s, seq);
	struct mime_part *root;
	struct str header;

	switch (key->kind) {
	case KEY_HEADER:
		return message_header(s, o, &header) == STORE_OK &&
		    search_header(header, key->field, key->text);
	case KEY_BODY:
	case KEY_TEXT:
		return message_parsed(s, o, &root) == STORE_OK &&
		    search_text(root, buf_str(&o->bytes), key->kind == KEY_TEXT,
			key->text);
	default:
		return match_sent(s, key, o);
	}
}

static int64_t day_of(const struct message *m)
{
	return m->internal_date / DAY - (m->internal_date % DAY < 0);
}

static bool match_children(
    struct session *s, const struct search_key *key, uint32_t seq)
{
	bool all = key->kind == KEY_AND;

	for (const struct search_key *k = key->child; k != NULL; k = k->next)
		if (search_match(s, k, seq) != all)
			return !all;
	return all;
}

bool search_match(struct session *s, const struct search_key *key, uint32_t seq)
{
	const struct message *m = view_message(s->view, seq);

	switch (key->kind) {
	case KEY_ALL:
		return true;
	case KEY_NONE:
		return false;
	case KEY_AND:
	case KEY_OR:
		return match_children(s, key, seq);
	case KEY_NOT:
		return !search_match(s, key->child, seq);
	case KEY_FLAG:
		return (m->flags & key->flags) != 0;
	case KEY_KEYWORD:
		return (m->keywords & key->keywords) != 0;
	case KEY_SET:
	case KEY_UID:
		return ranges_have(&key->ranges, seq);
	case KEY_LARGER:
		return m->size > key->number;
	case KEY_SMALLER:
		return m->size < key->number;
	case KEY_MODSEQ:
		return m->modseq >= key->number;
	case KEY_BEFORE:
		return day_of(m) < key->day;
	case KEY_ON:
		return day_of(m) == key->day;
	case KEY_SINCE:
		return day_of(m) >= key->day;
	default:
		return match_bytes(s, key, seq);
	}
}
