/* SPDX-License-Identifier: ISC */
/*
 * What becomes of a message for what its verdict says: the author's domain asks
 * (RFC 9989 section 5.4), our parameters decide, and known forwarders, lists
 * and sealers are spared. A function of the verdict and the parameters.
 */
#ifndef SMTPD_DISPOSITION_H
#define SMTPD_DISPOSITION_H

#include "mailauth/verdict.h"
#include "net/netaddr.h"
#include "smtpd/rule.h"
#include "smtpd/smtpd_conf.h"

enum applied { APPLIED_NONE, APPLIED_JUNK, APPLIED_REJECT, APPLIED_DEFER };
extern const char *const applied_names[]; /* "none", "junk" ... */

/* Why less is done than the domain asks for (RFC 9990 section 3.1.1.8). */
enum spared {
	SPARED_NOT,
	SPARED_TEST_MODE, /* t=y */
	SPARED_FORWARDER,
	SPARED_LIST,
	SPARED_SEALER, /* trusted ARC: local_policy in a report */
	SPARED_PARAMETER
};
extern const char *const spared_names[]; /* as in a report; "" */

struct disposition {
	enum applied applied;
	enum spared spared;
	const struct rule *rule; /* that decided; NULL: none had to */
	char why[300];           /* in words; "" */
};

/* What is to be done for DMARC; the verdict has ended. */
void disposition_of(struct verdict *v, const struct smtpd_conf *conf,
    const struct netaddr *client, struct disposition *out);

/* Whether SPF's result is one that a parameter refuses or defers: the reply's
 * code, or 0. */
int disposition_of_spf(
    const struct spf_verdict *spf, const struct smtpd_conf *conf);

/* "example.org" is in "a.test, .org": as a name, or below one that begins with
 * a dot. */
bool domain_in_list(struct str domain, struct str list);

#endif
