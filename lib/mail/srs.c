/* SPDX-License-Identifier: ISC */
#include "mail/srs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "mail/address.h"

#define PATH_MAX_OCTETS 254 /* RFC 5321 4.5.3.1.3, without the brackets */
#define DAYS            1024
#define DAY             86400
#define SHA1_LEN        20
#define TAG             4 /* "SRS0" */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

const char *srs_words(enum srs_result result)
{
	switch (result) {
	case SRS_OK:
		break;
	case SRS_NONE:
		return "Not a rewritten sender address";
	case SRS_LONG:
		return "The rewritten sender address would be too long";
	case SRS_FORGED:
		return "This rewritten sender address was not made here: its "
		       "hash is wrong";
	case SRS_EXPIRED:
		return "This rewritten sender address has expired";
	}
	return "";
}

/* The tag of a local part without quotes. */
static bool has_tag(struct str local, const char *tag)
{
	return local.len > TAG + 1 && str_case_starts(local, str_from(tag)) &&
	    (local.p[TAG] == '=' || local.p[TAG] == '+' || local.p[TAG] == '-');
}

bool srs_is(struct str local)
{
	if (local.len > 0 && local.p[0] == '"')
		local = str_skip(local, 1);
	return has_tag(local, "SRS0") || has_tag(local, "SRS1");
}

/* ---- the hash ---- */

/* The texts, in lower case, one behind the other, under one secret: SRS_HASH_MAX
 * characters. */
static void hash(struct str secret, const struct str *texts, size_t count,
    char out[SRS_HASH_MAX])
{
	unsigned char mac[EVP_MAX_MD_SIZE] = {0};
	struct buf data = buf_new(4096);
	unsigned len = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < texts[i].len; k++)
			buf_add_char(&data, ascii_lower(texts[i].p[k]));
	HMAC(EVP_sha1(), secret.p, (int)secret.len,
	    (const unsigned char *)buf_str(&data).p, data.len, mac, &len);
	for (size_t i = 0; i < SRS_HASH_MAX; i++) {
		size_t bit = i * 6;
		unsigned two = (unsigned)mac[bit / 8] << 8 | mac[bit / 8 + 1];

		out[i] = base64[two >> (10 - bit % 8) & 63];
	}
	buf_free(&data);
}

/* Of base 64, whatever its case; those who must not have + and / write - and
 * _. */
static char folded(char c)
{
	return c == '-' ? '+' : c == '_' ? '/' : ascii_lower(c);
}

/* Whether one of the secrets makes this hash. */
static bool verify(const struct srs *s, struct str given,
    const struct str *texts, size_t count)
{
	char made[SRS_HASH_MAX], heard[SRS_HASH_MAX];
	bool good = false;

	if (given.len < s->hash_least)
		return false;
	/* What is longer than ours was made when ours were longer. */
	if (given.len > SRS_HASH_MAX)
		return false;
	for (size_t i = 0; i < given.len; i++)
		heard[i] = folded(given.p[i]);
	for (size_t k = 0; k < s->secret_count; k++) {
		hash(s->secrets[k], texts, count, made);
		for (size_t i = 0; i < given.len; i++)
			made[i] = folded(made[i]);
		good |= CRYPTO_memcmp(made, heard, given.len) == 0;
	}
	return good;
}

/* ---- the day ---- */

static void day_text(int64_t now, char out[2])
{
	unsigned day = (unsigned)(now / DAY % DAYS);

	out[0] = base32[day >> 5 & 31];
	out[1] = base32[day & 31];
}

/* 0 to DAYS - 1, or -1. */
static int day_of(struct str text)
{
	int day = 0;

	if (text.len != 2)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		char c = ascii_upper(text.p[i]);
		const char *at = c == '\0' ? NULL : strchr(base32, c);

		if (at == NULL)
			return -1;
		day = day << 5 | (int)(at - base32);
	}
	return day;
}

static bool is_expired(const struct srs *s, int day, int64_t now)
{
	unsigned age = (unsigned)((now / DAY - day) % DAYS + DAYS) % DAYS;

	return age > s->days && age != DAYS - 1;
}

/* ---- addresses ---- */

/* The local part without its quotes, appended. */
static void add_raw(struct buf *out, struct str local)
{
	if (local.p[0] != '"') {
		buf_add(out, local);
		return;
	}
	for (size_t i = 1; i + 1 < local.len; i++) {
		if (local.p[i] == '\\')
			i++;
		buf_add_char(out, local.p[i]);
	}
}

/* raw@domain as a mailbox, quoted where it has to be. */
static int add_mailbox(struct buf *out, struct str raw, struct str domain)
{
	struct buf quoted = buf_new(4096);
	int result;

	buf_add_char(&quoted, '"');
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '"' || raw.p[i] == '\\')
			buf_add_char(&quoted, '\\');
		buf_add_char(&quoted, raw.p[i]);
	}
	buf_add_text(&quoted, "\"@");
	buf_add(&quoted, domain);
	result = quoted.overflow
	    ? -1
	    : address_normalize(buf_str(&quoted), false, out);
	buf_free(&quoted);
	return result;
}

/* ---- forward ---- */

/* TAG=hash=texts[0]=texts[1]..., raw. */
static void compose(const struct srs *s, struct buf *raw, const char *tag,
    const struct str *texts, size_t count)
{
	char made[SRS_HASH_MAX];

	hash(s->secrets[0], texts, count, made);
	buf_printf(raw, "%s=%.*s", tag, (int)s->hash_length, made);
	for (size_t i = 0; i < count; i++) {
		buf_add_char(raw, '=');
		buf_add(raw, texts[i]);
	}
}

static bool is_host(struct str s)
{
	struct buf mailbox = buf_new(1024);
	struct address a;
	const char *why;
	bool good;

	buf_add_text(&mailbox, "a@");
	buf_add(&mailbox, s);
	good = !mailbox.overflow &&
	    address_split(buf_str(&mailbox), true, &a, &why) == 0;
	buf_free(&mailbox);
	return good;
}

/* What is behind the tag of an SRS1 address: hash=host=rest, and the rest is
 * what was behind SRS0. */
static bool cut_first(struct str raw, struct str *given, struct str texts[2])
{
	struct str rest = str_skip(raw, TAG + 1);

	*given = str_cut(&rest, '=');
	texts[0] = str_cut(&rest, '=');
	texts[1] = rest;
	return has_tag(raw, "SRS1") && rest.len > 1 &&
	    strchr("=+-", rest.p[0]) != NULL && is_host(texts[0]);
}

enum srs_result srs_forward(const struct srs *s, struct str sender,
    struct str domain, int64_t now, struct buf *out)
{
	struct buf local = buf_new(1024), raw = buf_new(2048);
	struct str first[2], given;
	enum srs_result result = SRS_OK;
	size_t before = out->len;
	struct address a;
	const char *why;
	char day[2];

	/* An address literal of a kind nobody knows may have anything. */
	if (address_split(sender, true, &a, &why) < 0 ||
	    str_find(a.domain, '=') < a.domain.len)
		return SRS_NONE;
	add_raw(&local, a.local);
	if (cut_first(buf_str(&local), &given, first)) {
		compose(s, &raw, "SRS1", first, 2);
	} else if (has_tag(buf_str(&local), "SRS0")) {
		const struct str texts[] = {
		    a.domain, str_skip(buf_str(&local), TAG)};

		compose(s, &raw, "SRS1", texts, 2);
	} else {
		const struct str texts[] = {
		    str_of(day, 2), a.domain, buf_str(&local)};

		day_text(now, day);
		compose(s, &raw, "SRS0", texts, 3);
	}
	if (raw.overflow || add_mailbox(out, buf_str(&raw), domain) < 0 ||
	    out->len - before > PATH_MAX_OCTETS) {
		out->len = before;
		result = SRS_LONG;
	}
	buf_free(&local);
	buf_free(&raw);
	return result;
}

/* ---- reverse ---- */

static enum srs_result reverse_first(
    const struct srs *s, struct str raw, struct buf *out)
{
	struct str texts[2], given;
	struct buf inner = buf_new(2048);
	enum srs_result result = SRS_FORGED;

	buf_add_text(&inner, "SRS0");
	if (cut_first(raw, &given, texts) && verify(s, given, texts, 2)) {
		buf_add(&inner, texts[1]);
		if (add_mailbox(out, buf_str(&inner), texts[0]) == 0)
			result = SRS_OK;
	}
	buf_free(&inner);
	return result;
}

static enum srs_result reverse_plain(
    const struct srs *s, struct str raw, int64_t now, struct buf *out)
{
	struct str rest = str_skip(raw, TAG + 1);
	struct str given = str_cut(&rest, '='), texts[3];
	int day;

	texts[0] = str_cut(&rest, '=');
	texts[1] = str_cut(&rest, '=');
	texts[2] = rest;
	day = day_of(texts[0]);
	if (day < 0 || texts[1].len == 0 || !verify(s, given, texts, 3))
		return SRS_FORGED;
	if (is_expired(s, day, now))
		return SRS_EXPIRED;
	return add_mailbox(out, rest, texts[1]) == 0 ? SRS_OK : SRS_FORGED;
}

enum srs_result srs_reverse(
    const struct srs *s, struct str address, int64_t now, struct buf *out)
{
	struct buf local = buf_new(1024);
	enum srs_result result = SRS_NONE;
	struct address a;
	const char *why;

	if (address_split(address, true, &a, &why) < 0)
		return SRS_NONE;
	add_raw(&local, a.local);
	if (has_tag(buf_str(&local), "SRS1"))
		result = reverse_first(s, buf_str(&local), out);
	else if (has_tag(buf_str(&local), "SRS0"))
		result = reverse_plain(s, buf_str(&local), now, out);
	buf_free(&local);
	return result;
}
