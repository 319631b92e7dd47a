/* SPDX-License-Identifier: ISC */
#include "lookup/answer.h"

#include "core/log.h"
#include "lookup/rewriting.h"

#define VALUE_MAX 16384 /* octets, as lookup_value has it */
#define TEXT_MAX  500   /* octets, IPC_REPLY_MAX */

static int answer_resolve(
    struct directory *d, struct wire *w, const struct lookup_resolve *q)
{
	struct lookup_resolved r = {.request = q->request};

	directory_resolve(d, q->address, &r);
	/* What tables say may be longer than a field. */
	if (r.transport.len > 64 || r.nexthop.len > 1024) {
		log_error("%.*s: the tables lead to a transport or next hop "
			  "that is too long",
		    STR_FMT(q->address));
		r.status = RESOLVE_TEMPORARY;
		r.transport = r.nexthop = STR_EMPTY;
	}
	return wire_put(w, &lookup_resolved, &r);
}

/* Says which mailbox of local the address is, if it is one. */
static void add_mailbox(struct directory *d, struct lookup_expanded *one)
{
	struct lookup_resolved r = {.request = one->request};

	directory_resolve_within(d, one->address, &r);
	if (r.status != RESOLVE_OK || !str_eq(r.transport, STR("local")) ||
	    r.nexthop.len > 1024)
		return;
	one->account = r.account;
	one->nexthop = r.nexthop;
	one->quota_storage = r.quota_storage;
	one->quota_messages = r.quota_messages;
}

/*
 * Whether an alias sends the mail to another host: the address is not the one
 * that was asked about, and its domain is none of ours. -1: that cannot be
 * known now.
 */
static int is_forwarded(
    struct directory *d, struct str asked, struct str address)
{
	enum domain_class class;
	struct str relay;
	struct who w;

	if (str_case_eq(asked, address) || directory_who(d, address, &w) < 0)
		return 0;
	if (directory_domain(d, w.domain, &class, &relay) == MAP_ERROR)
		return -1;
	return class == CLASS_REMOTE;
}

static int answer_expand(
    struct directory *d, struct wire *w, const struct lookup_expand *q)
{
	struct lookup_expand_end end = {.request = q->request};
	struct expansion e;

	directory_expand(d, q->address, &e);
	end.status = e.status;
	end.text = str_from(e.text);
	if (e.status != RESOLVE_OK && d->explain == NULL)
		log_warning("%.*s: %s", STR_FMT(q->address), e.text);
	for (size_t i = 0; e.status == RESOLVE_OK && i < e.count; i++) {
		struct lookup_expanded one = {.request = q->request,
		    .address = e.address[i],
		    .account = STR_EMPTY,
		    .nexthop = STR_EMPTY};

		if (one.address.len == 0 || one.address.len > 1024) {
			log_error("%.*s: an alias target is too long",
			    STR_FMT(q->address));
			continue;
		}
		int forwarded = is_forwarded(d, q->address, one.address);
		if (forwarded < 0) {
			end.status = RESOLVE_TEMPORARY;
			end.text = STR("the directory is away");
			break;
		}
		one.forwarded = forwarded > 0;
		if (q->mailboxes)
			add_mailbox(d, &one);
		if (wire_put(w, &lookup_expanded, &one) < 0)
			return -1;
		end.count++;
	}
	return wire_put(w, &lookup_expand_end, &end);
}

static int answer_forward(
    struct directory *d, struct wire *w, const struct lookup_forward *q)
{
	struct lookup_forwarded r = {.request = q->request};

	r.status = rewriting_forward(d, q->sender, &r.sender);
	return wire_put(w, &lookup_forwarded, &r);
}

static int answer_owns(
    struct directory *d, struct wire *w, const struct lookup_owns *q)
{
	struct lookup_owned r = {.request = q->request};

	r.status = directory_owns(d, q->login, q->address);
	return wire_put(w, &lookup_owned, &r);
}

/* ---- the same, and why ---- */

struct telling {
	struct wire *wire;
	struct directory *directory;
	uint64_t request;
	size_t left; /* steps that may still be told */
	bool failed;
};

static void tell(void *arg, const struct explain_step *step)
{
	struct telling *t = arg;
	struct explain_step with = *step;
	char origin[500] = "";

	if (t->left == 0 || t->failed)
		return;
	t->left--;
	if (t->directory->origin != NULL && step->rule.len > 0 &&
	    !str_starts(step->rule, STR("reject_"))) {
		char name[128] = "";

		if (str_copy(name, sizeof(name), step->rule) == 0)
			t->directory->origin(name, origin, sizeof(origin));
	}
	with.request = t->request;
	with.origin = str_from(origin);
	t->failed = wire_put(t->wire, &explain_step, &with) < 0;
}

static int answer_explain(
    struct directory *d, struct wire *w, const struct lookup_explain *q)
{
	struct telling t = {w, d, q->request, EXPLAIN_STEPS_MAX, false};
	struct explain explain = {tell, &t, "lookup"};
	const struct lookup_resolve resolve = {q->request, q->address};
	const struct lookup_expand expand = {q->request, q->address, false};
	const struct lookup_owns owns = {q->request, q->login, q->address};
	const struct lookup_forward forward = {q->request, q->address};
	int r = -1;

	d->explain = &explain;
	if (q->what == EXPLAIN_OWNS && q->login.len > 0)
		r = answer_owns(d, w, &owns);
	else if (q->what == EXPLAIN_FORWARD)
		r = answer_forward(d, w, &forward);
	else if (q->what == EXPLAIN_RESOLVE && q->address.len > 0)
		r = answer_resolve(d, w, &resolve);
	else if (q->what == EXPLAIN_EXPAND && q->address.len > 0)
		r = answer_expand(d, w, &expand);
	d->explain = NULL;
	return t.failed ? -1 : r;
}

/* ---- one table ---- */

/* The first of the keys that the table has. */
static enum map_result find_keys(struct directory *d,
    const struct lookup_table *q, struct buf *value, const char **why)
{
	struct str rest = q->key, key;
	enum map_result r;

	do {
		key = str_cut(&rest, '\n');
		r = directory_look(d, q->rule, q->table, key, value, why);
	} while (r == MAP_NONE && rest.len > 0);
	return r;
}

static int put_value(
    struct directory *d, struct wire *w, const struct lookup_table *q)
{
	struct lookup_value r = {.request = q->request,
	    .status = RESOLVE_TEMPORARY,
	    .value = STR_EMPTY};
	struct buf value = buf_new(VALUE_MAX);
	const char *why;
	int result;

	if (!tables_may_ask(
		d->tables, q->table, d->readable, d->conf->srs_secrets_file)) {
		log_error("table %.*s was asked for, but it is neither below "
			  "the configuration directory nor in proxy_read_maps",
		    STR_FMT(q->table));
	} else {
		switch (find_keys(d, q, &value, &why)) {
		case MAP_FOUND:
			r.status = RESOLVE_OK;
			r.value = buf_str(&value);
			break;
		case MAP_NONE:
			r.status = RESOLVE_UNKNOWN;
			break;
		case MAP_ERROR:
			break;
		}
	}
	result = wire_put(w, &lookup_value, &r);
	buf_free(&value);
	return result;
}

static int answer_table(
    struct directory *d, struct wire *w, const struct lookup_table *q)
{
	struct telling t = {w, d, q->request, EXPLAIN_STEPS_MAX, false};
	struct explain explain = {tell, &t, "lookup"};
	int r;

	if (q->rule.len > 0)
		d->explain = &explain;
	r = put_value(d, w, q);
	d->explain = NULL;
	return t.failed ? -1 : r;
}

int answer_question(struct directory *d, struct wire *w,
    const struct ipc_type *type, const void *msg)
{
	if (type == &lookup_resolve)
		return answer_resolve(d, w, msg);
	if (type == &lookup_expand)
		return answer_expand(d, w, msg);
	if (type == &lookup_forward)
		return answer_forward(d, w, msg);
	if (type == &lookup_owns)
		return answer_owns(d, w, msg);
	if (type == &lookup_explain)
		return answer_explain(d, w, msg);
	if (type == &lookup_table)
		return answer_table(d, w, msg);
	log_error("a peer sent %s, which is an answer", type->name);
	return -1;
}
