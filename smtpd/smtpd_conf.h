/* SPDX-License-Identifier: ISC */
/* The parameters of the SMTP server. */
#ifndef SMTPD_SMTPD_CONF_H
#define SMTPD_SMTPD_CONF_H

#include "conf/param.h"

/* smtpd_forbid_bare_newline */
enum bare_policy { BARE_REJECT, BARE_NORMALIZE };

/* spf_fail_action and others */
enum spf_action { SPF_ACCEPT, SPF_DELAY, SPF_GREYLIST, SPF_REFUSE };
/* smtpd_greylisting */
enum greylisting {
	GREYLISTING_NEVER,
	GREYLISTING_SELECTIVE,
	GREYLISTING_ALWAYS
};
/* dmarc_reject_action and others, from mild to hard */
enum dmarc_action { DMARC_DO_NOTHING, DMARC_DO_JUNK, DMARC_DO_REJECT };
/* dmarc_temperror_defer */
enum temperror_defer { DEFER_NONE, DEFER_REJECT, DEFER_ALL };

struct smtpd_conf {
	/* TLS */
	int smtpd_tls_security_level; /* enum tls_level */
	bool smtpd_tls_wrappermode;
	const char *smtpd_tls_chain_files;
	const char *smtpd_tls_protocols;
	/* who */
	int smtpd_upstream_proxy_protocol;    /* not 0: demanded */
	int64_t smtpd_upstream_proxy_timeout; /* ms */
	bool smtpd_peername_lookup;
	int64_t smtpd_peername_timeout;
	int smtpd_client_connection_rate_limit;
	const char *smtpd_client_event_limit_exceptions;
	/* how much */
	int smtpd_recipient_limit;
	int line_length_limit;
	int smtpd_line_length_limit;
	int smtpd_soft_error_limit;
	int smtpd_client_connection_count_limit;
	int smtpd_hard_error_limit;
	int64_t smtpd_error_sleep_time;
	int smtpd_junk_command_limit;
	int64_t smtpd_timeout;
	int64_t smtpd_session_time_limit;
	int smtpd_min_data_rate;
	/* what */
	int smtpd_forbid_bare_newline; /* enum bare_policy */
	bool smtpd_forbid_nul;
	const char *smtpd_forbidden_commands;
	const char *smtpd_discard_ehlo_keywords;
	/* where it comes from */
	bool mail_authentication;
	bool lmtpd_mail_authentication;
	const char *mail_authentication_exempt_networks;
	int64_t mail_authentication_timeout;     /* ms */
	uint64_t mail_authentication_cache_size; /* octets */
	int64_t mail_authentication_cache_time;  /* ms */
	bool received_spf_header;
	bool smtpd_sasl_authentication_results;
	/* enum spf_action */
	int spf_fail_action, spf_softfail_action, spf_none_action,
	    spf_permerror_action, spf_temperror_action;
	int64_t spf_delay_time; /* ms */
	int smtpd_greylisting;  /* enum greylisting */
	bool greylist_unverified_clients;
	int dkim_signature_count_limit;
	int dkim_minimum_key_bits;
	int dkim_public_key_cache_limit;
	bool dkim_partial_bodies;
	/* enum dmarc_action */
	int dmarc_reject_action, dmarc_quarantine_action,
	    dmarc_doubtful_author_action;
	int dmarc_temperror_defer; /* enum temperror_defer */
};

extern const struct conf_param smtpd_params[];

#endif
