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
#include "ipc/limits.h"
#include "ipc/session.h"
#include "ipc/trace.h"
#include "ipc/wire.h"

#include "login/limits.h"
#include "login/parked.h"
#include "login/proxy.h"
#include "login/wakeups.h"

#define RETRY_MS     20  /* after a full backlog */
#define LATER_MS     500 /* after a temporary refusal */
#define WAKES_MOST   512 /* octets of wake-ups that a session has not read */
#define URGENT_FIRST 3   /* of four turns */

struct session {
	struct listener listener; /* of the account; first, see session_of */
	struct session *queue_next, *queue_before;
	struct queue *queue;           /* NULL: it waits for no turn */
	struct session *next, *before; /* all that are handed over */
	struct client *client;         /* until the session has it */
	char *ticket;                  /* while it is queued */
	bool starting;                 /* a process was asked, not yet ready */
	bool registered;               /* handed over once */
	struct wire *wire;
	int pair; /* our end, until the proxy has it; -1 */
	struct proxy *proxy;
	struct parked *parked; /* no process serves it */
	struct who_row *row;   /* that says so; NULL: the list is full */
	int64_t due;           /* clock_ms, in the queue of later */
	int64_t patient_until; /* likewise: until then a resume is repeated */
	uint64_t hinted;       /* the newest modseq that the store told */
	struct address *address;
	struct id id;
	char *peer; /* its address */
	bool tls;
};

/* Who waits for a turn, oldest first. */
struct queue {
	struct session *first, *last;
};

static struct {
	/* Clients that wait for an answer, and those for whom there may be
	 * news. */
	struct queue urgent, news, later;
	int urgent_in_a_row;
	struct session *all;
	int64_t patience, noop_time; /* ms */
	int handover_limit;
	int starting;
	int count; /* handed over */
	int parked;
	struct loop_timer *retry, *again;
	struct who_table *list; /* of those without a process */
} sessions;

int sessions_count(void)
{
	return sessions.count;
}

bool sessions_none(void)
{
	return sessions.count == 0;
}

/* ---- whose turn it is ---- */

static void enqueue(struct session *s, struct queue *q)
{
	s->queue = q;
	s->queue_next = NULL;
	s->queue_before = q->last;
	*(q->last != NULL ? &q->last->queue_next : &q->first) = s;
	q->last = s;
	loop_timer_set(sessions.retry, 0);
}

static void dequeue(struct session *s)
{
	struct queue *q = s->queue;

	if (q == NULL)
		return;
	*(s->queue_before != NULL ? &s->queue_before->queue_next
				  : &q->first) = s->queue_next;
	*(s->queue_next != NULL ? &s->queue_next->queue_before
				: &q->last) = s->queue_before;
	s->queue = NULL;
}

/* News have their turn after some who wait for an answer. */
static struct session *whose_turn(void)
{
	bool news = sessions.news.first != NULL &&
	    (sessions.urgent.first == NULL ||
		sessions.urgent_in_a_row >= URGENT_FIRST);

	sessions.urgent_in_a_row = news ? 0 : sessions.urgent_in_a_row + 1;
	return news ? sessions.news.first : sessions.urgent.first;
}

static bool somebody_waits(void)
{
	return sessions.urgent.first != NULL || sessions.news.first != NULL;
}

/* ---- wake-ups ---- */

static struct session *session_of(struct listener *l)
{
	return (struct session *)(void *)l;
}

static void changed(struct listener *l, uint64_t modseq)
{
	struct session *s = session_of(l);
	struct session_wake m = {modseq};

	if (modseq > s->hinted)
		s->hinted = modseq;
	/* One that does not read has a wake-up waiting already. */
	if (s->wire != NULL && ipc_pending(wire_ipc(s->wire)) <= WAKES_MOST) {
		if (wire_put(s->wire, &session_wake, &m) == 0)
			wire_push(s->wire);
	} else if (s->parked != NULL && parked_changed(s->parked, modseq) &&
	    s->queue == NULL) {
		enqueue(s, &sessions.news);
	}
}

/* ---- the end of a session ---- */

struct who_row *sessions_row(enum who_protocol protocol, enum who_state state)
{
	return who_take(sessions.list, (uint32_t)getpid(), protocol, state);
}

static void list_parked(struct session *s)
{
	struct session_resume m;
	uint32_t pid = (uint32_t)getpid();

	parked_resume(s->parked, &m);
	s->row = sessions_row(WHO_IMAP, WHO_PARKED);
	if (s->row != NULL)
		who_write(s->row, pid, s->listener.account, s->peer, s->tls,
		    (int64_t)m.began);
}

static void unlist(struct session *s)
{
	if (s->row != NULL)
		who_clear(s->row);
	s->row = NULL;
}

static void count_parked(int more)
{
	sessions.parked += more;
	daemon_gauge("parked", (uint64_t)sessions.parked);
}

/* It was handed over: it is one of ours until it ends. */
static void session_register(struct session *s)
{
	s->next = sessions.all;
	if (s->next != NULL)
		s->next->before = s;
	sessions.all = s;
	s->registered = true;
	sessions.count++;
}

static void session_unregister(struct session *s)
{
	*(s->before != NULL ? &s->before->next : &sessions.all) = s->next;
	if (s->next != NULL)
		s->next->before = s->before;
	sessions.count--;
}

static void session_free(struct session *s)
{
	dequeue(s);
	wakeups_remove(&s->listener);
	if (s->registered)
		session_unregister(s);
	if (s->starting)
		sessions.starting--;
	if (s->parked != NULL)
		count_parked(-1);
	unlist(s);
	wire_close(&s->wire);
	proxy_close(&s->proxy);
	parked_close(&s->parked);
	file_close(&s->pair);
	address_leave(&s->address);
	if (s->ticket != NULL)
		mem_wipe(s->ticket, strlen(s->ticket));
	free(s->ticket);
	free(s->peer);
	free(s);
	if (somebody_waits())
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

/* ---- without a process ---- */

/* As imapd says it of a session that it serves. */
static void log_end(const struct session *s, const char *why)
{
	struct session_resume m;
	char user[256];

	parked_resume(s->parked, &m);
	log_name(user, sizeof(user), str_from(s->listener.account));
	log_info("%s: session end: user=<%s>, client=%s, commands=%llu, "
		 "in=%llu, out=%llu, seconds=%lld (%s)",
	    s->id.text, user, s->peer, (unsigned long long)m.commands,
	    (unsigned long long)m.octets_in, (unsigned long long)m.octets_out,
	    (long long)(clock_seconds() - (int64_t)m.began), why);
	trace_event(TRACE_SESSION_END, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->listener.account),
		.where = STR("imap"),
		.why = str_from(why),
		.number = m.commands});
}

static void parked_spoke(void *arg)
{
	struct session *s = arg;

	dequeue(s);
	parked_wait(s->parked, sessions.patience);
	enqueue(s, &sessions.urgent);
}

static void parked_ended(void *arg, const char *why)
{
	struct session *s = arg;

	log_end(s, why);
	session_free(s);
}

/* Nothing is on its way to the session, nothing new has come. */
static bool may_park(const struct session *s, const struct session_park *m)
{
	if (m->idle && s->hinted > m->modseq)
		return false;
	return s->proxy == NULL || proxy_is_quiet(s->proxy, m->consumed);
}

static void park(struct session *s, const struct session_park *m)
{
	static const struct parked_calls calls = {
	    wakeups_hear, parked_spoke, parked_ended};
	static const struct session_answer nothing;
	int fd = ipc_take_fd(wire_ipc(s->wire));
	struct stream *stream;

	if (s->parked != NULL || (s->proxy == NULL) != (fd >= 0)) {
		log_warning("a session parked out of turn");
		file_close(&fd);
		session_free(s);
		return;
	}
	if (!may_park(s, m)) {
		file_close(&fd);
		if (wire_put(s->wire, &session_stay, &nothing) == 0)
			wire_push(s->wire);
		return;
	}
	if (wire_put(s->wire, &session_parked, &nothing) == 0)
		wire_push(s->wire);
	stream = s->proxy != NULL ? proxy_give_back(&s->proxy) : stream_new(fd);
	s->parked = parked_new(
	    daemon_loop(), stream, m, sessions.noop_time, &calls, s);
	parked_changed(s->parked, s->hinted);
	s->patient_until = 0;
	wire_close(&s->wire); /* m ends with it */
	count_parked(1);
	list_parked(s);
	daemon_count("parkings", 1);
}

/* A process serves it again. */
static void resumed(struct session *s)
{
	struct stream *stream = parked_take(&s->parked);

	count_parked(-1);
	unlist(s);
	sessions.starting--;
	s->starting = false;
	if (s->pair >= 0) {
		s->proxy = proxy_new(
		    daemon_loop(), stream, s->pair, proxy_ended, s);
		s->pair = -1;
		proxy_start(s->proxy); /* may end the session at once */
	} else {
		stream_close(&stream);
	}
	if (somebody_waits())
		loop_timer_set(sessions.retry, 0);
}

/* The process that was asked is not there any more, or never was. */
static void not_resumed(struct session *s)
{
	wire_close(&s->wire);
	file_close(&s->pair);
	if (s->starting)
		sessions.starting--;
	s->starting = false;
	if (somebody_waits())
		loop_timer_set(sessions.retry, 0);
}

/* What is away may come back: the client waits a while. */
static void resume_later(struct session *s, const char *why)
{
	not_resumed(s);
	if (clock_ms() >= s->patient_until) {
		log_warning("%s: not resumed: %s", s->id.text, why);
		parked_bye(s->parked, "[UNAVAILABLE] The server cannot go on",
		    "no session");
		return;
	}
	s->due = deadline_in(LATER_MS);
	enqueue(s, &sessions.later);
	loop_timer_set(sessions.again, LATER_MS);
}

static void those_of_later(void *arg)
{
	struct session *s;

	(void)arg;
	while ((s = sessions.later.first) != NULL && s->due <= clock_ms()) {
		dequeue(s);
		enqueue(s, &sessions.urgent);
	}
	if (s != NULL)
		loop_timer_set(sessions.again, s->due - clock_ms());
}

static void resume_refused(struct session *s, const struct session_no *no)
{
	char text[IPC_REPLY_MAX + 1];

	if (no->temporary) {
		resume_later(s, "something of ours is away");
		return;
	}
	if (str_copy(text, sizeof(text), no->text) < 0)
		text[0] = '\0';
	not_resumed(s);
	parked_bye(s->parked, text, "not resumed");
}

/* ---- the beginning ---- */

static void log_login(struct session *s, struct str account)
{
	struct client *c = s->client;
	struct buf line = buf_new(LOG_LINE_MAX);

	client_describe(c, account, &line);
	log_info("%s: login: %s", c->protocol->name, buf_text(&line));
	trace_event(TRACE_LOGIN, &c->id, NULL,
	    &(struct trace_fields){.who = account,
		.where = str_from(c->protocol->name),
		.why = str_from(c->mechanism)});
	buf_free(&line);
	daemon_count("logins", 1);
}

/* The session has the client's socket now, or the proxy's other end. */
static void session_ready_now(struct session *s, struct str account)
{
	struct client *c = s->client;
	char peer[NETADDR_TEXT_MAX];

	log_login(s, account);
	sessions.starting--;
	s->starting = false;
	s->id = c->id;
	netaddr_text(&c->peer, peer);
	s->peer = str_dup(str_from(peer));
	s->tls = stream_is_tls(c->stream);
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
	free(s->ticket);
	s->ticket = NULL;
	client_handed_over(c);
	if (s->proxy != NULL)
		proxy_start(s->proxy); /* may end the session at once */
	if (somebody_waits())
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
	} else if (s->parked != NULL && type == &session_ready) {
		resumed(s);
	} else if (s->parked != NULL && type == &session_no) {
		resume_refused(s, msg);
	} else if (s->client == NULL && s->parked == NULL &&
	    type == &session_park) {
		park(s, msg);
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
	} else if (s->parked != NULL) {
		resume_later(
		    s, why[0] != '\0' ? why : "the session's process ended");
	} else if (s->proxy == NULL) {
		session_free(s);
	} /* else its last words may still be on their way to the client */
}

/* Whether the client's own socket can be given away. */
static bool can_pass_socket(const struct stream *stream)
{
	return !stream_is_tls(stream) && stream_pending(stream) == 0 &&
	    stream_peek(stream).len <= SESSION_INPUT_MAX;
}

/* The descriptor for the session: the client's own, or *theirs, one end of a
 * pair whose other end is ours. -1: there is none. */
static int fd_for(
    struct session *s, struct stream *stream, bool pass, int *theirs)
{
	int pair[2], fd = stream_fd(stream), flags;

	if (!pass) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
		    0)
			return -1;
		s->pair = pair[0];
		return *theirs = pair[1];
	}
	/* The session waits by recv(2), which needs no poll(2). */
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && (flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

static int put_start(struct session *s, struct ipc *ipc)
{
	struct client *c = s->client;
	bool pass = can_pass_socket(c->stream);
	int theirs = -1, fd = fd_for(s, c->stream, pass, &theirs), result;
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
	result = fd < 0 ? -1 : ipc_put_fd(ipc, &session_start, &m, fd);
	file_close(&theirs);
	return result;
}

static int put_resume(struct session *s, struct ipc *ipc)
{
	struct stream *stream = parked_stream(s->parked);
	bool pass = can_pass_socket(stream);
	int theirs = -1, fd = fd_for(s, stream, pass, &theirs), result;
	struct session_resume m = {
	    .login = str_from(s->listener.account),
	    .session = id_str(&s->id),
	    .client_address = str_from(s->peer),
	    .tls = s->tls,
	    .input = pass ? stream_peek(stream) : STR_EMPTY,
	};

	parked_resume(s->parked, &m);
	result = fd < 0 ? -1 : ipc_put_fd(ipc, &session_resume, &m, fd);
	file_close(&theirs);
	return result;
}

/* Connects to the session's daemon: 0, -1 when its backlog is full, or 1 and
 * *why. Then the session is told to start, or to go on. */
static int session_connect(struct session *s, const char **why)
{
	static const struct wire_calls calls = {message, lost, NULL};
	struct ipc *ipc = ipc_connect(
	    s->client != NULL ? s->client->protocol->daemon : "imapd",
	    &session_exchange, deadline_in(0), why);

	if (ipc == NULL && errno == ETIMEDOUT)
		return -1;
	dequeue(s);
	if (ipc == NULL)
		return 1;
	s->starting = true;
	sessions.starting++;
	if ((s->client != NULL ? put_start(s, ipc) : put_resume(s, ipc)) < 0) {
		*why = "cannot pass the connection on";
		ipc_close(&ipc);
		return 1;
	}
	s->wire = wire_new(daemon_loop(), ipc, &calls, s);
	wire_push(s->wire);
	if (s->parked != NULL)
		parked_wait(s->parked, sessions.patience);
	return 0;
}

/* Starts those whose turn it is. */
static void start_some(void *arg)
{
	(void)arg;
	while (
	    somebody_waits() && sessions.starting < sessions.handover_limit) {
		struct session *s = whose_turn();
		struct client *c = s->client;
		const char *why = "";
		bool first = c == NULL && s->patient_until == 0;
		int r = session_connect(s, &why);

		if (r < 0) {
			loop_timer_set(sessions.retry, RETRY_MS);
			return;
		}
		if (first)
			s->patient_until = deadline_in(sessions.patience);
		if (r > 0 && c == NULL) {
			resume_later(s, why);
		} else if (r > 0) {
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
	s->ticket = str_dup(ticket);
	/* Before its process looks at the mailboxes. */
	wakeups_add(&s->listener, str_from(c->login));
	c->session = s;
	enqueue(s, &sessions.urgent);
}

void sessions_open(
    const struct login_conf *conf, int notify_fd, struct notify_filter *filter)
{
	sessions.handover_limit = conf->login_handover_limit;
	sessions.patience = conf->login_session_timeout;
	sessions.noop_time = conf->login_noop_time;
	sessions.retry = loop_timer_new(daemon_loop(), start_some, NULL);
	sessions.again = loop_timer_new(daemon_loop(), those_of_later, NULL);
	sessions.list = daemon_kept(sizeof(*sessions.list));
	wakeups_open(notify_fd, filter, changed);
}

void sessions_kick(struct str user, struct str client)
{
	struct session *next;

	for (struct session *s = sessions.all; s != NULL; s = next) {
		next = s->next;
		if (s->parked == NULL ||
		    !who_is_meant(user, client, s->listener.account, s->peer))
			continue;
		wire_close(&s->wire);
		parked_bye(s->parked,
		    "[UNAVAILABLE] Disconnected by the administrator",
		    "kicked");
	}
}

void sessions_end_parked(void)
{
	struct session *next;

	for (struct session *s = sessions.all; s != NULL; s = next) {
		next = s->next;
		if (s->parked == NULL)
			continue;
		wire_close(&s->wire);
		parked_bye(
		    s->parked, "[UNAVAILABLE] The server goes down", "drain");
	}
}
