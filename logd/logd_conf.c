/* SPDX-License-Identifier: ISC */
#include "logd/logd_conf.h"

#define P(kind, name, ...) CONF_##kind(struct logd_conf, name, __VA_ARGS__)

static const char *const timestamps[] = {"syslog", "rfc3339", NULL};

static const char *const formats[] = {"text", "json", NULL};
/* By their numbers, RFC 5424 section 6.2.1. */
static const char *const facilities[] = {"kern", "user", "mail", "daemon",
    "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7", NULL};

/* clang-format off */
const struct conf_param logd_params[] = {
	P(TEXT, log_destination, "file", 4, 100,
	  "Where the log goes: file, syslog and journal, or several of them."),
	P(CHOICE, log_format, "text", formats,
	  "What a line is in the file and for syslog: text in Postfix's shape, "
	  "or json, one object with its fields. The journal has fields of its "
	  "own."),
	P(TEXT, syslog_socket, "/dev/log", 2, 4096,
	  "The socket of syslogd."),
	P(CHOICE, syslog_facility, "mail", facilities,
	  "The facility of lines for syslog and the journal."),
	P(TEXT, journal_socket, "/run/systemd/journal/socket", 2, 4096,
	  "The journal's native socket."),
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
	P(SIZE, protocol_log_size_limit, "10M", 1000, 1LL << 40,
	  "Octets of each file below $log_directory/protocol, in which posthouse "
	  "debug and debug_peer_list have what a client and its server said; "
	  "nothing more is written there then."),
	P(TIME, protocol_log_lifetime, "7d", 60, 315360000,
	  "How long such a file is kept after its last line."),
	CONF_END
};
/* clang-format on */
