/* SPDX-License-Identifier: ISC */
/*
 * Everything that happens to a client ends in run(), which takes the input
 * that is there, sends what is pending, and either frees the client or says
 * what to watch for. Nothing else frees one.
 */
#include "login/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "mail/encode.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"

#include "login/broker.h"
#include "login/limits.h"
#include "login/session.h"

#define PENDING_MOST  4096  /* octets a client may leave unread */
#define SASL_MOST     12288 /* octets of a decoded response; ipc/auth.c */
#define LAST_WORDS_MS 1000  /* for a client to take them */

static struct {
	const struct login_conf *conf;
	struct tls_server *tls;
	struct client *first, *last; /* before their login */
	int count;
} clients;

void clients_open(const struct login_conf *conf, struct tls_server *tls)
{
	clients.conf = conf;
	clients.tls = tls;
}

bool clients_none(void)
{
	return clients.count == 0;
}

bool client_has_tls(void)
{
	return clients.tls != NULL;
}

bool client_may_login(const struct client *c)
{
	struct str bad;

	if (stream_is_tls(c->stream))
		return true;
	if (clients.conf->login_tls_security_level == TLS_ENCRYPT)
		return false;
	return !clients.conf->disable_plaintext_auth ||
	    netaddr_in_list(&c->peer,
		str_from(clients.conf->login_plaintext_networks), &bad) == 1;
}

/* ---- words for the log ---- */

void client_describe(const struct client *c, struct str user, struct buf *out)
{
	char rip[NETADDR_TEXT_MAX], lip[NETADDR_TEXT_MAX], name[256];

	netaddr_text(&c->peer, rip);
	netaddr_text(&c->own, lip);
	log_name(name, sizeof(name), user);
	if (user.len > 0 || c->mechanism[0] != '\0')
		buf_printf(out, "user=<%s>, method=%s, ", name, c->mechanism);
	buf_printf(out, "rip=%s, lip=%s, %ssession=<%s>", rip, lip,
	    stream_is_tls(c->stream) ? "TLS, " : "", c->id.text);
}

static void log_event(
    const struct client *c, const char *event, struct str user, const char *why)
{
	struct buf line = buf_new(LOG_LINE_MAX);

	client_describe(c, user, &line);
	log_info("%s: %s: %s%s%s", c->protocol->name, event, buf_text(&line),
	    why[0] != '\0' ? ": " : "", why);
	buf_free(&line);
}

/* ---- life ---- */

static void unlink_client(struct client *c)
{
	*(c->before != NULL ? &c->before->next : &clients.first) = c->next;
	*(c->next != NULL ? &c->next->before : &clients.last) = c->before;
	clients.count--;
}

static void forget_command(struct client *c)
{
	if (c->command.p != NULL)
		mem_wipe(c->command.p, c->command.capacity);
	buf_free(&c->command);
	c->tag[0] = '\0';
	c->literal_left = 0;
}

/* For posthouse who; told again when it has TLS. */
static void list_client(struct client *c)
{
	bool imap = c->conf->login_protocol == LOGIN_IMAP;
	char peer[NETADDR_TEXT_MAX];

	if (c->row == NULL)
		c->row = sessions_row(imap ? WHO_IMAP : WHO_POP3, WHO_LOGIN);
	netaddr_text(&c->peer, peer);
	if (c->row != NULL)
		who_write(c->row, (uint32_t)getpid(), "", peer,
		    stream_is_tls(c->stream),
		    clock_seconds() - (clock_ms() - c->came) / 1000);
}

static void client_free(struct client *c)
{
	unlink_client(c);
	if (c->row != NULL)
		who_clear(c->row);
	broker_cancel(c);
	session_abort(c);
	loop_watch_free(&c->watch);
	loop_timer_free(&c->timer);
	stream_close(&c->stream);
	address_leave(&c->address);
	forget_command(c);
	free(c->login);
	free(c);
	if (daemon_draining() && clients_none() && sessions_none())
		daemon_done();
}

void client_handed_over(struct client *c)
{
	c->session = NULL;
	client_free(c);
}

/* The client goes at the end of run(). */
static void client_end(struct client *c, const char *event, const char *why)
{
	if (!c->gone)
		log_event(c, event, STR_EMPTY, why);
	c->gone = true;
}

void client_close_after(struct client *c)
{
	c->state = CLIENT_CLOSING;
}

void client_error(struct client *c)
{
	if (++c->errors < (unsigned)clients.conf->login_error_limit)
		return;
	log_event(c, "disconnected", STR_EMPTY, "too many errors");
	c->protocol->bye(c, "Too many errors");
	client_close_after(c);
}

static void set_timer(struct client *c)
{
	int64_t left = c->deadline - clock_ms();

	if (c->state == CLIENT_AUTH || c->state == CLIENT_HANDOVER)
		left = clients.conf->login_session_timeout;
	loop_timer_set(c->timer, left > 0 ? left : 0);
}

/* ---- TLS ---- */

void client_starttls(struct client *c)
{
	c->state = CLIENT_STARTTLS;
}

/* The answer to STARTTLS is out. What came behind the command is thrown away
 * by the stream; what the client said before counts no more (RFC 9051 6.2.1,
 * RFC 2595 section 4). */
static void start_handshake(struct client *c)
{
	forget_command(c);
	c->state = CLIENT_HANDSHAKE;
	if (stream_tls_server(c->stream, clients.tls) < 0)
		client_end(c, "TLS failed", stream_why(c->stream));
}

static unsigned go_on_handshake(struct client *c)
{
	switch (stream_handshake(c->stream)) {
	case STREAM_AGAIN_READ:
		return LOOP_READ;
	case STREAM_AGAIN_WRITE:
		return LOOP_WRITE;
	case STREAM_OK:
		c->state = CLIENT_COMMAND;
		list_client(c);
		if (clients.conf->login_tls_wrappermode)
			c->protocol->greet(c);
		return 0;
	default:
		client_end(c, "TLS handshake failed", stream_why(c->stream));
		return 0;
	}
}

/* ---- SASL ---- */

static void refuse(struct client *c, enum refusal why, struct str text)
{
	c->state = CLIENT_COMMAND;
	set_timer(c);
	c->protocol->refuse(c, why, text);
	forget_command(c);
}

static void unavailable(struct client *c, const char *reason)
{
	log_event(c, "login unavailable", str_from(c->login), reason);
	refuse(c, REFUSE_UNAVAILABLE,
	    STR("Internal error, please try again later"));
}

void client_authenticate(struct client *c, struct str mechanism,
    bool has_initial, struct str initial)
{
	if (str_copy(c->mechanism, sizeof(c->mechanism), mechanism) < 0)
		c->mechanism[0] = '\0';
	c->state = CLIENT_AUTH;
	if (broker_begin(c, has_initial, initial) < 0)
		unavailable(c, "auth is away");
	else
		set_timer(c);
}

void client_login(struct client *c, struct str user, struct str password)
{
	struct buf plain = buf_new(SASL_MOST);

	buf_add_char(&plain, '\0');
	buf_add(&plain, user);
	buf_add_char(&plain, '\0');
	buf_add(&plain, password);
	if (plain.overflow)
		refuse(c, REFUSE_MALFORMED, STR("Name or password too long"));
	else
		client_authenticate(c, STR("PLAIN"), true, buf_str(&plain));
	if (plain.p != NULL)
		mem_wipe(plain.p, plain.capacity);
	buf_free(&plain);
}

void client_sasl(struct client *c, struct str mechanism, bool has_initial,
    struct str initial)
{
	struct buf data = buf_new(SASL_MOST);
	char name[16] = "";

	for (size_t i = 0; i < mechanism.len && i < sizeof(name) - 1; i++)
		name[i] = ascii_upper(mechanism.p[i]);
	/* RFC 4959: "=" is an initial response of no octets. */
	if (has_initial && !str_eq(initial, STR("=")) &&
	    base64_decode(initial, &data) < 0)
		refuse(c, REFUSE_MALFORMED, STR("Invalid base64"));
	else
		client_authenticate(
		    c, str_from(name), has_initial, buf_str(&data));
	if (data.p != NULL)
		mem_wipe(data.p, data.capacity);
	buf_free(&data);
}

/* A line in CLIENT_RESPONSE; false when none has come. */
static bool take_response(struct client *c)
{
	struct buf data = buf_new(SASL_MOST);
	struct str line;
	enum stream_result r = stream_get_line(c->stream,
	    (size_t)clients.conf->login_line_length_limit, &line, NULL);

	if (r == STREAM_AGAIN_READ)
		return false;
	if (r != STREAM_OK || str_eq(line, STR("*"))) {
		broker_cancel(c);
		refuse(c, r == STREAM_OK ? REFUSE_CANCELLED : REFUSE_MALFORMED,
		    r == STREAM_OK ? STR("Authentication cancelled")
				   : STR("Line too long"));
	} else if (base64_decode(line, &data) < 0) {
		broker_cancel(c);
		refuse(c, REFUSE_MALFORMED, STR("Invalid base64"));
	} else {
		c->state = CLIENT_AUTH;
		if (broker_respond(c, buf_str(&data)) < 0)
			unavailable(c, "auth is away");
		else
			set_timer(c);
	}
	if (data.p != NULL)
		mem_wipe(data.p, data.capacity);
	buf_free(&data);
	return true;
}

/* ---- the loop ---- */

static bool take_command(struct client *c)
{
	if (!c->protocol->input(c))
		return false;
	if (c->state != CLIENT_COMMAND || c->literal_left > 0 || c->gone)
		return true;
	if (++c->commands > (unsigned)clients.conf->login_command_limit) {
		log_event(c, "disconnected", STR_EMPTY, "too many commands");
		c->protocol->bye(c, "Too many commands");
		client_close_after(c);
	}
	return true;
}

/* Takes the input that is there. True when it stopped because the client does
 * not read its answers. */
static bool take_input(struct client *c)
{
	bool more = true;

	while (more && !c->gone) {
		if (stream_pending(c->stream) >= PENDING_MOST)
			return true;
		if (c->state == CLIENT_COMMAND)
			more = take_command(c);
		else if (c->state == CLIENT_RESPONSE)
			more = take_response(c);
		else
			return false;
	}
	if (!more && c->eof)
		client_end(c, "disconnected", "closed by the client");
	return false;
}

/* Sends what is pending; returns what to watch for. */
static unsigned push(struct client *c)
{
	enum stream_result r = STREAM_OK;

	if (stream_pending(c->stream) > 0)
		r = stream_push(c->stream);
	if (r == STREAM_AGAIN_WRITE)
		return LOOP_WRITE;
	if (r != STREAM_OK)
		client_end(c, "disconnected", stream_why(c->stream));
	else if (c->state == CLIENT_CLOSING)
		c->gone = true;
	else if (c->state == CLIENT_STARTTLS)
		start_handshake(c);
	return c->state == CLIENT_COMMAND || c->state == CLIENT_RESPONSE ||
		c->state == CLIENT_PROXY
	    ? LOOP_READ
	    : 0;
}

static void run(struct client *c)
{
	unsigned what = 0;
	bool again = true;

	while (again && !c->gone) {
		if (c->state == CLIENT_HANDSHAKE) {
			what = go_on_handshake(c);
			again = c->state != CLIENT_HANDSHAKE;
		} else {
			bool held = take_input(c);

			what = c->gone ? 0 : push(c);
			again = c->state == CLIENT_HANDSHAKE ||
			    (held && what != LOOP_WRITE);
		}
	}
	if (c->gone) {
		client_free(c);
		return;
	}
	/* It waits for the client, perhaps for long. */
	if (what == LOOP_READ)
		stream_trim(c->stream);
	loop_watch_set(c->watch, what);
}

static void take_proxy(struct client *c);
static void no_proxy(struct client *c, const char *why);

static void ready(unsigned what, void *arg)
{
	struct client *c = arg;
	enum stream_result r = STREAM_OK;

	if (c->state == CLIENT_PROXY) {
		take_proxy(c);
		run(c);
		return;
	}
	if ((what & LOOP_READ) && c->state != CLIENT_HANDSHAKE)
		r = stream_fill(c->stream);
	if (r == STREAM_EOF)
		c->eof = true;
	else if (r == STREAM_ERROR)
		client_end(c, "disconnected", stream_why(c->stream));
	run(c);
}

static void fired(void *arg)
{
	struct client *c = arg;

	if (c->state == CLIENT_AUTH) {
		broker_cancel(c);
		unavailable(c, "auth does not answer");
	} else if (c->state == CLIENT_HANDOVER) {
		session_abort(c);
		unavailable(c, "no session in time");
	} else if (c->state == CLIENT_PROXY) {
		no_proxy(c, "it did not come in time");
	} else if (c->state == CLIENT_HANDSHAKE || c->state == CLIENT_CLOSING) {
		client_end(c, "disconnected", "login_timeout");
	} else {
		log_event(c, "disconnected", STR_EMPTY, "login_timeout");
		c->protocol->bye(c, "Disconnected for inactivity");
		client_close_after(c);
		loop_timer_set(c->timer, LAST_WORDS_MS);
	}
	run(c);
}

/* ---- answers of others ---- */

void client_challenge(struct client *c, struct str data)
{
	struct buf text = buf_new(SASL_MOST * 2);

	if (c->state != CLIENT_AUTH)
		return; /* auth speaks out of turn */
	base64_encode(data, &text);
	/* Alike in RFC 3501 section 6.2.2 and RFC 5034 section 4. */
	stream_puts(c->stream, "+ ");
	stream_put(c->stream, buf_str(&text));
	stream_puts(c->stream, "\r\n");
	buf_free(&text);
	c->state = CLIENT_RESPONSE;
	set_timer(c);
	run(c);
}

void client_unavailable(struct client *c, const char *reason)
{
	unavailable(c, reason);
	run(c);
}

void client_auth_no(struct client *c, const struct auth_no *no)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%.*s", STR_FMT(no->reason));
	if (no->temporary) {
		log_event(c, "login unavailable", no->login, reason);
		refuse(c, REFUSE_UNAVAILABLE, no->text);
	} else {
		daemon_count("logins refused", 1);
		log_event(c, "auth failed", no->login, reason);
		refuse(c, REFUSE_AUTH, no->text);
		if (++c->failures >=
		    (unsigned)clients.conf->login_failure_limit) {
			c->protocol->bye(c, "Too many failed logins");
			client_close_after(c);
		}
	}
	run(c);
}

void client_auth_ok(struct client *c, struct str login, struct str ticket)
{
	free(c->login);
	c->login = str_dup(login);
	c->state = CLIENT_HANDOVER;
	set_timer(c);
	session_begin(c, ticket);
	run(c);
}

void client_session_no(struct client *c, bool temporary, struct str text)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%.*s", STR_FMT(text));
	log_event(c, "session refused", str_from(c->login), reason);
	refuse(c, temporary ? REFUSE_UNAVAILABLE : REFUSE_AUTH, text);
	run(c);
}

/* ---- coming and going ---- */

/* Nobody is told why before TLS: it would not be understood. */
static void turn_away(int fd, const struct netaddr *peer, const char *why)
{
	const char *text = clients.conf->login_protocol == LOGIN_IMAP
	    ? "* BYE [UNAVAILABLE] Too many connections\r\n"
	    : "-ERR [SYS/TEMP] Too many connections\r\n";
	char rip[NETADDR_TEXT_MAX];

	netaddr_text(peer, rip);
	log_info("%s: refused: rip=%s: %s",
	    clients.conf->login_protocol == LOGIN_IMAP ? "imap" : "pop3", rip,
	    why);
	if (!clients.conf->login_tls_wrappermode)
		(void)send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The oldest that has not even asked for a login makes room for another. */
static void drop_oldest(const struct client *for_this)
{
	struct client *c = clients.first;

	while (c != NULL &&
	    (c == for_this || c->state == CLIENT_AUTH ||
		c->state == CLIENT_HANDOVER))
		c = c->next;
	if (c == NULL)
		return;
	client_end(c, "disconnected", "login_unauthenticated_limit");
	run(c);
}

static struct client *client_new(struct conn *conn)
{
	struct client *c = NEW(struct client);

	c->conf = clients.conf;
	c->protocol = clients.conf->login_protocol == LOGIN_IMAP
	    ? &protocol_imap
	    : &protocol_pop3;
	c->stream = stream_new(conn->fd);
	c->watch = loop_watch_new(daemon_loop(), conn->fd, 0, ready, c);
	c->timer = loop_timer_new(daemon_loop(), fired, c);
	c->command = buf_new((size_t)clients.conf->login_line_length_limit +
	    4 * (size_t)clients.conf->login_literal_length_limit);
	c->id = id_new();
	c->peer = conn->peer;
	c->own = conn->own;
	c->came = clock_ms();
	c->deadline = deadline_in(clients.conf->login_timeout);
	c->before = clients.last;
	*(clients.last != NULL ? &clients.last->next : &clients.first) = c;
	clients.last = c;
	clients.count++;
	return c;
}

/* Who it is stands fast: it is counted, and greeted. */
static void admit(struct client *c)
{
	bool refused;

	c->address = address_enter(&c->peer,
	    clients.conf->login_client_connection_limit,
	    str_from(clients.conf->login_client_limit_exceptions), &refused);
	if (refused) {
		turn_away(stream_fd(c->stream), &c->peer,
		    "login_client_connection_limit");
		c->gone = true;
		return;
	}
	if (clients.count > clients.conf->login_unauthenticated_limit)
		drop_oldest(c);
	c->state = CLIENT_COMMAND;
	list_client(c);
	set_timer(c);
	if (clients.conf->login_tls_wrappermode)
		start_handshake(c);
	else
		c->protocol->greet(c);
}

/* ---- behind a load balancer ---- */

static void no_proxy(struct client *c, const char *why)
{
	char peer[NETADDR_TEXT_MAX];

	netaddr_text(&c->peer, peer);
	log_warning(
	    "PROXY header of [%s]:%u: %s", peer, netaddr_port(&c->peer), why);
	daemon_count("without PROXY header", 1);
	c->gone = true;
}

static void await_proxy(struct client *c)
{
	struct str bad;

	if (netaddr_in_list(&c->peer,
		str_from(daemon_house()->haproxy_trusted_networks),
		&bad) != 1) {
		no_proxy(c, "not in haproxy_trusted_networks");
		return;
	}
	c->state = CLIENT_PROXY;
	loop_timer_set(c->timer, clients.conf->login_upstream_proxy_timeout);
}

static void take_proxy(struct client *c)
{
	struct proxy_header h;
	const char *why = "";

	switch (proxy_take(stream_fd(c->stream), &c->peeked, &h, &why)) {
	case PROXY_MORE:
		return;
	case PROXY_BAD:
		no_proxy(c, why);
		return;
	case PROXY_GONE:
		no_proxy(c, "the connection was closed before its end");
		return;
	case PROXY_OK:
		break;
	}
	if (!h.local) {
		c->peer = h.from;
		c->own = h.to;
	}
	admit(c);
}

void client_accept(struct conn *conn)
{
	int on = 1;

	if (clients.count + sessions_count() >=
	    clients.conf->login_client_limit) {
		turn_away(conn->fd, &conn->peer, "login_client_limit");
		close(conn->fd);
		return;
	}
	/* Peers that vanish from an idle session are noticed some day. */
	setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	struct client *c = client_new(conn);
	if (clients.conf->login_upstream_proxy_protocol != 0)
		await_proxy(c);
	else
		admit(c);
	run(c);
}

static void send_away(struct client *c, const char *text)
{
	if (c->state == CLIENT_COMMAND || c->state == CLIENT_RESPONSE)
		c->protocol->bye(c, text);
	client_close_after(c);
	loop_timer_set(c->timer, LAST_WORDS_MS);
	run(c);
}

void clients_drain(void)
{
	struct client *next;

	for (struct client *c = clients.first; c != NULL; c = next) {
		next = c->next;
		if (c->state != CLIENT_AUTH && c->state != CLIENT_HANDOVER)
			send_away(c, "The server is going down");
	}
}

void clients_kick(struct str user, struct str client, struct str protocol)
{
	char peer[NETADDR_TEXT_MAX];
	struct client *next;

	for (struct client *c = clients.first; c != NULL; c = next) {
		next = c->next;
		netaddr_text(&c->peer, peer);
		if (c->state == CLIENT_CLOSING ||
		    !who_is_meant(user, client, "", peer) ||
		    (protocol.len > 0 &&
			!str_case_eq(protocol, str_from(c->protocol->name))))
			continue;
		log_event(c, "disconnected", STR_EMPTY, "kicked");
		broker_cancel(c);
		session_abort(c);
		if (c->state == CLIENT_AUTH || c->state == CLIENT_HANDOVER)
			c->state = CLIENT_COMMAND; /* it can be told */
		send_away(c, "Disconnected by the administrator");
	}
}
