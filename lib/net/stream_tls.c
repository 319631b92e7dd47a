/* SPDX-License-Identifier: ISC */
/*
 * TLS of a stream. OpenSSL reads from and writes to the stream's own cipher
 * buffers through a BIO, and the sockets' calls stay with the stream.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "net/stream_internal.h"
#include "net/tls_internal.h"

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, int len)
{
	struct stream *s = BIO_get_data(bio);
	size_t have = bytes_len(&s->cipher_in);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (have == 0) {
		if (s->eof)
			return 0;
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t n = have < (size_t)len ? have : (size_t)len;
	memcpy(to, s->cipher_in.p + s->cipher_in.start, n);
	bytes_take(&s->cipher_in, n);
	return (int)n;
}

static int bio_write(BIO *bio, const char *from, int len)
{
	struct stream *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	memcpy(bytes_room(&s->cipher_out, (size_t)len), from, (size_t)len);
	s->cipher_out.end += (size_t)len;
	return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
	struct stream *s = BIO_get_data(bio);

	(void)number;
	(void)p;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	if (command == BIO_CTRL_EOF)
		return s->eof && bytes_len(&s->cipher_in) == 0;
	return 0;
}

/* Made once for the process; the processes of this house have one thread
 * that handles streams. */
static BIO_METHOD *method(void)
{
	static BIO_METHOD *m;

	if (m != NULL)
		return m;
	m = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "posthouse stream");
	if (m != NULL) {
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
	}
	return m;
}

/* ---- failures ---- */

static enum stream_result fail(struct stream *s, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	char why[140];

	snprintf(why, sizeof(why), "%s: %s", what,
	    reason != NULL ? reason
		: s->eof   ? "connection closed"
			   : "unknown failure");
	ERR_clear_error();
	return stream_fail(s, why);
}

/* ---- start and end ---- */

static int start(struct stream *s, SSL_CTX *ctx)
{
	BIO *bio = NULL;

	if (s->ssl != NULL || s->failed)
		return -1;
	ERR_clear_error();
	s->ssl = SSL_new(ctx);
	if (s->ssl != NULL && method() != NULL)
		bio = BIO_new(method());
	if (bio == NULL) {
		SSL_free(s->ssl);
		s->ssl = NULL;
		return -1;
	}
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	/* Plaintext that came before the handshake is nobody's command. */
	bytes_free(&s->in);
	s->scanned = 0;
	s->skipping = false;
	return 0;
}

int stream_tls_server(struct stream *s, struct tls_server *tls)
{
	if (start(s, tls->ctx) < 0)
		return -1;
	SSL_set_accept_state(s->ssl);
	return 0;
}

int stream_tls_client(
    struct stream *s, struct tls_client *tls, const char *peer_name)
{
	struct netaddr literal;

	if (start(s, tls->ctx) < 0)
		return -1;
	SSL_set_connect_state(s->ssl);
	if (peer_name == NULL || peer_name[0] == '\0')
		return 0;
	if (netaddr_parse(str_from(peer_name), 0, &literal) == 0) {
		char text[NETADDR_TEXT_MAX];
		netaddr_text(&literal, text);
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), text);
		return 0;
	}
	SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(s->ssl, peer_name) != 1 ||
	    SSL_set_tlsext_host_name(s->ssl, peer_name) != 1) {
		ERR_clear_error();
		stream_fail(s, "the peer's name is not fit for TLS");
		return -1;
	}
	return 0;
}

void stream_tls_end(struct stream *s)
{
	if (s->ssl == NULL || s->failed)
		return;
	if (s->handshaken && bytes_len(&s->out) == 0)
		SSL_shutdown(s->ssl);
	ERR_clear_error();
	stream_send_bytes(s, &s->cipher_out);
}

void stream_tls_free(struct stream *s)
{
	SSL_free(s->ssl); /* and its BIO */
	s->ssl = NULL;
}

/* ---- the handshake ---- */

enum stream_result stream_handshake(struct stream *s)
{
	return stream_handshake_how(s, false);
}

enum stream_result stream_handshake_how(struct stream *s, bool wait)
{
	if (s->failed)
		return STREAM_ERROR;
	if (s->ssl == NULL)
		return stream_fail(s, "TLS was not started");
	for (;;) {
		ERR_clear_error();
		int done = s->handshaken ? 1 : SSL_do_handshake(s->ssl);
		int why = SSL_get_error(s->ssl, done);
		/* An alert about a failure is sent too. */
		enum stream_result r = stream_send_bytes(s, &s->cipher_out);
		if (done == 1) {
			s->handshaken = true;
			/* Application data may have come along; how that went
			 * is the next fill's answer. */
			if (r == STREAM_OK && bytes_len(&s->cipher_in) > 0)
				stream_decrypt(s);
			return r;
		}
		if (why != SSL_ERROR_WANT_READ)
			return fail(s, "TLS handshake");
		if (r == STREAM_OK)
			r = stream_receive(s, wait);
		if (r != STREAM_OK && r != STREAM_EOF)
			return r;
	}
}

/* ---- bytes ---- */

enum stream_result stream_decrypt(struct stream *s)
{
	size_t before = bytes_len(&s->in);

	if (!s->handshaken)
		return stream_fail(s, "TLS handshake is not finished");
	for (;;) {
		/* The most that one record can hold. */
		char *room = bytes_room(&s->in, SSL3_RT_MAX_PLAIN_LENGTH);
		size_t n = 0;
		ERR_clear_error();
		if (SSL_read_ex(s->ssl, room, SSL3_RT_MAX_PLAIN_LENGTH, &n)) {
			s->in.end += n;
			continue;
		}
		int why = SSL_get_error(s->ssl, 0);
		bool grown = bytes_len(&s->in) > before;
		if (why == SSL_ERROR_WANT_READ)
			return grown ? STREAM_OK : STREAM_AGAIN_READ;
		if (why == SSL_ERROR_ZERO_RETURN)
			s->eof = true;
		else
			fail(s, "TLS");
		if (grown)
			return STREAM_OK; /* the rest is told next time */
		return s->failed ? STREAM_ERROR : STREAM_EOF;
	}
}

enum stream_result stream_encrypt(struct stream *s)
{
	if (s->failed)
		return STREAM_ERROR;
	if (!s->handshaken)
		return stream_fail(s, "TLS handshake is not finished");
	while (bytes_len(&s->out) > 0 &&
	    bytes_len(&s->cipher_out) < ENCRYPT_MOST) {
		size_t len = bytes_len(&s->out), n = 0;
		if (len > ENCRYPT_MOST)
			len = ENCRYPT_MOST;
		ERR_clear_error();
		if (!SSL_write_ex(s->ssl, s->out.p + s->out.start, len, &n))
			return fail(s, "TLS");
		bytes_take(&s->out, n);
	}
	if (bytes_len(&s->out) == 0 && s->out.capacity > READ_MOST)
		bytes_free(&s->out);
	return STREAM_OK;
}

/* ---- what was agreed ---- */

bool stream_is_tls(const struct stream *s)
{
	return s->ssl != NULL && s->handshaken;
}

bool stream_tls_info(const struct stream *s, struct tls_info *info)
{
	if (!stream_is_tls(s))
		return false;
	const SSL_CIPHER *cipher = SSL_get_current_cipher(s->ssl);
	info->protocol = SSL_get_version(s->ssl);
	info->cipher = cipher != NULL ? SSL_CIPHER_get_name(cipher) : "";
	info->bits = cipher != NULL ? SSL_CIPHER_get_bits(cipher, NULL) : 0;
	info->verified = SSL_get0_peer_certificate(s->ssl) != NULL &&
	    SSL_get_verify_result(s->ssl) == X509_V_OK;
	return true;
}
