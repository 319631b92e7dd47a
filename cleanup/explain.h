/* SPDX-License-Identifier: ISC */
/* posthouse explain: who would sign a message. */
#ifndef CLEANUP_EXPLAIN_H
#define CLEANUP_EXPLAIN_H

#include "cleanup/message.h"

/* Answers one question, an explain_signing (ipc/explain.h). */
void explain_signing_of(struct cleanup *c, struct ipc *asker);

#endif
