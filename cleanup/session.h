/* SPDX-License-Identifier: ISC */
/* One injector's connection (ipc/cleanup.h). */
#ifndef CLEANUP_SESSION_H
#define CLEANUP_SESSION_H

struct cleanup;

/* Until the peer is gone or should be let go; closes fd. */
void session_run(struct cleanup *c, int fd);

#endif
