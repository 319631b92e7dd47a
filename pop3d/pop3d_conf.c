/* SPDX-License-Identifier: ISC */
#include "pop3d/pop3d_conf.h"

#define P(kind, name, ...) CONF_##kind(struct pop3d_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param pop3d_params[] = {
	P(TIME, pop3_timeout, "10m", 600, 86400,
	  "How long a POP3 client may stay silent before its session ends "
	  "without removing anything (RFC 1939 section 3: at least 10 "
	  "minutes)."),
	P(TIME, pop3_write_timeout, "5m", 10, 3600,
	  "How long a POP3 client may leave the server's answers unread."),
	P(TIME, pop3_lock_timeout, "30s", 1, 600,
	  "How long a POP3 session waits for its mailbox to be opened."),
	P(INT,  pop3_max_bad_commands, "20", 1, 10000,
	  "Wrong commands in a row after which a POP3 session is ended."),
	P(BOOL, pop3_no_flag_updates, "no",
	  "Do not set \\Seen for messages that POP3 has fetched and left in "
	  "the mailbox."),
	CONF_END
};
/* clang-format on */
