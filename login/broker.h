/* SPDX-License-Identifier: ISC */
/*
 * The one connection to auth: many clients' exchanges over it at a time, told
 * apart by number. Answers come back through client_challenge, client_auth_ok,
 * client_auth_no and, when auth is away, client_unavailable. An exchange whose
 * connection is lost before auth has answered anything is begun again on another
 * one, twice at most and within ipc_timeout; for that the client's first words,
 * a password often, are kept until the first answer.
 */
#ifndef LOGIN_BROKER_H
#define LOGIN_BROKER_H

#include "login/client.h"

/* Connects ahead of the first login; without success the next one tries. */
void broker_open(void);
/* Starts an exchange for c, which has c->mechanism set. -1: auth is away. */
int broker_begin(struct client *c, bool has_initial, struct str initial);
int broker_respond(struct client *c, struct str data);
/* Ends the exchange without an answer; does nothing when there is none. */
void broker_cancel(struct client *c);

#endif
