/* SPDX-License-Identifier: ISC */
/* qmgr's connection (ipc/bounce.h). */
#ifndef BOUNCE_SESSION_H
#define BOUNCE_SESSION_H

#include "bounce/bounce_conf.h"
#include "daemon/house_conf.h"

/* Until the peer is gone or should be let go; closes fd. */
void session_run(
    int fd, const struct bounce_conf *conf, const struct house_conf *house);

#endif
