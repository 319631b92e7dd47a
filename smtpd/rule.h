/* SPDX-License-Identifier: ISC */
/*
 * The rules by which mail is refused, in the order in which they are asked.
 * The log line of a refusal, its trace event and posthouse explain name them.
 */
#ifndef SMTPD_RULE_H
#define SMTPD_RULE_H

struct rule {
	const char *name;      /* a parameter, or Postfix's restriction */
	const char *parameter; /* whose line is told with it; NULL: none */
};

extern const struct rule rule_connection_count, rule_connection_rate, rule_tls,
    rule_login, rule_size, rule_owner, rule_space, rule_recipient_count,
    rule_relay, rule_recipient, rule_bare_newline, rule_nul, rule_line_length,
    rule_cleanup;
/* where it comes from */
extern const struct rule rule_spf_fail, rule_spf_softfail, rule_spf_none,
    rule_spf_permerror, rule_spf_temperror, rule_greylisting,
    rule_greylist_clients, rule_greylist_senders, rule_greylist_recipients,
    rule_dmarc_reject, rule_dmarc_quarantine, rule_dmarc_author,
    rule_dmarc_temperror, rule_dmarc_forwarder, rule_dmarc_list,
    rule_arc_sealer;

#endif
