/* SPDX-License-Identifier: ISC */
/*
 * What becomes of a message for what its verdict says: the author's domain asks
 * (RFC 9989 section 5.4), our parameters decide, and known forwarders, lists
 * and sealers are spared (spared.h). A function of the verdict, the parameters
 * and what tables say.
 */
#ifndef SMTPD_DISPOSITION_H
#define SMTPD_DISPOSITION_H

#include "conf/map.h"
#include "daemon/house_conf.h"
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
	struct str table;        /* of the rule's list, that decided; "" */
	const char *dsn;         /* of the refusal: "5.7.1"; "" */
	char why[300];           /* in words; "" */
};
#define DISPOSITION_NONE                                                       \
	((struct disposition){.table = STR_EMPTY, .dsn = "", .why = ""})

/* What a decision is made by. */
struct decision {
	const struct smtpd_conf *conf;
	const struct house_conf *house; /* lists of whom is spared */
	const struct netaddr *client;
	/* Whether a table of the rule's list has one of the keys. */
	enum map_result (*ask)(void *arg, const struct rule *rule,
	    struct str table, struct str keys);
	void *arg;
};

/*
 * What is to be done for DMARC; the verdict has ended. Tables are asked only
 * where they can change that. When one cannot be asked, what would be refused,
 * or put into Junk, is put off: refused, an honest mail of a list would be
 * lost; accepted, a forger would only have to wait for a table to fail.
 */
void disposition_of(
    struct verdict *v, const struct decision *by, struct disposition *out);

#endif
