/* SPDX-License-Identifier: ISC */
#ifndef LOGD_LOGD_CONF_H
#define LOGD_LOGD_CONF_H

#include "conf/param.h"

enum log_timestamps { TIMESTAMPS_SYSLOG, TIMESTAMPS_RFC3339 };
enum log_format { FORMAT_TEXT, FORMAT_JSON };

struct logd_conf {
	const char *log_destination, *maillog_file;
	const char *syslog_socket, *journal_socket;
	int syslog_facility; /* 0 to 23 */
	int log_format;      /* enum log_format */
	int log_timestamps;  /* enum log_timestamps */
	bool trace_events;
	int64_t trace_lifetime; /* ms */
	uint64_t protocol_log_size_limit;
	int64_t protocol_log_lifetime; /* ms */
};

extern const struct conf_param logd_params[];

#endif
