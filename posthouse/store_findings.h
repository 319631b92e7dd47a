/* SPDX-License-Identifier: ISC */
/* What check and repair find, a line each. */
#ifndef POSTHOUSE_STORE_FINDINGS_H
#define POSTHOUSE_STORE_FINDINGS_H

#include "posthouse/store_command.h"

struct findings {
	struct store_command *c;
	struct str account;
	bool tried;        /* to open it */
	struct box *box;   /* for the names of mailboxes; NULL: not open */
	uint64_t count[4]; /* by enum finding_kind */
};

void findings_open(
    struct findings *f, struct store_command *c, struct str account);
void findings_close(struct findings *f);
/* For box_check and box_repair; arg is a struct findings. */
void findings_take(void *arg, const struct store_finding *finding);
/* What is not only left over. */
uint64_t findings_serious(const struct findings *f);

#endif
