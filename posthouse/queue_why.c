/* SPDX-License-Identifier: ISC */
/*
 * posthouse queue why: for each recipient that waits the cause, what binds it
 * until when, the next attempt, the last one, and what to expect.
 */
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/id.h"
#include "posthouse/ask_master.h"
#include "posthouse/queue.h"

#define TEXT_MAX 4096

struct report {
	struct posthouse *p;
	struct buf out; /* the document */
	struct json json;
	char last[ID_LEN + 1]; /* the message of the row before */
	bool open;
	uint64_t messages, recipients;
	/* The row that the next queue_why belongs to; texts owned. */
	struct queue_row row;
	struct arena arena;
};

/* ---- what binds it, in words ---- */

static void add_place(const struct queue_why *w, struct buf *out)
{
	if (w->place > 0)
		buf_printf(out, "; place %llu of %llu in its line",
		    (unsigned long long)w->place,
		    (unsigned long long)w->waiting);
}

static void add_words(const struct queue_why *w, struct buf *out)
{
	if (w->words.len > 0)
		buf_printf(out, ": %.*s", STR_FMT(w->words));
}

/* The processes of a service, for who may ask master; "" else. */
static void add_process(const struct master_service *m, void *arg)
{
	if (m->processes == 1)
		buf_printf(arg, ", process %.*s", STR_FMT(m->pids));
	else if (m->processes > 1)
		buf_printf(
		    arg, ", one of the processes %.*s", STR_FMT(m->pids));
}

/* What binds a recipient, for one sentence about it. */
struct binding {
	struct posthouse *p;
	const struct queue_row *r;
	const struct queue_why *w;
	const char *agent;
	struct buf *out;
};

typedef void say_bind(const struct binding *b);

static void add_since(const struct binding *b, const char *before)
{
	char text[QUEUE_WORDS];

	if (b->w->since > 0)
		buf_printf(b->out, "%s since %s", before,
		    queue_date(b->w->since, text));
}

static void say_trying(const struct binding *b)
{
	buf_printf(b->out, "nothing: %s is delivering it now", b->agent);
	if (b->agent[0] != '\0' && !queue_is_stranger(b->p))
		ask_master(b->p, "queue", MASTER_STATUS, b->agent,
		    &(struct ask_calls){.service = add_process, .arg = b->out},
		    NULL);
	add_since(b, ",");
}

static void say_line(const struct binding *b)
{
	buf_printf(b->out,
	    "a place among the active messages, of which %llu of %llu are "
	    "taken; %llu messages stand in this line",
	    (unsigned long long)b->w->in_use, (unsigned long long)b->w->limit,
	    (unsigned long long)b->w->waiting);
}

static void say_turn(const struct binding *b)
{
	buf_printf(b->out, "nothing: its turn at %s comes", b->agent);
	add_place(b->w, b->out);
}

static void say_agent_away(const struct binding *b)
{
	buf_printf(b->out, "the delivery agent %s cannot be reached", b->agent);
	add_since(b, "");
	add_words(b->w, b->out);
	buf_printf(b->out, "; see \"posthouse service status %s\"", b->agent);
	add_place(b->w, b->out);
}

static void say_agent_full(const struct binding *b)
{
	buf_printf(b->out,
	    "all requests that %s may have are under way, %llu of %llu",
	    b->agent, (unsigned long long)b->w->in_use,
	    (unsigned long long)b->w->limit);
	add_place(b->w, b->out);
}

static void say_concurrency(const struct binding *b)
{
	buf_printf(b->out,
	    "the concurrency of its destination: %llu requests of the %llu "
	    "that %.*s may have now are under way",
	    (unsigned long long)b->w->in_use, (unsigned long long)b->w->limit,
	    STR_FMT(b->r->nexthop));
	add_place(b->w, b->out);
}

static void say_rate_delay(const struct binding *b)
{
	buf_printf(b->out, "the pause of %llus between two requests to %.*s",
	    (unsigned long long)b->w->limit, STR_FMT(b->r->nexthop));
	add_place(b->w, b->out);
}

static void say_dead(const struct binding *b)
{
	buf_printf(b->out,
	    "its destination %.*s failed again and again and rests",
	    STR_FMT(b->r->nexthop));
	add_words(b->w, b->out);
}

static void say_backoff(const struct binding *b)
{
	buf_printf(b->out, "its own pause after attempt %llu failed for now",
	    (unsigned long long)b->r->attempts);
}

static void say_hold(const struct binding *b)
{
	buf_printf(b->out,
	    "the operator has put it on hold; \"posthouse queue release "
	    "%.*s\" lets it go",
	    STR_FMT(b->r->queue_id));
}

static void say_dsn(const struct binding *b)
{
	buf_printf(b->out,
	    "it failed for good, and its sender is being told by %s", b->agent);
	if (b->w->words.len > 0)
		buf_printf(b->out, ", which could not be asked");
	add_words(b->w, b->out);
}

/* Of each bind what has nothing to add, or who says it. */
static const struct {
	const char *words;
	say_bind *say;
} sentences[] = {
    [BIND_TRYING] = {NULL, say_trying},
    [BIND_RESOLVING] = {"lookup is being asked where it goes", NULL},
    [BIND_STARTING] = {"the queue manager has just started, and waits for smtp "
		       "to say what it still works on",
	NULL},
    [BIND_LINE] = {NULL, say_line},
    [BIND_TURN] = {NULL, say_turn},
    [BIND_AGENT_AWAY] = {NULL, say_agent_away},
    [BIND_AGENT_FULL] = {NULL, say_agent_full},
    [BIND_CONCURRENCY] = {NULL, say_concurrency},
    [BIND_RATE_DELAY] = {NULL, say_rate_delay},
    [BIND_DEAD] = {NULL, say_dead},
    [BIND_BACKOFF] = {NULL, say_backoff},
    [BIND_TROUBLE] = {"trouble in our own house; it is tried again in a moment",
	NULL},
    [BIND_HOLD] = {NULL, say_hold},
    [BIND_DSN] = {NULL, say_dsn},
    [BIND_DELETED] = {"deleted by the operator; it goes when the attempt under "
		      "way ends",
	NULL},
};

static void bound(struct posthouse *p, const struct queue_row *r,
    const struct queue_why *w, struct buf *out)
{
	char agent[80];
	const struct binding b = {p, r, w, agent, out};

	if ((size_t)w->bind >= ARRAY_LEN(sentences))
		return;
	snprintf(agent, sizeof(agent), "%.*s", STR_FMT(w->agent));
	if (sentences[w->bind].say != NULL)
		sentences[w->bind].say(&b);
	else if (sentences[w->bind].words != NULL)
		buf_add_text(out, sentences[w->bind].words);
}

/* Why it is so: the last answer, where one is the reason. */
static void cause(const struct queue_row *r, const struct queue_why *w,
    const struct buf *binds, struct buf *out)
{
	switch ((enum queue_bind)w->bind) {
	case BIND_BACKOFF:
	case BIND_TROUBLE:
	case BIND_DSN:
		if (r->reason.len > 0) {
			buf_add(out, r->reason);
			return;
		}
		break;
	case BIND_DEAD:
		buf_add(out, w->words);
		return;
	default:
		break;
	}
	buf_add(out, buf_str(binds));
}

static void expected(
    const struct queue_row *r, const struct queue_why *w, struct buf *out)
{
	char text[QUEUE_WORDS], when[QUEUE_WORDS];

	if (w->bind == BIND_DSN || w->bind == BIND_DELETED) {
		buf_printf(out, "removed when that is done");
		return;
	}
	if (w->bind == BIND_HOLD) {
		buf_printf(out, "nothing until it is released");
		return;
	}
	if (w->estimate > 0)
		buf_printf(out,
		    "about %s (%s), an estimate from the line and the rate",
		    queue_date(w->estimate, text),
		    queue_when(w->estimate, when));
	else if (w->bind == BIND_TRYING || w->bind == BIND_TURN)
		buf_printf(out, "any moment, if the other side takes it");
	else if (w->next > 0)
		buf_printf(out, "at the next attempt, if it is then taken");
	else
		buf_printf(out, "unknown: nothing was delivered there lately");
	if (r->attempts > 0 || w->bind != BIND_TRYING)
		buf_printf(out, "; given up and returned on %s (%s)",
		    queue_date(w->expires, text), queue_when(w->expires, when));
}

/* ---- for people ---- */

static void put(const char *name, struct str value)
{
	printf("    %-9s ", name);
	queue_print(value);
	putchar('\n');
}

static void print_message(const struct queue_row *r)
{
	char date[QUEUE_WORDS], ago[QUEUE_WORDS];

	printf("%.*s from <", STR_FMT(r->queue_id));
	queue_print(r->sender);
	printf(">, %llu octets, arrived %s (%s)\n", (unsigned long long)r->size,
	    queue_date(r->arrived, date), queue_ago(r->arrived, ago));
}

static void print_attempt(const struct queue_row *r, const struct queue_why *w)
{
	struct buf out = buf_new(TEXT_MAX);
	char date[QUEUE_WORDS], ago[QUEUE_WORDS];

	if (r->last == 0)
		return;
	buf_printf(&out, "%s (%s)", queue_date(r->last, date),
	    queue_ago(r->last, ago));
	if (w->remote.len > 0)
		buf_printf(&out, ", %.*s", STR_FMT(w->remote));
	if (w->tls.len > 0)
		buf_printf(&out, ", %.*s", STR_FMT(w->tls));
	else if (w->remote.len > 0 && !str_eq(w->phase, STR("connect")))
		buf_printf(&out, ", without TLS");
	if (w->phase.len > 0)
		buf_printf(&out, ", ended at %.*s", STR_FMT(w->phase));
	put("last", buf_str(&out));
	put("said", r->reason);
	buf_free(&out);
}

static void print_why(struct report *t, const struct queue_why *w,
    struct str why, struct str binds, struct str expect)
{
	const struct queue_row *r = &t->row;
	struct buf out = buf_new(TEXT_MAX);
	char text[QUEUE_WORDS], when[QUEUE_WORDS];

	fputs("  to <", stdout);
	queue_print(r->recipient);
	printf(">: %.*s, %llu %s", STR_FMT(r->state),
	    (unsigned long long)r->attempts,
	    r->attempts == 1 ? "attempt" : "attempts");
	if (r->nexthop.len > 0) {
		printf(", by %.*s to ", STR_FMT(r->transport));
		queue_print(r->nexthop);
	}
	putchar('\n');
	/* What binds it may be the cause itself; it is said once. */
	if (!str_eq(why, binds))
		put("cause", why);
	buf_add(&out, binds);
	if (w->until > 0)
		buf_printf(&out, "; until %s (%s)", queue_date(w->until, text),
		    queue_when(w->until, when));
	if (w->parameter.len > 0) {
		buf_printf(&out, " [");
		queue_parameter(t->p, w->parameter, &out);
		buf_printf(&out, "]");
	}
	put(str_eq(why, binds) ? "cause" : "waits for", buf_str(&out));
	buf_clear(&out);
	if (w->next > 0)
		buf_printf(&out, "%s (%s)", queue_date(w->next, text),
		    queue_when(w->next, when));
	else if (w->bind == BIND_TRYING)
		buf_printf(&out, "under way");
	else if (w->bind == BIND_HOLD || w->bind == BIND_DSN ||
	    w->bind == BIND_DELETED)
		buf_printf(&out, "none");
	else
		buf_printf(&out, "when its turn comes");
	put("next try", buf_str(&out));
	print_attempt(r, w);
	put("expected", expect);
	buf_free(&out);
}

/* ---- JSON ---- */

static void close_message(struct report *t)
{
	if (t->open) {
		json_end(&t->json);
		json_end(&t->json);
	}
	t->open = false;
}

static void json_message(struct report *t, const struct queue_row *r)
{
	struct json *j = &t->json;

	close_message(t);
	queue_json_message(j, r);
	json_array(j, "recipients");
	t->open = true;
}

static void json_why(struct report *t, const struct queue_why *w,
    struct str why, struct str binds, struct str expect)
{
	const struct queue_row *r = &t->row;
	struct buf value = buf_new(TEXT_MAX);
	struct json *j = &t->json;

	json_object(j, NULL);
	json_text(j, "address", r->recipient);
	json_text(j, "state", r->state);
	json_u64(j, "attempts", r->attempts);
	json_text(j, "transport", r->transport);
	json_text(j, "nexthop", r->nexthop);
	json_text(j, "cause", why);
	json_text(j, "binds", str_from(queue_bind_names[w->bind]));
	json_text(j, "text", binds);
	json_u64(j, "since", w->since);
	json_u64(j, "until", w->until);
	json_u64(j, "next", w->next);
	json_u64(j, "in_use", w->in_use);
	json_u64(j, "limit", w->limit);
	json_u64(j, "place", w->place);
	json_u64(j, "waiting", w->waiting);
	json_text(j, "agent", w->agent);
	json_text(j, "words", w->words);
	json_text(j, "parameter", w->parameter);
	if (w->parameter.len > 0)
		queue_value(t->p, w->parameter, &value);
	json_text(j, "value", buf_str(&value));
	json_u64(j, "expires", w->expires);
	json_u64(j, "estimate", w->estimate);
	json_text(j, "expected", expect);
	json_object(j, "last");
	json_u64(j, "time", r->last);
	json_text(j, "remote", w->remote);
	json_text(j, "phase", w->phase);
	json_text(j, "tls", w->tls);
	json_text(j, "reply", r->reason);
	json_end(j);
	json_end(j);
	buf_free(&value);
}

/* ---- the answer ---- */

static void take_row(const struct queue_row *r, void *arg)
{
	struct report *t = arg;
	bool first = !str_eq(r->queue_id, str_from(t->last));
	struct str *const texts[] = {&t->row.queue_id, &t->row.sender,
	    &t->row.recipient, &t->row.state, &t->row.transport,
	    &t->row.nexthop, &t->row.reason};

	arena_clear(&t->arena);
	t->row = *r;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_copy(&t->arena, *texts[i]);
	str_copy(t->last, sizeof(t->last), r->queue_id);
	t->messages += first;
	t->recipients++;
	if (first && t->p->json)
		json_message(t, r);
	else if (first)
		print_message(r);
}

static void take_why(const struct queue_why *w, void *arg)
{
	struct report *t = arg;
	struct buf why = buf_new(TEXT_MAX), binds = buf_new(TEXT_MAX);
	struct buf expect = buf_new(TEXT_MAX);

	bound(t->p, &t->row, w, &binds);
	cause(&t->row, w, &binds, &why);
	expected(&t->row, w, &expect);
	(t->p->json ? json_why : print_why)(
	    t, w, buf_str(&why), buf_str(&binds), buf_str(&expect));
	buf_free(&why);
	buf_free(&binds);
	buf_free(&expect);
}

static int report(struct posthouse *p, const struct queue_ask *ask)
{
	struct report t = {
	    .p = p, .out = buf_new(QUEUE_JSON_MAX), .arena = arena_new(65536)};
	struct queue_calls calls = {
	    .row = take_row, .why = take_why, .arg = &t};
	int status;

	t.json = json_start(&t.out);
	json_object(&t.json, NULL);
	json_array(&t.json, "messages");
	status = queue_ask_once(p, ask, &calls);
	close_message(&t);
	json_end(&t.json);
	json_u64(&t.json, "count", t.messages);
	json_u64(&t.json, "recipients", t.recipients);
	json_end(&t.json);
	if (status == 0 && p->json)
		fputs(buf_text(&t.out), stdout);
	else if (status == 0 && t.messages == 0)
		puts("No message in the queue is meant. What was delivered, "
		     "returned or deleted \"posthouse trace\" knows.");
	buf_free(&t.out);
	arena_free(&t.arena);
	return status;
}

int queue_do_why(struct posthouse *p, const struct queue_options *o)
{
	struct queue_ask ask = o->ask;
	struct id id;

	if (o->name == NULL && !queue_has_filter(&ask))
		return posthouse_misused("queue",
		    "why of what? Give a queue id, an address, a domain, or a "
		    "filter");
	if (o->name == NULL)
		return report(p, &ask);
	if (id_parse(str_from(o->name), &id) == 0)
		ask.queue_id = str_from(o->name);
	else if (strchr(o->name, '@') != NULL)
		ask.recipient = str_from(o->name);
	else
		return queue_do_why_site(p, o->name);
	return report(p, &ask);
}
