/* SPDX-License-Identifier: ISC */
/*
 * One report on its way, from its stored rows to the queue: its destinations
 * are verified, its file is made, and each address gets a message of its own,
 * under an id that stays the same however often it is tried. What is done
 * leaves the store; what has to be tried again stays there with its time and
 * its problem.
 */
#ifndef REPORTD_SENDING_H
#define REPORTD_SENDING_H

#include "reportd/rows.h"

struct sending_calls {
	/* An address was tried, or refused; "" when nobody gets the report.
	 * queue_id is "" when nothing was queued, and problem says why. */
	void (*tried)(const struct period *p, const char *problem,
	    struct str address, struct str queue_id);
	/* It is no longer under way. */
	void (*ended)(void);
};

/* Still privileged: reads resolv.conf and the list of public suffixes. -1,
 * logged. */
int sending_prepare(void);
void sending_start(
    const struct reportd_conf *conf, const struct sending_calls *calls);
/* Not while another one is under way; p is copied. */
void sending_begin(const struct period *p);
bool sending_busy(void);
/* What is under way is left for the next process, without a call. */
void sending_stop(void);

#endif
