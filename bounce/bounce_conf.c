/* SPDX-License-Identifier: ISC */
#include "bounce/bounce_conf.h"

#define P(kind, name, ...) CONF_##kind(struct bounce_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param bounce_params[] = {
	P(SIZE, bounce_size_limit, "50000", 1000, 67108864,
	  "Largest message that is returned whole in a notification; of a "
	  "larger one the header is."),
	CONF_END
};
/* clang-format on */
