/* SPDX-License-Identifier: ISC */
/*
 * posthouse explain: what a client would hear, which rule of which line
 * decides, and where the message would go then.
 *
 * The session is played by the programs of the service themselves, screen
 * before smtpd as on port 25, each started for this one question with its own
 * user, jail and configuration (daemon/rehearsal.h): what is printed is what
 * their code decided, there is no second one here, and explaining has no
 * rights that they have not. They look at counters and what is remembered, and
 * change neither.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/cleanup.h"
#include "net/netaddr.h"
#include "posthouse/destination.h"

#define JSON_MAX       (64u << 20)
#define RECIPIENTS_MAX 100

struct question {
	struct explain_client client;
	struct str author; /* the address in From, the sender's if not given */
	const char *service;
	const char *recipients[RECIPIENTS_MAX];
	size_t count;
	struct buf list, helo;
};

/* ---- arguments ---- */

static const struct option options[] = {
    {"client", required_argument, NULL, 'c'},
    {"helo", required_argument, NULL, 'h'},
    {"auth", required_argument, NULL, 'a'},
    {"tls", no_argument, NULL, 't'},
    {"from", required_argument, NULL, 'f'},
    {"author", required_argument, NULL, 'u'},
    {"rcpt", required_argument, NULL, 'r'},
    {"size", required_argument, NULL, 's'},
    {"service", required_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* "<a@b.test>" and "a@b.test" */
static struct str address_of(const char *text)
{
	struct str s = str_trim(str_from(text));

	if (s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		s = str_sub(s, 1, s.len - 2);
	return s;
}

static bool has_line_end(const char *text)
{
	return strpbrk(text, "\r\n") != NULL;
}

static const char *take_client(struct question *q, const char *text)
{
	struct str name = str_from(text), address = str_cut(&name, ',');
	struct netaddr parsed;

	if (netaddr_parse(address, 0, &parsed) < 0)
		return "--client takes an address, and behind a comma the name "
		       "that DNS would give it";
	q->client.address = address;
	q->client.name = name;
	return NULL;
}

static const char *take(struct question *q, int option, bool *has_sender)
{
	const char *why;

	if (optarg != NULL && has_line_end(optarg))
		return "a line end would be another command";
	switch (option) {
	case 'c':
		return take_client(q, optarg);
	case 'h':
		q->client.helo = str_from(optarg);
		return NULL;
	case 'a':
		q->client.login = str_from(optarg);
		return NULL;
	case 't':
		q->client.tls = true;
		return NULL;
	case 'f':
		q->client.sender = address_of(optarg);
		*has_sender = true;
		return NULL;
	case 'u':
		q->client.author = q->author = address_of(optarg);
		return NULL;
	case 'r':
		if (q->count == RECIPIENTS_MAX)
			return "too many recipients";
		if (address_of(optarg).len == 0)
			return "a recipient is empty";
		q->recipients[q->count++] = optarg;
		return NULL;
	case 's':
		q->client.has_size = true;
		return conf_parse_size(optarg, &q->client.size, &why) < 0
		    ? why
		    : NULL;
	case 'v':
		q->service = optarg;
		return NULL;
	default:
		return "";
	}
}

static void complete(struct question *q)
{
	for (size_t i = 0; i < q->count; i++) {
		if (i > 0)
			buf_add_char(&q->list, '\n');
		buf_add(&q->list, address_of(q->recipients[i]));
	}
	q->client.recipients = buf_str(&q->list);
	if (q->author.p == NULL)
		q->author = q->client.sender;
	/* A client that did not say is called by what is known of it. */
	if (q->client.helo.len == 0 && q->client.name.len > 0)
		q->client.helo = q->client.name;
	if (q->client.helo.len == 0) {
		buf_printf(&q->helo, "[%s%.*s]",
		    str_find(q->client.address, ':') < q->client.address.len
			? "IPv6:"
			: "",
		    STR_FMT(q->client.address));
		q->client.helo = buf_str(&q->helo);
	}
}

/* NULL, or what is wrong; "" for the usage line. */
static const char *read_arguments(struct question *q, int argc, char **argv)
{
	bool has_sender = false;
	const char *wrong;
	int c;

	*q = (struct question){.service = "smtp",
	    .list = buf_new(EXPLAIN_LIST_MAX),
	    .helo = buf_new(300)};
	q->client.address = q->client.name = q->client.helo = STR_EMPTY;
	q->client.sender = q->client.login = q->client.author = STR_EMPTY;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		wrong = take(q, c, &has_sender);
		if (wrong != NULL)
			return wrong;
	}
	if (optind < argc || q->client.address.len == 0 || !has_sender ||
	    q->count == 0)
		return "";
	complete(q);
	return q->list.overflow ? "the recipients are too long" : NULL;
}

/* ---- asking ---- */

struct signers {
	bool asked, any;
	bool broken;     /* somebody should sign, and cannot */
	struct str text; /* "example.org/s1, ..."; else why nobody does */
};

/* screen, where the service has it, then smtpd. */
static int rehearse(
    struct explanation *x, const struct question *q, const struct service *row)
{
	if (strcmp(row->command, "screen") == 0) {
		if (explanation_ask(x, row, &explain_client, &q->client) < 0)
			return -1;
		if (!x->end.passed)
			return 0;
		x->reply_count = 0; /* smtpd's are the client's */
		row = explanation_program(x, "smtpd");
		if (row == NULL) {
			posthouse_fail("explain",
			    "screen would pass the client on, but master.cf "
			    "has no service smtpd");
			return -1;
		}
	}
	return explanation_ask(x, row, &explain_client, &q->client);
}

/* Who would sign it. The service that smtpd gives the message to answers. */
static int find_signers(struct explanation *x, const struct question *q,
    const struct service *row, struct signers *out)
{
	struct explain_signing asked = {.origin = explanation_origin(row),
	    .address = q->client.address,
	    .login = q->client.login,
	    .sender = q->client.sender,
	    .author = q->author};

	row = explanation_named(x,
	    asked.origin == ORIGIN_SUBMISSION ? "cleanup-submit" : "cleanup");
	if (row == NULL ||
	    explanation_ask(x, row, &explain_signing, &asked) < 0)
		return -1;
	*out = (struct signers){
	    true, x->end.passed, x->end.temporary, x->end.text};
	return 0;
}

static enum verdict judge(struct str reply)
{
	if (reply.len == 0 || reply.p[0] == '4')
		return VERDICT_TEMPORARY;
	return reply.p[0] == '5' ? VERDICT_REFUSED : VERDICT_OK;
}

/* What the session comes to: a refusal before RCPT refuses everything. */
static enum verdict judge_all(
    const struct explanation *x, const struct explain_reply **by)
{
	enum verdict all = VERDICT_OK;
	bool some = false;

	*by = NULL;
	for (size_t i = 0; i < x->reply_count; i++) {
		const struct explain_reply *r = &x->replies[i];
		enum verdict v = judge(r->text);

		some |= str_starts(r->to, STR("RCPT "));
		if (v == VERDICT_OK || all == VERDICT_REFUSED)
			continue;
		/* Behind MAIL that was refused RCPT is only out of order. */
		if (*by != NULL && !str_starts((*by)->to, STR("RCPT ")))
			continue;
		all = v;
		*by = r;
	}
	return all == VERDICT_OK && !some ? VERDICT_TEMPORARY : all;
}

/* The rule that said so: its step has the reply's words. */
static const struct told *rule_of(
    const struct explanation *x, const struct explain_reply *reply)
{
	for (size_t i = 0; reply != NULL && i < x->count; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (s->kind == STEP_RULE &&
		    (str_eq(s->result, STR("reject")) ||
			str_eq(s->result, STR("defer"))) &&
		    str_ends(s->text, reply->text))
			return &x->steps[i];
	}
	return NULL;
}

static bool accepted(const struct explanation *x, struct str recipient)
{
	char command[1100];

	snprintf(
	    command, sizeof(command), "RCPT TO:<%.*s>", STR_FMT(recipient));
	for (size_t i = 0; i < x->reply_count; i++)
		if (str_eq(x->replies[i].to, str_from(command)) &&
		    judge(x->replies[i].text) == VERDICT_OK)
			return true;
	return false;
}

/* ---- answers ---- */

struct result {
	enum verdict verdict;
	const struct explain_reply *reply; /* that decided; NULL */
	const struct told *rule;           /* NULL: none told */
	struct str unsigned_end;           /* of its content; "" taken */
	size_t steps;                      /* of the session */
	struct signers signers;
	struct destinations to[RECIPIENTS_MAX];
	size_t count;
};

/* An origin, with the parameter where the rule has another name. */
static void print_rule(const struct told *t)
{
	printf("  decided by ");
	explanation_put(t->step.rule);
	if (told_place(t).len > 0) {
		printf(", ");
		explanation_put(told_place(t));
	}
	putchar('\n');
}

/* What lookup says about a refusal: the rules that decided there. */
static void print_reasons(const struct explanation *x, const struct result *r)
{
	for (size_t i = 0; i < r->steps; i++) {
		const struct explain_step *s = &x->steps[i].step;

		if (&x->steps[i] == r->rule)
			break;
		if (s->kind != STEP_RULE || !str_eq(s->by, STR("lookup")) ||
		    !str_eq(s->result, STR("reject")))
			continue;
		printf("  because ");
		explanation_put(s->text);
		putchar('\n');
	}
}

static void print_reply(const struct explain_reply *r)
{
	struct str rest = r->text, line, last = STR_EMPTY;

	while ((line = str_cut(&rest, '\n')).len > 0)
		last = line;
	printf("  %-30.*s ", STR_FMT(r->to.len > 0 ? r->to : STR("(connect)")));
	explanation_put(last);
	putchar('\n');
}

static void print(const struct explanation *x, const struct result *r)
{
	printf("%s", verdict_name(r->verdict));
	if (r->reply != NULL) {
		printf(": ");
		explanation_put(r->reply->text);
	}
	putchar('\n');
	if (r->rule != NULL) {
		print_rule(r->rule);
		print_reasons(x, r);
	}
	if (r->unsigned_end.len > 0) {
		printf("  but ");
		explanation_put(r->unsigned_end);
		putchar('\n');
	}
	printf("\nsession\n");
	for (size_t i = 0; i < x->reply_count; i++)
		print_reply(&x->replies[i]);
	if (r->signers.asked) {
		printf("\nsignature (DKIM)\n  %s",
		    r->signers.any ? "signed by " : "none: ");
		explanation_put(r->signers.text);
		printf("%s\n",
		    r->signers.any && r->signers.broken
			? "; not by all its keys"
			: "");
	}
	printf("\nsteps\n");
	explanation_print(x, 0, r->steps);
	for (size_t i = 0; i < r->count; i++) {
		printf("\ndelivery\n");
		destinations_print(x, &r->to[i]);
	}
}

static void json_decided(const struct result *r, struct json *j)
{
	json_object(j, "decided");
	json_text(j, "to", r->reply != NULL ? r->reply->to : STR_EMPTY);
	json_text(j, "reply", r->reply != NULL ? r->reply->text : STR_EMPTY);
	json_text(j, "by", r->rule != NULL ? r->rule->step.by : STR_EMPTY);
	json_text(j, "rule", r->rule != NULL ? r->rule->step.rule : STR_EMPTY);
	json_text(
	    j, "origin", r->rule != NULL ? told_place(r->rule) : STR_EMPTY);
	json_end(j);
}

static void json_signers(const struct signers *s, struct json *j)
{
	struct str rest = s->any ? s->text : STR_EMPTY;

	json_object(j, "signature");
	json_bool(j, "signed", s->any);
	json_bool(j, "broken", s->broken);
	json_array(j, "keys");
	while (rest.len > 0)
		json_text(j, NULL, str_word(&rest, ", "));
	json_end(j);
	json_text(j, "why", s->any ? STR_EMPTY : s->text);
	json_end(j);
}

static void print_json(const struct explanation *x, const struct result *r)
{
	struct buf out = buf_new(JSON_MAX);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_text(&j, "verdict", str_from(verdict_name(r->verdict)));
	json_decided(r, &j);
	json_text(&j, "if_unsigned", r->unsigned_end);
	json_array(&j, "replies");
	for (size_t i = 0; i < x->reply_count; i++) {
		json_object(&j, NULL);
		json_text(&j, "to", x->replies[i].to);
		json_text(&j, "reply", x->replies[i].text);
		json_end(&j);
	}
	json_end(&j);
	if (r->signers.asked)
		json_signers(&r->signers, &j);
	explanation_json(x, &j, "steps", 0, r->steps);
	json_array(&j, "deliveries");
	for (size_t i = 0; i < r->count; i++) {
		json_object(&j, NULL);
		destinations_json(x, &r->to[i], &j);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
}

/* The sender that those see to whom an alias sends it on. */
static int find_sender(
    struct explanation *x, struct str sender, struct destinations *d)
{
	int status;

	for (size_t i = 0; i < d->count; i++)
		if (d->all[i].forwarded)
			return explanation_forward(
			    x, sender, &status, &d->sent_as);
	return 0;
}

/* Where the accepted recipients' mail would go. */
static int find_deliveries(
    struct explanation *x, const struct question *q, struct result *r)
{
	for (size_t i = 0; i < q->count; i++) {
		struct str recipient = address_of(q->recipients[i]);

		if (!accepted(x, recipient))
			continue;
		if (destinations_find(
			x, recipient, q->client.size, &r->to[r->count]) < 0 ||
		    find_sender(x, q->client.sender, &r->to[r->count]) < 0)
			return -1;
		if (r->verdict == VERDICT_OK)
			r->verdict = r->to[r->count].verdict;
		r->count++;
	}
	return 0;
}

/* What is refused needs no signature. */
static int find_if_signed(struct explanation *x, const struct question *q,
    const struct service *row, struct result *r)
{
	bool any = false;
	int result = 0;

	for (size_t i = 0; i < q->count; i++)
		any |= accepted(x, address_of(q->recipients[i]));
	if (any)
		result = find_signers(x, q, row, &r->signers);
	r->steps = x->count;
	return result;
}

static int explain(struct posthouse *p, const struct question *q)
{
	const struct service *row;
	struct explanation x;
	struct result r = {.count = 0};
	int status = 1;

	if (explanation_open(&x, p, "explain") < 0) {
		explanation_close(&x);
		return 1;
	}
	row = explanation_service(&x, q->service);
	if (row == NULL) {
		posthouse_fail("explain",
		    "master.cf has no service %s for clients", q->service);
	} else if (rehearse(&x, q, row) == 0) {
		r.verdict = judge_all(&x, &r.reply);
		if (r.verdict == VERDICT_OK)
			r.unsigned_end = x.end.text;
		if (find_if_signed(&x, q, row, &r) == 0 &&
		    find_deliveries(&x, q, &r) == 0) {
			r.rule = rule_of(&x, r.reply);
			if (p->json)
				print_json(&x, &r);
			else
				print(&x, &r);
			status = verdict_status(r.verdict);
		}
	}
	for (size_t i = 0; i < r.count; i++)
		destinations_free(&r.to[i]);
	explanation_close(&x);
	return status;
}

int cmd_explain(struct posthouse *p, int argc, char **argv)
{
	struct question q;
	const char *wrong = read_arguments(&q, argc, argv);
	int status;

	if (wrong == NULL)
		status = explain(p, &q);
	else if (wrong[0] != '\0')
		status = posthouse_misused("explain", "%s", wrong);
	else
		status = posthouse_usage("explain");
	buf_free(&q.list);
	buf_free(&q.helo);
	return status;
}
