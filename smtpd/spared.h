/* SPDX-License-Identifier: ISC */
/* Whose mail may fail DMARC: known forwarders, mailing lists, and those whom
 * trusted sealers vouch for. */
#ifndef SMTPD_SPARED_H
#define SMTPD_SPARED_H

#include "smtpd/disposition.h"

struct sparing {
	enum spared spared;
	bool unknown; /* not spared, but a table could not be asked */
	const struct rule *rule; /* of the list that decided, or could not */
	struct str table;        /* of the list; "": it was a word */
};

struct sparing spared_by(struct verdict *v, const struct decision *by);

/* Whether a domain is in the list of a rule: dmarc_mailing_lists or
 * arc_trusted_sealers. */
enum map_result spared_lists_domain(const struct decision *by,
    const struct rule *rule, struct str domain, struct str *table);

#endif
