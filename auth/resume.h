/* SPDX-License-Identifier: ISC */
/* May a parked session come back? Asks lookup for the account, looks the
 * password up, and compares the pass (pass.h). */
#ifndef AUTH_RESUME_H
#define AUTH_RESUME_H

#include "auth/exchange.h"

struct resume;

/* m ends with the call; r is over then. */
typedef void resume_answer(
    void *client, struct resume *r, const struct auth_resumed *m);

/* Never answers before it returns. NULL: lookup is away. */
struct resume *resume_start(struct house *h, const struct auth_resume *m,
    resume_answer *answer, void *client);
/* Ends it without an answer. */
void resume_free(struct resume *r);

#endif
