/* SPDX-License-Identifier: ISC */
#include "imapd/imapd_conf.h"

#define P(kind, name, ...) CONF_##kind(struct imapd_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param imapd_params[] = {
	P(TIME, imap_timeout, "30m", 60, 86400,
	  "How long an IMAP client may stay silent, in IDLE too, before the "
	  "session ends (RFC 9051 section 5.4: at least 30 minutes)."),
	P(TIME, imap_idle_notify_interval, "2m", 10, 86400,
	  "How often a client in IDLE hears \"* OK Still here\", so that "
	  "routers and firewalls keep its connection."),
	P(TIME, imap_park_time, "5s", 0, 86400,
	  "After this silence between two commands an IMAP client is held by "
	  "login alone, without a process of imapd; 0: never."),
	P(TIME, imap_idle_park_time, "1s", 0, 86400,
	  "The same for a client in IDLE, after its last news; 0: never."),
	P(TIME, imap_write_timeout, "5m", 10, 3600,
	  "How long an IMAP client may leave the server's answers unread."),
	P(SIZE, imap_max_line_length, "256K", 8192, 16777216,
	  "Octets of one IMAP command, its literals included, but for the "
	  "messages of APPEND."),
	P(SIZE, imap_append_limit, "50M", 65536, INT64_MAX,
	  "Octets of the largest message that APPEND takes, told to clients "
	  "as APPENDLIMIT (RFC 7889)."),
	P(INT,  imap_max_bad_commands, "20", 1, 10000,
	  "Malformed commands in a row after which a session is ended."),
	P(INT,  imap_max_search_keys, "1000", 10, 100000,
	  "Keys of one SEARCH command."),
	P(TEXT, imap_id_send, "\"name\" \"Posthouse\" \"version\" \""
	  POSTHOUSE_VERSION "\"", 0, 1000,
	  "What ID answers (RFC 2971): pairs of quoted strings; empty sends "
	  "NIL."),
	CONF_END
};
/* clang-format on */
