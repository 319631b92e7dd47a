/* SPDX-License-Identifier: ISC */
#include "login/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"
#include "ipc/limits.h"
#include "ipc/session.h"
#include "ipc/trace.h"
#include "ipc/wire.h"
#include "store/notify.h"

#include "login/limits.h"
#include "login/proxy.h"

#define INPUT_MOST 16384 /* octets; ipc/session.c */
#define RETRY_MS   20    /* after a full backlog */
#define WAKES_MOST 512   /* octets of wake-ups that a session has not read */

struct session {
	struct session *next, *before;   /* in the queue, or of the account */
	struct client *client;           /* until the session has it */
	char ticket[IPC_TICKET_MAX + 1]; /* while it is queued */
	bool queued, registered;
	struct wire *wire;
	int pair; /* our end, until the proxy has it; -1 */
	struct proxy *proxy;
	char *account;
	struct address *address;
};

static struct {
	struct session *first, *last; /* waiting for their turn */
	int handover_limit;
	int starting;          /* connected, not yet ready */
	int count;             /* handed over */
	struct table accounts; /* account -> its first session */
	struct loop_watch *notify;
	struct loop_timer *retry;
	int notify_fd;
} sessions;

int sessions_count(void)
{
	return sessions.count;
}

bool sessions_none(void)
{
	return sessions.count == 0;
}

/* ---- wake-ups ---- */

static void session_register(struct session *s)
{
	struct str key = str_from(s->account);

	s->before = NULL;
	s->next = table_put(&sessions.accounts, key, s);
	if (s->next != NULL)
		s->next->before = s;
	s->registered = true;
	sessions.count++;
}

static void session_unregister(struct session *s)
{
	struct str key = str_from(s->account);

	if (s->next != NULL)
		s->next->before = s->before;
	if (s->before != NULL)
		s->before->next = s->next;
	else if (s->next != NULL)
		table_put(&sessions.accounts, key, s->next);
	else
		table_remove(&sessions.accounts, key);
	sessions.count--;
}

static void wake(struct str account, uint64_t modseq)
{
	struct session_wake m = {modseq};
	struct session *s = table_get(&sessions.accounts, account);

	for (; s != NULL; s = s->next) {
		/* One that does not read has a wake-up waiting already. */
		if (s->wire == NULL ||
		    ipc_pending(wire_ipc(s->wire)) > WAKES_MOST)
			continue;
		if (wire_put(s->wire, &session_wake, &m) == 0)
			wire_push(s->wire);
	}
}

static void notified(unsigned what, void *arg)
{
	char space[NOTIFY_ACCOUNT_MAX + 32];
	struct str account;
	uint64_t modseq;
	int got;

	(void)what;
	(void)arg;
	for (int i = 0; i < 64; i++) {
		got = notify_receive(
		    sessions.notify_fd, space, &account, &modseq);
		if (got == 0)
			return;
		if (got > 0)
			wake(account, modseq);
	}
}

/* ---- the end of a session ---- */

static void dequeue(struct session *s)
{
	*(s->before != NULL ? &s->before->next : &sessions.first) = s->next;
	*(s->next != NULL ? &s->next->before : &sessions.last) = s->before;
	s->queued = false;
}

static void session_free(struct session *s)
{
	if (s->queued)
		dequeue(s);
	else if (s->registered)
		session_unregister(s);
	else
		sessions.starting--;
	wire_close(&s->wire);
	proxy_close(&s->proxy);
	file_close(&s->pair);
	address_leave(&s->address);
	mem_wipe(s->ticket, sizeof(s->ticket));
	free(s->account);
	free(s);
	if (sessions.first != NULL)
		loop_timer_set(sessions.retry, 0);
	if (daemon_draining() && clients_none() && sessions_none())
		daemon_done();
}

void session_abort(struct client *c)
{
	struct session *s = c->session;

	if (s == NULL)
		return;
	c->session = NULL;
	s->client = NULL;
	session_free(s);
}

static void proxy_ended(void *arg)
{
	session_free(arg);
}

/* ---- the beginning ---- */

static void log_login(struct session *s, struct str account)
{
	struct client *c = s->client;
	struct buf line = buf_new(LOG_LINE_MAX);

	client_describe(c, account, &line);
	log_info("%s: login: %s", c->protocol->name, buf_text(&line));
	trace_event(TRACE_LOGIN, &c->id, NULL, "%.*s %s %s", STR_FMT(account),
	    c->protocol->name, c->mechanism);
	buf_free(&line);
	daemon_count("logins", 1);
}

/* The session has the client's socket now, or the proxy's other end. */
static void session_ready_now(struct session *s, struct str account)
{
	struct client *c = s->client;

	log_login(s, account);
	sessions.starting--;
	s->account = str_dup(account);
	session_register(s);
	s->address = c->address;
	c->address = NULL;
	s->client = NULL;
	if (s->pair >= 0) {
		loop_watch_free(&c->watch);
		s->proxy = proxy_new(
		    daemon_loop(), c->stream, s->pair, proxy_ended, s);
		c->stream = NULL;
		s->pair = -1;
	}
	client_handed_over(c);
	if (s->proxy != NULL)
		proxy_start(s->proxy); /* may end the session at once */
	if (sessions.first != NULL)
		loop_timer_set(sessions.retry, 0);
}

static void session_refused(struct session *s, const struct session_no *no)
{
	struct client *c = s->client;
	bool temporary = no->temporary;
	char text[IPC_REPLY_MAX + 1];

	if (str_copy(text, sizeof(text), no->text) < 0)
		text[0] = '\0';
	session_abort(c);
	client_session_no(c, temporary, str_from(text));
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct session *s = arg;

	(void)w;
	if (s->client != NULL && type == &session_ready) {
		const struct session_ready *m = msg;

		session_ready_now(s, m->login);
	} else if (s->client != NULL && type == &session_no) {
		session_refused(s, msg);
	} else {
		log_warning("a session sent %s out of turn", type->name);
	}
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct session *s = arg;
	struct client *c = s->client;

	(void)w;
	s->wire = NULL;
	if (c != NULL) {
		session_abort(c);
		client_unavailable(
		    c, why[0] != '\0' ? why : "the session's process ended");
	} else if (s->proxy == NULL) {
		session_free(s);
	} /* else its last words may still be on their way to the client */
}

/* Whether the client's own socket can be given away. */
static bool can_pass_socket(const struct client *c)
{
	return !stream_is_tls(c->stream) && stream_pending(c->stream) == 0 &&
	    stream_peek(c->stream).len <= INPUT_MOST;
}

static int put_start(struct session *s, struct ipc *ipc)
{
	struct client *c = s->client;
	bool pass = can_pass_socket(c);
	int pair[2] = {-1, -1}, fd = stream_fd(c->stream), result;
	char peer[NETADDR_TEXT_MAX];
	struct session_start m = {
	    .ticket = str_from(s->ticket),
	    .service = str_from(c->protocol->name),
	    .session = id_str(&c->id),
	    .tag = str_from(c->tag),
	    .tls = stream_is_tls(c->stream),
	    .input = pass ? stream_peek(c->stream) : STR_EMPTY,
	};

	netaddr_text(&c->peer, peer);
	m.client_address = str_from(peer);
	if (!pass) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
		    0)
			return -1;
		s->pair = pair[0];
		fd = pair[1];
	} else {
		/* The session waits by recv(2), which needs no poll(2). */
		int flags = fcntl(fd, F_GETFL);

		if (flags >= 0)
			fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
	result = ipc_put_fd(ipc, &session_start, &m, fd);
	file_close(&pair[1]);
	return result;
}

/* Connects to the session's daemon: 0, -1 when its backlog is full, or 1 and
 * *why. Then the session is told to start. */
static int session_connect(struct session *s, const char **why)
{
	static const struct wire_calls calls = {message, lost, NULL};
	struct ipc *ipc = ipc_connect(s->client->protocol->daemon,
	    &session_exchange, deadline_in(0), why);

	if (ipc == NULL)
		return errno == ETIMEDOUT ? -1 : 1;
	dequeue(s);
	sessions.starting++;
	if (put_start(s, ipc) < 0) {
		*why = "cannot pass the connection on";
		ipc_close(&ipc);
		return 1;
	}
	s->wire = wire_new(daemon_loop(), ipc, &calls, s);
	wire_push(s->wire);
	return 0;
}

/* Starts those whose turn it is. */
static void start_some(void *arg)
{
	(void)arg;
	while (sessions.first != NULL &&
	    sessions.starting < sessions.handover_limit) {
		struct session *s = sessions.first;
		struct client *c = s->client;
		const char *why = "";
		int r = session_connect(s, &why);

		if (r < 0) {
			loop_timer_set(sessions.retry, RETRY_MS);
			return;
		}
		if (r > 0) {
			session_abort(c);
			client_unavailable(c, why);
		}
	}
}

void session_begin(struct client *c, struct str ticket)
{
	struct session *s = NEW(struct session);

	s->client = c;
	s->pair = -1;
	(void)str_copy(s->ticket, sizeof(s->ticket), ticket);
	s->before = sessions.last;
	*(sessions.last != NULL ? &sessions.last->next : &sessions.first) = s;
	sessions.last = s;
	s->queued = true;
	c->session = s;
	loop_timer_set(sessions.retry, 0);
}

void sessions_open(int handover_limit, int notify_fd)
{
	sessions.handover_limit = handover_limit;
	sessions.notify_fd = notify_fd;
	sessions.retry = loop_timer_new(daemon_loop(), start_some, NULL);
	if (notify_fd >= 0)
		sessions.notify = loop_watch_new(
		    daemon_loop(), notify_fd, LOOP_READ, notified, NULL);
}
