/* SPDX-License-Identifier: ISC */
/* A message of one header field is made, and those who would sign it are
 * chosen by the code that does it for mail. */
#include "cleanup/explain.h"

#include <stdio.h>

#include "cleanup/signers.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/rehearsal.h"

#define ASKED_MS  10000
#define ARENA_MAX (1u << 20)

static void told(void *arg, const struct explain_step *step)
{
	ipc_put(arg, &explain_step, step);
}

static struct str keep(struct message *m, struct str text)
{
	struct str copy = arena_copy(&m->arena, text);

	return copy.p == NULL ? STR_EMPTY : copy;
}

static void make_message(struct message *m, const struct explain_signing *q)
{
	*m = (struct message){.arena = arena_new(ARENA_MAX),
	    .content = splitter_new(2 * IPC_ADDRESS_MAX)};
	m->from.origin = q->origin;
	m->from.client_address = keep(m, q->address);
	m->from.login = keep(m, q->login);
	m->from.sender = keep(m, q->sender);
	m->from.uid = q->uid;
	if (q->author.len > 0)
		buf_printf(
		    &m->content.header, "From: <%.*s>\r\n", STR_FMT(q->author));
}

/* A seal is for what an alias sends on, from outside. */
static void tell_seal(struct cleanup *c, struct explain *x)
{
	struct str domain = str_from(c->conf->arc_sealing_domain);
	const struct domain_keys *d = keys_find(c->keys, domain);

	rehearsal_rule(x, "signature", "arc_sealing_domain",
	    "arc_sealing_domain", d->count > 0 ? "seals" : "dunno", "%s%.*s",
	    domain.len == 0 ? "nothing is sealed"
		: d->count > 0
		? "what an alias sends on to another host is "
		  "sealed (ARC) by "
		: "nothing is sealed: there is no active key of ",
	    STR_FMT(domain));
}

static void list_keys(const struct signing *s, struct buf *out)
{
	for (size_t i = 0; i < s->count; i++)
		buf_printf(out, "%s%.*s/%s", i > 0 ? ", " : "",
		    STR_FMT(s->list[i].domain), s->list[i].key->selector);
}

void explain_signing_of(struct cleanup *c, struct ipc *asker)
{
	static struct explain telling; /* one question, one process */
	struct buf keys = buf_new(EXPLAIN_TEXT_MAX);
	const struct ipc_type *type;
	struct message m;
	const void *msg;

	if (ipc_wait(asker, &type, &msg, deadline_in(ASKED_MS)) != IPC_OK ||
	    type != &explain_signing) {
		log_error("no question has come; --explain is for "
			  "posthouse(8)");
		buf_free(&keys);
		return;
	}
	make_message(&m, msg);
	telling = (struct explain){told, asker, "cleanup"};
	c->explain = &telling;
	keys_begin(c->keys);
	signers_choose(c, &m);
	if (m.from.origin == ORIGIN_MX && !m.signing.ours)
		tell_seal(c, &telling);
	list_keys(&m.signing, &keys);
	struct explain_end end = {.passed = m.signing.count > 0,
	    .temporary = m.signing.broken,
	    .dsn = STR_EMPTY,
	    .text = m.signing.count > 0 ? buf_str(&keys)
					: str_from(m.signing.why)};
	ipc_put(asker, &explain_end, &end);
	ipc_flush(asker, deadline_in(ASKED_MS));
	c->explain = NULL;
	buf_free(&keys);
	buf_free(&m.content.header);
	arena_free(&m.arena);
}
