/* SPDX-License-Identifier: ISC */
/*
 * How a session comes in: login's word, auth's answer to the ticket (or, of
 * one that was parked, to its pass), the account's quota from lookup (or as it
 * was), and its box (ipc/session.h).
 */
#ifndef IMAPD_ADMIT_H
#define IMAPD_ADMIT_H

#include "imapd/session.h"

struct admitted {
	struct session *session;
	unsigned commands_before; /* of a parked session that came back */
	char tag[129];            /* of the LOGIN; "" */
	char client[257];
	bool tls;
};

struct admit_by {
	const struct imapd_conf *conf;
	struct store *store;
	const char *store_dir, *notify_dir;
	int64_t ipc_timeout;
};
/*
 * Takes over control_fd, the connection from login. Returns 0, the process
 * then being confined to the account's files, or -1 when login was told why
 * not (and it was logged).
 */
int admit(int control_fd, const struct admit_by *by, struct admitted *out);

#endif
