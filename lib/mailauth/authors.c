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

/* Whether something stands behind an address in angle brackets, of which some
 * readers take this for the author and some that. */
static bool has_text_behind(struct str value)
{
	bool quoted = false, open = false, behind = false;
	unsigned comments = 0;

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
			behind = open = false;
		} else if (behind && !is_blank(c)) {
			return true;
		} else {
			quoted = c == '"';
			behind = behind || (open && c == '>');
			open = open || c == '<';
		}
	}
	return false;
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
		out->doubtful |= has_text_behind(fields->list[i].value);
	}
	if (found != 1 || out->count == 0 || out->cut)
		out->doubtful = true;
}
