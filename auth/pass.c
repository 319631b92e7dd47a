/* SPDX-License-Identifier: ISC */
/* A pass: seconds since 1970, a dot, HMAC-SHA256 in hex. */
#include "auth/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/buf.h"
#include "core/file.h"
#include "core/memory.h"

#define HASH 32

/* ---- the key's file ---- */

static int read_key(struct passes *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, p->key, sizeof(p->key));
	file_close(&fd);
	errno = EINVAL; /* for one that is too short */
	return n == (ssize_t)sizeof(p->key) ? 0 : -1;
}

/* Whole or not at all; another process may be doing the same. */
static int make_key(struct passes *p, const char *path)
{
	char *new;
	int fd, result = -1;

	if (RAND_bytes(p->key, sizeof(p->key)) != 1 ||
	    asprintf(&new, "%s.%d", path, (int)getpid()) < 0) {
		errno = EAGAIN;
		return -1;
	}
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 &&
	    write(fd, p->key, sizeof(p->key)) == (ssize_t)sizeof(p->key) &&
	    (link(new, path) == 0 || errno == EEXIST))
		result = 0;
	int saved = errno;
	file_close(&fd);
	unlink(new);
	free(new);
	errno = saved;
	return result;
}

int passes_open(struct passes *p, const char *path)
{
	if (read_key(p, path) == 0)
		return 0;
	if (errno == EINVAL)
		unlink(path);
	else if (errno != ENOENT)
		return -1;
	/* What stands there counts. */
	return make_key(p, path) == 0 ? read_key(p, path) : -1;
}

/* ---- passes ---- */

static void add_part(struct buf *b, struct str part)
{
	uint64_t len = part.len;

	buf_add_bytes(b, &len, sizeof(len));
	buf_add(b, part);
}

/* Of the holder, for one use; in hex. */
static void hash(const struct passes *p, const char *use,
    const struct pass_holder *h, struct str issued, struct str stored,
    char out[2 * HASH + 1])
{
	struct buf b = buf_new(65536);
	unsigned char mac[HASH];
	unsigned len = sizeof(mac);

	buf_room(&b, h->login.len + stored.len + 512);
	add_part(&b, str_from(use));
	add_part(&b, h->service);
	add_part(&b, h->login);
	add_part(&b, h->session);
	add_part(&b, issued);
	add_part(&b, stored);
	if (b.overflow ||
	    HMAC(EVP_sha256(), p->key, sizeof(p->key),
		(const unsigned char *)b.p, b.len, mac, &len) == NULL) {
		/* One that nobody has. */
		if (RAND_bytes(mac, sizeof(mac)) != 1)
			abort();
	}
	for (size_t i = 0; i < sizeof(mac); i++)
		snprintf(out + 2 * i, 3, "%02x", mac[i]);
	if (b.p != NULL)
		mem_wipe(b.p, b.capacity);
	buf_free(&b);
}

void pass_make(const struct passes *p, const struct pass_holder *h,
    struct str stored, int64_t now, char out[PASS_MAX + 1])
{
	int n = snprintf(out, PASS_MAX + 1, "%lld", (long long)now);

	hash(p, "pass", h, str_of(out, (size_t)n), stored, out + n + 1);
	out[n] = '.';
}

bool pass_is_good(const struct passes *p, const struct pass_holder *h,
    struct str stored, int64_t now, struct str pass)
{
	struct str rest = pass, issued = str_cut(&rest, '.');
	char want[2 * HASH + 1];
	uint64_t then;

	if (str_to_u64(issued, INT64_MAX, &then) < 0 || rest.len != 2 * HASH)
		return false;
	hash(p, "pass", h, issued, stored, want);
	/* A clock that was set back harms nobody. */
	return CRYPTO_memcmp(want, rest.p, 2 * HASH) == 0 &&
	    (int64_t)then >= now - p->lifetime;
}

void pass_seal_key(const struct passes *p, const struct pass_holder *h,
    char out[PASS_SEAL + 1])
{
	hash(p, "seal", h, STR_EMPTY, STR_EMPTY, out);
}
