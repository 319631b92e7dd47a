/* SPDX-License-Identifier: ISC */
/*
 * One user's IMAP session: its state, the loop that reads commands, and what
 * waiting for the client means.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/id.h"
#include "ipc/ipc.h"
#include "ipc/limits.h"
#include "net/seal.h"
#include "net/stream.h"
#include "store/mailbox.h"

#include "imapd/imapd_conf.h"
#include "imapd/input.h"

/* RFC 9051 section 3; bits, for the table of commands. */
enum session_state { AUTHENTICATED = 1, SELECTED = 2, LOGGED_OUT = 4 };

/* What ENABLE (RFC 5161) or an enabling command has switched on. */
#define ENABLED_REV2      1u
#define ENABLED_CONDSTORE 2u
#define ENABLED_QRESYNC   4u
#define ENABLED_ALL       7u

/* Octets that a session may use for one command, its answer not counted. */
#define SESSION_ARENA_MAX ((size_t)256 << 20)

struct opened; /* a message whose structure is known; message.h */

struct session {
	const struct imapd_conf *conf;
	/* Each may be NULL. */
	bool (*draining)(void), (*kicked)(void);
	void (*works)(bool works);

	/* The client, and login's side of the session. */
	struct stream *stream;
	struct ipc *control; /* NULL: login is gone */
	bool through_login;  /* the stream is a socket pair with login */
	bool stranded;       /* and login says that it will go */
	struct buf early;    /* came with the LOGIN, before the stream */
	size_t early_used;
	struct input input;
	struct buf out;    /* answers not yet given to the stream */
	bool dead;         /* the client is gone: write no more */
	bool rested;       /* memory was given back; nothing came since */
	bool keep_arena;   /* a command waits and needs what it holds */
	const char *ended; /* why the session ended, for the log */
	uint64_t octets_in, octets_out;
	int64_t began; /* seconds since 1970 */

	/* Parking; park.h. */
	char pass[IPC_PASS_MAX + 1]; /* "": it cannot be parked */
	unsigned char seal_key[SEAL_KEY];
	int64_t pass_since;   /* clock_ms */
	char idle[128 + 1];   /* the tag of IDLE while that goes on; "" */
	bool may_park;        /* nothing is under way but waiting */
	bool parked;          /* login has the client */
	uint64_t consumed;    /* octets that this process took of the stream */
	uint64_t synced;      /* box_modseq when the view was synced last */
	int64_t silent_until; /* then the session ends */
	int64_t silence_left; /* ms, for the first wait of a resumed one */
	bool resumed;

	/* Who. */
	char *login;
	struct id id;
	struct box *box;
	uint64_t quota_octets, quota_messages; /* that the box is held to */

	/* The selected mailbox. */
	enum session_state state;
	unsigned enabled;
	struct view *view;
	uint32_t mailbox;
	bool read_only;
	bool gone;     /* the mailbox was deleted by another session */
	uint32_t told; /* EXISTS as the client knows it */
	size_t keywords_told;
	/* "$" (RFC 5182): rising uids; the memory is saved's. */
	uint32_t *saved;
	size_t saved_count;

	/* For one command. */
	struct arena arena;
	struct arena scratch; /* for one message of it */
	int bad_in_a_row;
	unsigned commands;
	struct opened *opened;
	enum store_result read_failed; /* the last failure to read a message */
};

/*
 * A session on a connected socket for an open box; takes over both. early is
 * what the client sent before the socket was handed over.
 */
struct session *session_new(const struct imapd_conf *conf, int fd,
    struct ipc *control, struct box *box, struct str login, const struct id *id,
    struct str early);
void session_free(struct session **s);

/* Answers the LOGIN with this tag (none when it is empty) and serves the
 * client until it is gone. */
void session_run(struct session *s, struct str tag);
/* IDLE from its "+" on, until the client ends it. */
void session_idle(struct session *s);
/* A new time of silence begins. */
void session_begin_silence(struct session *s);

enum wait_result {
	WAIT_INPUT, /* octets have come */
	WAIT_WAKE,  /* login said that the account changed */
	WAIT_TIMEOUT,
	WAIT_GONE,   /* the client has closed */
	WAIT_PARKED, /* login has the client: the process ends */
	WAIT_DRAIN   /* the suite goes down */
};
/* Sends what is pending, then waits; parks the client where s->may_park. */
enum wait_result session_wait(struct session *s, int64_t deadline);

/* What has come and is not yet consumed. */
struct str session_peek(const struct session *s);
void session_consume(struct session *s, size_t n);

/*
 * Reads on until the next event of the input but INPUT_MORE. Ends the session
 * (BYE where there is somebody to hear it) and returns -1 when none comes.
 */
int session_read(struct session *s, enum input_event *event);

/* Gives back what only a busy session needs. */
void session_rest(struct session *s);

#endif
