/* SPDX-License-Identifier: ISC */
/* The parameters that several rooms use. Every daemon gets them filled. */
#ifndef DAEMON_HOUSE_CONF_H
#define DAEMON_HOUSE_CONF_H

#include "conf/param.h"

struct house_conf {
	/* names */
	const char *myhostname;
	const char *mydomain;
	const char *myorigin;
	const char *authserv_id;
	const char *mail_name; /* "Posthouse" */
	const char *syslog_name;
	/* places */
	const char *config_directory; /* tables with relative names; the
	                               * place of main.cf unless set */
	const char *queue_directory;
	const char *mail_store_directory;
	const char *dkim_key_directory;
	int64_t dkim_retired_key_time; /* ms */
	const char *log_directory;
	int dmarc_organizational_domain; /* enum organizations */
	const char *report_directory;
	const char *feedback_directory;
	const char *policy_directory;
	const char *run_directory;
	const char *daemon_directory;
	/* who: a role's user is role_user_prefix + role; with role_uid_base
	 * not 0 it is the number role_uid_base + the role's row instead, which
	 * private instances of root use */
	const char *role_user_prefix;
	int role_uid_base;
	/* processes */
	int default_process_limit;
	int session_process_limit; /* children of imapd and of pop3d */
	int max_use;               /* clients a worker serves before it ends */
	int64_t max_idle;          /* ms a worker waits for one */
	int64_t ipc_timeout;       /* ms */
	/* what a process may */
	int seccomp_mode;              /* enum seccomp_mode */
	uint64_t process_memory_limit; /* octets; 0: none */
	/* mail */
	const char *mynetworks;
	const char *inet_interfaces;
	uint64_t message_size_limit; /* octets */
	uint64_t header_size_limit;  /* octets */
	const char *authorized_submit_users;
	int64_t anvil_rate_time_unit; /* ms */
	const char *haproxy_trusted_networks;
	/* lists of words and tables (conf/listed.h) */
	const char *dmarc_trusted_forwarders;
	const char *dmarc_mailing_lists;
	const char *arc_trusted_sealers;
	const char *dkim_signing_table; /* a table, or "" */
	const char *greylist_exempt_clients;
	const char *greylist_exempt_senders;
	const char *greylist_exempt_recipients;
	const char *dns_servers;
	int64_t maximal_queue_lifetime;      /* ms */
	int64_t mail_undelete_time;          /* ms */
	uint64_t mail_compress_minimum_size; /* octets */
	const char *stress;                  /* "yes": always under stress */
	int debug_level;                     /* 0 or 1 */
	const char *debug_peer_list;
	int protocol_log_line_limit;
};

/* dmarc_organizational_domain */
enum organizations { ORGANIZATIONS_WALK, ORGANIZATIONS_PSL };

enum seccomp_mode { SECCOMP_ENFORCE, SECCOMP_LOG, SECCOMP_OFF };

extern const struct conf_param house_params[];

#endif
