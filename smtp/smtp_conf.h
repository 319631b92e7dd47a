/* SPDX-License-Identifier: ISC */
/* The SMTP client's parameters; names are Postfix's. */
#ifndef SMTP_SMTP_CONF_H
#define SMTP_SMTP_CONF_H

#include "conf/param.h"

enum address_preference { PREFER_ANY, PREFER_IPV4, PREFER_IPV6 };

struct smtp_conf {
	int smtp_tcp_port;
	int lmtp_tcp_port;
	const char *smtp_helo_name;
	int smtp_address_preference; /* enum address_preference */
	int smtp_mx_address_limit;
	int smtp_mx_session_limit;
	int smtp_session_limit;
	int64_t smtp_connect_timeout;
	int64_t smtp_helo_timeout;
	int64_t smtp_starttls_timeout;
	int64_t smtp_mail_timeout;
	int64_t smtp_rcpt_timeout;
	int64_t smtp_data_init_timeout;
	int64_t smtp_data_xfer_timeout;
	int64_t smtp_data_done_timeout;
	int64_t smtp_connection_cache_time_limit;
	int64_t smtp_connection_reuse_time_limit;
	int smtp_connection_reuse_count_limit;
	int smtp_tls_security_level; /* enum tls_level */
	const char *smtp_tls_protocols;
	const char *smtp_tls_CAfile;
	int64_t smtp_dns_timeout;
	int smtp_dns_tries;
};

extern const struct conf_param smtp_params[];

#endif
