/* SPDX-License-Identifier: ISC */
#ifndef BOUNCE_BOUNCE_CONF_H
#define BOUNCE_BOUNCE_CONF_H

#include "conf/param.h"

struct bounce_conf {
	uint64_t bounce_size_limit; /* octets */
};

extern const struct conf_param bounce_params[];

#endif
