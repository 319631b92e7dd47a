/* SPDX-License-Identifier: ISC */
/*
 * What policyd knows about a client: the tests that it passed, and how often
 * it came. While policyd is away nobody is known and nothing is limited.
 */
#ifndef SCREEN_KNOWN_H
#define SCREEN_KNOWN_H

#include "screen/client.h"

/* From now on nothing is counted or remembered: for explanations. */
void known_only_look(void);
void known_open(const struct screen_conf *conf);
/* 0: client_known follows, later; or -1: policyd is away. */
int known_ask(struct client *c);
/* client_known will not be called. */
void known_cancel(struct client *c);
/* What was found out: seconds since 1970 until which it is good; 0: not. */
void known_remember(
    const struct client *c, int64_t greet_until, int64_t dnsbl_until);

#endif
