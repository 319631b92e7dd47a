/* SPDX-License-Identifier: ISC */
#include "mailauth/canonical.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "core/memory.h"

/* ---- header ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str without_line_end(struct str s)
{
	if (str_ends(s, STR("\r\n")))
		s.len -= 2;
	else if (str_ends(s, STR("\n")))
		s.len--;
	return s;
}

/* Whether a blank or an octet of a line end stands there. A CR of its own is
 * neither. */
static bool is_fold(struct str s, size_t at)
{
	char c = s.p[at];

	return is_blank(c) || c == '\n' ||
	    (c == '\r' && at + 1 < s.len && s.p[at + 1] == '\n');
}

/* Runs of blanks and line ends become one space; none at the ends. */
static void add_relaxed_value(struct str value, struct buf *out)
{
	size_t begin = out->len;
	bool space = false;

	for (size_t i = 0; i < value.len; i++) {
		if (is_fold(value, i)) {
			space = true;
			continue;
		}
		if (space && out->len > begin)
			buf_add_char(out, ' ');
		space = false;
		buf_add_char(out, value.p[i]);
	}
}

void canonical_field(
    struct str whole, enum canonical form, bool line_end, struct buf *out)
{
	struct str field = without_line_end(whole);
	size_t colon = str_find(field, ':');

	if (form == CANONICAL_SIMPLE) {
		buf_add(out, field);
	} else {
		struct str name = str_trim(str_sub(field, 0, colon));
		for (size_t i = 0; i < name.len; i++)
			buf_add_char(out, ascii_lower(name.p[i]));
		buf_add_char(out, ':');
		add_relaxed_value(str_skip(field, colon + 1), out);
	}
	if (line_end)
		buf_add_text(out, "\r\n");
}

/* ---- body ---- */

struct body_hash {
	enum canonical form;
	uint64_t limit, octets;
	EVP_MD_CTX *context;
	uint64_t line_ends; /* held back: those at the end do not count */
	bool carriage_return,
	    space; /* held back until it is clear what it is */
	uint8_t digest[BODY_HASH_LEN];
};

static void hash(struct body_hash *b, const char *p, size_t len)
{
	uint64_t left = b->octets < b->limit ? b->limit - b->octets : 0;

	b->octets += len;
	if (len > left)
		len = (size_t)left;
	if (len > 0)
		EVP_DigestUpdate(b->context, p, len);
}

/* What was held back is inside the body. */
static void release(struct body_hash *b)
{
	for (; b->line_ends > 0; b->line_ends--)
		hash(b, "\r\n", 2);
	if (b->space)
		hash(b, " ", 1);
	b->space = false;
}

static bool is_plain(const struct body_hash *b, char c)
{
	return c != '\r' && (b->form == CANONICAL_SIMPLE || !is_blank(c));
}

/* Octets at s.p[at] that are hashed as they are: a space or a line end is when
 * it stands between plain octets. 0: it may have to be held back. */
static size_t plain_step(const struct body_hash *b, struct str s, size_t at)
{
	size_t held = 0;

	if (is_plain(b, s.p[at]))
		return 1;
	if (s.p[at] == ' ')
		held = 1;
	else if (s.p[at] == '\r' && at + 1 < s.len && s.p[at + 1] == '\n')
		held = 2;
	return at > 0 && held > 0 && at + held < s.len &&
		is_plain(b, s.p[at + held])
	    ? held
	    : 0;
}

/* The run of such octets that s begins with; nearly always whole paragraphs,
 * since OpenSSL takes longer for a call than for a word. */
static size_t plain_run(const struct body_hash *b, struct str s)
{
	size_t at = 0, step;

	while (at < s.len && (step = plain_step(b, s, at)) > 0)
		at += step;
	return at;
}

static void add(struct body_hash *b, struct str s)
{
	while (s.len > 0) {
		char c = s.p[0];
		if (b->carriage_return) {
			b->carriage_return = false;
			if (c == '\n') {
				b->line_ends++;
				b->space = false;
				s = str_skip(s, 1);
			} else {
				release(b);
				hash(b, "\r", 1);
			}
			continue;
		}
		size_t run = plain_run(b, s);
		if (run > 0) {
			release(b);
			hash(b, s.p, run);
		}
		s = str_skip(s, run);
		if (s.len > 0) {
			b->carriage_return = s.p[0] == '\r';
			b->space = b->space || s.p[0] != '\r';
			s = str_skip(s, 1);
		}
	}
}

static void end(struct body_hash *b)
{
	unsigned len = 0;

	if (b->carriage_return) {
		release(b);
		hash(b, "\r", 1);
	}
	if (b->octets > 0 || b->form == CANONICAL_SIMPLE)
		hash(b, "\r\n", 2);
	EVP_DigestFinal_ex(b->context, b->digest, &len);
}

int body_hash_want(struct body_hashes *h, enum canonical form, uint64_t limit)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->forms[i]->form == form && h->forms[i]->limit == limit)
			return (int)i;
	if (h->count == BODY_FORMS_MOST)
		return -1;
	struct body_hash *b = NEW(struct body_hash);
	b->form = form;
	b->limit = limit;
	b->context = EVP_MD_CTX_new();
	if (b->context == NULL ||
	    EVP_DigestInit_ex(b->context, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(b->context);
		free(b);
		return -1;
	}
	h->forms[h->count] = b;
	return (int)h->count++;
}

void body_hash_add(struct body_hashes *h, struct str octets)
{
	for (size_t i = 0; i < h->count; i++)
		add(h->forms[i], octets);
}

void body_hash_end(struct body_hashes *h)
{
	for (size_t i = 0; i < h->count; i++)
		end(h->forms[i]);
}

const uint8_t *body_hash_digest(
    const struct body_hashes *h, int form, uint64_t *octets)
{
	*octets = h->forms[form]->octets;
	return h->forms[form]->digest;
}

void body_hashes_free(struct body_hashes *h)
{
	for (size_t i = 0; i < h->count; i++) {
		EVP_MD_CTX_free(h->forms[i]->context);
		free(h->forms[i]);
	}
	h->count = 0;
}
