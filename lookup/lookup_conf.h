/* SPDX-License-Identifier: ISC */
#ifndef LOOKUP_LOOKUP_CONF_H
#define LOOKUP_LOOKUP_CONF_H

#include "conf/param.h"

struct lookup_conf {
	/* the directory */
	const char *mail_domain_maps;
	const char *virtual_mailbox_maps;
	const char *virtual_alias_maps;
	const char *alias_maps;
	const char *relay_recipient_maps;
	const char *local_recipient_maps;
	const char *recipient_delimiter;
	const char *postmaster_recipient;
	const char *report_recipients;
	uint64_t default_quota_storage; /* octets, 0: none */
	int default_quota_messages;     /* 0: none */
	/* virtual aliases */
	int virtual_alias_recursion_limit;
	int virtual_alias_expansion_limit;
	bool propagate_unmatched_extensions;
	/* where it goes */
	const char *virtual_transport;
	const char *local_transport;
	const char *relay_transport;
	const char *default_transport;
	const char *transport_maps;
	const char *relayhost;
	/* senders of what aliases send on */
	const char *srs_domain;
	const char *srs_secrets_file;
	const char *srs_exclude_domains;
	int64_t srs_maximum_age; /* ms */
	int srs_hash_length;
	int srs_hash_minimum;
	/* who may */
	const char *smtpd_sender_login_maps;
	bool smtpd_sender_login_null;
	const char *proxy_read_maps;
};

extern const struct conf_param lookup_params[];

#endif
