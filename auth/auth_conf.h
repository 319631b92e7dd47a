/* SPDX-License-Identifier: ISC */
#ifndef AUTH_AUTH_CONF_H
#define AUTH_AUTH_CONF_H

#include "conf/param.h"

struct auth_conf {
	const char *auth_password_maps;
	int auth_password_scheme; /* for who writes passwords */
	const char *auth_mechanisms;
	const char *auth_default_domain;
	int64_t auth_cache_ttl; /* ms */
	int auth_cache_size;
	int auth_hash_workers;
	int auth_hash_queue;
	int64_t auth_failure_delay;         /* ms */
	int64_t auth_exchange_timeout;      /* ms */
	int64_t imap_pass_lifetime;         /* ms */
	int64_t ticket_lifetime;            /* ms */
	int64_t submission_ticket_lifetime; /* ms */
	int ticket_limit;
};

extern const struct conf_param auth_params[];

#endif
