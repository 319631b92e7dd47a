/* SPDX-License-Identifier: ISC */
#include "login/wakeups.h"

#include <stdlib.h>

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/table.h"
#include "daemon/daemon.h"
#include "store/notify.h"
#include "store/notify_filter.h"

#define AT_ONCE 256 /* datagrams before others have their turn */

static struct {
	struct table accounts; /* account -> its first listener */
	struct loop_watch *watch;
	int fd;
	struct notify_filter *filter; /* NULL: all is told */
	void (*changed)(struct listener *l, uint64_t modseq);
} wakeups;

static void hear(int most)
{
	char space[NOTIFY_ACCOUNT_MAX + 32];
	struct listener *next;
	struct str account;
	uint64_t modseq;
	int got;

	for (int i = 0; i < most; i++) {
		got = notify_receive(wakeups.fd, space, &account, &modseq);
		if (got == 0)
			return;
		if (got < 0)
			continue;
		daemon_count("wake-ups", 1);
		for (struct listener *l = table_get(&wakeups.accounts, account);
		     l != NULL; l = next) {
			next = l->next;
			wakeups.changed(l, modseq);
		}
	}
}

static void notified(unsigned what, void *arg)
{
	(void)what;
	(void)arg;
	hear(AT_ONCE);
}

bool wakeups_hear(void)
{
	if (wakeups.fd < 0)
		return false;
	hear(AT_ONCE);
	return true;
}

void wakeups_open(int notify_fd, struct notify_filter *filter,
    void (*changed)(struct listener *l, uint64_t modseq))
{
	wakeups.fd = notify_fd;
	wakeups.filter = filter;
	wakeups.changed = changed;
	if (notify_fd >= 0)
		wakeups.watch = loop_watch_new(
		    daemon_loop(), notify_fd, LOOP_READ, notified, NULL);
}

/* Before anybody looks at the account's mailboxes: notify_filter.h. */
static void hold(struct str account)
{
	static bool said;

	if (wakeups.filter == NULL ||
	    notify_filter_add(wakeups.filter, account) == 0 || said)
		return;
	said = true;
	log_warning("wake-ups: %s; some clients hear late of new mail",
	    strerror(errno));
}

static void let_go(struct str account)
{
	/* What is told too much does no harm. */
	if (wakeups.filter != NULL)
		(void)notify_filter_remove(wakeups.filter, account);
}

void wakeups_add(struct listener *l, struct str account)
{
	l->account = str_dup(account);
	l->before = NULL;
	l->next = table_put(&wakeups.accounts, account, l);
	if (l->next != NULL)
		l->next->before = l;
	else
		hold(account);
}

void wakeups_remove(struct listener *l)
{
	struct str account;

	if (l->account == NULL)
		return;
	account = str_from(l->account);
	if (l->next != NULL)
		l->next->before = l->before;
	if (l->before != NULL)
		l->before->next = l->next;
	else if (l->next != NULL)
		table_put(&wakeups.accounts, account, l->next);
	else {
		table_remove(&wakeups.accounts, account);
		let_go(account);
	}
	free(l->account);
	l->account = NULL;
}
