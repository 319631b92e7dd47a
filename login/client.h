/* SPDX-License-Identifier: ISC */
/*
 * A client before its login: one state, one stream, little memory. What IMAP
 * and POP3 do differently stands in a struct protocol (imap.c, pop3.c).
 */
#ifndef LOGIN_CLIENT_H
#define LOGIN_CLIENT_H

#include "core/buf.h"
#include "core/id.h"
#include "daemon/daemon.h"
#include "ipc/auth.h"
#include "net/stream.h"

#include "login/login_conf.h"

#define TAG_MAX 128 /* octets of an IMAP tag; imap_words.c */

enum client_state {
	CLIENT_PROXY,    /* a load balancer is to say who it is */
	CLIENT_STARTTLS, /* the answer to STARTTLS goes out, then TLS */
	CLIENT_HANDSHAKE,
	CLIENT_COMMAND,  /* reads commands */
	CLIENT_RESPONSE, /* reads a SASL response */
	CLIENT_AUTH,     /* waits for auth */
	CLIENT_HANDOVER, /* waits for the session's process */
	CLIENT_CLOSING   /* last words are going out */
};

/* Why a login did not work. */
enum refusal {
	REFUSE_AUTH,        /* wrong password */
	REFUSE_UNAVAILABLE, /* ours: auth or the session's process is away */
	REFUSE_CANCELLED,   /* the client sent "*" */
	REFUSE_MALFORMED    /* what the client sent is no base64 */
};

struct client;

struct protocol {
	const char *name;   /* "imap": of the service, for auth and sessions */
	const char *daemon; /* its socket: "imapd" */
	void (*greet)(struct client *c);
	/* Takes one line or literal of what has arrived; false when more must
	 * come first. Only called in CLIENT_COMMAND. */
	bool (*input)(struct client *c);
	void (*refuse)(struct client *c, enum refusal why, struct str text);
	/* Last words. */
	void (*bye)(struct client *c, const char *text);
};

extern const struct protocol protocol_imap, protocol_pop3;

struct address; /* limits.h */
struct who_row; /* daemon/who.h */
struct session;

struct client {
	struct client *next, *before; /* all before their login, oldest first */
	const struct login_conf *conf;
	const struct protocol *protocol;
	struct stream *stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	enum client_state state;
	bool eof;         /* the client has said all that it will say */
	bool gone;        /* to be freed */
	int64_t came;     /* clock_ms */
	int64_t deadline; /* of the login */
	unsigned commands, errors, failures;
	struct id id;             /* of the session */
	struct netaddr peer, own; /* where there is a PROXY header, its */
	size_t peeked;            /* octets of that; net/proxy_protocol.h */
	struct address *address;  /* counted; NULL: an exception */
	struct who_row *row;      /* says that it is there; NULL: no room */

	/* IMAP's command, POP3's user */
	char tag[TAG_MAX + 1];
	struct buf command; /* lines and literals of one command; USER's name */
	size_t literal_left;

	/* the login */
	uint64_t request; /* at auth; 0: none */
	int64_t asked;    /* observe_begin of what auth has to answer */
	char mechanism[16];
	char *login;             /* account, once auth has said who it is */
	struct session *session; /* being started; session.h */
};

struct tls_server;

/* Both stay the caller's; tls may be NULL: no TLS. */
void clients_open(const struct login_conf *conf, struct tls_server *tls);
void client_accept(struct conn *conn);
/* Says goodbye to all that are not about to log in. */
void clients_drain(void);
/* No client is left before its login. */
bool clients_none(void);
/* Sends away those whom posthouse kick means (who_is_meant); nobody of them is
 * a user yet. */
void clients_kick(struct str user, struct str client, struct str protocol);

bool client_has_tls(void); /* STARTTLS can be offered */
/* Whether this client may send a password now. */
bool client_may_login(const struct client *c);

/* ---- for protocols ---- */
/* The command is done with an error; ends a client that makes many. */
void client_error(struct client *c);
void client_starttls(struct client *c);
/* Sends what is pending, then closes. */
void client_close_after(struct client *c);
/* Asks auth; the answer comes as challenge, refuse, or is the session's.
 * initial may be wiped when this returns. */
void client_authenticate(struct client *c, struct str mechanism,
    bool has_initial, struct str initial);
/* PLAIN of RFC 4616 for LOGIN, USER and PASS. */
void client_login(struct client *c, struct str user, struct str password);
/* AUTH, AUTHENTICATE; initial is base64, "=" for an empty one. */
void client_sasl(struct client *c, struct str mechanism, bool has_initial,
    struct str initial);

/* ---- for the broker ---- */
void client_challenge(struct client *c, struct str data);
void client_auth_ok(struct client *c, struct str login, struct str ticket);
void client_auth_no(struct client *c, const struct auth_no *no);
/* Also for sessions: something of ours is away; reason is for the log. */
void client_unavailable(struct client *c, const char *reason);

/* ---- for sessions ---- */
/* The session's process has refused; text may start with a response code in
 * brackets. */
void client_session_no(struct client *c, bool temporary, struct str text);
/* The session has taken over c->stream and c->address (both NULL now): what
 * is left of the client goes. */
void client_handed_over(struct client *c);
/* "user=<..>, method=PLAIN, rip=.., lip=.., TLS, session=<..>" */
void client_describe(const struct client *c, struct str user, struct buf *out);

#endif
