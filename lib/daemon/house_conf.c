/* SPDX-License-Identifier: ISC */
#include "daemon/house_conf.h"

#include "daemon/forms.h"

#define P(kind, name, ...) CONF_##kind(struct house_conf, name, __VA_ARGS__)

static const char *const seccomp_modes[] = {"enforce", "log", "off", NULL};
static const char *const organizations[] = {"walk", "psl", NULL};

/* clang-format off */
const struct conf_param house_params[] = {
	P(TEXT, myhostname, "localhost.localdomain", 1, 255,
	  "The name of this host in greetings, Received lines and ids. The "
	  "one parameter that every installation sets."),
	P(TEXT, mydomain, "localdomain", 1, 255,
	  "The domain of this site; $mydomain is used by other parameters."),
	P(TEXT, myorigin, "$myhostname", 1, 255,
	  "The domain that is added to addresses without one."),
	P(FORM, authserv_id, form_word, "$myhostname", 1, 255,
	  "The name of this site in Authentication-Results (RFC 8601). All "
	  "hosts of a site that trust each other's results share one; fields "
	  "of this name in mail from outside are forged and are removed."),
	P(TEXT, mail_name, "Posthouse", 1, 64,
	  "The name of the software in greetings and Received lines."),
	P(TEXT, syslog_name, "posthouse", 1, 64,
	  "The word before the slash in log lines: posthouse/smtpd[12]."),
	P(TEXT, config_directory, POSTHOUSE_SYSCONFDIR, 1, 4096,
	  "Where main.cf stands, and tables with relative names. Set by itself "
	  "to the directory that main.cf was read from."),
	P(TEXT, queue_directory, POSTHOUSE_STATEDIR "/spool/posthouse", 1, 4096,
	  "The spool: new/, queue/, corrupt/ and drop/ stand below it."),
	P(TEXT, mail_store_directory, POSTHOUSE_STATEDIR "/lib/posthouse", 1,
	  4096, "The mailbox store."),
	P(TEXT, dkim_key_directory, POSTHOUSE_STATEDIR "/lib/posthouse-dkim", 1,
	  4096, "The private keys that mail is signed with, DOMAIN/SELECTOR; "
	  "read by cleanup alone, written by posthouse dkim."),
	P(FORM, dkim_signing_table, form_table, "", 0, 4096,
	  "Who signs mail of ours where it is not the author's domain: a "
	  "table. Empty: mail is signed with the active keys of the domain "
	  "in From, and with none where there are none."),
	P(TIME, dkim_retired_key_time, "30d", 0, 31536000,
	  "How long a key that signs no more is kept, so that it can be "
	  "activated again; posthouse dkim then removes it."),
	P(TEXT, log_directory, POSTHOUSE_STATEDIR "/log/posthouse", 1, 4096,
	  "Where logd writes the log and the trace files."),
	P(CHOICE, dmarc_organizational_domain, "walk", organizations,
	  "How the domain is found that an author's domain belongs to: by the "
	  "tree walk of RFC 9989 section 4.10, or with psl by the list of "
	  "public suffixes, as in RFC 7489. Verdicts and the destinations of "
	  "reports go by it."),
	P(TEXT, report_directory, POSTHOUSE_STATEDIR "/lib/posthouse-reports",
	  1, 4096, "What reportd counts for DMARC's aggregate reports."),
	P(TEXT, feedback_directory, POSTHOUSE_STATEDIR "/lib/posthouse-feedback",
	  1, 4096, "The reports that others have sent us, one file for each."),
	P(TEXT, policy_directory, POSTHOUSE_STATEDIR "/lib/posthouse-policy",
	  1, 4096, "What policyd remembers of greylisting."),
	P(TEXT, run_directory, POSTHOUSE_RUNDIR, 1, 4096,
	  "Sockets, jails and the process id of master."),
	P(TEXT, daemon_directory, POSTHOUSE_LIBEXECDIR, 1, 4096,
	  "Where master finds the daemons' programs."),
	P(TEXT, role_user_prefix, "posthouse-", 0, 32,
	  "A role runs as the user of this prefix and its name."),
	P(INT,  role_uid_base, "0", 0, 2000000000,
	  "When not 0, roles run under the numbers from here on instead of "
	  "named users, one for each role; for private instances."),
	P(INT,  default_process_limit, "100", 1, 100000,
	  "Processes of one service where master.cf has - for maxproc."),
	P(INT,  session_process_limit, "2000", 1, 4000,
	  "Processes of imapd, and of pop3d, one for each open session."),
	P(INT,  max_use, "10000", 1, 100000000,
	  "Clients that a worker process serves before a new one takes over."),
	P(TIME, max_idle, "100s", 1, 86400,
	  "How long a worker process waits for its next client."),
	P(TIME, ipc_timeout, "60s", 1, 3600,
	  "How long one daemon waits for another's answer."),
	P(CHOICE, seccomp_mode, "enforce", seccomp_modes,
	  "System calls that a daemon's role has no use for: enforce refuses "
	  "them (posthouse-security(7)), with a line in the log for the first "
	  "of its kind; log lets most of them through, with a line in the "
	  "kernel's log, to find out what a new library needs; off is for "
	  "kernels and debuggers that cannot do with a filter."),
	P(SIZE, process_memory_limit, "4G", 0, INT64_MAX,
	  "The most memory that one daemon process may have for itself "
	  "(RLIMIT_DATA); 0 leaves it without a limit."),
	P(FORM, mynetworks, form_networks, "127.0.0.0/8 [::1]/128", 0, 65536,
	  "Clients that may relay: networks, blanks or commas between them."),
	P(TEXT, inet_interfaces, "loopback-only", 1, 4096,
	  "Addresses that inet services listen on: all, loopback-only, or a "
	  "list."),
	P(FORM, haproxy_trusted_networks, form_networks, "127.0.0.0/8 [::1]/128", 0, 65536,
	  "Load balancers whose PROXY header is believed; a service that asks "
	  "for one takes connections from these networks alone."),
	P(TIME, anvil_rate_time_unit, "60s", 1, 86400,
	  "The time over which connections are counted."),
	P(SIZE, message_size_limit, "50M", 65536, INT64_MAX,
	  "Largest message accepted, announced as SIZE (RFC 1870)."),
	P(SIZE, header_size_limit, "1M", 16384, 67108864,
	  "Largest header of a message; beyond it the message is refused with "
	  "552 5.3.4, never cut."),
	P(TEXT, authorized_submit_users, "static:anyone", 0, 65536,
	  "Local users who may send mail with sendmail(1): names or numbers, "
	  "!name for all but this one, static:anyone for everybody; the first "
	  "that matches decides. root always may."),
	P(FORM, dmarc_trusted_forwarders, form_networks_and_tables, "", 0, 65536,
	  "Clients whose mail is accepted although it fails DMARC, as they "
	  "forward for users here: networks, and tables (type:name) that have "
	  "their addresses; \"!\" before a word excepts it, the first that "
	  "matches decides. While a table cannot be asked, mail that would be "
	  "refused or put into Junk is put off with 451 4.3.0."),
	P(FORM, dmarc_mailing_lists, form_domains_and_tables, "", 0, 65536,
	  "Domains of mailing lists whose mail is accepted although it fails "
	  "DMARC of its author: those for which SPF or DKIM pass. "
	  "example.org, or .example.org for what is below it, and tables as in "
	  "dmarc_trusted_forwarders, with such keys."),
	P(FORM, arc_trusted_sealers, form_domains_and_tables, "", 0, 65536,
	  "Domains whose ARC seals (RFC 8617) are believed: mail that fails "
	  "DMARC is accepted when its chain is whole and, all seals from the "
	  "newest one on being of these, one of them says that it passed "
	  "DMARC there. Domains and tables as in dmarc_mailing_lists."),
	P(FORM, greylist_exempt_clients, form_clients_and_tables, "", 0, 65536,
	  "Clients that are never greylisted: networks, verified names "
	  "(example.org, or .example.org for what is below it), and tables "
	  "(type:name) with such keys; \"!\" before a word excepts it, the "
	  "first that matches decides."),
	P(FORM, greylist_exempt_senders, form_addresses_and_tables, "", 0, 65536,
	  "Senders that are never greylisted: addresses, domains as in "
	  "greylist_exempt_clients, <> for notifications, and tables."),
	P(FORM, greylist_exempt_recipients, form_addresses_and_tables, "", 0, 65536,
	  "Recipients whose mail is never greylisted, as they want it at once: "
	  "addresses, domains, and tables, as in greylist_exempt_senders."),
	P(FORM, dns_servers, form_dns_servers, "", 0, 4096,
	  "Resolvers with an optional port; empty takes resolv.conf's."),
	P(TIME, maximal_queue_lifetime, "5d", 0, 8640000,
	  "How long a message is tried before it is returned."),
	P(TIME, mail_undelete_time, "7d", 0, 31536000,
	  "For how long mail that was expunged, and mailboxes that were "
	  "deleted, can be brought back (posthouse store undelete); then the "
	  "octets are overwritten. 0 erases as soon as keeper gets to it."),
	P(SIZE, mail_compress_minimum_size, "0", 0, INT64_MAX,
	  "Messages of so many octets and more are stored compressed, by zstd, "
	  "where that saves an eighth; 0: none. What is stored already stays "
	  "as it is and can always be read."),
	P(TEXT, stress, "", 0, 16,
	  "Empty, but in the values of a service under stress, whose processes "
	  "are all busy while clients wait: ${stress?{10}:{300}}s is 10s then "
	  "and 300s else. Set, it is so always; see service_stress_time."),
	P(INT,  debug_level, "0", 0, 1,
	  "1 writes debug lines to the log."),
	P(TEXT, debug_peer_list, "", 0, 4096,
	  "Clients and users whose sessions are always written to files of their "
	  "own below $log_directory/protocol, without what is secret: addresses, "
	  "networks and logins (user@domain). posthouse debug does it for a "
	  "time."),
	P(INT,  protocol_log_line_limit, "2000", 10, 1000000000,
	  "Lines of one session that are written there."),
	CONF_END
};
/* clang-format on */
