/* SPDX-License-Identifier: ISC */
#ifndef SENDMAIL_SUBMIT_H
#define SENDMAIL_SUBMIT_H

#include "sendmail/draft.h"

/*
 * Brings a submission (a sealed memfd, queue/drop.h) to pickup, or when that
 * is away or says try later, to postdrop(1). Asked twice under one id it
 * becomes one message, so that a lost answer is no reason to stop.
 */
void submit(const struct sendmail *s, int fd, struct verdict *v);

/* A connection to pickup, or NULL with *why. */
struct ipc *submit_connect(const struct sendmail *s, const char **why);

#endif
