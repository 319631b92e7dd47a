/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "posthouse/dns.h"

#define TRY_MS   3000
#define TRIES    3
#define TOTAL_MS 60000 /* for everything that a domain needs */

struct dns_look {
	struct loop *loop;
	struct dns *dns;
	struct questions *questions;
};

struct dns_look *dns_look_open(struct posthouse *p)
{
	struct dns_look *look = NEW(struct dns_look);
	const char *why;

	look->loop = loop_new();
	look->dns = dns_open(
	    look->loop, p->house.dns_servers, TRY_MS, TRIES, &why);
	if (look->dns == NULL) {
		posthouse_fail("dns", "dns_servers: %s", why);
		dns_look_close(&look);
		return NULL;
	}
	look->questions = questions_new(look->dns);
	dns_look_begin(look);
	return look;
}

void dns_look_begin(struct dns_look *look)
{
	questions_clear(look->questions, deadline_in(TOTAL_MS));
}

void dns_look_close(struct dns_look **look)
{
	struct dns_look *l = *look;

	if (l == NULL)
		return;
	*look = NULL;
	questions_free(&l->questions);
	dns_close(&l->dns);
	loop_free(&l->loop);
	free(l);
}

const struct dns_reply *dns_look_up(
    struct dns_look *look, struct str name, enum dns_type type)
{
	const struct dns_reply *r;

	while ((r = questions_ask(look->questions, name, type)) == NULL)
		questions_wait(look->questions, look->loop);
	return r;
}

void dns_look_ahead(struct dns_look *look, struct str name, enum dns_type type)
{
	questions_ask(look->questions, name, type);
}

struct questions *dns_look_questions(struct dns_look *look)
{
	return look->questions;
}

bool dns_look_wait(struct dns_look *look)
{
	return questions_wait(look->questions, look->loop);
}
