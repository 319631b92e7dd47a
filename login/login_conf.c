/* SPDX-License-Identifier: ISC */
#include "login/login_conf.h"

static const char *const protocols[] = {"imap", "pop3", NULL};
static const char *const proxies[] = {"", "haproxy", NULL};
static const char *const tls_levels[] = {"none", "may", "encrypt", NULL};

#define P(kind, name, ...) CONF_##kind(struct login_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param login_params[] = {
	P(CHOICE, login_protocol, "imap", protocols,
	  "What a service of login speaks: imap or pop3; set for each service "
	  "in master.cf."),
	P(BOOL, login_tls_wrappermode, "no",
	  "TLS from the first octet on (IMAPS, POP3S; RFC 8314); set for each "
	  "service in master.cf."),
	P(CHOICE, login_tls_security_level, "may", tls_levels,
	  "Offer STARTTLS and STLS, or with encrypt take no password without "
	  "TLS from any client."),
	P(TEXT, login_tls_chain_files, "$smtpd_tls_chain_files", 0, 4096,
	  "Private key and certificates, read before the jail."),
	P(TEXT, login_tls_protocols, ">=TLSv1.2", 0, 256,
	  "TLS versions that are offered."),
	P(BOOL, disable_plaintext_auth, "yes",
	  "Take no password without TLS, but from login_plaintext_networks."),
	P(TEXT, login_plaintext_networks, "127.0.0.0/8 [::1]/128", 0, 65536,
	  "Clients whose connections count as secured without TLS."),
	P(TIME, login_timeout, "3m", 1, 1800,
	  "How long a client may take from its connection to its login."),
	P(TIME, login_session_timeout, "60s", 1, 600,
	  "How long login waits for auth and for the session's process."),
	P(INT,  login_client_limit, "20000", 1, 1000000,
	  "Clients of one service, logged in or not; more are refused."),
	P(INT,  login_unauthenticated_limit, "1000", 1, 1000000,
	  "Clients of one service that have not logged in; beyond it the one "
	  "that is connected longest is let go."),
	P(INT,  login_client_connection_limit, "50", 0, 1000000,
	  "Connections of one service from one client address, or from one "
	  "/64 network of IPv6; 0 for no limit."),
	P(TEXT, login_client_limit_exceptions, "$mynetworks", 0, 65536,
	  "Clients that login_client_connection_limit does not count."),
	P(INT,  login_command_limit, "100", 1, 100000,
	  "Commands before the login after which a client is disconnected."),
	P(INT,  login_error_limit, "10", 1, 1000,
	  "Wrong commands before the login after which a client is "
	  "disconnected."),
	P(INT,  login_failure_limit, "5", 1, 1000,
	  "Failed logins after which a client is disconnected."),
	P(INT,  login_line_length_limit, "8192", 512, 65536,
	  "Octets of a line before the login."),
	P(INT,  login_literal_length_limit, "4096", 64, 65536,
	  "Octets of an IMAP literal before the login."),
	P(CHOICE, login_upstream_proxy_protocol, "", proxies,
	  "haproxy: each connection begins with a PROXY header, of version 1 "
	  "or 2, that says who the client is; see haproxy_trusted_networks. "
	  "Set for each service in master.cf."),
	P(TIME, login_upstream_proxy_timeout, "5s", 1, 300,
	  "How long the header of login_upstream_proxy_protocol may take."),
	P(INT,  login_handover_limit, "64", 1, 10000,
	  "Sessions of one service that are being started at the same time; "
	  "further clients wait for their turn."),
	P(TIME, login_noop_time, "5m", 0, 3600,
	  "For how long NOOP of an IMAP client that is held without a process "
	  "is answered without one, while its account does not change; 0: "
	  "never."),
	CONF_END
};
/* clang-format on */
