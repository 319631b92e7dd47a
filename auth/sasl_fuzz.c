/* SPDX-License-Identifier: ISC */
/*
 * What a stranger sends for AUTH PLAIN and LOGIN. The first octet chooses the
 * mechanism and whether there is an initial response; responses are parted by
 * line feeds. PLAIN's credentials are those that RFC 4616 makes of the
 * message, whoever parsed it.
 */
#include <stdlib.h>

#include "auth/sasl.h"
#include "auth/scheme.h"

/* [authzid] NUL authcid NUL passwd, with passwd to the end. */
static void check_plain(const struct sasl_session *x, struct str message)
{
	/* Other characters may come out changed, by SASLprep (RFC 4013). */
	for (size_t i = 0; i < message.len; i++)
		if ((unsigned char)message.p[i] >= 0x80)
			return;
	struct str authzid = str_cut(&message, '\0');
	struct str authid = str_cut(&message, '\0');

	if (!str_eq(sasl_authid(x), authid) ||
	    (authzid.len > 0 && !str_eq(authzid, authid)))
		abort();
	if (!str_eq(sasl_password(x), message))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sasl *s;
	struct buf out = buf_new(SASL_DATA_MAX);
	struct str rest = str_of(data, len), last = STR_EMPTY;
	const char *why = "";
	bool is_plain, has_initial;

	if (s == NULL)
		s = sasl_open("PLAIN LOGIN", &why);
	if (s == NULL || len == 0)
		return 0;
	is_plain = data[0] & 1;
	has_initial = data[0] & 2;
	rest = str_skip(rest, 1);
	struct sasl_session *x = sasl_start(
	    s, is_plain ? STR("PLAIN") : STR("LOGIN"));
	if (has_initial)
		last = str_cut(&rest, '\n');
	enum sasl_result r = sasl_first(x, has_initial, last, &out, &why);
	while (r == SASL_CHALLENGE && rest.len > 0) {
		last = str_cut(&rest, '\n');
		r = sasl_step(x, last, &out, &why);
	}
	if (r == SASL_MALFORMED && why[0] == '\0')
		abort();
	if (r == SASL_CREDENTIALS && sasl_password(x).len > SCHEME_PASSWORD_MAX)
		abort();
	if (r == SASL_CREDENTIALS && is_plain)
		check_plain(x, last);
	sasl_end(&x);
	buf_free(&out);
	return 0;
}
