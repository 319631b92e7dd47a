/* SPDX-License-Identifier: ISC */
/*
 * Lists of local users, as authorized_submit_users has them: names or numbers
 * with blanks or commas between, !name for all but this one, static:anyone for
 * everybody. The first entry that matches decides; nobody else is meant.
 */
#ifndef CONF_USERS_H
#define CONF_USERS_H

#include "core/buf.h"

struct user_list {
	size_t count;
	struct user_entry {
		bool anyone, except;
		unsigned uid;
	} * entries;
};

/*
 * Reads the list, asking the system for each name once. A name that it does
 * not know is left out and told in odd, what is no list is an error: -1 with
 * a line in errors.
 */
int user_list_read(struct user_list *out, const char *text, struct buf *odd,
    struct buf *errors);
bool user_list_has(const struct user_list *list, unsigned uid);
void user_list_free(struct user_list *list);

#endif
