/* SPDX-License-Identifier: ISC */
#ifndef EXPORTER_EXPORTER_CONF_H
#define EXPORTER_EXPORTER_CONF_H

#include "conf/param.h"

struct exporter_conf {
	int exporter_client_limit;
	int exporter_request_limit;  /* octets */
	int64_t exporter_timeout;    /* ms */
	int64_t exporter_cache_time; /* ms */
};

extern const struct conf_param exporter_params[];

#endif
