/* SPDX-License-Identifier: ISC */
#include "smtp/smtp_conf.h"

static const char *const preferences[] = {"any", "ipv4", "ipv6", NULL};
static const char *const tls_levels[] = {"none", "may", "encrypt", NULL};

#define P(kind, name, ...) CONF_##kind(struct smtp_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param smtp_params[] = {
	P(INT,  smtp_tcp_port, "25", 1, 65535,
	  "The port of the hosts that mail is sent to, unless the next hop "
	  "names another."),
	P(INT,  lmtp_tcp_port, "24", 1, 65535,
	  "The port of LMTP servers, unless the next hop names another."),
	P(TEXT, smtp_helo_name, "$myhostname", 1, 255,
	  "The name in EHLO, HELO and LHLO."),
	P(CHOICE, smtp_address_preference, "any", preferences,
	  "Which addresses of a host are tried first."),
	P(INT,  smtp_mx_address_limit, "5", 1, 100,
	  "Addresses of one destination that are tried."),
	P(INT,  smtp_mx_session_limit, "2", 1, 100,
	  "Sessions with servers that answered but could not take the "
	  "message, until it is deferred."),
	P(INT,  smtp_session_limit, "200", 1, 10000,
	  "Connections that are open at the same time; further deliveries "
	  "wait."),
	P(TIME, smtp_connect_timeout, "30s", 1, 3600,
	  "How long a connection may take to be made."),
	P(TIME, smtp_helo_timeout, "300s", 1, 3600,
	  "For the greeting, and for the answer to EHLO, HELO or LHLO (RFC "
	  "5321 4.5.3.2.1)."),
	P(TIME, smtp_starttls_timeout, "300s", 1, 3600,
	  "For the answer to STARTTLS and for the handshake."),
	P(TIME, smtp_mail_timeout, "300s", 1, 3600,
	  "For the answer to MAIL (RFC 5321 4.5.3.2.2)."),
	P(TIME, smtp_rcpt_timeout, "300s", 1, 3600,
	  "For the answer to RCPT (RFC 5321 4.5.3.2.3)."),
	P(TIME, smtp_data_init_timeout, "120s", 1, 3600,
	  "For the answer to DATA (RFC 5321 4.5.3.2.4)."),
	P(TIME, smtp_data_xfer_timeout, "180s", 1, 3600,
	  "For the server to take the next part of the content (RFC 5321 "
	  "4.5.3.2.5)."),
	P(TIME, smtp_data_done_timeout, "600s", 1, 3600,
	  "For the answer to the final dot (RFC 5321 4.5.3.2.6)."),
	P(TIME, smtp_connection_cache_time_limit, "2s", 0, 600,
	  "How long a connection waits for the next message to the same "
	  "destination; 0: not at all."),
	P(TIME, smtp_connection_reuse_time_limit, "300s", 1, 3600,
	  "The age after which a connection is not used again."),
	P(INT,  smtp_connection_reuse_count_limit, "0", 0, 1000000,
	  "Messages of one connection; 0: no limit."),
	P(CHOICE, smtp_tls_security_level, "may", tls_levels,
	  "Use STARTTLS (RFC 3207) where it is offered, going on in plaintext "
	  "when it fails; or with encrypt demand it."),
	P(TEXT, smtp_tls_protocols, ">=TLSv1.2", 1, 255,
	  "Versions of TLS."),
	P(TEXT, smtp_tls_CAfile, "", 0, 4096,
	  "A file of trusted roots, as /etc/ssl/certs/ca-certificates.crt, to "
	  "tell in the log whether a server's certificate leads to one; empty: "
	  "none is trusted."),
	P(TIME, smtp_dns_timeout, "5s", 1, 60,
	  "How long one DNS server may take to answer."),
	P(INT,  smtp_dns_tries, "3", 1, 10,
	  "How often the DNS servers are asked."),
	CONF_END
};
/* clang-format on */
