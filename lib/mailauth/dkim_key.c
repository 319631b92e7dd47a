/* SPDX-License-Identifier: ISC */
#include "mailauth/dkim_key.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "core/memory.h"
#include "mail/encode.h"
#include "mailauth/tags.h"

#define ED25519_KEY_LEN 32
#define SIGNATURE_MOST  (RSA_BITS_MOST / 8)
#define KEY_MOST        4096 /* octets of a public key */
#define EXPONENT_MOST   64   /* bits; a longer one costs a hundred times more */

struct dkim_key {
	EVP_PKEY *pkey;
	enum dkim_algorithm algorithm;
};

static const char *const algorithm_names[] = {"rsa-sha256", "ed25519-sha256"};

const char *dkim_algorithm_name(enum dkim_algorithm algorithm)
{
	return algorithm_names[algorithm];
}

bool dkim_algorithm_parse(struct str name, enum dkim_algorithm *out)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++)
		if (str_case_eq(name, str_from(algorithm_names[i]))) {
			*out = (enum dkim_algorithm)i;
			return true;
		}
	return false;
}

static struct dkim_key *key_of(EVP_PKEY *pkey, enum dkim_algorithm algorithm)
{
	struct dkim_key *key = NEW(struct dkim_key);

	key->pkey = pkey;
	key->algorithm = algorithm;
	return key;
}

void dkim_key_free(struct dkim_key **key)
{
	if (*key == NULL)
		return;
	EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *key)
{
	return key->algorithm;
}

unsigned dkim_key_bits(const struct dkim_key *key)
{
	return (unsigned)EVP_PKEY_get_bits(key->pkey);
}

/* ---- public keys ---- */

/* The content of the DER element of a tag, which is cut off *der; false when it
 * does not begin with one. */
static bool cut_element(struct str *der, int tag, struct str *content)
{
	const unsigned char *p = (const unsigned char *)der->p;
	int found, class;
	long len;

	if (der->len == 0)
		return false;
	int form = ASN1_get_object(&p, &len, &found, &class, (long)der->len);
	if (form != (tag == V_ASN1_SEQUENCE ? V_ASN1_CONSTRUCTED : 0))
		return false;
	if (class != V_ASN1_UNIVERSAL || found != tag)
		return false;
	*content = str_of(p, (size_t)len);
	*der = str_skip(*der, (size_t)(content->p + len - der->p));
	return true;
}

/* A positive number; NULL when there is none. */
static BIGNUM *cut_number(struct str *der)
{
	struct str n;

	if (!cut_element(der, V_ASN1_INTEGER, &n) || n.len == 0 ||
	    (uint8_t)n.p[0] > 0x7f)
		return NULL;
	return BN_bin2bn((const unsigned char *)n.p, (int)n.len, NULL);
}

static EVP_PKEY *rsa_of(const BIGNUM *modulus, const BIGNUM *exponent)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *parts = NULL;
	EVP_PKEY *pkey = NULL;

	if (builder != NULL &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
		parts = OSSL_PARAM_BLD_to_param(builder);
	if (parts == NULL || c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, parts) != 1)
		pkey = NULL;
	OSSL_PARAM_free(parts);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(c);
	return pkey;
}

/* The RSAPublicKey (RFC 8017 appendix A.1.1) in what a record has: itself, as
 * RFC 6376 says, or in a SubjectPublicKeyInfo (RFC 5280 section 4.1), as
 * everybody publishes it. */
static bool find_rsa(struct str der, struct str *numbers)
{
	/* rsaEncryption, 1.2.840.113549.1.1.1 */
	static const char identifier[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
	struct str info, algorithm, oid, bits;

	if (!cut_element(&der, V_ASN1_SEQUENCE, &info))
		return false;
	*numbers = info;
	if (!cut_element(&info, V_ASN1_SEQUENCE, &algorithm))
		return true;
	if (!cut_element(&algorithm, V_ASN1_OBJECT, &oid) ||
	    !str_eq(oid, str_of(identifier, sizeof(identifier) - 1)) ||
	    !cut_element(&info, V_ASN1_BIT_STRING, &bits) || bits.len == 0 ||
	    bits.p[0] != 0) /* unused bits */
		return false;
	bits = str_skip(bits, 1);
	return cut_element(&bits, V_ASN1_SEQUENCE, numbers);
}

/* OpenSSL's own reader asks each of its decoders whether the key is for it,
 * which costs as much as seven verifications. */
static EVP_PKEY *read_rsa(struct str der)
{
	struct str numbers;

	if (!find_rsa(der, &numbers))
		return NULL;
	BIGNUM *modulus = cut_number(&numbers);
	BIGNUM *exponent = cut_number(&numbers);
	EVP_PKEY *pkey = modulus != NULL && exponent != NULL &&
		BN_num_bits(exponent) <= EXPONENT_MOST
	    ? rsa_of(modulus, exponent)
	    : NULL;
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

static const char *wrong_size(const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);

	return bits < RSA_BITS_LEAST ? "the key is too short"
	    : bits > RSA_BITS_MOST   ? "the key is too long"
				     : NULL;
}

static struct dkim_key *read_public(
    struct str der, enum dkim_algorithm algorithm, const char **why)
{
	EVP_PKEY *pkey;

	if (algorithm == DKIM_ED25519_SHA256)
		pkey = der.len == ED25519_KEY_LEN
		    ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
			  (const unsigned char *)der.p, der.len)
		    : NULL;
	else
		pkey = read_rsa(der);
	*why = "the key is malformed";
	if (pkey == NULL)
		return NULL;
	if (algorithm == DKIM_RSA_SHA256 && wrong_size(pkey) != NULL) {
		*why = wrong_size(pkey);
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return key_of(pkey, algorithm);
}

/* What the record says of its use; a reason when it is not for us. */
static const char *unfit(const struct tags *tags, enum dkim_algorithm algorithm,
    struct dkim_key_flags *flags)
{
	const struct tag *version = tags_find(tags, "v");
	struct str services = tags_value(tags, "s", STR("*"));
	struct str hashes = tags_value(tags, "h", STR("sha256"));
	struct str uses = tags_value(tags, "t", STR_EMPTY);
	struct str type = tags_value(tags, "k", STR("rsa"));
	bool ed25519 = algorithm == DKIM_ED25519_SHA256;

	flags->testing = tags_list_has(uses, STR("y"));
	flags->exact_domain = tags_list_has(uses, STR("s"));
	if (version != NULL &&
	    (version != &tags->list[0] ||
		!str_eq(version->value, STR("DKIM1"))))
		return "not a record of DKIM1";
	if (!str_case_eq(type, ed25519 ? STR("ed25519") : STR("rsa")))
		return "the key is of another type";
	if (!tags_list_has(services, STR("*")) &&
	    !tags_list_has(services, STR("email")))
		return "the key is not for mail";
	if (!tags_list_has(hashes, STR("sha256")))
		return "the key is not for SHA-256";
	return NULL;
}

struct dkim_key *dkim_key_parse(struct str record,
    enum dkim_algorithm algorithm, struct dkim_key_flags *flags,
    const char **why)
{
	struct buf der = buf_new(KEY_MOST);
	struct dkim_key *key = NULL;
	struct tags tags;

	*flags = (struct dkim_key_flags){0};
	if (tags_parse(record, &tags) < 0) {
		*why = "the key record is malformed";
		return NULL;
	}
	const struct tag *p = tags_find(&tags, "p");
	*why = unfit(&tags, algorithm, flags);
	if (*why != NULL)
		return NULL;
	if (p == NULL || tags_base64(p->value, &der) < 0) {
		*why = "the key is malformed";
	} else if (der.len == 0) {
		flags->revoked = true;
		*why = "the key is revoked";
	} else {
		key = read_public(buf_str(&der), algorithm, why);
	}
	buf_free(&der);
	return key;
}

/* ---- private keys ---- */

struct dkim_key *dkim_key_private(struct str pem, const char **why)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *pkey = bio == NULL
	    ? NULL
	    : PEM_read_bio_PrivateKey(bio, NULL, NULL, "");

	BIO_free(bio);
	*why = "not a private key in PEM";
	if (pkey == NULL)
		return NULL;
	int type = EVP_PKEY_get_base_id(pkey);
	if (type == EVP_PKEY_ED25519)
		return key_of(pkey, DKIM_ED25519_SHA256);
	*why = type != EVP_PKEY_RSA ? "neither RSA nor Ed25519"
				    : wrong_size(pkey);
	if (*why == NULL)
		return key_of(pkey, DKIM_RSA_SHA256);
	EVP_PKEY_free(pkey);
	return NULL;
}

struct dkim_key *dkim_key_new(enum dkim_algorithm algorithm, unsigned bits)
{
	EVP_PKEY *pkey = algorithm == DKIM_ED25519_SHA256
	    ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
	    : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);

	return pkey == NULL ? NULL : key_of(pkey, algorithm);
}

int dkim_key_pem(const struct dkim_key *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	int result = -1;

	if (bio != NULL &&
	    PEM_write_bio_PrivateKey(
		bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		long len = BIO_get_mem_data(bio, &p);
		result = buf_add_bytes(out, p, (size_t)len);
		mem_wipe(p, (size_t)len);
	}
	BIO_free(bio);
	return result;
}

int dkim_key_record(const struct dkim_key *key, struct buf *out)
{
	bool ed25519 = key->algorithm == DKIM_ED25519_SHA256;
	unsigned char raw[ED25519_KEY_LEN], *der = NULL;
	size_t len = sizeof(raw);

	buf_printf(out, "v=DKIM1; k=%s; p=", ed25519 ? "ed25519" : "rsa");
	if (ed25519) {
		if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &len) != 1)
			return -1;
		base64_encode(str_of(raw, len), out);
	} else {
		int n = i2d_PUBKEY(key->pkey, &der);
		if (n <= 0)
			return -1;
		base64_encode(str_of(der, (size_t)n), out);
		OPENSSL_free(der);
	}
	return out->overflow ? -1 : 0;
}

/* ---- signatures ---- */

static EVP_PKEY_CTX *rsa_context(const struct dkim_key *key, bool sign)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key->pkey, NULL);

	if (c == NULL)
		return NULL;
	if ((sign ? EVP_PKEY_sign_init(c) : EVP_PKEY_verify_init(c)) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1)
		return c;
	EVP_PKEY_CTX_free(c);
	return NULL;
}

static bool verify_rsa(
    const struct dkim_key *key, const uint8_t digest[32], struct str signature)
{
	EVP_PKEY_CTX *c = rsa_context(key, false);
	bool right = c != NULL &&
	    EVP_PKEY_verify(c, (const unsigned char *)signature.p,
		signature.len, digest, 32) == 1;

	EVP_PKEY_CTX_free(c);
	return right;
}

static bool verify_ed25519(
    const struct dkim_key *key, const uint8_t digest[32], struct str signature)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool right = c != NULL &&
	    EVP_DigestVerifyInit(c, NULL, NULL, NULL, key->pkey) == 1 &&
	    EVP_DigestVerify(c, (const unsigned char *)signature.p,
		signature.len, digest, 32) == 1;

	EVP_MD_CTX_free(c);
	return right;
}

bool dkim_key_verify(
    const struct dkim_key *key, const uint8_t digest[32], struct str signature)
{
	return key->algorithm == DKIM_ED25519_SHA256
	    ? verify_ed25519(key, digest, signature)
	    : verify_rsa(key, digest, signature);
}

static int sign_rsa(const struct dkim_key *key, const uint8_t digest[32],
    unsigned char *out, size_t *len)
{
	EVP_PKEY_CTX *c = rsa_context(key, true);
	int result = c != NULL && EVP_PKEY_sign(c, out, len, digest, 32) == 1
	    ? 0
	    : -1;

	EVP_PKEY_CTX_free(c);
	return result;
}

static int sign_ed25519(const struct dkim_key *key, const uint8_t digest[32],
    unsigned char *out, size_t *len)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int result = c != NULL &&
		EVP_DigestSignInit(c, NULL, NULL, NULL, key->pkey) == 1 &&
		EVP_DigestSign(c, out, len, digest, 32) == 1
	    ? 0
	    : -1;

	EVP_MD_CTX_free(c);
	return result;
}

int dkim_key_sign(
    const struct dkim_key *key, const uint8_t digest[32], struct buf *out)
{
	unsigned char signature[SIGNATURE_MOST];
	size_t len = sizeof(signature);
	int result = key->algorithm == DKIM_ED25519_SHA256
	    ? sign_ed25519(key, digest, signature, &len)
	    : sign_rsa(key, digest, signature, &len);

	return result < 0 ? -1 : buf_add_bytes(out, signature, len);
}
