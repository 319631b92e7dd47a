/* SPDX-License-Identifier: ISC */
/*
 * A socket of this host that takes log lines as datagrams: syslogd's, the
 * journal's. Never waited for: what it does not take is counted, and told to
 * it when it takes lines again.
 */
#ifndef LOGD_REMOTE_H
#define LOGD_REMOTE_H

#include "core/buf.h"

struct remote {
	const char *path; /* NULL: not wanted */
	char *name;       /* of the socket in its folder */
	int folder;       /* descriptor; -1: it cannot be seen */
	int fd;           /* -1: not connected */
	int64_t again;    /* clock_ms: not before it */
	uint64_t lost;    /* lines since the last that it took */
};

/* Finds the folder while it can be seen. path must outlive r. 0, or -1 with
 * errno: it is not there, and lines are lost. */
int remote_find(struct remote *r, const char *path);
/* Sends one datagram; whether it was taken. */
bool remote_send(struct remote *r, struct str datagram);
void remote_close(struct remote *r);

#endif
