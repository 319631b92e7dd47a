/* SPDX-License-Identifier: ISC */
/*
 * The access matrix: which role runs as whom, where, and may call whom.
 *
 * This table is the whole of it. master makes run/jail/ROLE with a hard link
 * for each socket that the role may call and nothing else; the skeleton makes
 * that directory the working directory, and the root where the role is
 * jailed. So a socket that is not in the row cannot be called, in a private
 * instance of an ordinary user too.
 */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include <stdbool.h>

struct conf_param;

struct role {
	const char *name;  /* "smtpd", "submission", "lmtpd", "cleanup" ... */
	const char *user;  /* whose uid: roles may share one ("smtpd") */
	const char *group; /* a second group they need, or NULL: "queue" for
	                    * the spool */
	bool jailed;       /* chroot where master.cf does not say n */
	const char *calls[10]; /* sockets, NULL-terminated */
	bool brief;            /* its requests are short and can be asked again:
	                        * a drain need not wait until its peers leave */
};

extern const struct role roles[]; /* ends with name NULL */

/* The row, or NULL. */
const struct role *role_find(const char *name);
/* Two processes of it must not be at work at once: a new one starts when the
 * old one has ended. Of others the new one is ready before the old one
 * leaves. */
bool role_is_sole(const struct role *r);
/* Octets of memory that outlive its processes (daemon_kept); 0: none. */
unsigned long role_kept(const struct role *r);

struct house_conf;
/*
 * The uid and gid of a role's user; and of a group ("queue"). Returns 0, or
 * -1 with a message in why (size octets): no such user.
 */
int role_ids(const struct house_conf *house, const char *user, unsigned *uid,
    unsigned *gid, char *why, unsigned long size);

#endif
