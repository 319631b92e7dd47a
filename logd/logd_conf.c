/* SPDX-License-Identifier: ISC */
#include "logd/logd_conf.h"

#define P(kind, name, ...) CONF_##kind(struct logd_conf, name, __VA_ARGS__)

static const char *const timestamps[] = {"syslog", "rfc3339", NULL};

/* clang-format off */
const struct conf_param logd_params[] = {
	P(TEXT, maillog_file, "$log_directory/posthouse.log", 1, 4096,
	  "The log. It may be renamed at any time: a new one is begun within a "
	  "second."),
	P(CHOICE, log_timestamps, "syslog", timestamps,
	  "How a line of the log begins: syslog as in \"Nov 21 19:22:18\", or "
	  "rfc3339 with year, microseconds and time zone."),
	P(BOOL, trace_events, "yes",
	  "Write trace events to files by the hour below $log_directory/trace, "
	  "for posthouse trace."),
	P(TIME, trace_lifetime, "14d", 3600, 315360000,
	  "How long the files of trace events are kept."),
	CONF_END
};
/* clang-format on */
