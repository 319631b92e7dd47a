/* SPDX-License-Identifier: ISC */
#include "smtpd/smtpd_conf.h"

#include "daemon/forms.h"

static const char *const tls_levels[] = {"none", "may", "encrypt", NULL};
static const char *const proxies[] = {"", "haproxy", NULL};
static const char *const bare_policies[] = {"reject", "normalize", NULL};
static const char *const spf_actions[] = {
    "accept", "delay", "greylist", "refuse", NULL};
static const char *const greylistings[] = {
    "never", "selective", "always", NULL};
static const char *const dmarc_actions[] = {"none", "junk", "reject", NULL};
static const char *const temperrors[] = {"no", "reject", "yes", NULL};

#define P(kind, name, ...) CONF_##kind(struct smtpd_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param smtpd_params[] = {
	/*      name                      default least most */
	P(CHOICE, smtpd_tls_security_level, "may", tls_levels,
	  "Offer STARTTLS (RFC 3207), or with encrypt demand it. The "
	  "submission role always demands it."),
	P(BOOL, smtpd_tls_wrappermode,    "no",
	  "TLS from the first octet, as on port 465 (RFC 8314)."),
	P(TEXT, smtpd_tls_chain_files,    "",     0,     4096,
	  "PEM files of a private key and its certificates each, read before "
	  "the jail; without any there is no TLS."),
	P(TEXT, smtpd_tls_protocols,      ">=TLSv1.2", 0, 256,
	  "The TLS versions that are offered."),
	P(CHOICE, smtpd_upstream_proxy_protocol, "", proxies,
	  "haproxy: each connection begins with a PROXY header, of version 1 "
	  "or 2, that says who the client is; see haproxy_trusted_networks. "
	  "Not for port 25, where screen takes it."),
	P(TIME, smtpd_upstream_proxy_timeout, "5s", 1, 300,
	  "How long the header of smtpd_upstream_proxy_protocol may take."),
	P(BOOL, smtpd_peername_lookup,    "yes",
	  "Look up and verify the client's name. Loopback clients are "
	  "localhost without a lookup."),
	P(TIME, smtpd_peername_timeout,   "5s",   1,     60,
	  "How long the lookup of a client's name may take."),
	P(INT,  smtpd_client_connection_count_limit, "50", 0, 100000,
	  "Connections that one client (of IPv6 its /64) may have to one service "
	  "at the same time; 0: any number."),
	P(INT,  smtpd_client_connection_rate_limit, "0", 0, 1000000,
	  "Connections of one client in anvil_rate_time_unit; 0 does not "
	  "count them. Without policyd there is no limit."),
	P(FORM, smtpd_client_event_limit_exceptions, form_networks, "$mynetworks", 0, 65536,
	  "Networks that smtpd_client_connection_count_limit and "
	  "smtpd_client_connection_rate_limit leave alone."),
	P(INT,  smtpd_recipient_limit,    "1000", 100,   100000,
	  "Recipients of one message; more are refused with 452 and can be "
	  "sent in a second transaction (RFC 5321 4.5.3.1.10)."),
	P(INT,  line_length_limit,        "2048", 1000,  65536,
	  "Octets of a command line."),
	P(INT,  smtpd_line_length_limit,  "1000000", 1000, 1000000000,
	  "Octets of a line of content. RFC 5321 4.5.3.1.6 allows 1000, but "
	  "much honest mail does not keep to it."),
	P(INT,  smtpd_soft_error_limit,   "10",   1,     1000,
	  "Errors after which each further one costs the client "
	  "smtpd_error_sleep_time."),
	P(INT,  smtpd_hard_error_limit,   "${stress?{1}:{20}}", 1, 1000,
	  "Errors after which a client is disconnected."),
	P(TIME, smtpd_error_sleep_time,   "1s",   0,     60,
	  "The delay of a reply after smtpd_soft_error_limit errors."),
	P(INT,  smtpd_junk_command_limit, "${stress?{1}:{100}}", 1, 10000,
	  "NOOP, VRFY, RSET, HELP and repeated greetings without a message; "
	  "each one more counts as an error."),
	P(TIME, smtpd_timeout,            "${stress?{10}:{300}}s", 1, 3600,
	  "How long a client may take for a command or stay silent "
	  "(RFC 5321 4.5.3.2.7)."),
	P(TIME, smtpd_session_time_limit, "2h",   1,     864000,
	  "How long a session may last; what is over it ends between two "
	  "commands with 421."),
	P(INT,  smtpd_min_data_rate,      "500",  1,     1000000000,
	  "Octets a second at which content must arrive, after a first "
	  "smtpd_timeout."),
	P(CHOICE, smtpd_forbid_bare_newline, "reject", bare_policies,
	  "What happens to CR or LF alone: reject refuses the message; "
	  "normalize makes CRLF of a bare LF and a space of a bare CR. "
	  "Nothing but CRLF.CRLF ever ends a message."),
	P(BOOL, smtpd_forbid_nul,         "no",
	  "Refuse content with NUL octets."),
	P(TEXT, smtpd_forbidden_commands, "CONNECT GET POST USER", 0, 1024,
	  "Words that no SMTP client says; who does is disconnected."),
	P(TEXT, smtpd_discard_ehlo_keywords, "", 0, 1024,
	  "EHLO keywords that are not announced."),
	P(BOOL, mail_authentication,      "yes",
	  "Check SPF, DKIM, ARC and DMARC of mail that others bring, and write "
	  "Authentication-Results (RFC 8601) in the name of authserv_id. "
	  "Submissions are not checked."),
	P(BOOL, lmtpd_mail_authentication, "no",
	  "The same for mail that comes by LMTP, where as a rule the server "
	  "before this one has done it, and SPF would be about that server."),
	P(FORM, mail_authentication_exempt_networks, form_networks, "$mynetworks", 0, 65536,
	  "Clients that are not checked: networks, blanks or commas between "
	  "them. Authentication-Results of ours that they bring stay. Loopback "
	  "is a network like any other."),
	P(TIME, mail_authentication_timeout, "30s", 1,    60,
	  "How long a message may wait for DNS, in all, and two thirds of it for "
	  "SPF: with the default the 20 seconds of RFC 7208 section 4.6.4. What "
	  "is not answered by then is a temporary error."),
	P(SIZE, mail_authentication_cache_size, "512K", 0, 1073741824,
	  "Octets of DNS answers (keys, policies) that each process keeps for "
	  "the next messages; 0: none."),
	P(TIME, mail_authentication_cache_time, "1h", 0,  86400,
	  "How long an answer is kept at most; no longer than its TTL."),
	P(BOOL, received_spf_header,      "no",
	  "Write a Received-SPF field (RFC 7208 section 9.1) too."),
	P(BOOL, smtpd_sasl_authentication_results, "no",
	  "Write Authentication-Results with auth=pass and the account into "
	  "submissions."),
	P(CHOICE, spf_fail_action,        "greylist", spf_actions,
	  "What a result fail of SPF, of the sender or for notifications of "
	  "HELO, leads to at RCPT: accept, nothing; delay, the first reply comes "
	  "after spf_delay_time; greylist, the client is asked to come back "
	  "where smtpd_greylisting is not never; refuse, 550 5.7.23. Mail that "
	  "was forwarded without SRS fails as well, so that DMARC, which knows "
	  "DKIM, is the better judge."),
	P(CHOICE, spf_softfail_action,    "greylist", spf_actions,
	  "The same for softfail."),
	P(CHOICE, spf_none_action,        "greylist", spf_actions,
	  "The same for none, where the domain has no policy, and for neutral, "
	  "which RFC 7208 section 8.2 wants treated alike; refuse says 550 "
	  "5.7.1, and refuses much honest mail."),
	P(CHOICE, spf_permerror_action,   "greylist", spf_actions,
	  "The same for permerror, where the policy cannot be read; refuse says "
	  "550 5.7.24."),
	P(CHOICE, spf_temperror_action,   "accept", spf_actions,
	  "The same for temperror, while DNS does not answer; refuse puts mail "
	  "off with 451 4.7.24."),
	P(TIME, spf_delay_time,           "${stress?{0}:{10}}s", 0, 120,
	  "How long a client waits whose result of SPF says delay, once for "
	  "each message. It holds a process for that time, but none that "
	  "others need: under stress nobody waits, and who does goes on."),
	P(CHOICE, smtpd_greylisting,      "never", greylistings,
	  "Who is asked with 450 4.7.1 to come back, as hosts with a queue do: "
	  "never, nobody; always, every stranger; selective, those against whom "
	  "something is known: the result of SPF (spf_fail_action and the "
	  "others), no verified name (greylist_unverified_clients), or failed "
	  "logins (greylist_login_failures), but nobody for whom SPF passes. The "
	  "first message of a stranger comes later by greylist_delay, so that "
	  "nothing is greylisted unless it is asked for."),
	P(BOOL, greylist_unverified_clients, "yes",
	  "With selective: greylist clients without a name in DNS that leads "
	  "back to their address (iprev)."),
	P(INT,  dkim_signature_count_limit, "10", 1,      100,
	  "Signatures of one message that are verified; more are not looked "
	  "at."),
	P(INT,  dkim_minimum_key_bits,    "1024", 1024,   8192,
	  "RSA keys below do not count. Those below 1024 never do (RFC 8301 "
	  "section 3.2), those above 8192 cost too much."),
	P(INT,  dkim_public_key_cache_limit, "50", 0,     100000,
	  "Public keys that each process keeps, read, for the next messages: "
	  "reading an RSA key takes several times as long as verifying with "
	  "it, and the memory for one is some 4 KB; records above "
	  "2 KB are not kept; 0: none."),
	P(BOOL, dkim_partial_bodies,      "no",
	  "Let a signature with l= count although octets stand behind what it "
	  "signs."),
	P(CHOICE, dmarc_reject_action,    "reject", dmarc_actions,
	  "What becomes of mail that fails DMARC where the author's domain has "
	  "p=reject: reject refuses it with 550 5.7.1, junk delivers it into "
	  "the mailbox Junk, none does nothing."),
	P(CHOICE, dmarc_quarantine_action, "junk", dmarc_actions,
	  "The same for p=quarantine."),
	P(CHOICE, dmarc_doubtful_author_action, "junk", dmarc_actions,
	  "The same for mail without a From field that names one domain: no "
	  "From, several, or one that cannot be read. The policies of all "
	  "domains in it hold besides, the strictest first."),
	P(CHOICE, dmarc_temperror_defer,  "reject", temperrors,
	  "Put mail off with 451 4.7.1 when DMARC cannot be checked for want "
	  "of DNS: yes, always; reject, where the author's domain is known to "
	  "have p=reject, as a forger may name a key that cannot be asked for. "
	  "Else it is accepted."),
	CONF_END
};
/* clang-format on */
