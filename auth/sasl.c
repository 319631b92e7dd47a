/* SPDX-License-Identifier: ISC */
#include "auth/sasl.h"

#include <gsasl.h>
#include <stdlib.h>

#include "auth/scheme.h"
#include "core/memory.h"

static const char *const known[] = {"PLAIN", "LOGIN"};

struct sasl {
	Gsasl *context;
	bool offered[ARRAY_LEN(known)];
};

struct sasl_session {
	Gsasl_session *session;
	bool is_plain;
	bool complete; /* the mechanism has said what it collected */
	const char *refused;
	struct buf authid, password;
};

/* Keeps a property and wipes GNU SASL's copy. */
static int keep(
    Gsasl_session *session, Gsasl_property property, struct buf *out)
{
	const char *value = gsasl_property_fast(session, property);

	buf_clear(out);
	if (value == NULL)
		return -1;
	buf_add_text(out, value);
	if (property == GSASL_PASSWORD)
		mem_wipe((void *)(uintptr_t)value, strlen(value));
	return out->overflow ? -1 : 0;
}

/*
 * PLAIN's password comes prepared by SASLprep (RFC 4616 section 2, RFC 4013);
 * LOGIN's as it was sent. A password is the same by whichever way it comes,
 * and what is not UTF-8 stays as it is.
 */
static void prepare(struct buf *password)
{
	char *prepared = NULL;

	if (gsasl_saslprep(buf_text(password), GSASL_ALLOW_UNASSIGNED,
		&prepared, NULL) == GSASL_OK &&
	    strlen(prepared) <= SCHEME_PASSWORD_MAX) {
		buf_clear(password);
		buf_add_text(password, prepared);
	}
	if (prepared != NULL)
		mem_wipe(prepared, strlen(prepared));
	gsasl_free(prepared);
}

/* Always content with the credentials: here they are only collected. */
static int callback(
    Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
	struct sasl_session *x = gsasl_session_hook_get(session);

	(void)context;
	if (property != GSASL_VALIDATE_SIMPLE || x == NULL)
		return GSASL_NO_CALLBACK;
	const char *authzid = gsasl_property_fast(session, GSASL_AUTHZID);
	if (keep(session, GSASL_AUTHID, &x->authid) < 0 ||
	    keep(session, GSASL_PASSWORD, &x->password) < 0) {
		x->refused = "name or password are missing or too long";
		return GSASL_AUTHENTICATION_ERROR;
	}
	/* RFC 4616 section 2: an authorization identity, if any. */
	if (authzid != NULL && authzid[0] != '\0' &&
	    strcmp(authzid, buf_text(&x->authid)) != 0) {
		x->refused = "nobody may act as somebody else";
		return GSASL_AUTHENTICATION_ERROR;
	}
	if (!x->is_plain)
		prepare(&x->password);
	x->complete = true;
	return GSASL_OK;
}

struct sasl *sasl_open(const char *mechanisms, const char **why)
{
	struct sasl *s = NEW(struct sasl);
	struct str rest = str_from(mechanisms), word;

	*why = NULL;
	while (*why == NULL && (word = str_word(&rest, ", \t")).len > 0) {
		size_t i = 0;

		while (i < ARRAY_LEN(known) &&
		    !str_case_eq(word, str_from(known[i])))
			i++;
		if (i == ARRAY_LEN(known))
			*why = "there is a mechanism that is not known; those "
			       "known are PLAIN and LOGIN";
		else
			s->offered[i] = true;
	}
	if (*why == NULL && gsasl_init(&s->context) != GSASL_OK) {
		s->context = NULL;
		*why = "GNU SASL does not start";
	}
	if (*why != NULL) {
		sasl_close(&s);
		return NULL;
	}
	gsasl_callback_set(s->context, callback);
	return s;
}

void sasl_close(struct sasl **s)
{
	if (*s == NULL)
		return;
	if ((*s)->context != NULL)
		gsasl_done((*s)->context);
	free(*s);
	*s = NULL;
}

struct sasl_session *sasl_start(struct sasl *s, struct str mechanism)
{
	struct sasl_session *x;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!s->offered[i] ||
		    !str_case_eq(mechanism, str_from(known[i])))
			continue;
		x = NEW(struct sasl_session);
		x->is_plain = i == 0;
		x->authid = buf_new(1024);
		x->password = buf_new(SCHEME_PASSWORD_MAX);
		/* One piece of memory: growing leaves copies behind. */
		buf_room(&x->password, SCHEME_PASSWORD_MAX);
		if (gsasl_server_start(s->context, known[i], &x->session) !=
		    GSASL_OK) {
			x->session = NULL;
			sasl_end(&x);
			return NULL;
		}
		gsasl_session_hook_set(x->session, x);
		return x;
	}
	return NULL;
}

void sasl_end(struct sasl_session **xp)
{
	struct sasl_session *x = *xp;

	*xp = NULL;
	if (x == NULL)
		return;
	if (x->session != NULL)
		gsasl_finish(x->session);
	mem_wipe(x->password.p, x->password.capacity);
	buf_free(&x->password);
	buf_free(&x->authid);
	free(x);
}

enum sasl_result sasl_step(struct sasl_session *x, struct str response,
    struct buf *out, const char **why)
{
	char *answer = NULL;
	size_t len = 0;
	int r = gsasl_step(x->session, response.p, response.len, &answer, &len);

	buf_clear(out);
	if (r == GSASL_NEEDS_MORE)
		buf_add_bytes(out, answer, len);
	gsasl_free(answer);
	if (r == GSASL_NEEDS_MORE && !out->overflow)
		return SASL_CHALLENGE;
	if (r == GSASL_OK && x->complete)
		return SASL_CREDENTIALS;
	*why = x->refused != NULL ? x->refused : "the response is malformed";
	return SASL_MALFORMED;
}

enum sasl_result sasl_first(struct sasl_session *x, bool has_initial,
    struct str initial, struct buf *out, const char **why)
{
	enum sasl_result r;

	/* An empty response is one (RFC 4954 section 4), and not PLAIN's. */
	*why = "the response is empty";
	if (x->is_plain && has_initial && initial.len == 0)
		return SASL_MALFORMED;
	if (x->is_plain)
		return sasl_step(x, initial, out, why);
	/* LOGIN asks for the name first; an initial response is its answer. */
	r = sasl_step(x, STR_EMPTY, out, why);
	return r == SASL_CHALLENGE && has_initial
	    ? sasl_step(x, initial, out, why)
	    : r;
}

struct str sasl_authid(const struct sasl_session *x)
{
	return buf_str(&x->authid);
}

struct str sasl_password(const struct sasl_session *x)
{
	return buf_str(&x->password);
}
