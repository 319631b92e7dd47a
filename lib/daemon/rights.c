/* SPDX-License-Identifier: ISC */
#include "daemon/rights.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
const struct rights role_rights[] = {
	/* syslogd may come back with another socket. */
	{"logd",       MAY_READ | MAY_WRITE | MAY_REACH,
	    {{FOLDER_LOG, FOLDER_WRITE}}},
	/* Tables are read anew when they change. Users of the system come
	 * from the name service: files, or a daemon of this host. */
	{"lookup",     MAY_READ | MAY_COMPILE | MAY_LOAD,
	    {{FOLDER_CONFIG, FOLDER_READ}, {FOLDER_LIBRARIES, FOLDER_READ},
	     {FOLDER_SYSTEM, FOLDER_READ}}},
	/* Berkeley DB knows paths only: its folder is gone to. */
	{"policyd",    MAY_READ | MAY_WRITE | MAY_REACH,
	    {{FOLDER_POLICY, FOLDER_WRITE}}},
	{"auth",       MAY_READ | MAY_THREAD,
	    {{FOLDER_CONFIG, FOLDER_READ}}},
	{"screen",     MAY_RESOLVE, {{0}}},
	{"smtpd",      MAY_RESOLVE, {{0}}},
	{"lmtpd",      MAY_RESOLVE, {{0}}},
	{"submission", MAY_RESOLVE, {{0}}},
	{"cleanup",    MAY_READ | MAY_WRITE,
	    {{FOLDER_SPOOL, FOLDER_WRITE}, {FOLDER_KEYS, FOLDER_READ}}},
	{"qmgr",       MAY_READ | MAY_WRITE,
	    {{FOLDER_SPOOL, FOLDER_WRITE}}},
	{"smtp",       MAY_RESOLVE | MAY_CONNECT, {{0}}},
	{"local",      MAY_READ | MAY_WRITE,
	    {{FOLDER_STORE, FOLDER_WRITE}, {FOLDER_NOTIFY, FOLDER_READ}}},
	{"bounce",     0, {{0}}},
	{"login",      0, {{0}}},
	{"imapd",      MAY_READ | MAY_WRITE | MAY_FORK | MAY_LOAD,
	    {{FOLDER_STORE, FOLDER_WRITE}, {FOLDER_NOTIFY, FOLDER_READ},
	     {FOLDER_LIBRARIES, FOLDER_READ}}},
	{"pop3d",      MAY_READ | MAY_WRITE | MAY_FORK,
	    {{FOLDER_STORE, FOLDER_WRITE}, {FOLDER_NOTIFY, FOLDER_READ}}},
	{"keeper",     MAY_READ | MAY_WRITE,
	    {{FOLDER_STORE, FOLDER_WRITE}, {FOLDER_NOTIFY, FOLDER_READ}}},
	{"pickup",     MAY_READ | MAY_WRITE,
	    {{FOLDER_DROP, FOLDER_WRITE}}},
	{"exporter",   0, {{0}}},
	/* The same. */
	{"reportd",    MAY_READ | MAY_WRITE | MAY_RESOLVE | MAY_REACH,
	    {{FOLDER_REPORTS, FOLDER_WRITE}}},
	/* Packed and written by strangers. */
	{"feedback",   MAY_READ | MAY_WRITE,
	    {{FOLDER_FEEDBACK, FOLDER_WRITE}}},
	{NULL,         0, {{0}}},
};
/* clang-format on */

const struct rights *rights_find(const char *role)
{
	for (const struct rights *r = role_rights; r->role != NULL; r++)
		if (strcmp(r->role, role) == 0)
			return r;
	return NULL;
}

const char *rights_word(unsigned bit)
{
	static const char *const words[] = {"read", "write", "resolve",
	    "connect", "fork", "thread", "compile", "load", "reach"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (bit == 1u << i)
			return words[i];
	return "";
}
