/* SPDX-License-Identifier: ISC */
/*
 * SMTP with a client that is refused: just enough of it that the client says
 * for whom its mail is, which is logged and refused with the reply that the
 * tests have led to. Nothing it says is believed, and no mail gets in.
 */
#ifndef SCREEN_REFUSE_H
#define SCREEN_REFUSE_H

#include "core/id.h"
#include "screen/screen_conf.h"

struct refusal;

struct refused {
	int fd;            /* is taken over */
	const char *peer;  /* "[192.0.2.1]:40001" */
	const char *rule;  /* " rule=postscreen_dnsbl_sites (main.cf:7)" */
	const char *reply; /* "550 5.7.1 Service unavailable; ..." */
	struct id id;
	int64_t time_limit; /* ms, of a command */
};

/* Greets unless the client has been; done is called once at the end, and the
 * refusal is gone then. */
struct refusal *refuse_start(const struct screen_conf *conf,
    const struct refused *who, bool greeted, void (*done)(void *arg),
    void *arg);
/* Ends it with 421; done is called. */
void refuse_hang_up(struct refusal *r);

#endif
