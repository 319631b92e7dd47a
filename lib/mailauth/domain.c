/* SPDX-License-Identifier: ISC */
#include "mailauth/domain.h"

#include <idn2.h>

#include "net/dns_answer.h"

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
