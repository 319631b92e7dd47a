/* SPDX-License-Identifier: ISC */
/* Local users' connections (ipc/pickup.h). */
#ifndef PICKUP_CLIENT_H
#define PICKUP_CLIENT_H

#include "daemon/daemon.h"

void client_accepted(struct conn *conn);
/* No new requests; connections without one end. */
void client_drain(void);

#endif
