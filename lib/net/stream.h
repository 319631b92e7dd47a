/* SPDX-License-Identifier: ISC */
/*
 * A buffered byte stream over a socket, with or without TLS. Every client
 * protocol reads and writes through it.
 *
 * Two faces on the same bytes. Workers call the waiting ones, which return
 * when done or when the deadline (core/clock.h) has passed. Fronts call the
 * ready ones, which never wait and say what to watch the descriptor for.
 *
 * Starting TLS throws away plaintext that was received and not yet read
 * (the command injection of CVE-2011-0411); it is done here so that no
 * protocol can forget it.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "core/str.h"
#include "net/netaddr.h"
#include "net/tls.h"

struct stream;

enum stream_result {
	STREAM_OK = 0,
	STREAM_AGAIN_READ,  /* watch for reading, then call again */
	STREAM_AGAIN_WRITE, /* watch for writing, then call again */
	STREAM_EOF,         /* the peer closed, nothing is left to read */
	STREAM_TIMEOUT,     /* waiting calls: the deadline passed */
	STREAM_TOO_LONG,    /* a line beyond its limit; see stream_get_line */
	STREAM_ERROR        /* reset, TLS failure ...: stream_why */
};

/* Takes over fd, a connected socket. Its O_NONBLOCK may be set or not, and may
 * change: the ready face never waits on it, the waiting one never for ever. */
struct stream *stream_new(int fd);
/* Closes without a flush; sends TLS close_notify if that does not wait. */
void stream_close(struct stream **s);
int stream_fd(const struct stream *s);
/* Gives up the fd (plaintext only, else -1) and frees the rest; for handing
 * a connection to another process. Read stream_peek first: unread input is
 * lost with the stream. */
int stream_release(struct stream **s);
/* Gives empty buffers back; for a front whose client has become idle. */
void stream_trim(struct stream *s);
/* A phrase about the last STREAM_ERROR; constant or owned by the stream. */
const char *stream_why(const struct stream *s);

/* ---- input that has arrived ---- */
struct str stream_peek(const struct stream *s); /* valid until the next call */
void stream_consume(struct stream *s, size_t n);
/* Something was read ahead, in the buffer or inside TLS. */
bool stream_has_input(const struct stream *s);

/*
 * The next line, if one has arrived: ended by CRLF or LF, which are taken
 * off; *bare tells that it was a LF alone (may be NULL). The view is valid
 * until the next call with the stream. STREAM_TOO_LONG: more than `most`
 * octets came without line end; what is there is thrown away up to the line
 * end by the calls that follow, and the one that finds the line end returns
 * STREAM_TOO_LONG once. STREAM_AGAIN_READ: no whole line yet.
 */
enum stream_result stream_get_line(
    struct stream *s, size_t most, struct str *line, bool *bare);

/* ---- ready face ---- */
/* Reads what is there, at most once from the kernel. After it all that came is
 * in the stream's own buffer: nothing is left inside TLS that a watch of the
 * descriptor would not tell. */
enum stream_result stream_fill(struct stream *s);
/* Sends pending output: STREAM_OK when all is gone. */
enum stream_result stream_push(struct stream *s);
size_t stream_pending(const struct stream *s); /* octets not yet sent */
/* Goes on with the TLS handshake. */
enum stream_result stream_handshake(struct stream *s);

/* ---- output; buffered, both faces ---- */
/* Never waits. Returns 0, or -1 when more than 64 MiB would be pending. */
int stream_put(struct stream *s, struct str bytes);
int stream_puts(struct stream *s, const char *text);
int stream_printf(struct stream *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- waiting face ----
 * Waiting for input sends what is pending first. */
/* give_up is asked before a call waits, at every signal and every few seconds
 * while it does; when it says true the call returns STREAM_TIMEOUT. NULL ends
 * that. */
void stream_on_wait(struct stream *s, bool (*give_up)(void *arg), void *arg);
enum stream_result stream_wait_line(struct stream *s, size_t most,
    struct str *line, bool *bare, int64_t deadline);
/* At least one octet is there to peek at. */
enum stream_result stream_wait_input(struct stream *s, int64_t deadline);
/* Exactly len octets into p. */
enum stream_result stream_wait_bytes(
    struct stream *s, void *p, size_t len, int64_t deadline);
enum stream_result stream_flush(struct stream *s, int64_t deadline);
/*
 * Sends from a file with the pending output first (uses sendfile(2) where
 * there is no TLS); for FETCH, RETR and DATA of stored bytes.
 */
enum stream_result stream_send_file(
    struct stream *s, int fd, uint64_t offset, uint64_t len, int64_t deadline);

/* ---- TLS ---- */
/* Both drop unread plaintext and prepare the handshake; 0 or -1. */
int stream_tls_server(struct stream *s, struct tls_server *tls);
int stream_tls_client(
    struct stream *s, struct tls_client *tls, const char *peer_name);
/* Waiting face: the whole handshake. */
enum stream_result stream_wait_handshake(struct stream *s, int64_t deadline);
bool stream_is_tls(const struct stream *s);
/* Valid while the stream lives; false without TLS. */
bool stream_tls_info(const struct stream *s, struct tls_info *info);

/* ---- connecting ---- */
/* Non-blocking connect; when STREAM_AGAIN_WRITE, watch for writing and call
 * stream_connected. from may be NULL. NULL with *why on failure. */
struct stream *stream_connect(
    const struct netaddr *to, const struct netaddr *from, const char **why);
enum stream_result stream_connected(struct stream *s);

#endif
