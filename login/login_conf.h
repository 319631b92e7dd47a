/* SPDX-License-Identifier: ISC */
#ifndef LOGIN_LOGIN_CONF_H
#define LOGIN_LOGIN_CONF_H

#include "conf/param.h"

enum { LOGIN_IMAP, LOGIN_POP3 };

struct login_conf {
	int login_protocol; /* LOGIN_IMAP, LOGIN_POP3 */
	bool login_tls_wrappermode;
	int login_tls_security_level; /* enum tls_level */
	const char *login_tls_chain_files;
	const char *login_tls_protocols;
	bool disable_plaintext_auth;
	const char *login_plaintext_networks;
	int64_t login_timeout;         /* ms */
	int64_t login_session_timeout; /* ms */
	int login_client_limit;
	int login_unauthenticated_limit;
	int login_client_connection_limit;
	const char *login_client_limit_exceptions;
	int login_command_limit;
	int login_error_limit;
	int login_failure_limit;
	int login_line_length_limit;          /* octets */
	int login_literal_length_limit;       /* octets */
	int login_upstream_proxy_protocol;    /* not 0: demanded */
	int64_t login_upstream_proxy_timeout; /* ms */
	int login_handover_limit;
	int64_t login_noop_time; /* ms */
};

extern const struct conf_param login_params[];

#endif
