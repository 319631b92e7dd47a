/* SPDX-License-Identifier: ISC */
#ifndef MASTER_WHO_H
#define MASTER_WHO_H

#include "ipc/ipc.h"

/*
 * Every session that is being served now. filter: "user LF client LF
 * protocol", each "" for any; a user without "@" is a local part, a client
 * may be a network (192.0.2.0/24). Puts a `master_session` for each; with
 * ends also asks each to end. Returns how many, or -1 when a part of the
 * filter is none.
 */
int who_answer(struct ipc *ipc, struct str filter, bool ends);

/*
 * The protocol of a user's or a client's sessions goes to the log for a time.
 * what: "user LF client LF seconds"; 0 seconds ends it for everybody. NULL, or
 * why not.
 */
const char *who_watch(struct str what);

#endif
