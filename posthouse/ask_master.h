/* SPDX-License-Identifier: ISC */
/* Questions to master, for the commands about services. */
#ifndef POSTHOUSE_ASK_MASTER_H
#define POSTHOUSE_ASK_MASTER_H

#include "ipc/master.h"
#include "posthouse/posthouse.h"

struct ask_calls {
	/* Each may be NULL. */
	void (*service)(const struct master_service *m, void *arg);
	void (*counter)(const struct master_counter *m, void *arg);
	void (*end)(const struct master_end *m, void *arg);
	/* Instead of these, all of them; notes too. */
	void (*any)(const struct ipc_type *type, const void *msg, void *arg);
	void *arg;
	void (*session)(const struct master_session *m, void *arg);
};

/*
 * Asks and passes on what is answered; notes go to stderr. Waits as long as
 * master does, at most WAIT_MS. Returns 0, or 1 after a message on stderr.
 * gone, when not NULL: waits until master has ended too.
 */
int ask_master(struct posthouse *p, const char *command, int verb,
    const char *service, const struct ask_calls *calls, bool *gone);
/* The same with an argument (limit, upgrade). */
int ask_master_with(struct posthouse *p, const char *command, int verb,
    const char *service, const char *argument, const struct ask_calls *calls,
    bool *gone);

#endif
