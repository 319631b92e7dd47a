/* SPDX-License-Identifier: ISC */
/* nonce (12), octets, tag (16) */
#include "net/seal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define NONCE 12
#define TAG   16

static bool encrypt(EVP_CIPHER_CTX *ctx, const unsigned char *key,
    struct str plain, unsigned char *nonce)
{
	unsigned char *to = nonce + NONCE;
	int n = 0, last = 0;

	return RAND_bytes(nonce, NONCE) == 1 &&
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    EVP_EncryptUpdate(ctx, to, &n, (const unsigned char *)plain.p,
		(int)plain.len) == 1 &&
	    EVP_EncryptFinal_ex(ctx, to + n, &last) == 1 &&
	    EVP_CIPHER_CTX_ctrl(
		ctx, EVP_CTRL_GCM_GET_TAG, TAG, to + plain.len) == 1;
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const unsigned char *key,
    struct str sealed, unsigned char *to)
{
	const unsigned char *nonce = (const unsigned char *)sealed.p;
	size_t len = sealed.len - NONCE - TAG;
	unsigned char tag[TAG];
	int n = 0, last = 0;

	memcpy(tag, nonce + NONCE + len, TAG);
	return EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) ==
	    1 &&
	    EVP_DecryptUpdate(ctx, to, &n, nonce + NONCE, (int)len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
	    EVP_DecryptFinal_ex(ctx, to + n, &last) == 1;
}

int seal_close(
    const unsigned char key[SEAL_KEY], struct str plain, struct buf *out)
{
	char *room = plain.len > INT_MAX
	    ? NULL
	    : buf_room(out, plain.len + SEAL_OVERHEAD);
	EVP_CIPHER_CTX *ctx = room == NULL ? NULL : EVP_CIPHER_CTX_new();
	bool done = ctx != NULL &&
	    encrypt(ctx, key, plain, (unsigned char *)room);

	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	if (done)
		buf_added(out, plain.len + SEAL_OVERHEAD);
	return done ? 0 : -1;
}

int seal_open(
    const unsigned char key[SEAL_KEY], struct str sealed, struct buf *out)
{
	if (sealed.len < SEAL_OVERHEAD || sealed.len > INT_MAX)
		return -1;
	size_t len = sealed.len - SEAL_OVERHEAD;
	char *room = buf_room(out, len + 1);
	EVP_CIPHER_CTX *ctx = room == NULL ? NULL : EVP_CIPHER_CTX_new();
	bool done = ctx != NULL &&
	    decrypt(ctx, key, sealed, (unsigned char *)room);

	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	if (done)
		buf_added(out, len);
	return done ? 0 : -1;
}
