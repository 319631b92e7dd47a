/* SPDX-License-Identifier: ISC */
#include "daemon/roles.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "daemon/house_conf.h"
#include "daemon/who.h"

/* clang-format off */
const struct role roles[] = {
	/* name         user      group    jailed  may call, brief */
	{"logd",        "logd",    NULL,    true,  {NULL}, false},
	{"lookup",      "lookup",  NULL,    false, {NULL}, true},
	{"policyd",     "policyd", NULL,    true,  {NULL}, true},
	{"auth",        "auth",    NULL,    false, {"policyd", "lookup", NULL},
	    false},
	{"smtpd",       "smtpd",   NULL,    true,
	    {"cleanup", "lookup", "policyd", "reportd", NULL}, false},
	{"lmtpd",       "smtpd",   NULL,    true,
	    {"cleanup", "lookup", "policyd", "reportd", NULL}, false},
	{"submission",  "submission", NULL, true,
	    {"cleanup-submit", "lookup", "auth", "policyd", NULL}, false},
	{"cleanup",     "cleanup", "queue", true,
	    {"lookup", "auth", "qmgr", NULL}, false},
	{"qmgr",        "qmgr",    "queue", true,
	    {"lookup", "smtp", "local", "bounce", "feedback", NULL}, false},
	{"smtp",        "smtp",    NULL,    true,  {NULL}, false},
	{"local",       "vmail",   NULL,    false, {NULL}, false},
	{"bounce",      "bounce",  NULL,    true,  {"cleanup-internal", NULL}, false},
	{"login",       "login",   NULL,    true,
	    {"auth", "imapd", "pop3d", NULL}, false},
	{"imapd",       "vmail",   NULL,    false, {"auth", "lookup", NULL}, false},
	{"pop3d",       "vmail",   NULL,    false, {"auth", NULL}, false},
	{"queue",       "queue",   NULL,    false, {NULL}, false},
	{"keeper",      "vmail",   NULL,    false, {NULL}, false},
	{"screen",      "screen",  NULL,    true,
	    {"policyd", "smtpd", NULL}, false},
	{"pickup",      "pickup",  "postdrop", true,
	    {"cleanup-pickup", "qmgr", NULL}, false},
	{"postdrop",    "postdrop", NULL,   false, {NULL}, false},
	{"exporter",    "exporter", NULL,   true,  {"figures", NULL}, true},
	{"reportd",     "reportd", NULL,    true,
	    {"cleanup-internal", NULL}, false},
	{"feedback",    "feedback", NULL,   true,  {NULL}, false},
	{NULL,          NULL,      NULL,    false, {NULL}, false},
};
/* clang-format on */

const struct role *role_find(const char *name)
{
	for (const struct role *r = roles; r->name != NULL; r++)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

/* One owner of the queue, of what is being sent, of the log, of counters, of
 * the drop folder, of the rows of reports. */
bool role_is_sole(const struct role *r)
{
	static const char *const sole[] = {
	    "qmgr", "smtp", "logd", "policyd", "keeper", "pickup", "reportd"};

	for (size_t i = 0; i < sizeof(sole) / sizeof(sole[0]); i++)
		if (strcmp(sole[i], r->name) == 0)
			return true;
	return false;
}

/* auth's tickets, the lists of whom login and screen hold; pages that nobody
 * touched cost nothing. */
unsigned long role_kept(const struct role *r)
{
	if (strcmp(r->name, "login") == 0 || strcmp(r->name, "screen") == 0)
		return sizeof(struct who_table);
	return strcmp(r->name, "auth") == 0 ? 128ul << 20 : 0;
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
	// cppcheck-suppress getpwnamCalled
	const struct passwd *pw = getpwnam(name);
	if (pw == NULL) {
		snprintf(why, size,
		    "there is no user %s (see role_user_prefix)", name);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}
