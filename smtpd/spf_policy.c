/* SPDX-License-Identifier: ISC */
#include "smtpd/spf_policy.h"

static bool greylists(const struct smtpd_conf *conf)
{
	return conf->smtpd_greylisting != GREYLISTING_NEVER;
}

static struct spf_decision decide(const struct smtpd_conf *conf, int action,
    const struct rule *rule, int code, const char *dsn)
{
	struct spf_decision d = {(enum spf_action)action, rule, 0, ""};

	if (d.action == SPF_GREYLIST && !greylists(conf))
		d.action = SPF_ACCEPT;
	if (d.action == SPF_REFUSE) {
		d.code = code;
		d.dsn = dsn;
	}
	return d;
}

struct spf_decision spf_decide(
    const struct spf_verdict *spf, const struct smtpd_conf *conf)
{
	switch (spf->result) {
	case SPF_FAIL:
		return decide(
		    conf, conf->spf_fail_action, &rule_spf_fail, 550, "5.7.23");
	case SPF_SOFTFAIL:
		return decide(conf, conf->spf_softfail_action,
		    &rule_spf_softfail, 550, "5.7.23");
	case SPF_NONE:
	case SPF_NEUTRAL:
		return decide(
		    conf, conf->spf_none_action, &rule_spf_none, 550, "5.7.1");
	case SPF_PERMERROR:
		return decide(conf, conf->spf_permerror_action,
		    &rule_spf_permerror, 550, "5.7.24");
	case SPF_TEMPERROR:
		return decide(conf, conf->spf_temperror_action,
		    &rule_spf_temperror, 451, "4.7.24");
	case SPF_PASS:
	case SPF_PENDING:
		break;
	}
	return (struct spf_decision){SPF_ACCEPT, NULL, 0, ""};
}

bool spf_decides(const struct smtpd_conf *conf)
{
	const int actions[] = {conf->spf_fail_action, conf->spf_softfail_action,
	    conf->spf_none_action, conf->spf_permerror_action,
	    conf->spf_temperror_action};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (actions[i] == SPF_DELAY || actions[i] == SPF_REFUSE)
			return true;
	/* Who passes is spared, or known by its domain. */
	return greylists(conf);
}
