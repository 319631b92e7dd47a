/* SPDX-License-Identifier: ISC */
#include "master/master_conf.h"

#define P(kind, name, ...) CONF_##kind(struct master_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param master_params[] = {
	P(TIME, service_throttle_time, "60s", 1, 3600,
	  "The longest wait before a service whose processes keep failing is "
	  "tried again; it begins with one second and doubles."),
	P(TIME, service_stress_time, "1000s", 1, 86400,
	  "How long a service counts as under stress after all its processes "
	  "were busy while clients waited; its values with ${stress?...} differ "
	  "meanwhile."),
	P(TIME, service_start_timeout, "20s", 1, 3600,
	  "How long a new process may take until it is ready; one that takes "
	  "longer is killed, and brings the configuration before back."),
	P(TIME, file_check_interval, "2s", 0, 3600,
	  "How often is looked whether certificates, keys and resolv.conf have "
	  "changed; the services that read them then start new processes. 0 "
	  "never."),
	P(TIME, certificate_warning_time, "14d", 0, 31536000,
	  "How long before a certificate of ours ends the log says so, once a "
	  "day."),
	P(TIME, reload_probation_time, "2s", 0, 600,
	  "How long the processes of a new configuration are watched after all "
	  "of them have started; one that breaks meanwhile brings the "
	  "configuration before back."),
	P(TIME, shutdown_timeout, "30s", 1, 3600,
	  "How long processes may finish their work when the suite or their "
	  "service is stopped, before they are ended by force."),
	P(TIME, takeover_timeout, "10s", 0, 3600,
	  "How long a new master waits for the processes of one that was "
	  "killed."),
	P(INT,  inet_backlog, "1024", 1, 65535,
	  "Clients that wait at a listening socket until a process takes them."),
	CONF_END
};
/* clang-format on */
