/* SPDX-License-Identifier: ISC */
#include "auth/auth_conf.h"

#include "auth/ticket.h"

#define P(kind, name, ...) CONF_##kind(struct auth_conf, name, __VA_ARGS__)

static const char *const schemes[] = {
    "yescrypt", "bcrypt", "sha512-crypt", NULL};

/* clang-format off */
const struct conf_param auth_params[] = {
	P(TEXT, auth_password_maps, "hash:passwords", 1, 4096,
	  "The table from logins to hashed passwords (domains(5)), readable "
	  "for auth alone."),
	P(CHOICE, auth_password_scheme, "yescrypt", schemes,
	  "How \"posthouse user\" hashes new passwords. Existing ones are "
	  "verified by the scheme that they are written in."),
	P(TEXT, auth_mechanisms, "PLAIN LOGIN", 1, 256,
	  "SASL mechanisms that clients may use."),
	P(TEXT, auth_default_domain, "$mydomain", 0, 255,
	  "The domain that is added to logins without one; empty refuses "
	  "them."),
	P(TIME, auth_cache_ttl, "10m", 0, 86400,
	  "How long a password that was right is remembered, by a keyed hash "
	  "in memory, so that it need not be hashed again; 0 never."),
	P(INT,  auth_cache_size, "10000", 1, 10000000,
	  "How many passwords that were right are remembered."),
	P(INT,  auth_hash_workers, "2", 1, 256,
	  "Threads that hash passwords."),
	P(INT,  auth_hash_queue, "256", 1, 100000,
	  "Passwords that may wait to be hashed; beyond, logins are put off "
	  "(454 4.7.0)."),
	P(TIME, auth_failure_delay, "2s", 0, 60,
	  "How long the answer to a failed login is delayed while policyd is "
	  "away; otherwise policyd says (login_failure_delay)."),
	P(TIME, auth_exchange_timeout, "5m", 1, 3600,
	  "How long one authentication may take as a whole."),
	P(TIME, ticket_lifetime, "60s", 1, 3600,
	  "How long an IMAP or POP3 session may take to begin after its "
	  "login."),
	P(TIME, imap_pass_lifetime, "1d", 7200, 2592000,
	  "How long an IMAP client that login holds alone can come back "
	  "without its password; more than imap_timeout."),
	P(TIME, submission_ticket_lifetime, "1h", 60, 86400,
	  "How long a submission session that sends nothing stays "
	  "authenticated."),
	P(INT,  ticket_limit, "10000", 100, TICKETS_MOST,
	  "Sessions that may be authenticated at once; beyond, the one that "
	  "was silent for longest has to authenticate again."),
	CONF_END
};
/* clang-format on */
