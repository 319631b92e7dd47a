/* SPDX-License-Identifier: ISC */
#include "posthouse/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define DAYS 3650

static bool is_address(const char *host)
{
	unsigned char space[16];

	return inet_pton(AF_INET, host, space) == 1 ||
	    inet_pton(AF_INET6, host, space) == 1;
}

static int add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;
	int ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = e != NULL && X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

static int add_names(X509 *x, const char *hostname, const char *host)
{
	char names[1024];
	bool more = is_address(host) && strcmp(host, "127.0.0.1") != 0;

	snprintf(names, sizeof(names),
	    "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1%s%s", hostname,
	    more ? ",IP:" : "", more ? host : "");
	return add_extension(x, NID_subject_alt_name, names);
}

static int set_serial(X509 *x)
{
	unsigned char bytes[8];
	uint64_t serial = 0;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		serial = serial << 8 | bytes[i];
	return ASN1_INTEGER_set_uint64(
	    X509_get_serialNumber(x), serial >> 1 | 1);
}

static int dress(X509 *x, EVP_PKEY *key, const char *hostname, const char *host)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(x), DAYS, 0, NULL) != NULL &&
	    X509_set_pubkey(x, key) &&
	    /* A common name has at most 64 octets; the SAN is what counts. */
	    (strlen(hostname) > 64 ||
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		    (const unsigned char *)hostname, -1, -1, 0)) &&
	    X509_set_issuer_name(x, name) &&
	    add_extension(x, NID_basic_constraints, "critical,CA:TRUE") &&
	    add_extension(x, NID_subject_key_identifier, "hash") &&
	    add_names(x, hostname, host) && X509_sign(x, key, EVP_sha256()) > 0;
}

static int write_pem(EVP_PKEY *key, X509 *x, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	int ok = bio != NULL &&
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) &&
	    PEM_write_bio_X509(bio, x);

	if (ok) {
		long len = BIO_get_mem_data(bio, &p);

		ok = len > 0 && buf_add_bytes(out, p, (size_t)len) == 0;
	}
	BIO_free(bio);
	return ok;
}

int certificate_make(
    const char *hostname, const char *host, struct buf *out, const char **why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	int ok = key != NULL && x != NULL && dress(x, key, hostname, host) &&
	    write_pem(key, x, out);

	if (!ok) {
		*why = ERR_reason_error_string(ERR_get_error());
		if (*why == NULL)
			*why = "the certificate could not be made";
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return ok ? 0 : -1;
}
