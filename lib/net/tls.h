/* SPDX-License-Identifier: ISC */
/*
 * TLS contexts (OpenSSL 3, TLS 1.2 and 1.3). A context is made while the
 * daemon may still read keys (before the jail); the handshake and the bytes
 * belong to the stream (net/stream.h).
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>

struct tls_server;
struct tls_client;

/* What smtpd_tls_security_level and smtp_tls_security_level choose. */
enum tls_level { TLS_NONE, TLS_MAY, TLS_ENCRYPT };

/*
 * chain_files: PEM files separated by blanks or commas, each a private key
 * followed by its certificates, as in smtpd_tls_chain_files. protocols as in
 * smtpd_tls_protocols (">=TLSv1.2"). Returns NULL with *why (a phrase with
 * the file's name, valid until the next call).
 */
struct tls_server *tls_server_open(
    const char *chain_files, const char *protocols, const char **why);
void tls_server_close(struct tls_server **tls);

/*
 * Opportunistic: certificates are looked at and not insisted on. ca_file may
 * be "": no root is trusted. One for each process.
 */
struct tls_client *tls_client_open(
    const char *protocols, const char *ca_file, const char **why);
void tls_client_close(struct tls_client **tls);

struct tls_info {
	const char *protocol; /* "TLSv1.3" */
	const char *cipher;   /* "TLS_AES_256_GCM_SHA384" */
	int bits;
	bool verified; /* the peer's certificate leads to a trusted root and
	                * names it */
};

#endif
