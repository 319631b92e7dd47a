/* SPDX-License-Identifier: ISC */
#include "mailauth/public_suffixes.h"

#include <libpsl.h>
#include <stdlib.h>

#include "core/memory.h"
#include "net/dns_answer.h"

struct public_suffixes {
	psl_ctx_t *context;
};

struct public_suffixes *public_suffixes_open(void)
{
	psl_ctx_t *context = psl_latest(NULL);

	if (context == NULL)
		return NULL;
	struct public_suffixes *list = NEW(struct public_suffixes);
	list->context = context;
	return list;
}

void public_suffixes_close(struct public_suffixes **list)
{
	if (*list == NULL)
		return;
	psl_free((*list)->context);
	free(*list);
	*list = NULL;
}

struct str public_suffixes_organization(
    const struct public_suffixes *list, struct str domain)
{
	char name[DNS_NAME_TEXT_MAX];

	if (str_copy(name, sizeof(name), domain) < 0)
		return domain;
	for (char *p = name; *p != '\0'; p++)
		*p = ascii_lower(*p);
	const char *found = psl_registrable_domain(list->context, name);
	return found == NULL ? domain
			     : str_skip(domain, (size_t)(found - name));
}
