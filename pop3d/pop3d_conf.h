/* SPDX-License-Identifier: ISC */
#ifndef POP3D_POP3D_CONF_H
#define POP3D_POP3D_CONF_H

#include "conf/param.h"

struct pop3d_conf {
	int64_t pop3_timeout;       /* ms */
	int64_t pop3_write_timeout; /* ms */
	int64_t pop3_lock_timeout;  /* ms */
	int pop3_max_bad_commands;
	bool pop3_no_flag_updates;
};

extern const struct conf_param pop3d_params[];

#endif
