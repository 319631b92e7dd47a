/* SPDX-License-Identifier: ISC */
/*
 * Clients on their way to smtpd (ipc/pass.h). A seat is a connection to one
 * of its processes; a client is passed when the seat is known to be free, so
 * that nobody waits with a process that is busy, and nothing here ever waits.
 */
#ifndef SCREEN_HANDOVER_H
#define SCREEN_HANDOVER_H

#include "screen/client.h"

void handover_open(void);
/* A client in CLIENT_QUEUED; the trusted go first. Ends in one of the calls of
 * client.h, perhaps before this returns. */
void handover_begin(struct client *c);
/* The client has been told something else, or is gone. */
void handover_cancel(struct client *c);
/* Calls act for each that waits; it may cancel that one. */
void handover_each(void (*act)(struct client *c));
/* Clients that wait. */
int handover_waiting(void);
/* Lets free seats go, so that their processes can end. */
void handover_drain(void);

#endif
