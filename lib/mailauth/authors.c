/* SPDX-License-Identifier: ISC */
#include "mailauth/authors.h"

#include <idn2.h>

#include "mail/address.h"
#include "net/dns_answer.h"

#define MAILBOXES_MOST 100
#define PARSER_MEMORY  65536

struct str domain_to_ascii(struct str domain, struct arena *arena)
{
	char text[4 * DNS_NAME_TEXT_MAX], *ascii = NULL;

	if (str_ends(domain, STR(".")))
		domain.len--;
	if (str_copy(text, sizeof(text), domain) < 0 ||
	    idn2_to_ascii_8z(
		text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return STR_EMPTY;
	struct str name = arena_copy(arena, str_from(ascii));
	idn2_free(ascii);
	if (name.p == NULL || !dns_name_valid(name))
		return STR_EMPTY;
	for (char *p = (char *)name.p; *p != '\0'; p++)
		*p = ascii_lower(*p);
	return name;
}

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
	}
	if (found != 1 || out->count == 0 || out->cut)
		out->doubtful = true;
}
