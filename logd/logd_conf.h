/* SPDX-License-Identifier: ISC */
#ifndef LOGD_LOGD_CONF_H
#define LOGD_LOGD_CONF_H

#include "conf/param.h"

enum log_timestamps { TIMESTAMPS_SYSLOG, TIMESTAMPS_RFC3339 };

struct logd_conf {
	const char *maillog_file;
	int log_timestamps; /* enum log_timestamps */
	bool trace_events;
	int64_t trace_lifetime; /* ms */
};

extern const struct conf_param logd_params[];

#endif
