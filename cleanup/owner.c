/* SPDX-License-Identifier: ISC */
#include "cleanup/owner.h"

#include <stdio.h>

#include "core/log.h"
#include "core/observe.h"
#include "ipc/lookup.h"
#include "mail/address.h"
#include "mailauth/authors.h"

#define AUTHORS_MOST 16 /* addresses of From that are asked about */

struct question {
	const struct message *m;
	struct str address;
	int status; /* enum resolve_status */
};

static int ask(struct neighbour *n, int64_t deadline, void *arg)
{
	struct question *q = arg;
	struct lookup_owns owns = {.request = ++n->request,
	    .login = q->m->from.login,
	    .address = q->address};
	int64_t began = observe_begin();
	const void *answer;

	if (ipc_call(n->c, &lookup_owns, &owns, &lookup_owned, &answer,
		deadline) != IPC_OK ||
	    ((const struct lookup_owned *)answer)->request != owns.request)
		return -1;
	observe_end("lookup", began);
	q->status = ((const struct lookup_owned *)answer)->status;
	return 0;
}

/* As owner_is. */
static int may_send_as(
    struct cleanup *c, const struct message *m, struct str address)
{
	struct question q = {m, address, RESOLVE_TEMPORARY};
	const char *why = "the directory is away";

	if (neighbour_ask(&c->lookup, c->house->ipc_timeout, ask, &q, &why) <
		0 ||
	    q.status == RESOLVE_TEMPORARY) {
		log_warning("lookup does not say who owns an address: %s", why);
		return -1;
	}
	return q.status == RESOLVE_OK;
}

static bool is_of(struct message *m, struct str written, struct str domain)
{
	return written.len > 0 &&
	    str_eq(domain_to_ascii(written, &m->arena), domain);
}

static struct str domain_of(struct str address)
{
	return str_skip(address, str_find_last(address, '@') + 1);
}

int owner_is(struct cleanup *c, struct message *m, struct str domain,
    struct str author, struct str from)
{
	/* smtpd has asked whether the sender is the login's. */
	struct str login = domain_of(m->from.login);
	struct str sender = domain_of(m->from.sender);
	struct mailbox *list = NULL;
	char address[IPC_ADDRESS_MAX];

	if (is_of(m, login, author) || is_of(m, login, domain) ||
	    is_of(m, sender, author) || is_of(m, sender, domain))
		return 1;
	size_t n = address_list(from, &m->arena, AUTHORS_MOST, &list);
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(address, sizeof(address), "%.*s@%.*s",
		    STR_FMT(list[i].local), STR_FMT(list[i].domain));

		if (!is_of(m, list[i].domain, author) || len < 0 ||
		    (size_t)len >= sizeof(address))
			continue;
		int owned = may_send_as(c, m, str_from(address));
		if (owned != 0)
			return owned;
	}
	return 0;
}
