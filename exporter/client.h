/* SPDX-License-Identifier: ISC */
/* A client of the endpoint: request, answer, and again. */
#ifndef EXPORTER_CLIENT_H
#define EXPORTER_CLIENT_H

#include "daemon/daemon.h"
#include "exporter/exporter_conf.h"

/* Once, in start. */
void client_open(const struct exporter_conf *conf);
/* For struct daemon's accepted. */
void client_accepted(struct conn *conn);
/* Those that wait for nothing go, the others behind their answer;
 * daemon_done follows the last. */
void client_drain(void);

#endif
