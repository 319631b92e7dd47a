/* SPDX-License-Identifier: ISC */
/* spool/drop, where postdrop(1) leaves mail while we are away. */
#ifndef PICKUP_DROP_H
#define PICKUP_DROP_H

/* Privileged: opens the folder of the spool and watches it. -1 when it cannot
 * be opened; why was logged. */
int drop_open(const char *queue_directory);
/* Begins. */
void drop_start(void);
/* Takes no more; what is under way ends. */
void drop_drain(void);

#endif
