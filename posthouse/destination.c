/* SPDX-License-Identifier: ISC */
#include "posthouse/destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "core/memory.h"
#include "ipc/deliver.h"

#define VALUE_MAX 8192

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {"accepted", "refused", "temporary"};

	return names[v];
}

int verdict_status(enum verdict v)
{
	static const int statuses[] = {EX_OK, EX_UNAVAILABLE, EX_TEMPFAIL};

	return statuses[v];
}

/* ---- finding ---- */

static void fail(
    struct destination *d, enum verdict v, struct str dsn, struct str text)
{
	d->verdict = v;
	d->dsn = dsn;
	d->text = text;
}

static int ask_local(
    struct explanation *x, struct destination *d, uint64_t size)
{
	const struct service *row = explanation_program(x, "local");
	const struct explain_mailbox q = {d->resolved.account,
	    d->resolved.quota_storage, d->resolved.quota_messages, size};

	d->local = true;
	if (d->resolved.account.len == 0) {
		fail(d, VERDICT_REFUSED, STR("5.1.1"),
		    STR("the recipient has no mailbox"));
		return 0;
	}
	if (row == NULL) {
		fail(d, VERDICT_TEMPORARY, STR("4.3.5"),
		    STR("master.cf has no service local"));
		return 0;
	}
	if (explanation_ask(x, row, &explain_mailbox, &q) < 0)
		return -1;
	d->usage = x->usage;
	return 0;
}

static int ask_smtp(struct explanation *x, struct destination *d)
{
	const struct service *row = explanation_program(x, "smtp");
	const struct explain_hop q = {
	    d->resolved.nexthop, str_eq(d->resolved.transport, STR("lmtp"))};

	if (row == NULL) {
		fail(d, VERDICT_TEMPORARY, STR("4.3.5"),
		    STR("master.cf has no service smtp"));
		return 0;
	}
	if (explanation_ask(x, row, &explain_hop, &q) < 0)
		return -1;
	d->targets = x->targets;
	d->target_count = x->target_count;
	x->targets = NULL;
	return 0;
}

/* Reports that others send, which feedback takes. */
static bool is_report(const struct destination *d)
{
	return str_eq(d->resolved.transport, STR("report"));
}

static bool is_front(struct str transport)
{
	for (size_t i = 0; front_transports[i] != NULL; i++)
		if (str_eq(transport, str_from(front_transports[i])))
			return true;
	return false;
}

/* Who delivers is asked. */
static int ask_agent(
    struct explanation *x, struct destination *d, uint64_t size)
{
	bool local = str_eq(d->resolved.transport, STR("local"));

	if (is_report(d))
		return 0; /* feedback takes every mail */
	if ((!local && !is_front(d->resolved.transport)) ||
	    d->resolved.nexthop.len == 0) {
		fail(d, VERDICT_TEMPORARY, STR("4.3.5"),
		    STR("mail transport unknown: transports are local, smtp, "
			"relay, lmtp and report"));
		return 0;
	}
	if ((local ? ask_local(x, d, size) : ask_smtp(x, d)) < 0)
		return -1;
	if (d->verdict == VERDICT_OK && !x->end.passed)
		fail(d, x->end.temporary ? VERDICT_TEMPORARY : VERDICT_REFUSED,
		    x->end.dsn, x->end.text);
	return 0;
}

static int find_one(struct explanation *x, struct destination *d,
    const struct destinations *whole, uint64_t size)
{
	d->from = x->count;
	if (str_eq(d->address, whole->address) && whole->count == 1)
		d->resolved = whole->resolved; /* asked already */
	else if (explanation_resolve(x, d->address, &d->resolved) < 0)
		return -1;
	d->forwarded = d->resolved.domain == CLASS_REMOTE &&
	    !str_case_eq(d->address, whole->address);
	switch ((enum resolve_status)d->resolved.status) {
	case RESOLVE_OK:
		if (ask_agent(x, d, size) < 0)
			return -1;
		break;
	case RESOLVE_UNKNOWN:
		fail(d, VERDICT_REFUSED, STR("5.1.1"), STR("User unknown"));
		break;
	case RESOLVE_REFUSED:
		fail(d, VERDICT_REFUSED, d->resolved.dsn, d->resolved.text);
		break;
	case RESOLVE_TEMPORARY:
		fail(d, VERDICT_TEMPORARY,
		    d->resolved.dsn.len > 0 ? d->resolved.dsn : STR("4.3.0"),
		    d->resolved.text);
		break;
	}
	d->to = x->count;
	return 0;
}

static void judge(struct destinations *d)
{
	for (size_t i = 0; i < d->count; i++) {
		enum verdict v = d->all[i].verdict;

		if (v == VERDICT_REFUSED ||
		    (v == VERDICT_TEMPORARY && d->verdict == VERDICT_OK))
			d->verdict = v;
	}
}

int destinations_find(struct explanation *x, struct str address, uint64_t size,
    struct destinations *out)
{
	struct lookup_expand_end end;
	struct str *addresses;
	size_t count;

	*out = (struct destinations){.address = address, .from = x->count};
	out->dsn = out->text = out->sent_as = STR_EMPTY;
	if (explanation_resolve(x, address, &out->resolved) < 0)
		return -1;
	out->expanded = x->count;
	if (explanation_expand(x, address, &addresses, &count, &end) < 0)
		return -1;
	out->to = x->count;
	if (end.status != RESOLVE_OK) {
		out->verdict = end.status == RESOLVE_TEMPORARY
		    ? VERDICT_TEMPORARY
		    : VERDICT_REFUSED;
		out->dsn = end.status == RESOLVE_TEMPORARY ? STR("4.3.0")
		    : out->resolved.dsn.len > 0            ? out->resolved.dsn
							   : STR("5.4.6");
		out->text = end.text;
		return 0;
	}
	out->all = mem_array(count, sizeof(out->all[0]));
	out->count = count;
	for (size_t i = 0; i < count; i++) {
		struct destination *d = &out->all[i];

		*d = (struct destination){.address = addresses[i]};
		if (find_one(x, d, out, size) < 0)
			return -1;
	}
	judge(out);
	return 0;
}

void destinations_free(struct destinations *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->all[i].targets);
	free(d->all);
}

/* ---- for people ---- */

static void put_place(struct str place)
{
	if (place.len == 0)
		return;
	printf("  (");
	explanation_put(place);
	putchar(')');
}

/* The place of the entry that a step is about: the last one that was found
 * before it for the same address by the same rule. */
static struct str place_of(const struct explanation *x, size_t from, size_t at)
{
	const struct explain_step *s = &x->steps[at].step;

	for (size_t i = at; i > from; i--) {
		const struct told *t = &x->steps[i - 1];

		if (t->step.kind == STEP_LOOKUP &&
		    str_eq(t->step.rule, s->rule) &&
		    str_eq(t->step.about, s->about) &&
		    str_eq(t->step.result, STR("found")))
			return told_place(t);
	}
	return s->origin;
}

static const char *class_words(int class)
{
	static const char *const words[] = {
	    [CLASS_MAILBOX] = "a domain of mailboxes here",
	    [CLASS_ALIAS] = "a domain of aliases here",
	    [CLASS_RELAY] = "a domain that is relayed for others",
	    [CLASS_LOCAL] = "a domain of this host's users",
	    [CLASS_REMOTE] = "none of our domains"};

	return words[class];
}

static void print_domain(const struct explanation *x, size_t from, size_t to,
    struct str address, const struct lookup_resolved *r)
{
	struct str domain = str_skip(address, str_find_last(address, '@') + 1);
	struct str place = STR_EMPTY;

	if (domain.len == 0) {
		printf("  it has no domain: myorigin stands in\n");
		return;
	}
	for (size_t i = from; i < to; i++) {
		const struct told *t = &x->steps[i];

		if (t->step.kind == STEP_LOOKUP &&
		    str_eq(t->step.rule, STR("mail_domain_maps")) &&
		    str_case_eq(t->step.key, domain))
			place = told_place(t);
	}
	printf("  ");
	explanation_put(domain);
	printf(" is %s", class_words(r->domain));
	put_place(place);
	putchar('\n');
}

/* What an alias expands to, one line for each step. */
static void print_aliases(
    const struct explanation *x, const struct destinations *d)
{
	for (size_t i = d->expanded; i < d->to; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (str_eq(s->result, STR("expands"))) {
			printf("  ");
			explanation_put(s->about);
			printf(" -> ");
			explanation_put(s->text);
			printf(", by ");
			explanation_put(s->rule);
			put_place(place_of(x, d->from, i));
			putchar('\n');
		} else if (str_eq(s->result, STR("catch-all")) ||
		    (s->kind == STEP_RULE && str_eq(s->result, STR("dunno")))) {
			printf("  ");
			explanation_put(s->text);
			putchar('\n');
		}
	}
}

static void print_failure(enum verdict v, struct str dsn, struct str text)
{
	printf("  %s: ",
	    v == VERDICT_REFUSED ? "mail is refused" : "mail has to wait");
	explanation_put(dsn);
	putchar(' ');
	explanation_put(text);
	putchar('\n');
}

/* Routes and refusals: rules that chose something. */
static void print_rules(const struct explanation *x, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct explain_step *s = &x->steps[i].step;
		bool route = str_eq(s->result, STR("route"));

		if (s->kind != STEP_RULE ||
		    (!route && !str_eq(s->result, STR("reject"))))
			continue;
		printf("  ");
		explanation_put(s->rule);
		printf(route ? " says " : ": ");
		explanation_put(s->text);
		put_place(place_of(x, from, i));
		putchar('\n');
	}
}

static void print_quota(const struct explanation *x,
    const struct destination *d, size_t from, size_t to)
{
	const struct explain_usage *u = &d->usage;

	printf("  mailbox ");
	explanation_put(d->resolved.account);
	if (u->exists)
		printf(": %llu messages, %llu octets\n",
		    (unsigned long long)u->messages,
		    (unsigned long long)u->octets);
	else
		printf(": empty; the first delivery makes it\n");
	for (size_t i = from; i < to; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (!str_eq(s->result, STR("quota")))
			continue;
		if (str_starts(s->text, STR("0 "))) {
			printf("  no limit of ");
			explanation_put(str_skip(s->text, 2));
		} else {
			printf("  at most ");
			explanation_put(s->text);
		}
		put_place(place_of(x, from, i));
		putchar('\n');
	}
}

static void print_setting(const struct explanation *x, const char *program,
    const char *name, const char *words)
{
	struct buf value = buf_new(VALUE_MAX), origin = buf_new(VALUE_MAX);

	explanation_setting(x, program, name, &value, &origin);
	printf("  %s %s: %s", buf_text(&value), words, name);
	put_place(buf_str(&origin));
	putchar('\n');
	buf_free(&value);
	buf_free(&origin);
}

static void print_target(const struct explain_target *t)
{
	printf("  tried: ");
	explanation_put(t->host);
	if (t->address.len > 0 && !str_eq(t->host, t->address)) {
		printf("[");
		explanation_put(t->address);
		printf("]");
	}
	if (t->port > 0)
		printf(":%llu", (unsigned long long)t->port);
	if (t->by_mx)
		printf(", MX %llu", (unsigned long long)t->preference);
	putchar('\n');
}

static void print_dns(const struct explanation *x, const struct destination *d)
{
	for (size_t i = d->from; i < d->to; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (s->kind != STEP_DNS)
			continue;
		printf("  DNS: ");
		explanation_put(s->key);
		putchar(' ');
		explanation_put(s->table);
		printf(": ");
		explanation_put(s->text);
		putchar('\n');
	}
}

static void print_remote(
    const struct explanation *x, const struct destination *d)
{
	const struct told *tls = NULL;

	printf("  by %.*s to next hop ", STR_FMT(d->resolved.transport));
	explanation_put(d->resolved.nexthop);
	putchar('\n');
	print_dns(x, d);
	for (size_t i = 0; i < d->target_count; i++)
		print_target(&d->targets[i]);
	for (size_t i = d->from; i < d->to; i++)
		if (str_eq(
			x->steps[i].step.rule, STR("smtp_tls_security_level")))
			tls = &x->steps[i];
	if (tls != NULL) {
		printf("  ");
		explanation_put(tls->step.text);
		printf(": smtp_tls_security_level");
		put_place(tls->step.origin);
		putchar('\n');
	}
	print_setting(x, "qmgr", "default_destination_concurrency_limit",
	    "requests at a time to one destination");
	print_setting(x, "qmgr", "default_destination_recipient_limit",
	    "recipients of one request");
	print_setting(
	    x, "qmgr", "maximal_queue_lifetime", "until it is returned");
}

/* What the next host sees as the sender of mail that an alias sends on. */
static void print_sender(const struct destinations *whole)
{
	if (whole->sent_as.len == 0) {
		printf("  an alias sends it on; \"posthouse srs forward "
		       "SENDER\" says under which sender\n");
		return;
	}
	printf("  sent as <");
	explanation_put(whole->sent_as);
	printf(">, by srs_domain\n");
}

static void print_one(const struct explanation *x,
    const struct destinations *whole, const struct destination *d)
{
	/* An address that stands for itself was resolved as the whole. */
	bool same = d->from == whole->to && whole->count == 1 &&
	    str_eq(d->address, whole->address);
	size_t from = same ? whole->from : d->from;
	size_t to = same ? whole->expanded : d->to;

	explanation_put(d->address);
	printf(": %s\n",
	    d->verdict == VERDICT_REFUSED         ? "refused"
		: d->verdict == VERDICT_TEMPORARY ? "not now"
		: d->local                        ? "is delivered to a mailbox"
		: is_report(d) ? "takes reports (posthouse report)"
			       : "goes to another host");
	if (d->verdict != VERDICT_OK)
		print_failure(d->verdict, d->dsn, d->text);
	print_domain(x, from, to, d->address, &d->resolved);
	print_rules(x, from, to);
	if (d->forwarded)
		print_sender(whole);
	if (d->local)
		print_quota(x, d, from, to);
	else if (d->resolved.status == RESOLVE_OK && !is_report(d))
		print_remote(x, d);
}

void destinations_print(
    const struct explanation *x, const struct destinations *d)
{
	bool itself = d->count == 1 && str_eq(d->all[0].address, d->address);

	if (!itself) {
		explanation_put(d->address);
		if (d->count == 0)
			printf(": leads nowhere\n");
		else
			printf(": leads to %zu other address%s\n", d->count,
			    d->count == 1 ? "" : "es");
		if (d->text.len > 0)
			print_failure(d->verdict, d->dsn, d->text);
		print_domain(x, d->from, d->expanded, d->address, &d->resolved);
	}
	print_aliases(x, d);
	for (size_t i = 0; i < d->count; i++) {
		if (!itself || i > 0)
			putchar('\n');
		print_one(x, d, &d->all[i]);
	}
}

/* ---- for programs ---- */

static void json_setting(const struct explanation *x, struct json *j,
    const char *program, const char *name)
{
	struct buf value = buf_new(VALUE_MAX), origin = buf_new(VALUE_MAX);

	explanation_setting(x, program, name, &value, &origin);
	json_object(j, name);
	json_text(j, "value", buf_str(&value));
	json_text(j, "origin", buf_str(&origin));
	json_end(j);
	buf_free(&value);
	buf_free(&origin);
}

static void json_targets(const struct destination *d, struct json *j)
{
	json_array(j, "targets");
	for (size_t i = 0; i < d->target_count; i++) {
		const struct explain_target *t = &d->targets[i];

		json_object(j, NULL);
		json_text(j, "host", t->host);
		json_text(j, "address", t->address);
		json_u64(j, "port", t->port);
		json_bool(j, "mx", t->by_mx);
		json_u64(j, "preference", t->preference);
		json_end(j);
	}
	json_end(j);
}

static void json_one(
    const struct explanation *x, const struct destination *d, struct json *j)
{
	json_object(j, NULL);
	json_text(j, "address", d->address);
	json_text(j, "verdict", str_from(verdict_name(d->verdict)));
	json_text(j, "dsn", d->dsn);
	json_text(j, "text", d->text);
	json_text(j, "class", str_from(domain_class_names[d->resolved.domain]));
	json_bool(j, "forwarded", d->forwarded);
	json_text(j, "transport", d->resolved.transport);
	json_text(j, "nexthop", d->resolved.nexthop);
	json_text(j, "account", d->resolved.account);
	json_u64(j, "quota_octets", d->resolved.quota_storage);
	json_u64(j, "quota_messages", d->resolved.quota_messages);
	if (d->local) {
		json_bool(j, "mailbox_exists", d->usage.exists);
		json_u64(j, "octets", d->usage.octets);
		json_u64(j, "messages", d->usage.messages);
	} else {
		json_targets(d, j);
		json_object(j, "limits");
		json_setting(
		    x, j, "qmgr", "default_destination_concurrency_limit");
		json_setting(
		    x, j, "qmgr", "default_destination_recipient_limit");
		json_setting(x, j, "qmgr", "maximal_queue_lifetime");
		json_setting(x, j, "smtp", "smtp_tls_security_level");
		json_end(j);
	}
	explanation_json(x, j, "steps", d->from, d->to);
	json_end(j);
}

void destinations_json(
    const struct explanation *x, const struct destinations *d, struct json *j)
{
	json_text(j, "address", d->address);
	json_text(j, "verdict", str_from(verdict_name(d->verdict)));
	json_text(j, "class", str_from(domain_class_names[d->resolved.domain]));
	json_text(j, "dsn", d->dsn);
	json_text(j, "text", d->text);
	json_text(j, "sent_as", d->sent_as);
	json_array(j, "aliases");
	for (size_t i = d->expanded; i < d->to; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (!str_eq(s->result, STR("expands")))
			continue;
		json_object(j, NULL);
		json_text(j, "address", s->about);
		json_text(j, "target", s->text);
		json_text(j, "rule", s->rule);
		json_text(j, "place", place_of(x, d->from, i));
		json_end(j);
	}
	json_end(j);
	explanation_json(x, j, "steps", d->from, d->to);
	json_array(j, "destinations");
	for (size_t i = 0; i < d->count; i++)
		json_one(x, &d->all[i], j);
	json_end(j);
}
