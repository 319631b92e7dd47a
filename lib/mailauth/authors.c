/* SPDX-License-Identifier: ISC */
#include "mailauth/authors.h"

#include "mail/address.h"
#include "mailauth/domain.h"

#define MAILBOXES_MOST 100
#define PARSER_MEMORY  65536

static void add_domain(
    struct str domain, struct arena *arena, struct author_domains *out)
{
	struct str name = domain_to_ascii(domain, arena);

	if (name.len == 0) {
		out->doubtful = true;
		return;
	}
	for (size_t i = 0; i < out->count; i++)
		if (str_eq(out->list[i], name))
			return;
	if (out->count == AUTHOR_DOMAINS_MOST)
		out->cut = true;
	else
		out->list[out->count++] = name;
}

static void add_list(
    struct str value, struct arena *arena, struct author_domains *out)
{
	/* The parser makes no more text than twice what it reads. */
	struct arena memory = arena_new(PARSER_MEMORY + 2 * value.len);
	struct mailbox *list = NULL;
	size_t n = address_list(value, &memory, MAILBOXES_MOST, &list);

	for (size_t i = 0; i < n; i++)
		if (!list[i].group_start && !list[i].group_end)
			add_domain(list[i].domain, arena, out);
	if (n == MAILBOXES_MOST)
		out->cut = true;
	arena_free(&memory);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One entry of a list, as far as it has been read. */
struct entry {
	bool open, behind; /* whether "<" has come, and ">" */
	bool route;        /* "@" stands right behind "<" */
	unsigned ats;      /* of the address */
	char before;       /* the last octet that is no blank */
};

/* An octet that stands neither in quotes nor in a comment: whether it makes the
 * entry one of two addresses. */
static bool makes_two(struct entry *e, char c)
{
	if (is_blank(c))
		return false;
	if (e->behind)
		return true;
	if (c == '<' && !e->open) {
		*e = (struct entry){.open = true};
	} else if (c == '>') {
		e->behind = e->open;
	} else if (c == '@') {
		e->route |= e->before == '<';
		e->ats++;
	} else if (c == ':' && e->route) {
		e->ats = 0;
		e->route = false;
	}
	e->before = c;
	return e->open && e->ats > 1;
}

/* Whether an entry is one address to some readers, and another to others:
 * something stands behind its angle brackets, two addresses are written into
 * each other, or what is quoted does not end. */
static bool is_read_two_ways(struct str value)
{
	struct entry e = {.open = false};
	unsigned comments = 0;
	bool quoted = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\\' && (quoted || comments > 0)) {
			i++;
		} else if (quoted) {
			quoted = c != '"';
		} else if (c == '(') {
			comments++;
		} else if (comments > 0) {
			comments -= c == ')';
		} else if (c == ',' || c == ';') {
			if (e.ats > 1)
				return true;
			e = (struct entry){.open = false};
		} else if (makes_two(&e, c)) {
			return true;
		} else {
			quoted = c == '"';
		}
	}
	return e.ats > 1 || quoted || comments > 0;
}

void author_domains(const struct header_fields *fields, struct arena *arena,
    struct author_domains *out)
{
	size_t found = 0;

	*out = (struct author_domains){.cut = fields->cut};
	for (size_t i = 0; i < fields->count; i++) {
		if (!str_case_eq(fields->list[i].name, STR("From")))
			continue;
		found++;
		add_list(fields->list[i].value, arena, out);
		out->doubtful |= is_read_two_ways(fields->list[i].value);
	}
	if (found != 1 || out->count == 0 || out->cut)
		out->doubtful = true;
}
