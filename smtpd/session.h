/* SPDX-License-Identifier: ISC */
/* A client's session: its state, the replies, the conversation. */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "core/arena.h"
#include "core/id.h"
#include "daemon/rehearsal.h"
#include "ipc/limits.h"
#include "net/dns.h"
#include "net/stream.h"
#include "smtpd/peer.h"
#include "smtpd/rule.h"
#include "smtpd/smtpd_conf.h"

enum smtp_role { ROLE_MX, ROLE_SUBMISSION, ROLE_LMTP };

struct verification;

/* What the process has, for all its sessions. */
struct server {
	const struct smtpd_conf *conf;
	const struct house_conf *house;
	enum smtp_role role;
	struct tls_server *tls; /* NULL: no TLS */
	struct dns *dns;        /* NULL: no names of clients */
	struct peer cleanup, lookup, auth, policy, reportd;
	/* Room for so many octets, as cleanup said, holds for a moment. */
	uint64_t room;
	int64_t room_until;          /* deadline */
	struct rehearsal *rehearsal; /* NULL: the clients are real */
	struct verification *verification;
};

/*
 * Where a session stands; the table of commands says what is allowed there.
 *
 *	CONNECTED --EHLO--> GREETED --MAIL--> HAS_SENDER --RCPT-->
 *	HAS_RECIPIENT --DATA--> GREETED
 *
 * RSET and EHLO lead back to GREETED, STARTTLS to CONNECTED.
 */
enum state { CONNECTED = 1, GREETED = 2, HAS_SENDER = 4, HAS_RECIPIENT = 8 };
#define ANY (CONNECTED | GREETED | HAS_SENDER | HAS_RECIPIENT)

struct recipient {
	struct str address, original, notify;
};

/* One message's envelope; transaction_reset ends it. */
struct transaction {
	struct arena arena; /* every text below */
	struct str sender, envid;
	const char *body, *ret;
	struct recipient *recipients;
	size_t count, room;
};

/* How a session ends; OPEN while it does not. */
enum ending { OPEN, ENDED_QUIT, ENDED_LOST, ENDED_TIMEOUT, ENDED_BY_US };

#define COMMANDS_MAX 16

struct session {
	struct server *server;
	const struct smtpd_conf *conf;
	struct stream *stream;
	struct id id;
	enum state state;
	enum ending ending;
	int64_t end;         /* deadline of the whole session */
	int64_t waits_since; /* clock_ms, for the client */

	char name[256]; /* verified, or "unknown" */
	char address[NETADDR_TEXT_MAX];
	uint16_t port;
	bool trusted; /* in mynetworks */
	struct netaddr peer;
	/* Nobody who sends forgeries: mail_authentication_exempt_networks. */
	bool exempt;
	bool name_asked; /* DNS was asked for the name, which said: */
	enum dns_status name_status;

	bool esmtp; /* EHLO or LHLO was said */
	char helo[256];
	char login[IPC_ADDRESS_MAX + 1]; /* "": not authenticated */
	char ticket[IPC_TICKET_MAX + 1];
	char mechanism[IPC_NAME_MAX + 1]; /* "PLAIN" */

	struct transaction t;

	int last_code; /* of the last reply */
	int errors, junk;
	unsigned said[COMMANDS_MAX], done[COMMANDS_MAX]; /* by command */
	const char *doing; /* command, for the log: "CONNECT", "MAIL" ... */
};

/* Serves the client to the end; closes conn->fd. */
void session_run(struct server *server, struct conn *conn);

/* The extensions that are offered now: EXT_ bits of envelope.h. */
unsigned session_extensions(const struct session *s);
/* An EHLO keyword that smtpd_discard_ehlo_keywords does not hide. */
bool session_offers(const struct session *s, const char *keyword);

/*
 * One reply; dsn may be NULL (greetings, 354). Errors are counted, and from
 * the soft limit on they are slow.
 */
void reply(struct session *s, int code, const char *dsn, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/*
 * A refusal for reasons of policy: the reply, a log line in Postfix's shape
 * that ends with the rule and where it is set, and a trace event. recipient
 * may be empty; the rule NULL, when a neighbour is away.
 */
void reject(struct session *s, const struct rule *rule, struct str recipient,
    int code, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/*
 * Holds the client up for *ms, which is looked at again and again, as it may
 * become less under stress. Ends early when the client goes, or the process is
 * to end.
 */
void session_delay(struct session *s, const int64_t *ms);

/* Tells who rehearses (else nobody) that a rule was asked, and did not
 * refuse: result is "permit", or "dunno" when others decide. */
void passes(const struct session *s, const struct rule *rule,
    const char *result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The session has TLS, or is rehearsed as if. */
bool session_is_tls(const struct session *s);

/* A last reply, 421, and the end. */
void hang_up(struct session *s, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line of the client; false when there is none any more (s->ending). */
bool session_line(struct session *s, size_t most, struct str *line, bool *bare);

/* From now on the client has smtpd_timeout to say something. */
int64_t session_silence(struct session *s);

/* The client did not send what was waited for: logs, replies where there is
 * somebody to hear it, ends the session. Always false. */
bool session_gone(struct session *s, enum stream_result result);

/* Forgets who the client said it is, not who it is: for STARTTLS. */
void session_restart(struct session *s);

#endif
