/* SPDX-License-Identifier: ISC */
#ifndef CLEANUP_CLEANUP_CONF_H
#define CLEANUP_CLEANUP_CONF_H

#include "conf/param.h"

struct cleanup_conf {
	int hopcount_limit;
	int submission_header_fields_limit;
	int cleanup_recipient_limit;
	uint64_t queue_minfree; /* octets */
	int queue_minfree_inodes;
	int64_t in_flow_delay; /* ms */
	int queue_unclaimed_limit;
	bool always_add_missing_headers;
	bool smtpd_sasl_authenticated_header;
	int64_t cleanup_ticket_reuse; /* ms */
	int64_t cut_through_timeout;  /* ms */
	int cut_through_recipient_limit;
	const char *dkim_sign_networks;
	int dkim_sign_sendmail; /* enum sign_sendmail */
	bool dkim_sign_owned_domains;
	bool dkim_sign_subdomains;
	const char *dkim_sign_headers;
	const char *dkim_oversign_headers;
	int dkim_header_canonicalization; /* enum canonical */
	int dkim_body_canonicalization;   /* enum canonical */
	int64_t dkim_signature_lifetime;  /* ms; 0: no end */
	int dkim_failure_action;          /* enum failure_action */
	int dkim_key_cache_limit;
	const char *arc_sealing_domain;
	bool dkim_sign_7bit;
	uint64_t dkim_sign_7bit_look; /* octets */
};

/* dkim_sign_sendmail */
enum sign_sendmail { SENDMAIL_NONE, SENDMAIL_OWN, SENDMAIL_ALL };

enum failure_action { FAILURE_ACCEPT, FAILURE_TEMPFAIL };

extern const struct conf_param cleanup_params[];

#endif
