/* SPDX-License-Identifier: ISC */
#include "auth/scheme.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "core/memory.h"

static const char *const crypt_schemes[] = {
    "CRYPT", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT"};

/* Takes as long for any two of equal length; the length is no secret. */
static bool same(struct str a, struct str b)
{
	return a.len == b.len &&
	    (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

static enum scheme_result verify_crypt(struct str stored, struct str password)
{
	char setting[CRYPT_OUTPUT_SIZE], phrase[SCHEME_PASSWORD_MAX + 1];
	enum scheme_result result = SCHEME_UNKNOWN;
	struct crypt_data *data;
	const char *hash;

	if (str_copy(setting, sizeof(setting), stored) < 0)
		return SCHEME_UNKNOWN;
	/* Too long, or a NUL in it: no password is like that. */
	if (str_copy(phrase, sizeof(phrase), password) < 0)
		return SCHEME_MISMATCH;
	data = NEW(struct crypt_data);
	hash = crypt_r(phrase, setting, data);
	if (hash != NULL && hash[0] != '*')
		result = same(str_from(hash), stored) ? SCHEME_MATCH
						      : SCHEME_MISMATCH;
	mem_wipe(data, sizeof(*data));
	mem_wipe(phrase, sizeof(phrase));
	free(data);
	return result;
}

/* "{NAME}" at the start; empty name when there is none. */
static struct str cut_scheme(struct str *stored)
{
	size_t end = str_find(*stored, '}');
	struct str name;

	if (stored->len == 0 || stored->p[0] != '{' || end == stored->len)
		return STR_EMPTY;
	name = str_sub(*stored, 1, end - 1);
	*stored = str_skip(*stored, end + 1);
	return name;
}

enum scheme_result scheme_verify(struct str stored, struct str password)
{
	struct str name = cut_scheme(&stored);

	if (str_case_eq(name, STR("PLAIN")))
		return stored.len > 0 && same(stored, password)
		    ? SCHEME_MATCH
		    : SCHEME_MISMATCH;
	if (name.len == 0 && stored.len > 0 && stored.p[0] == '$')
		return verify_crypt(stored, password);
	for (size_t i = 0; i < ARRAY_LEN(crypt_schemes); i++)
		if (str_case_eq(name, str_from(crypt_schemes[i])))
			return verify_crypt(stored, password);
	return SCHEME_UNKNOWN;
}

void scheme_dummy(char *out, size_t size)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) ==
	    NULL)
		str_copy(setting, sizeof(setting), STR("$6$nobodyatall$"));
	snprintf(out, size, "{CRYPT}%s$nobody", setting);
}
