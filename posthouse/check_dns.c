/* SPDX-License-Identifier: ISC */
/*
 * Each DNS server, of dns_servers or of resolv.conf, is asked for this host's
 * own name, all at once. Any answer about it will do: whether the name is right
 * is another matter.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "net/dns.h"
#include "posthouse/check.h"

#define SERVERS_MAX 8
#define TRY_MS      1500
#define TRIES       2
#define WAIT_MS     5000 /* for all of them */

struct server {
	char *name;
	struct dns *dns;
	bool answered;
	char why[160]; /* "": it said what it knows */
};

struct servers {
	struct server server[SERVERS_MAX];
	size_t count, waiting;
};

static void add(struct servers *s, struct str name)
{
	if (name.len > 0 && s->count < SERVERS_MAX)
		s->server[s->count++].name = str_dup(name);
}

/* As libc reads it: without a line the server is this host. */
static void add_system(struct servers *s)
{
	struct buf text = buf_new(65536);
	struct str rest, line;

	if (file_read("/etc/resolv.conf", &text) < 0)
		buf_clear(&text);
	rest = buf_str(&text);
	while (rest.len > 0) {
		line = str_cut(&rest, '\n');
		if (str_eq(str_word(&line, " \t"), STR("nameserver")))
			add(s, str_word(&line, " \t"));
	}
	if (s->count == 0)
		add(s, STR("127.0.0.1"));
	buf_free(&text);
}

/* Names that RFC 6761 gives to tests: nobody else's server knows them. */
static bool is_reserved(struct str name)
{
	static const struct str ends[] = {STR_INIT("test"), STR_INIT("invalid"),
	    STR_INIT("localhost"), STR_INIT("example"),
	    STR_INIT("localdomain")};
	size_t dot = str_find_last(name, '.');
	struct str last = dot < name.len ? str_skip(name, dot + 1) : name;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_case_eq(last, ends[i]))
			return true;
	return false;
}

struct question {
	struct servers *servers;
	struct server *server;
};

static void answered(const struct dns_reply *reply, void *arg)
{
	struct question *q = arg;

	q->server->answered = true;
	q->servers->waiting--;
	if (reply->status == DNS_TEMPORARY || reply->status == DNS_BAD)
		snprintf(
		    q->server->why, sizeof(q->server->why), "%s", reply->why);
}

static void ask_all(struct servers *s, struct loop *loop, struct str name)
{
	struct question questions[SERVERS_MAX];
	int64_t deadline = deadline_in(WAIT_MS);
	const char *why;

	for (size_t i = 0; i < s->count; i++) {
		struct server *server = &s->server[i];

		server->dns = dns_open(loop, server->name, TRY_MS, TRIES, &why);
		if (server->dns == NULL) {
			server->answered = true;
			snprintf(server->why, sizeof(server->why), "%s", why);
			continue;
		}
		questions[i] = (struct question){s, server};
		s->waiting++;
		dns_ask(server->dns, name, DNS_A, answered, &questions[i]);
	}
	while (s->waiting > 0 && deadline_left(deadline) > 0)
		loop_turn(loop, deadline_left(deadline));
	for (size_t i = 0; i < s->count; i++)
		dns_close(&s->server[i].dns);
}

static void tell(struct check *c, const struct servers *s)
{
	size_t good = 0;

	for (size_t i = 0; i < s->count; i++)
		good += s->server[i].answered && s->server[i].why[0] == '\0';
	for (size_t i = 0; i < s->count; i++) {
		const struct server *server = &s->server[i];

		if (server->answered && server->why[0] == '\0')
			continue;
		buf_printf(&c->warnings,
		    "DNS server %s does not answer (%s): %s\n", server->name,
		    server->why[0] != '\0' ? server->why : "timeout",
		    good > 0 ? "every look-up that meets it is late"
			     : "mail to other hosts waits, and clients have "
			       "no names");
	}
}

void check_dns(struct check *c)
{
	struct str rest = str_from(c->config->house.dns_servers), word;
	struct str name = str_from(c->config->house.myhostname);
	struct loop *loop = loop_new();
	struct servers s = {.count = 0};

	while ((word = str_word(&rest, " ,\t")).len > 0)
		add(&s, word);
	if (s.count == 0 && !is_reserved(name))
		add_system(&s);
	ask_all(&s, loop, name);
	tell(c, &s);
	for (size_t i = 0; i < s.count; i++)
		free(s.server[i].name);
	loop_free(&loop);
}
