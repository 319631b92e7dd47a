/* SPDX-License-Identifier: ISC */
/*
 * qmgr -> bounce: make one delivery status notification (RFC 3464).
 *
 * `bounce` with the queue file attached (read-only), a `bounce_for` for each
 * recipient, `bounce_end`; answered by one `bounced`. The notification enters
 * through cleanup-internal under the id derived from (queue_id, round), so
 * that asking twice makes one notification.
 */
#ifndef IPC_BOUNCE_H
#define IPC_BOUNCE_H

#include "ipc/ipc.h"

enum bounce_kind { BOUNCE_FAILED, BOUNCE_DELAYED, BOUNCE_DELIVERED };
extern const char *const bounce_kind_names[];

struct bounce {
	struct str queue_id;
	struct str session;
	uint64_t round;
	int kind;          /* enum bounce_kind */
	struct str sender; /* whom to tell; never empty */
	uint64_t arrived;  /* seconds since 1970 */
	struct str envid, ret;
	bool smtputf8;
};

struct bounce_for {
	struct str address;
	struct str original; /* ORCPT or "" */
	struct str dsn;
	uint64_t code; /* remote SMTP reply, 0: none */
	struct str text;
	struct str remote; /* "mx.example.org[192.0.2.1]:25", "" */
	uint64_t last;     /* seconds since 1970: the last attempt */
};

struct bounce_end {
	uint64_t count; /* of bounce_for, checked */
};

struct bounced {
	bool ok;             /* false: try again later */
	struct str queue_id; /* of the notification */
	struct str text;
};

extern const struct ipc_type bounce, bounce_for, bounce_end, bounced;
extern const struct ipc_exchange bounce_exchange;

#endif
