/* SPDX-License-Identifier: ISC */
/*
 * The queue in figures, on the board for `posthouse stats`: how much there
 * is, since when, and why it waits. Now and then all of it is looked at, so
 * seldom that it takes at most a hundredth of the time.
 */
#ifndef QMGR_FIGURES_H
#define QMGR_FIGURES_H

#include "qmgr/qmgr.h"

/* The subject of an enhanced status code (RFC 3463 section 3): its second
 * number, for struct recipient's reason. */
unsigned figures_reason(struct str dsn);

/* Begins. */
void figures_open(struct qmgr *q);
void figures_close(struct qmgr *q);

#endif
