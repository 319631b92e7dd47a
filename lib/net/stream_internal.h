/* SPDX-License-Identifier: ISC */
/*
 * The inside of a stream, for stream.c (buffers, the ready face),
 * stream_wait.c (the waiting face) and stream_tls.c (TLS); nobody else
 * includes it.
 *
 * Without TLS bytes go socket -> in and out -> socket. With TLS they go
 * socket -> cipher_in -> OpenSSL -> in and out -> OpenSSL -> cipher_out ->
 * socket; OpenSSL never sees the socket, so a fill is one recv(2) and a push
 * one send(2), however many records that is.
 */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H

#include <openssl/ssl.h>

#include "net/stream.h"

#define READ_FIRST   8192     /* octets of the first input buffer */
#define READ_MOST    65536    /* octets asked of the kernel at once */
#define INPUT_MOST   1048576  /* octets read and not yet taken */
#define OUTPUT_MOST  67108864 /* octets put and not yet sent */
#define ENCRYPT_MOST 262144   /* octets encrypted ahead of sending */

/* Bytes that wait between two places: added at the end, taken in front. */
struct bytes {
	char *p;
	size_t start, end, capacity;
};

static inline size_t bytes_len(const struct bytes *b)
{
	return b->end - b->start;
}
/* Room for at least len octets at the end. */
char *bytes_room(struct bytes *b, size_t len);
void bytes_take(struct bytes *b, size_t n);
void bytes_free(struct bytes *b);

struct stream {
	int fd;
	struct bytes in, out;
	size_t scanned; /* octets at the front of in known to have no LF */
	size_t reading; /* octets to ask the kernel for next time */
	bool skipping;  /* inside a line that was too long */
	bool eof, failed;
	bool wrote_last; /* sent since the last byte came */
	bool no_delay;   /* TCP_NODELAY was set */
	bool connecting;
	/* the waiting face */
	bool prepared; /* how to wait is known: */
	bool blocking; /* recv(2) may wait, for a slice of time */
	bool (*give_up)(void *arg);
	void *give_up_arg;
	/* TLS */
	SSL *ssl;
	bool handshaken;
	struct bytes cipher_in, cipher_out;
	char why[160];
};

enum stream_result stream_fail(struct stream *s, const char *why);
enum stream_result stream_fail_errno(struct stream *s, const char *what);
/* One recv(2) into in or cipher_in; wait: it may block where prepared. */
enum stream_result stream_receive(struct stream *s, bool wait);
/* stream_fill, with a recv(2) that may block. */
enum stream_result stream_fill_how(struct stream *s, bool wait);
/* One send(2) after the other, of b, until it is empty or would block. */
enum stream_result stream_send_bytes(struct stream *s, struct bytes *b);

/* stream_tls.c: cipher_in to in, all that is whole; out to cipher_out. */
enum stream_result stream_decrypt(struct stream *s);
enum stream_result stream_encrypt(struct stream *s);
enum stream_result stream_handshake_how(struct stream *s, bool wait);
void stream_tls_end(struct stream *s); /* close_notify into cipher_out */
void stream_tls_free(struct stream *s);

#endif
