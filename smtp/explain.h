/* SPDX-License-Identifier: ISC */
/* posthouse route: where would mail for a next hop go? */
#ifndef SMTP_EXPLAIN_H
#define SMTP_EXPLAIN_H

#include "ipc/ipc.h"
#include "smtp/deliver.h"

/* Answers one explain_hop (ipc/explain.h): DNS is asked, nobody is connected
 * to. */
void explain_next_hop(struct delivery *d, struct ipc *asker);

#endif
