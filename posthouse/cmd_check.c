/* SPDX-License-Identifier: ISC */
/*
 * posthouse check: what reload and start would refuse, and what they cannot
 * see: tables, directories, ports, DNS servers, certificates. Whatever is wrong
 * with one does not keep it from looking at the others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net/netaddr.h"
#include "posthouse/check.h"
#include "posthouse/posthouse.h"
#include "store/store_conf.h"

#define REPORT_MAX (1u << 20)

/* ---- lists ---------------------------------------------------------------- */

/* What is text to the table, and more to keeper. */
static void check_store(struct check *c)
{
	struct upkeep_policy policy;
	struct store_conf conf;
	struct buf told = buf_new(REPORT_MAX);
	const char *why;
	int filled = conf_fill(c->config->conf, store_params, &conf, &told);

	buf_free(&told);
	if (filled < 0)
		return;
	if (store_conf_policy(
		&conf, c->config->house.mail_undelete_time, &policy, &why) < 0)
		buf_printf(&c->problems, "mailbox_expire: %s\n", why);
	else
		free((void *)(uintptr_t)policy.expiries);
}

/* ---- settings that contradict each other, or everybody's sense ----------- */

/* Far addresses of different networks: who trusts them all trusts all. */
static void check_relay(struct check *c)
{
	static const char *const far[] = {
	    "8.8.8.8", "193.0.6.139", "2001:4860:4860::8888"};
	struct str trusted = str_from(c->config->house.mynetworks), bad;
	struct buf origin = buf_new(8192);

	conf_origin_text(c->config->conf, "mynetworks", &origin);
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		struct netaddr a;

		if (netaddr_parse(str_from(far[i]), 0, &a) < 0 ||
		    netaddr_in_list(&a, trusted, &bad) <= 0)
			continue;
		buf_printf(&c->problems,
		    "%s: mynetworks trusts %s, and so much of the Internet: "
		    "this is an open relay\n",
		    buf_text(&origin), far[i]);
		break;
	}
	buf_free(&origin);
}

static void check_debug_peers(struct check *c)
{
	struct str list = str_from(c->config->house.debug_peer_list), word, bad;
	struct buf origin = buf_new(8192);
	struct netaddr any;

	conf_origin_text(c->config->conf, "debug_peer_list", &origin);
	netaddr_parse(STR("192.0.2.1"), 0, &any);
	while ((word = str_word(&list, " ,\t\r\n")).len > 0)
		if (str_find(word, '@') == word.len &&
		    netaddr_in_list(&any, word, &bad) < 0)
			buf_printf(&c->problems,
			    "%s: debug_peer_list: %.*s is no address, no "
			    "network and no login (user@domain)\n",
			    buf_text(&origin), STR_FMT(word));
	buf_free(&origin);
}

static void check_tls_demanded(struct check *c)
{
	static const char *const names[][2] = {
	    {"smtpd_tls_security_level", "smtpd_tls_chain_files"},
	    {"login_tls_security_level", "login_tls_chain_files"}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf level = buf_new(8192), files = buf_new(8192);

		check_value_of(c, names[i][0], &level);
		check_value_of(c, names[i][1], &files);
		if (str_eq(buf_str(&level), STR("encrypt")) &&
		    str_trim(buf_str(&files)).len == 0)
			buf_printf(&c->problems,
			    "%s = encrypt, but %s names no certificate\n",
			    names[i][0], names[i][1]);
		buf_free(&level);
		buf_free(&files);
	}
}

/* ---- the report ---------------------------------------------------------- */

static void json_lines(struct json *j, const char *name, struct str lines)
{
	json_array(j, name);
	while (lines.len > 0)
		json_text(j, NULL, str_cut(&lines, '\n'));
	json_end(j);
}

static int report(struct posthouse *p, struct check *c)
{
	struct buf out = buf_new(2 * REPORT_MAX);
	struct json j = json_start(&out);
	struct str rest = buf_str(&c->warnings);
	bool ok = c->problems.len == 0;

	if (p->json) {
		json_object(&j, NULL);
		json_bool(&j, "ok", ok);
		json_lines(&j, "problems", buf_str(&c->problems));
		json_lines(&j, "warnings", buf_str(&c->warnings));
		json_end(&j);
		fputs(buf_text(&out), stdout);
	} else {
		fprintf(stderr, "%s", buf_text(&c->problems));
		while (rest.len > 0) {
			struct str line = str_cut(&rest, '\n');

			fprintf(stderr, "warning: %.*s\n", STR_FMT(line));
		}
		if (ok)
			printf("no problem found\n");
	}
	buf_free(&out);
	return ok ? 0 : 1;
}

int cmd_check(struct posthouse *p, int argc, char **argv)
{
	struct check c = {NULL, buf_new(REPORT_MAX), buf_new(REPORT_MAX)};
	int status;

	(void)argv;
	if (argc > 1)
		return posthouse_usage("check");
	c.config = config_look(p->config_directory, &c.problems);
	if (c.config != NULL) {
		buf_add(&c.warnings, buf_str(&c.config->warnings));
		check_tables(&c);
		check_folders(&c);
		check_keys(&c);
		check_ports(&c);
		check_certificates(&c);
		check_relay(&c);
		check_debug_peers(&c);
		check_tls_demanded(&c);
		check_store(&c);
		check_dns(&c);
	}
	status = report(p, &c);
	config_free(&c.config);
	buf_free(&c.problems);
	buf_free(&c.warnings);
	return status;
}
