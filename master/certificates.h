/* SPDX-License-Identifier: ISC */
/*
 * The certificates that services show to clients: when they end, and a word
 * in the log some days before, once a day.
 */
#ifndef MASTER_CERTIFICATES_H
#define MASTER_CERTIFICATES_H

#include "ipc/master.h"

/* Looks at them now and then from now on. */
void certificates_watch(void);
/* Looks at them anew, and says what was found: "master_certificate" each. */
void certificates_report(struct ipc *to);

#endif
