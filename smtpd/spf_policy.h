/* SPDX-License-Identifier: ISC */
/*
 * What SPF's result alone leads to, before there is content (RFC 7208 section
 * 8): a function of the result and the parameters. By default it refuses
 * nobody.
 */
#ifndef SMTPD_SPF_POLICY_H
#define SMTPD_SPF_POLICY_H

#include "mailauth/spf.h"
#include "smtpd/rule.h"
#include "smtpd/smtpd_conf.h"

struct spf_decision {
	enum spf_action action;
	const struct rule *rule; /* the parameter of the result; NULL: pass */
	int code;                /* of a refusal; else 0 */
	const char *dsn;         /* RFC 7372 section 3.2; "" */
};

/* neutral is as none (RFC 7208 section 8.2). */
struct spf_decision spf_decide(
    const struct spf_verdict *spf, const struct smtpd_conf *conf);

/* Whether any result leads to more than accepting, so that it is worth a
 * wait before the content. */
bool spf_decides(const struct smtpd_conf *conf);

#endif
