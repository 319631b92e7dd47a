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
		out->doubtful = true;
	else
		out->list[out->count++] = name;
}

void author_domains(const struct header_fields *fields, struct arena *arena,
    struct author_domains *out)
{
	struct arena memory = arena_new(PARSER_MEMORY);
	size_t found = 0;

	*out = (struct author_domains){.count = 0};
	for (size_t i = 0; i < fields->count; i++) {
		struct mailbox *list = NULL;
		if (!str_case_eq(fields->list[i].name, STR("From")))
			continue;
		found++;
		size_t n = address_list(
		    fields->list[i].value, &memory, MAILBOXES_MOST, &list);
		for (size_t k = 0; k < n; k++)
			if (!list[k].group_start && !list[k].group_end)
				add_domain(list[k].domain, arena, out);
		if (n == MAILBOXES_MOST)
			out->doubtful = true;
	}
	if (found != 1 || out->count == 0)
		out->doubtful = true;
	arena_free(&memory);
}
