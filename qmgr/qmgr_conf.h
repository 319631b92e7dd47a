/* SPDX-License-Identifier: ISC */
/* The queue manager's parameters; names are Postfix's. */
#ifndef QMGR_QMGR_CONF_H
#define QMGR_QMGR_CONF_H

#include "conf/param.h"

struct qmgr_conf {
	int qmgr_message_active_limit;
	int64_t qmgr_walk_interval;
	int64_t qmgr_daemon_timeout;
	int initial_destination_concurrency;
	int default_destination_concurrency_limit;
	int default_destination_recipient_limit;
	int default_destination_concurrency_failed_cohort_limit;
	int64_t default_destination_rate_delay;
	int default_transport_limit;
	int local_destination_concurrency_limit;
	int local_transport_limit;
	int64_t minimal_backoff_time;
	int64_t maximal_backoff_time;
	int64_t bounce_queue_lifetime;
	int64_t delay_warning_time;
	int qmgr_cut_through_limit;
	int64_t qmgr_backlog_warn_time;
	int qmgr_backlog_warn_count;
};

extern const struct conf_param qmgr_params[];

#endif
