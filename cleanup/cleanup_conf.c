/* SPDX-License-Identifier: ISC */
#include "cleanup/cleanup_conf.h"

#define P(kind, name, ...) CONF_##kind(struct cleanup_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param cleanup_params[] = {
	P(INT,  hopcount_limit, "50", 1, 1000,
	  "Received fields above which a message is taken for looping and "
	  "refused with 554 5.4.6."),
	P(INT,  cleanup_recipient_limit, "10000", 1, 50000,
	  "Recipients of one message after the expansion of aliases."),
	P(SIZE, queue_minfree, "16M", 0, INT64_MAX,
	  "Free space in the queue's file system below which mail is refused "
	  "with 452 4.3.1; what the client says with SIZE must fit above it. "
	  "Notifications and forwarded mail may use three quarters of it."),
	P(INT,  queue_minfree_inodes, "256", 0, 1000000000,
	  "The same for free inodes."),
	P(TIME, in_flow_delay, "1s", 0, 10,
	  "How long each new message from outside waits while "
	  "qmgr_message_active_limit messages are being delivered and more "
	  "wait for a place; 0: never."),
	P(INT,  queue_unclaimed_limit, "10000", 1, 100000000,
	  "Messages that each cleanup service accepts while qmgr does not "
	  "answer. More are refused with 451 4.3.2 until it does."),
	P(BOOL, always_add_missing_headers, "no",
	  "Add a missing Date and Message-ID to mail from other hosts too, not "
	  "just to submissions."),
	P(BOOL, smtpd_sasl_authenticated_header, "no",
	  "Name the authenticated account in the Received field."),
	P(TIME, cleanup_ticket_reuse, "2s", 0, 60,
	  "How long a login that auth has confirmed holds for further messages "
	  "of the same connection."),
	P(TIME, cut_through_timeout, "5s", 0, 30,
	  "How long a message may take that is delivered while its client "
	  "waits for the answer; one that takes longer is queued. 0: every "
	  "message is queued."),
	P(INT,  cut_through_recipient_limit, "20", 1, 1000,
	  "Recipients above which a message is always queued."),
	CONF_END
};
/* clang-format on */
