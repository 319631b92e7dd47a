/* SPDX-License-Identifier: ISC */
/* Whose keys sign a message: those of its author's domain, unless a table says
 * otherwise. */
#ifndef CLEANUP_SIGNERS_H
#define CLEANUP_SIGNERS_H

#include "cleanup/message.h"

/* Fills m->signing: ours, list, author, why, broken. The header is there whole. */
void signers_choose(struct cleanup *c, struct message *m);

#endif
