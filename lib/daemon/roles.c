/* SPDX-License-Identifier: ISC */
#include "daemon/roles.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "daemon/house_conf.h"

/* clang-format off */
const struct role roles[] = {
	/* name         user      group    jailed  may call */
	{"logd",        "logd",    NULL,    false, {NULL}},
	{"lookup",      "lookup",  NULL,    false, {NULL}},
	{"policyd",     "policyd", NULL,    true,  {NULL}},
	{"auth",        "auth",    NULL,    false, {"policyd", "lookup", NULL}},
	{"smtpd",       "smtpd",   NULL,    true,
	    {"cleanup", "lookup", "policyd", NULL}},
	{"lmtpd",       "smtpd",   NULL,    true,
	    {"cleanup", "lookup", "policyd", NULL}},
	{"submission",  "submission", NULL, true,
	    {"cleanup-submit", "lookup", "auth", "policyd", NULL}},
	{"cleanup",     "cleanup", "queue", false,
	    {"lookup", "auth", "qmgr", NULL}},
	{"qmgr",        "qmgr",    "queue", false,
	    {"lookup", "smtp", "local", "bounce", NULL}},
	{"smtp",        "smtp",    NULL,    true,  {NULL}},
	{"local",       "vmail",   NULL,    false,
	    {"lookup", "cleanup-internal", NULL}},
	{"bounce",      "bounce",  NULL,    true,  {"cleanup-internal", NULL}},
	{"login",       "login",   NULL,    true,
	    {"auth", "imapd", "pop3d", "policyd", NULL}},
	{"imapd",       "vmail",   NULL,    false, {"auth", "lookup", NULL}},
	{"pop3d",       "vmail",   NULL,    false, {"auth", "lookup", NULL}},
	{"queue",       "queue",   NULL,    false, {NULL}},
	{NULL,          NULL,      NULL,    false, {NULL}},
};
/* clang-format on */

const struct role *role_find(const char *name)
{
	for (const struct role *r = roles; r->name != NULL; r++)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

/* The row of the first role with this user: its number is the user's. */
static int number_of(const char *user)
{
	for (int i = 0; roles[i].name != NULL; i++)
		if (strcmp(roles[i].user, user) == 0)
			return i;
	return -1;
}

int role_ids(const struct house_conf *house, const char *user, unsigned *uid,
    unsigned *gid, char *why, unsigned long size)
{
	char name[96];
	int number = number_of(user);

	if (number < 0) {
		snprintf(why, size, "no role has the user %s", user);
		return -1;
	}
	if (house->role_uid_base != 0) {
		*uid = *gid = (unsigned)(house->role_uid_base + number);
		return 0;
	}
	snprintf(name, sizeof(name), "%s%s", house->role_user_prefix, user);
	const struct passwd *pw = getpwnam(name);
	if (pw == NULL) {
		snprintf(why, size, "there is no user %s (see role_user_prefix)",
		    name);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}
