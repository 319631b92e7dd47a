/* SPDX-License-Identifier: ISC */
#include "exporter/exporter_conf.h"

#define P(kind, name, ...) CONF_##kind(struct exporter_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param exporter_params[] = {
	P(INT,  exporter_client_limit, "16", 1, 1000,
	  "Connections at a time; one more is closed at once."),
	P(INT,  exporter_request_limit, "8192", 256, 65536,
	  "Octets of the head of a request; a longer one is refused with 431."),
	P(TIME, exporter_timeout, "30s", 1, 3600,
	  "How long a client may take for a request, for reading its answer, "
	  "and until its next request."),
	P(TIME, exporter_cache_time, "1s", 0, 60,
	  "Requests within so long of one another are answered with the same "
	  "figures, so that many of them cost master nothing."),
	CONF_END
};
/* clang-format on */
