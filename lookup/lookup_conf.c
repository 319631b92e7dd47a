/* SPDX-License-Identifier: ISC */
#include "lookup/lookup_conf.h"

#include "daemon/forms.h"

#define P(kind, name, ...) CONF_##kind(struct lookup_conf, name, __VA_ARGS__)
#define MAPS               0, 65536

/* clang-format off */
const struct conf_param lookup_params[] = {
	P(TEXT, mail_domain_maps, "hash:domains", MAPS,
	  "Tables of the domains that are ours and what each is: mailbox, "
	  "alias, relay or local (domains(5))."),
	P(TEXT, virtual_mailbox_maps, "hash:users", MAPS,
	  "Tables of mailboxes: the address, then its settings (domains(5))."),
	P(TEXT, virtual_alias_maps, "hash:aliases", MAPS,
	  "Tables of addresses that lead to others; @domain catches what "
	  "neither an alias nor a mailbox has (domains(5))."),
	P(TEXT, alias_maps, "", MAPS,
	  "Tables of names in local domains that lead to others, as "
	  "aliases:/etc/aliases; asked behind virtual_alias_maps, without the "
	  "domain (domains(5))."),
	P(TEXT, relay_recipient_maps, "", MAPS,
	  "Tables of the valid recipients of relay domains; empty takes "
	  "all."),
	P(TEXT, local_recipient_maps, "", MAPS,
	  "Tables of the valid recipients of local domains; empty takes the "
	  "users of the system."),
	P(TEXT, recipient_delimiter, "+", 0, 8,
	  "Characters one of which parts a user's name from a detail: mail "
	  "for user+detail goes to user."),
	P(TEXT, postmaster_recipient, "", 0, 1024,
	  "Who gets the mail for postmaster in those of our domains that have "
	  "no such alias or mailbox; every domain has to take it (RFC 5321 "
	  "section 4.5.1)."),
	P(TEXT, report_recipients, "", MAPS,
	  "Addresses of ours to which others send reports about mail in our "
	  "name (DMARC, TLS, abuse); blanks or commas between them, and name@ "
	  "for the name in each of our domains. They need no mailbox: "
	  "feedback(8) takes the reports, posthouse report shows them."),
	P(SIZE, default_quota_storage, "0", 0, INT64_MAX,
	  "Octets that a mailbox without a quota of its own may hold; 0 is "
	  "no limit."),
	P(INT,  default_quota_messages, "0", 0, 2000000000,
	  "Messages that a mailbox without a setting of its own may hold; 0 "
	  "is no limit."),
	P(INT,  virtual_alias_recursion_limit, "100", 1, 1000,
	  "How many aliases may lead to one another for one recipient."),
	P(INT,  virtual_alias_expansion_limit, "1000", 1, 50000,
	  "To how many addresses the aliases of one recipient may lead."),
	P(BOOL, propagate_unmatched_extensions, "yes",
	  "Mail for info+detail, where only info is an alias, goes to its "
	  "targets with +detail added."),
	P(TEXT, virtual_transport, "local", 1, 256,
	  "transport:nexthop for mailbox domains."),
	P(TEXT, local_transport, "local", 1, 256,
	  "transport:nexthop for local domains."),
	P(TEXT, relay_transport, "smtp", 1, 256,
	  "transport:nexthop for relay domains that say none."),
	P(TEXT, default_transport, "smtp", 1, 256,
	  "transport:nexthop for the rest of the world."),
	P(TEXT, transport_maps, "", MAPS,
	  "Tables from an address, a domain, .domain for everything below it, "
	  "or * to transport:nexthop, before all other choices."),
	P(TEXT, relayhost, "", 0, 256,
	  "The next hop of all mail for the rest of the world: a domain, "
	  "whose MX records count, or [host]:port."),
	P(FORM, srs_domain, form_domain, "$mydomain", 0, 255,
	  "The domain of the senders that mail gets which an alias sends on "
	  "to another host (SRS); its SPF record has to name this host, and "
	  "its MX lead here. Empty leaves senders as they are."),
	P(TEXT, srs_secrets_file, "srs_secrets", 1, 4096,
	  "The file with the secrets of rewritten senders, one on each line: "
	  "the first one signs, all are believed. A relative name is in "
	  "config_directory."),
	P(FORM, srs_exclude_domains, form_domains, "", 0, 65536,
	  "Domains whose senders are not rewritten, besides our own; "
	  ".example.org means all below it."),
	P(TIME, srs_maximum_age, "21d", 86400, 86400000,
	  "How long mail to a rewritten sender finds its way back, in whole "
	  "days."),
	P(INT,  srs_hash_length, "6", 4, 26,
	  "Characters of the hash in a rewritten sender."),
	P(INT,  srs_hash_minimum, "6", 4, 26,
	  "Characters that the hash of a rewritten sender must have to be "
	  "believed; no more than srs_hash_length counts."),
	P(TEXT, smtpd_sender_login_maps, "", MAPS,
	  "Tables from a sender address, or @domain, to the logins that may "
	  "use it, besides those whose own address or alias it is."),
	P(BOOL, smtpd_sender_login_null, "yes",
	  "Whether a user who logged in may send with the null sender <>, as "
	  "mail programs do with receipts (RFC 8098 section 3)."),
	P(TEXT, proxy_read_maps, "", MAPS,
	  "Tables outside the configuration directory that other daemons may "
	  "ask for."),
	CONF_END
};
/* clang-format on */
