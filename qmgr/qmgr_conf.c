/* SPDX-License-Identifier: ISC */
#include "qmgr/qmgr_conf.h"

#define P(kind, name, ...) CONF_##kind(struct qmgr_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param qmgr_params[] = {
	P(INT,  qmgr_message_active_limit, "20000", 10, 1000000,
	  "Messages that are being delivered at the same time; the others "
	  "wait with a compact record."),
	P(TIME, qmgr_walk_interval, "5m", 1, 86400,
	  "How often the names in the spool are compared with what the queue "
	  "manager knows, so that a lost offer is found."),
	P(TIME, qmgr_daemon_timeout, "3h", 10, 86400,
	  "How long a delivery agent may work on one request before its "
	  "recipients are deferred."),
	P(INT,  initial_destination_concurrency, "5", 1, 10000,
	  "Requests under way at the same time to a destination that is not "
	  "known yet."),
	P(INT,  default_destination_concurrency_limit, "20", 1, 10000,
	  "Requests under way at the same time to one destination, at most."),
	P(INT,  default_destination_recipient_limit, "50", 1, 1000,
	  "Recipients of one message in one request to a delivery agent."),
	P(INT,  default_destination_concurrency_failed_cohort_limit, "1", 1,
	  1000,
	  "A destination is dead when as many requests failed one after the "
	  "other as were under way, this many times over; it is tried again "
	  "after minimal_backoff_time."),
	P(TIME, default_destination_rate_delay, "0s", 0, 86400,
	  "The pause between two requests to one destination of smtp, relay "
	  "and lmtp, which are then made one at a time; 0: none."),
	P(INT,  default_transport_limit, "200", 1, 10000,
	  "Requests under way at the same time on one transport, in all."),
	P(INT,  local_destination_concurrency_limit, "$local_transport_limit",
	  1, 10000,
	  "Requests under way at the same time for one local domain."),
	P(INT,  local_transport_limit, "20", 1, 10000,
	  "Connections to local, each of which is one process; not more than "
	  "the process limit of local in master.cf."),
	P(TIME, minimal_backoff_time, "300s", 1, 864000,
	  "The pause before the second attempt; it doubles with each attempt. "
	  "Also how long a dead destination rests."),
	P(TIME, maximal_backoff_time, "4000s", 1, 864000,
	  "The longest pause between two attempts."),
	P(TIME, bounce_queue_lifetime, "5d", 0, 8640000,
	  "How long a message from the null sender is tried before it is "
	  "dropped."),
	P(TIME, delay_warning_time, "0s", 0, 8640000,
	  "The age at which the sender is told that a message still waits; "
	  "0: never."),
	P(INT,  qmgr_cut_through_limit, "100", 0, 100000,
	  "Messages whose clients wait for their delivery at the same time, and "
	  "recipients that wait for local, at most; beyond it new mail is "
	  "queued."),
	P(TIME, qmgr_backlog_warn_time, "1h", 0, 8640000,
	  "Mail that waits for a destination to which nothing was delivered for "
	  "so long is a backlog, of which the log warns, again after twice, "
	  "four times ... that time, and once more when it moves again; so is "
	  "new mail that lookup gives no destination. 0: never."),
	P(INT,  qmgr_backlog_warn_count, "5", 1, 1000000,
	  "How many recipients must wait for a destination before it can be a "
	  "backlog."),
	CONF_END
};
/* clang-format on */
