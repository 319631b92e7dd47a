/* SPDX-License-Identifier: ISC */
/*
 * posthouse who and kick. What a session's process says about itself stands
 * in its row of the board, what login and screen say about the clients and
 * sessions that they hold in the memory that their service keeps. Both are only shown;
 * a signal goes to nobody but members of our own processes' groups.
 */
#include "master/who.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/who.h"
#include "ipc/master.h"
#include "master/master.h"
#include "net/netaddr.h"

struct ask {
	struct ipc *ipc;
	struct str user, client, protocol;
	bool ends;
	int count;
	const struct running *service;
};

/* ---- the filter ---- */

static bool matches(
    const struct ask *a, const struct who *w, const char *protocol)
{
	return who_is_meant(a->user, a->client, w->user, w->client) &&
	    (a->protocol.len == 0 ||
		str_case_eq(a->protocol, str_from(protocol)));
}

static int check_filter(struct ask *a)
{
	struct netaddr any = {.len = 0};
	struct str bad;

	netaddr_parse(STR("192.0.2.1"), 0, &any);
	return a->client.len == 0 || netaddr_in_list(&any, a->client, &bad) >= 0
	    ? 0
	    : -1;
}

/* ---- one session ---- */

static void put(struct ask *a, const struct who *w, const char *protocol)
{
	static const char *const states[] = {
	    "idle", "busy", "parked", "login", "screen"};
	struct master_session m = {.service = str_from(a->service->name),
	    .protocol = str_from(protocol),
	    .user = str_from(w->user),
	    .client = str_from(w->client),
	    .state = str_from(states[w->state]),
	    .tls = w->tls,
	    .since = w->since > 0 ? (uint64_t)w->since : 0,
	    .pid = w->pid};

	a->count++;
	ipc_put(a->ipc, &master_session, &m);
}

/*
 * A session's process may be a child of ours or a child's child, whose number
 * we have from its own row. So the kernel is asked whose group it is in, and
 * the signal goes to the process that was asked about.
 */
static bool signal_session(const struct ask *a, uint32_t pid)
{
	const struct process *p = a->service->processes;
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	bool sent = false;
	pid_t group;

	if (fd < 0)
		return false;
	group = getpgid((pid_t)pid);
	while (p != NULL && p->pid != group)
		p = p->next;
	if (p != NULL)
		sent = syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) ==
		    0;
	file_close(&fd);
	return sent;
}

/* ---- the sessions of a service ---- */

static const char *protocol_of(const struct running *s)
{
	static const struct {
		const char *role, *protocol;
	} names[] = {{"smtpd", "smtp"}, {"submission", "submission"},
	    {"lmtpd", "lmtp"}, {"imapd", "imap"}, {"pop3d", "pop3"}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(s->role->name, names[i].role) == 0)
			return names[i].protocol;
	return NULL;
}

static void served(struct ask *a, const char *protocol)
{
	struct board *b = a->service->board;

	for (int i = 0; i < BOARD_SLOTS; i++) {
		struct who w;

		if (b->slots[i].pid == 0 || !who_read(&b->who[i], &w) ||
		    w.pid != b->slots[i].pid || !matches(a, &w, protocol))
			continue;
		if (!a->ends) {
			put(a, &w, protocol);
			continue;
		}
		b->who[i].kicked = 1;
		if (signal_session(a, w.pid))
			a->count++;
	}
}

static bool is_alive(const struct running *s, uint32_t pid)
{
	for (const struct process *p = s->processes; p != NULL; p = p->next)
		if (!p->ended && (uint32_t)p->pid == pid)
			return true;
	return false;
}

/* Those that login and screen hold. */
static void held(struct ask *a)
{
	static const char *const names[WHO_PROTOCOLS] = {
	    "imap", "pop3", "smtp"};
	struct who_table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED, a->service->kept_fd, 0);
	uint32_t end;

	if (t == MAP_FAILED)
		return;
	end = t->end < WHO_ROWS ? t->end : WHO_ROWS;
	for (uint32_t i = 0; i < end; i++) {
		struct who w;

		if (!who_read(&t->rows[i], &w))
			continue;
		if (!is_alive(a->service, w.pid)) {
			/* Left behind by one that was killed. */
			who_clear(&t->rows[i]);
			continue;
		}
		if (!matches(a, &w, names[w.protocol]))
			continue;
		if (a->ends)
			a->count++;
		else
			put(a, &w, names[w.protocol]);
	}
	munmap(t, sizeof(*t));
}

/* Whom a front holds it sends away itself. */
static void tell_front(const struct ask *a)
{
	char packet[1 + CHANNEL_TEXT_MAX];
	int len = snprintf(packet, sizeof(packet), "%c%.*s\n%.*s\n%.*s",
	    CHANNEL_KICK, STR_FMT(a->user), STR_FMT(a->client),
	    STR_FMT(a->protocol));

	if (len < 0 || (size_t)len >= sizeof(packet))
		return;
	for (const struct process *p = a->service->processes; p != NULL;
	     p = p->next)
		if (!p->ended &&
		    send(p->channel, packet, (size_t)len,
			MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_warning(
			    "channel of %d: %s", (int)p->pid, strerror(errno));
}

static bool is_front(const struct running *s)
{
	return strcmp(s->role->name, "login") == 0 ||
	    strcmp(s->role->name, "screen") == 0;
}

int who_answer(struct ipc *ipc, struct str filter, bool ends)
{
	struct ask a = {.ipc = ipc, .ends = ends};

	a.user = str_cut(&filter, '\n');
	a.client = str_cut(&filter, '\n');
	a.protocol = filter;
	if (check_filter(&a) < 0)
		return -1;
	for (a.service = master.services; a.service != NULL;
	     a.service = a.service->next) {
		const char *protocol = protocol_of(a.service);

		if (protocol != NULL) {
			served(&a, protocol);
		} else if (is_front(a.service) && a.service->kept_fd >= 0) {
			held(&a);
			if (ends)
				tell_front(&a);
		}
	}
	return a.count;
}

/* ---- the protocol of one user ---- */

#define WATCH_SECONDS_MOST 86400

static void watch(struct board *b, struct str user, struct str client,
    int64_t until, int64_t now)
{
	struct watch *at = &b->watches[0];

	for (size_t i = 0; i < WATCH_COUNT; i++) {
		struct watch *w = &b->watches[i];

		if (until == 0)
			w->until = 0;
		if (w->until <= now ||
		    (str_case_eq(str_from(w->user), user) &&
			str_case_eq(str_from(w->client), client)))
			at = w;
	}
	if (until != 0) {
		at->until = 0;
		str_copy(at->user, sizeof(at->user), user);
		str_copy(at->client, sizeof(at->client), client);
		at->until = until;
	}
	b->watch_turn++;
}

const char *who_watch(struct str what)
{
	struct ask a = {.user = str_cut(&what, '\n')};
	int64_t now = clock_seconds();
	uint64_t seconds;

	a.client = str_cut(&what, '\n');
	if (str_to_u64(what, WATCH_SECONDS_MOST, &seconds) < 0)
		return "a protocol is logged for at most a day";
	if (check_filter(&a) < 0)
		return "the client is an address or a network";
	if (a.user.len >= WHO_USER_MAX || a.client.len >= WHO_CLIENT_MAX ||
	    (seconds > 0 && a.user.len == 0 && a.client.len == 0))
		return "this is no user and no client";
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (protocol_of(s) != NULL)
			watch(s->board, a.user, a.client,
			    seconds > 0 ? now + (int64_t)seconds : 0, now);
	log_info("operator: protocol of user=<%.*s> client=<%.*s> is logged "
		 "for %d s",
	    STR_FMT(a.user), STR_FMT(a.client), (int)seconds);
	return NULL;
}
