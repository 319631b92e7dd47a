/* SPDX-License-Identifier: ISC */
/* What imapd reads from main.cf; imapd_conf.c describes each. */
#ifndef IMAPD_IMAPD_CONF_H
#define IMAPD_IMAPD_CONF_H

#include "conf/param.h"

struct imapd_conf {
	int64_t imap_timeout;
	int64_t imap_idle_notify_interval;
	int64_t imap_park_time;      /* ms; 0: never */
	int64_t imap_idle_park_time; /* likewise */
	int64_t imap_write_timeout;
	uint64_t imap_max_line_length;
	uint64_t imap_append_limit;
	int imap_max_bad_commands;
	int imap_max_search_keys;
	const char *imap_id_send;
};

extern const struct conf_param imapd_params[];

#endif
