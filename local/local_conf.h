/* SPDX-License-Identifier: ISC */
/* The parameters of local delivery. */
#ifndef LOCAL_LOCAL_CONF_H
#define LOCAL_LOCAL_CONF_H

#include "conf/param.h"

struct local_conf {
	bool quota_full_tempfail;
	int local_open_boxes;
};

extern const struct conf_param local_params[];

#endif
