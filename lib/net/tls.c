/* SPDX-License-Identifier: ISC */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/str.h"
#include "net/tls_internal.h"

static char reason[4400];

static const char *openssl_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	return text != NULL ? text : "unknown failure";
}

static int fail(const char **why, const char *what, const char *detail)
{
	snprintf(reason, sizeof(reason), "%s: %s", what, detail);
	*why = reason;
	ERR_clear_error();
	return -1;
}

/* ---- protocols ---- */

static const struct {
	const char *name;
	int version;
} versions[] = {
    {"SSLv2", 0x0200},
    {"SSLv3", SSL3_VERSION},
    {"TLSv1", TLS1_VERSION},
    {"TLSv1.0", TLS1_VERSION},
    {"TLSv1.1", TLS1_1_VERSION},
    {"TLSv1.2", TLS1_2_VERSION},
    {"TLSv1.3", TLS1_3_VERSION},
};

static int version_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (str_case_eq(name, str_from(versions[i].name)))
			return versions[i].version;
	return -1;
}

/* One word of the list, applied to the set of the two versions offered. */
static int apply_protocol(struct str word, bool *with12, bool *with13)
{
	bool least = str_starts(word, STR(">="));
	bool most = str_starts(word, STR("<="));
	bool not = str_starts(word, STR("!"));
	int version = version_of(str_skip(word, least || most ? 2 : not ));

	if (version < 0)
		return -1;
	if (least) {
		*with12 = *with12 && version <= TLS1_2_VERSION;
	} else if (most) {
		*with12 = *with12 && version >= TLS1_2_VERSION;
		*with13 = *with13 && version >= TLS1_3_VERSION;
	} else if (not ) {
		*with12 = *with12 && version != TLS1_2_VERSION;
		*with13 = *with13 && version != TLS1_3_VERSION;
	}
	return 0;
}

/* Whether one of the words names a version plainly ("TLSv1.3"). */
static bool names_version(struct str list, int version, bool *any)
{
	for (;;) {
		struct str word = str_word(&list, " ,:\t\r\n");
		int v = version_of(word);
		if (word.len == 0)
			return false;
		if (v >= 0)
			*any = true;
		if (v == version)
			return true;
	}
}

static int set_protocols(SSL_CTX *ctx, struct str list, const char **why)
{
	bool any = false;
	bool with12 = names_version(list, TLS1_2_VERSION, &any);
	bool with13 = names_version(list, TLS1_3_VERSION, &any);

	if (!any)
		with12 = with13 = true;
	for (;;) {
		struct str word = str_word(&list, " ,:\t\r\n");
		char text[64];
		if (word.len == 0)
			break;
		if (apply_protocol(word, &with12, &with13) == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s", STR_FMT(word));
		return fail(why, "not a TLS protocol", text);
	}
	if (!with12 && !with13)
		return fail(why, "TLS protocols",
		    "neither TLSv1.2 nor TLSv1.3 is left");
	SSL_CTX_set_min_proto_version(
	    ctx, with12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(
	    ctx, with13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	return 0;
}

/* ---- contexts ---- */

static SSL_CTX *context(
    const SSL_METHOD *method, const char *protocols, const char **why)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL) {
		fail(why, "TLS", openssl_reason());
		return NULL;
	}
	if (set_protocols(ctx, str_from(protocols), why) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* Every mail protocol says by itself where it ends, so a peer that
	 * just closes is no failure. */
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

static int no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return -1; /* never ask a terminal */
}

static bool is_mismatch(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_GET_LIB(code) == ERR_LIB_X509 &&
	    ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH;
}

/* OpenSSL's own words for these ("PEM lib") help nobody. */
static int load_chain(SSL_CTX *ctx, const char *file, const char **why)
{
	ERR_clear_error();
	if (access(file, R_OK) < 0)
		return fail(why, file, strerror(errno));
	if (SSL_CTX_use_certificate_chain_file(ctx, file) != 1)
		return fail(why, file, "no certificate in it that can be read");
	if (SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	return fail(why, file,
	    is_mismatch()
		? "the private key is not that of the first certificate"
		: "no private key in it that can be read without a password");
}

static int load_chains(SSL_CTX *ctx, struct str files, const char **why)
{
	unsigned count = 0;

	for (;; count++) {
		struct str word = str_word(&files, " ,\t\r\n");
		if (word.len == 0)
			break;
		char *file = str_dup(word);
		int result = load_chain(ctx, file, why);
		free(file);
		if (result < 0)
			return -1;
	}
	if (count == 0)
		return fail(why, "TLS", "no file with key and certificate");
	return 0;
}

struct tls_server *tls_server_open(
    const char *chain_files, const char *protocols, const char **why)
{
	SSL_CTX *ctx = context(TLS_server_method(), protocols, why);

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (load_chains(ctx, str_from(chain_files), why) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_dh_auto(ctx, 1);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Sessions end with their process: resumption would need a memory
	 * that all processes of a service share. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	struct tls_server *tls = NEW(struct tls_server);
	tls->ctx = ctx;
	return tls;
}

void tls_server_close(struct tls_server **tls)
{
	if (*tls == NULL)
		return;
	SSL_CTX_free((*tls)->ctx);
	free(*tls);
	*tls = NULL;
}

struct tls_client *tls_client_open(
    const char *protocols, const char *ca_file, const char **why)
{
	SSL_CTX *ctx = context(TLS_client_method(), protocols, why);

	if (ctx == NULL)
		return NULL;
	/* A file and no folder: that would be read later, in the jail. */
	if (ca_file[0] != '\0' && SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
		fail(why, ca_file, openssl_reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	struct tls_client *tls = NEW(struct tls_client);
	tls->ctx = ctx;
	return tls;
}

void tls_client_close(struct tls_client **tls)
{
	if (*tls == NULL)
		return;
	SSL_CTX_free((*tls)->ctx);
	free(*tls);
	*tls = NULL;
}
