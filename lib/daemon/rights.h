/* SPDX-License-Identifier: ISC */
/*
 * What the kernel lets a role do: its sets of system calls, its folders, its
 * share of the network. roles.h says who it is and whom it may call; this is
 * the other half of its row, and a role without one does not start.
 *
 * A role that is new gets the row with the fewest words that it works with;
 * calls.c names the system calls of each set, and a call that is missing
 * stands in the log ("system call 74 is refused").
 */
#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#include <stdbool.h>

/* Beyond what every daemon may: see calls.c. */
enum {
	MAY_READ = 1 << 0,    /* open files, list folders */
	MAY_WRITE = 1 << 1,   /* make, change and remove files */
	MAY_RESOLVE = 1 << 2, /* ask DNS: sockets of IPv4 and IPv6, TCP to the
	                       * ports of resolvers alone */
	MAY_CONNECT = 1 << 3, /* call other hosts: TCP to any port */
	MAY_FORK = 1 << 4,    /* a process for each session */
	MAY_THREAD = 1 << 5,
	MAY_COMPILE = 1 << 6, /* make code: PCRE2's compiler */
	MAY_LOAD = 1 << 7,    /* load libraries: converters of character
	                       * sets, modules of the name service */
	MAY_REACH = 1 << 8,   /* go to a folder that is held open, for a
	                       * socket in it */
};

/* The folders of a house, and of the system. */
enum folder {
	FOLDER_NONE,
	FOLDER_CONFIG,    /* config_directory */
	FOLDER_SPOOL,     /* queue_directory */
	FOLDER_DROP,      /* queue_directory/drop */
	FOLDER_STORE,     /* mail_store_directory */
	FOLDER_KEYS,      /* dkim_key_directory */
	FOLDER_LOG,       /* log_directory */
	FOLDER_REPORTS,   /* report_directory */
	FOLDER_FEEDBACK,  /* feedback_directory */
	FOLDER_POLICY,    /* policy_directory */
	FOLDER_NOTIFY,    /* run_directory/notify */
	FOLDER_LIBRARIES, /* /usr and /lib */
	FOLDER_SYSTEM     /* /etc and /run, of the name service */
};

enum folder_right {
	FOLDER_LIST, /* names of files, not what is in them */
	FOLDER_READ,
	FOLDER_WRITE /* all */
};

struct rights {
	const char *role;
	unsigned may;
	struct {
		enum folder folder;
		enum folder_right right;
	} folders[5]; /* Landlock; ends with FOLDER_NONE */
};

extern const struct rights role_rights[]; /* ends with role NULL */

/* The row, or NULL. */
const struct rights *rights_find(const char *role);
/* The word for one MAY_ bit: "read". */
const char *rights_word(unsigned bit);

#endif
