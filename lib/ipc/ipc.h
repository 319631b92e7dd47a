/* SPDX-License-Identifier: ISC */
/*
 * Messages between daemons: UNIX stream sockets, a version line at connect,
 * then one text line for each message with named, escaped fields.
 *
 *	posthouse-ipc TAB exchange TAB version LF
 *	name TAB field=value TAB field=value ... LF
 *
 * In a value "\\", "\t", "\n", "\r" and "\0" stand for backslash, TAB, LF,
 * CR and NUL; nothing else is escaped. Every message is declared once, as a
 * struct ipc_type whose table of fields drives both ends. All fields of the
 * table are sent, in the table's order. What is unknown, missing, out of
 * order or out of bounds ends that connection with one reason and never the
 * daemon. Bulk bytes follow their message raw (the message has a field that
 * says how many). Descriptors travel with a message by SCM_RIGHTS.
 *
 * The version line is sent by the side that connects, together with its
 * first message; a server answers only messages. N reads N-1.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "core/buf.h"
#include "core/str.h"

#define IPC_LINE_MAX   65536   /* octets of one message line */
#define IPC_STRUCT_MAX 4096    /* octets of the largest message struct */
#define IPC_BYTES_MAX  1048576 /* octets of one run of bulk bytes */

enum ipc_kind {
	IPC_KIND_TEXT,
	IPC_KIND_U64,
	IPC_KIND_I64,
	IPC_KIND_BOOL,
	IPC_KIND_CHOICE
};

struct ipc_field {
	const char *name;
	enum ipc_kind kind;
	size_t offset;
	uint64_t least, most;       /* octets, or the bounds of a number */
	const char *const *choices; /* CHOICE: NULL-terminated; the member is
	                             * an int, the index */
};

/* Rows; the member's type is checked by the compiler. */
/* clang-format off */
#define IPC_MEMBER(type, member, ctype)                                   \
	(offsetof(type, member) +                                         \
	    0 * sizeof((ctype *)0 == &((type *)0)->member))
#define IPC_TEXT(type, member, least, most)                               \
	{#member, IPC_KIND_TEXT, IPC_MEMBER(type, member, struct str),    \
	    least, most, NULL}
#define IPC_U64(type, member, least, most)                                \
	{#member, IPC_KIND_U64, IPC_MEMBER(type, member, uint64_t),       \
	    least, most, NULL}
#define IPC_I64(type, member)                                             \
	{#member, IPC_KIND_I64, IPC_MEMBER(type, member, int64_t),        \
	    0, 0, NULL}
#define IPC_BOOL(type, member)                                            \
	{#member, IPC_KIND_BOOL, IPC_MEMBER(type, member, bool), 0, 1, NULL}
#define IPC_CHOICE(type, member, names)                                   \
	{#member, IPC_KIND_CHOICE, IPC_MEMBER(type, member, int), 0, 0,   \
	    names}
#define IPC_END {NULL, IPC_KIND_TEXT, 0, 0, 0, NULL}
/* The same, of a message that a descriptor may come with. */
#define IPC_END_FD {NULL, IPC_KIND_U64, 0, 0, 0, NULL}
/* clang-format on */

struct ipc_type {
	const char *name;
	const struct ipc_field *fields; /* ends with IPC_END, IPC_END_FD */
};

/* All messages that may travel on one kind of connection, both ways. */
struct ipc_exchange {
	const char *name;
	unsigned version;
	const struct ipc_type *const *types; /* NULL-terminated */
};

/* ---- the codec, without a socket ---- */
/* Appends the line with its LF. -1: a field is out of bounds (our bug) or
 * out is full; out is then as before. */
int ipc_encode(struct buf *out, const struct ipc_type *type, const void *msg);
/*
 * Decodes a line (without LF) in place: text fields become views into it.
 * Returns the type, or NULL with *why. msg has room for IPC_STRUCT_MAX.
 */
const struct ipc_type *ipc_decode(const struct ipc_exchange *exchange,
    char *line, size_t len, void *msg, const char **why);

/* ---- a connection ---- */
struct ipc;

enum ipc_result {
	IPC_OK = 0,
	IPC_AGAIN,   /* ready face: nothing whole has arrived */
	IPC_EOF,     /* the peer closed between two messages */
	IPC_TIMEOUT, /* waiting face */
	IPC_BROKEN   /* reset, or the peer does not keep to the exchange */
};

/* Takes over a connected socket that accept(2) gave (server side). */
struct ipc *ipc_server(int fd, const struct ipc_exchange *exchange);
/*
 * Connects to a socket by its name ("cleanup"), relative to the working
 * directory, which the skeleton has set to the sockets that this role may
 * call. Never waits longer than deadline. NULL with *why on failure.
 */
struct ipc *ipc_connect(const char *name, const struct ipc_exchange *exchange,
    int64_t deadline, const char **why);
/* The connecting side of a socket that is connected already. */
struct ipc *ipc_client(int fd, const struct ipc_exchange *exchange);
/*
 * A socket of `type` (SOCK_STREAM ...) that is connected to path, however
 * long the path is. Waits for a place in the backlog until deadline. The
 * descriptor, or -1 with errno. For what does not speak messages (logd).
 */
int ipc_unix_connect(const char *path, int type, int64_t deadline);
void ipc_close(struct ipc **c);
int ipc_fd(const struct ipc *c);
/* Gives up the descriptor; unread bytes that came behind the last message
 * are appended to rest (may be NULL). */
int ipc_release(struct ipc **c, struct buf *rest);
const char *ipc_why(const struct ipc *c); /* about the last IPC_BROKEN */
/* The connection was reset: the peer is gone and left unread what we sent. */
bool ipc_was_reset(const struct ipc *c);
/* The peer's uid by SO_PEERCRED, or (uid_t)-1. */
unsigned ipc_peer_uid(const struct ipc *c);
/* Likewise the process that connected, or that listens; 0: none that is known
 * here. */
int ipc_peer_pid(const struct ipc *c);

/* ---- sending: buffered until flush (or push) ---- */
int ipc_put(struct ipc *c, const struct ipc_type *type, const void *msg);
/* The descriptor is duplicated here; the caller keeps its own. */
int ipc_put_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int fd);
/* The same without a duplicate: the descriptor is taken over, and *fd becomes
 * -1; on failure it stays the caller's. */
int ipc_give_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int *fd);
/* The same, but the descriptor stays the caller's, who closes it only when
 * nothing is pending any more. */
int ipc_lend_fd(
    struct ipc *c, const struct ipc_type *type, const void *msg, int fd);
int ipc_put_bytes(struct ipc *c, const void *p, size_t len);
/* IPC_BROKEN: the peer hears no more. What it said before can still be read. */
enum ipc_result ipc_flush(struct ipc *c, int64_t deadline); /* waits */
enum ipc_result ipc_push(struct ipc *c); /* IPC_AGAIN: watch for writing */
size_t ipc_pending(const struct ipc *c);

/* ---- receiving ----
 * *msg points at the decoded struct; it and its views are valid until the
 * next receiving call. */
enum ipc_result ipc_wait(struct ipc *c, const struct ipc_type **type,
    const void **msg, int64_t deadline);
/* Ready face: ipc_fill when the fd is readable, then ipc_next until it says
 * IPC_AGAIN. */
enum ipc_result ipc_fill(struct ipc *c);
enum ipc_result ipc_next(
    struct ipc *c, const struct ipc_type **type, const void **msg);
/* A whole message is already buffered. */
bool ipc_has_input(const struct ipc *c);
/* Exactly len bulk octets that follow the last message. */
enum ipc_result ipc_wait_bytes(
    struct ipc *c, void *p, size_t len, int64_t deadline);
/* The next 1 to *len bulk octets as a view, *len set to how many; valid until
 * the next receiving call. Spares a copy. */
enum ipc_result ipc_wait_view(
    struct ipc *c, const char **p, size_t *len, int64_t deadline);
/* The descriptor that came with the last message, now the caller's; -1. */
int ipc_take_fd(struct ipc *c);

/*
 * Waiting face, request and answer in one: puts, flushes, waits for one
 * message of type `answer` and gives its struct. With IPC_BROKEN when another
 * came.
 */
enum ipc_result ipc_call(struct ipc *c, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline);

/*
 * One question on a connection of its own: connects to name, asks as ipc_call
 * does, and asks again on a new connection when that one was closed without
 * an answer, as a daemon that is being replaced does (whatever is asked can be
 * asked twice). *c is the connection that *reply belongs to, to be closed by
 * the caller; NULL with *why when there was no answer.
 */
enum ipc_result ipc_ask(struct ipc **c, const char *name,
    const struct ipc_exchange *exchange, const struct ipc_type *request,
    const void *msg, const struct ipc_type *answer, const void **reply,
    int64_t deadline, const char **why);

#endif
