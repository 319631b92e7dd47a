/* SPDX-License-Identifier: ISC */
/*
 * The way of submissions into the queue: they wait in line, a few at a time go
 * to cleanup.
 */
#ifndef PICKUP_INJECT_H
#define PICKUP_INJECT_H

#include "pickup/pickup.h"

struct letter;

/*
 * Takes over fd, a submission as queue/drop.h says that user uid made. done is
 * called once, never before this returns; the letter is freed behind it.
 */
struct letter *inject(int fd, unsigned uid,
    void (*done)(void *arg, const struct outcome *outcome), void *arg);
/* Nobody waits for the outcome any more. In line it is forgotten; what is on
 * its way to cleanup goes on. */
void inject_forget(struct letter **letter);
/* Letters in line and under way. */
size_t inject_count(void);

#endif
