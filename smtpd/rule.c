/* SPDX-License-Identifier: ISC */
#include "smtpd/rule.h"

#include <stddef.h>

#define LIMIT(parameter)                                                       \
	{                                                                      \
#parameter, #parameter                                         \
	}

/* the connection */
const struct rule rule_connection_count = LIMIT(
    smtpd_client_connection_count_limit);
const struct rule rule_connection_rate = LIMIT(
    smtpd_client_connection_rate_limit);
/* MAIL */
const struct rule rule_tls = LIMIT(smtpd_tls_security_level);
const struct rule rule_size = LIMIT(message_size_limit);
const struct rule rule_login = {"permit_sasl_authenticated", NULL};
const struct rule rule_owner = {
    "reject_sender_login_mismatch", "smtpd_sender_login_maps"};
const struct rule rule_space = LIMIT(queue_minfree);
/* RCPT */
const struct rule rule_recipient_count = LIMIT(smtpd_recipient_limit);
const struct rule rule_relay = {"reject_unauth_destination", "mynetworks"};
const struct rule rule_recipient = {"reject_unlisted_recipient", NULL};
/* the content */
const struct rule rule_bare_newline = LIMIT(smtpd_forbid_bare_newline);
const struct rule rule_nul = LIMIT(smtpd_forbid_nul);
const struct rule rule_line_length = LIMIT(smtpd_line_length_limit);
/* where it comes from */
const struct rule rule_spf_fail = LIMIT(spf_fail_action);
const struct rule rule_spf_softfail = LIMIT(spf_softfail_action);
const struct rule rule_spf_none = LIMIT(spf_none_action);
const struct rule rule_spf_permerror = LIMIT(spf_permerror_action);
const struct rule rule_spf_temperror = LIMIT(spf_temperror_action);
const struct rule rule_greylisting = LIMIT(smtpd_greylisting);
const struct rule rule_greylist_clients = LIMIT(greylist_exempt_clients);
const struct rule rule_greylist_senders = LIMIT(greylist_exempt_senders);
const struct rule rule_greylist_recipients = LIMIT(greylist_exempt_recipients);
const struct rule rule_dmarc_reject = LIMIT(dmarc_reject_action);
const struct rule rule_dmarc_quarantine = LIMIT(dmarc_quarantine_action);
const struct rule rule_dmarc_author = LIMIT(dmarc_doubtful_author_action);
const struct rule rule_dmarc_temperror = LIMIT(dmarc_temperror_defer);
const struct rule rule_dmarc_forwarder = LIMIT(dmarc_trusted_forwarders);
const struct rule rule_dmarc_list = LIMIT(dmarc_mailing_lists);
const struct rule rule_arc_sealer = LIMIT(arc_trusted_sealers);
const struct rule rule_cleanup = {"cleanup", NULL};
