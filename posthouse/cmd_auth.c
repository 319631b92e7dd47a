/* SPDX-License-Identifier: ISC */
/* posthouse auth test: would this password do, and why not? */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf/registry.h"
#include "core/clock.h"
#include "core/memory.h"
#include "ipc/auth.h"
#include "net/netaddr.h"
#include "posthouse/password.h"
#include "posthouse/posthouse.h"

#define WAIT_MS 60000

/* What the operator can do about it. */
static const struct {
	const char *reason, *advice;
} advices[] = {
    {"unknown user",
	"there is no such mailbox: \"posthouse user list\" shows all; an alias "
	"cannot log in"},
    {"account disabled", "\"posthouse user set USER enabled=yes\" lets it in"},
    {"no password set", "\"posthouse user passwd USER\" sets one"},
    {"password mismatch",
	"the user is known; \"posthouse user passwd USER\" sets a new "
	"password"},
    {"mechanism not offered", "auth_mechanisms has those that are"},
    {"no TLS",
	"submission takes passwords under TLS alone, imap and pop3 as "
	"login_tls_security_level, disable_plaintext_auth and "
	"login_plaintext_networks say"},
    {"unknown password scheme",
	"\"posthouse user passwd USER\" stores it anew"},
    {"the directory is away", "\"posthouse status\" shows whether lookup runs"},
    {"the passwords cannot be read", "the log says why; auth_password_maps"},
};

static const char *advice_for(struct str reason)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (str_eq(reason, str_from(advices[i].reason)))
			return advices[i].advice;
	return NULL;
}

static void print_json(const struct auth_tested *m)
{
	struct buf out = buf_new(65536);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_bool(&j, "ok", m->ok);
	json_bool(&j, "temporary", m->temporary);
	json_text(&j, "login", m->login);
	json_text(&j, "reason", m->reason);
	json_bool(&j, "blocked", m->blocked);
	json_u64(&j, "delay_ms", m->delay_ms);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
}

/* A setting of login's in main.cf; what its -o options say is not known, as
 * nobody said which of its ports is meant. */
static void value_of(struct posthouse *p, const char *name, struct buf *value)
{
	const struct conf_param *row = conf_find(name, NULL);
	struct buf ignored = buf_new(8192);

	if (row != NULL)
		conf_value(p->conf, name, row->fallback, value, &ignored);
	buf_free(&ignored);
}

/* Whether login(8) would take a password from there without TLS. */
static bool plaintext_taken(struct posthouse *p, const struct netaddr *from)
{
	struct buf tls = buf_new(8192), demanded = buf_new(8192);
	struct buf networks = buf_new(65536);
	const char *why;
	struct str bad;
	bool taken, demand;

	value_of(p, "login_tls_security_level", &tls);
	value_of(p, "disable_plaintext_auth", &demanded);
	value_of(p, "login_plaintext_networks", &networks);
	taken = !str_eq(buf_str(&tls), STR("encrypt")) &&
	    ((conf_parse_bool(buf_text(&demanded), &demand, &why) == 0 &&
		 !demand) ||
		netaddr_in_list(from, buf_str(&networks), &bad) == 1);
	buf_free(&tls);
	buf_free(&demanded);
	buf_free(&networks);
	return taken;
}

static void print_text(const struct auth_tested *m)
{
	const char *advice = advice_for(m->reason);

	if (m->ok)
		printf("%.*s: the password is right\n", STR_FMT(m->login));
	else
		printf("%.*s: %.*s\n", STR_FMT(m->login), STR_FMT(m->reason));
	if (advice != NULL)
		printf("    %s\n", advice);
	if (m->blocked)
		printf("    from this address nobody gets in now: too many "
		       "failed logins (\"posthouse penalty list\")\n");
	else if (m->delay_ms > 0)
		printf("    a failure would now wait %.1f s (\"posthouse "
		       "penalty list\")\n",
		    (double)m->delay_ms / 1000);
}

static int ask(struct posthouse *p, const struct auth_test *question,
    const struct netaddr *from)
{
	struct ipc *c = posthouse_connect(p, "auth", "auth", &auth_exchange);
	struct auth_tested *m, answer;
	const void *reply;
	int status = EX_TEMPFAIL;

	if (c == NULL)
		return EX_TEMPFAIL;
	if (ipc_call(c, &auth_test, question, &auth_tested, &reply,
		deadline_in(WAIT_MS)) != IPC_OK) {
		posthouse_fail("auth",
		    "auth did not answer; only root and its own user are "
		    "heard");
	} else {
		answer = *(const struct auth_tested *)reply;
		m = &answer;
		if (m->login.len == 0) /* refused before the login was read */
			m->login = question->login;
		if (m->ok && !question->tls && !plaintext_taken(p, from)) {
			m->ok = false;
			m->reason = STR("no TLS");
		}
		if (p->json)
			print_json(m);
		else
			print_text(m);
		status = m->ok     ? (m->blocked ? EX_NOPERM : EX_OK)
		    : m->temporary ? EX_TEMPFAIL
				   : EX_NOPERM;
	}
	ipc_close(&c);
	return status;
}

int cmd_auth(struct posthouse *p, int argc, char **argv)
{
	struct auth_test question = {.request = 1,
	    .service = STR("imap"),
	    .mechanism = STR("PLAIN"),
	    .client_address = STR("127.0.0.1"),
	    .tls = true};
	static const char *const services[] = {"imap", "pop3", "submission"};
	char password[PASSWORD_MAX + 1];
	struct netaddr from;
	const char *why;
	size_t known = 0;
	int status;

	if (argc < 3 || strcmp(argv[1], "test") != 0 || argv[2][0] == '-')
		return posthouse_usage("auth");
	question.login = str_from(argv[2]);
	for (int i = 3; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--mechanism") == 0 && more)
			question.mechanism = str_from(argv[++i]);
		else if (strcmp(argv[i], "--service") == 0 && more)
			question.service = str_from(argv[++i]);
		else if (strcmp(argv[i], "--from") == 0 && more)
			question.client_address = str_from(argv[++i]);
		else if (strcmp(argv[i], "--no-tls") == 0)
			question.tls = false;
		else
			return posthouse_usage("auth");
	}
	while (known < ARRAY_LEN(services) &&
	    !str_eq(question.service, str_from(services[known])))
		known++;
	if (known == ARRAY_LEN(services)) {
		return posthouse_misused("auth",
		    "--service is imap, pop3 or submission, not %.*s",
		    STR_FMT(question.service));
	}
	if (netaddr_parse(question.client_address, 0, &from) < 0) {
		return posthouse_misused("auth",
		    "--from takes an address, not %.*s",
		    STR_FMT(question.client_address));
	}
	if (!question.tls && posthouse_conf(p) < 0)
		return EX_CONFIG;
	if (password_ask_once("Password", password, &why) < 0) {
		posthouse_fail("auth", "%s", why);
		return EX_DATAERR;
	}
	question.password = str_from(password);
	status = ask(p, &question, &from);
	mem_wipe(password, sizeof(password));
	return status;
}
