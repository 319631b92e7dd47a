/* SPDX-License-Identifier: ISC */
/* The parameters of the SMTP server. */
#ifndef SMTPD_SMTPD_CONF_H
#define SMTPD_SMTPD_CONF_H

#include "conf/param.h"

/* smtpd_forbid_bare_newline */
enum bare_policy { BARE_REJECT, BARE_NORMALIZE };

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
};

extern const struct conf_param smtpd_params[];

#endif
