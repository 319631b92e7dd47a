/* SPDX-License-Identifier: ISC */
/* Whose message it says to be: the domains of From, which DMARC guards. */
#ifndef MAILAUTH_AUTHORS_H
#define MAILAUTH_AUTHORS_H

#include "core/arena.h"
#include "mailauth/dkim_signature.h"
#include "mailauth/domain.h"

#define AUTHOR_DOMAINS_MOST 5 /* distinct ones that are looked at */

struct author_domains {
	struct str list[AUTHOR_DOMAINS_MOST]; /* A-labels, lower case */
	size_t count;
	/* There is no From, or several, or one that names no domain, or more
	 * domains than are looked at: nobody can say what a reader will see. */
	bool doubtful;
	/* Not all was read, so that anybody's domain may be among the authors:
	 * in doubt too. */
	bool cut;
};

/* Texts belong to the arena. */
void author_domains(const struct header_fields *fields, struct arena *arena,
    struct author_domains *out);

#endif
