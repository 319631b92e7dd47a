/* SPDX-License-Identifier: ISC */
/* posthouse queue why DOMAIN: the destinations of a domain's mail, or a next
 * hop by its name: what waits, what binds it, how it went lately. */
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/memory.h"
#include "posthouse/queue.h"
#include "posthouse/queue_tally.h"

#define TEXT_MAX 4096
#define REASONS  5   /* shown to people */
#define STRETCH  600 /* seconds that queue_hop.recent is of */

/* Of the recipients of a destination that wait for their time, the next one. */
struct asleep {
	uint64_t next; /* seconds since 1970; 0: none does */
	int bind;
	struct str parameter;
};

struct site {
	const char *name;
	uint64_t now;
	struct queue_hop *hops; /* texts in the arena */
	struct asleep *asleep;  /* of each of them */
	struct asleep *of_row;  /* of the row before, NULL: of none */
	size_t count;
	struct arena arena;
	/* Of the recipients that wait. */
	struct tally reasons;
	uint64_t messages, recipients, held, oldest, next;
};

/* What binds a destination, as stable names and as words. */
struct finding {
	const char *name;
	struct str parameter;
	struct buf words;
};

static void take_hop(const struct queue_hop *h, void *arg)
{
	struct site *s = arg;
	struct queue_hop *to;

	s->hops = mem_resize(s->hops, s->count + 1, sizeof(s->hops[0]));
	s->asleep = mem_resize(s->asleep, s->count + 1, sizeof(s->asleep[0]));
	s->asleep[s->count] = (struct asleep){.parameter = STR_EMPTY};
	to = &s->hops[s->count++];
	*to = *h;

	struct str *const texts[] = {&to->transport, &to->nexthop, &to->success,
	    &to->success_remote, &to->failure, &to->failure_remote, &to->away};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_copy(&s->arena, *texts[i]);
}

static void take_row(const struct queue_row *r, void *arg)
{
	struct site *s = arg;

	tally_add(
	    &s->reasons, tally_reason(r->reason), r->arrived, r->last, s->now);
	s->recipients++;
	s->held += str_eq(r->state, STR("hold"));
	if (s->oldest == 0 || r->arrived < s->oldest)
		s->oldest = r->arrived;
	if (r->next > 0 && (s->next == 0 || r->next < s->next))
		s->next = r->next;
	s->of_row = NULL;
	for (size_t i = 0; i < s->count; i++)
		if (str_eq(r->transport, s->hops[i].transport) &&
		    str_eq(r->nexthop, s->hops[i].nexthop))
			s->of_row = &s->asleep[i];
}

static void take_why(const struct queue_why *w, void *arg)
{
	struct site *s = arg;
	struct asleep *a = s->of_row;

	if (a == NULL || w->next == 0 || (a->next != 0 && a->next <= w->next))
		return;
	a->next = w->next;
	a->bind = w->bind;
	a->parameter = arena_copy(&s->arena, w->parameter);
	if (a->parameter.p == NULL)
		a->parameter = STR_EMPTY;
}

static void take_end(const struct queue_end *e, void *arg)
{
	((struct site *)arg)->messages = e->count;
}

/* ---- what binds it ---- */

static bool is_local(const struct queue_hop *h)
{
	return str_eq(h->transport, STR("local"));
}

static const char *agent_of(const struct queue_hop *h)
{
	if (str_eq(h->transport, STR("report")))
		return "feedback";
	return is_local(h) ? "local" : "smtp";
}

/* What its mail waits for that has its time, as qmgr says of each. */
static void asleep_for(
    const struct queue_hop *h, const struct asleep *a, struct finding *f)
{
	struct buf *out = &f->words;

	f->name = queue_bind_names[a->next > 0 ? a->bind : BIND_BACKOFF];
	f->parameter = a->parameter;
	if (a->next > 0 && a->bind == BIND_TROUBLE) {
		buf_printf(out,
		    "trouble in our own house; it is tried again in a moment");
		return;
	}
	buf_printf(out, "its mail waits for the next attempt");
	if (h->failure.len > 0)
		buf_printf(out, ": %.*s", STR_FMT(h->failure));
}

static void bound_by(
    const struct queue_hop *h, const struct asleep *a, struct finding *f)
{
	struct buf *out = &f->words;

	if (h->away.len > 0) {
		f->name = "agent-away";
		buf_printf(out, "the delivery agent %s cannot be reached: %.*s",
		    agent_of(h), STR_FMT(h->away));
	} else if (h->dead_until > 0) {
		f->name = "dead";
		f->parameter = STR("minimal_backoff_time");
		buf_printf(out, "it failed again and again and rests: %.*s",
		    STR_FMT(h->failure));
	} else if (h->in_line > 0 && h->delay > 0) {
		f->name = "rate-delay";
		f->parameter = STR("default_destination_rate_delay");
		buf_printf(out, "a pause of %llus between two requests to it",
		    (unsigned long long)h->delay);
	} else if (h->in_line > 0 && h->in_use >= h->window) {
		f->name = "concurrency";
		f->parameter = is_local(h)
		    ? STR("local_destination_concurrency_limit")
		    : STR("default_destination_concurrency_limit");
		buf_printf(out,
		    "all %llu requests that it may have now are under way",
		    (unsigned long long)h->window);
	} else if (h->in_line > 0 && h->agent_in_use >= h->agent_limit) {
		f->name = "agent-full";
		f->parameter = is_local(h) ? STR("local_transport_limit")
					   : STR("default_transport_limit");
		buf_printf(out,
		    "all %llu requests that the agent may have are under way",
		    (unsigned long long)h->agent_limit);
	} else if (h->waiting > 0 && h->in_line == 0 && h->in_use == 0) {
		asleep_for(h, a, f);
	} else if (h->waiting > 0) {
		f->name = "none";
		buf_printf(out, "nothing: attempts are under way");
	} else {
		f->name = "none";
		buf_printf(out, "nothing: no mail waits for it");
	}
}

/* When the last of what waits now will be delivered; 0: cannot be said. */
static uint64_t estimate(const struct site *s, const struct queue_hop *h)
{
	if (h->waiting == 0 || h->recent == 0 || h->dead_until > 0)
		return 0;
	return s->now + h->waiting * STRETCH / h->recent;
}

/* ---- for people ---- */

static void put(const char *name, struct buf *text)
{
	printf("    %-9s ", name);
	queue_print(buf_str(text));
	putchar('\n');
	buf_clear(text);
}

static void add_event(
    struct buf *out, uint64_t at, struct str words, struct str remote)
{
	char date[QUEUE_WORDS], ago[QUEUE_WORDS];

	if (at == 0)
		return;
	buf_printf(
	    out, "; last %s (%s)", queue_date(at, date), queue_ago(at, ago));
	if (remote.len > 0)
		buf_printf(out, ", %.*s", STR_FMT(remote));
	if (words.len > 0)
		buf_printf(out, ": %.*s", STR_FMT(words));
}

static void print_counts(const struct queue_hop *h, struct buf *out)
{
	buf_printf(out,
	    "%llu since the queue manager started, about %llu in the last ten "
	    "minutes",
	    (unsigned long long)h->delivered, (unsigned long long)h->recent);
	add_event(out, h->last_success, h->success, h->success_remote);
	put("delivered", out);
	buf_printf(out, "%llu times for now, %llu for good",
	    (unsigned long long)h->deferred, (unsigned long long)h->failed);
	add_event(out, h->last_failure, h->failure, h->failure_remote);
	put("failed", out);
}

static void print_window(const struct queue_hop *h, struct buf *out)
{
	buf_printf(out,
	    "%llu requests under way of %llu at a time; that began with %llu, "
	    "has grown %llu times by success and shrunk %llu times by failure, "
	    "and is at most %llu",
	    (unsigned long long)h->in_use, (unsigned long long)h->window,
	    (unsigned long long)h->initial, (unsigned long long)h->grown,
	    (unsigned long long)h->shrunk, (unsigned long long)h->limit);
	put("window", out);
}

static void print_hop(
    struct posthouse *p, const struct site *s, const struct queue_hop *h)
{
	struct finding f = {.words = buf_new(TEXT_MAX)};
	struct buf out = buf_new(TEXT_MAX);
	char date[QUEUE_WORDS], when[QUEUE_WORDS];
	uint64_t at = estimate(s, h);

	bound_by(h, &s->asleep[h - s->hops], &f);
	printf("  by %.*s to ", STR_FMT(h->transport));
	queue_print(h->nexthop);
	putchar('\n');
	buf_add(&out, buf_str(&f.words));
	if (h->dead_until > 0)
		buf_printf(&out, "; until %s (%s)",
		    queue_date(h->dead_until, date),
		    queue_when(h->dead_until, when));
	if (f.parameter.len > 0) {
		buf_printf(&out, " [");
		queue_parameter(p, f.parameter, &out);
		buf_printf(&out, "]");
	}
	put("cause", &out);
	buf_printf(&out, "%llu recipient%s, %llu of them in line now",
	    (unsigned long long)h->waiting, h->waiting == 1 ? "" : "s",
	    (unsigned long long)h->in_line);
	if (h->since > 0)
		buf_printf(&out, "; without a success since %s (%s)",
		    queue_date(h->since, date), queue_ago(h->since, when));
	put("waiting", &out);
	if (h->limit > 0)
		print_window(h, &out);
	print_counts(h, &out);
	if (at > 0)
		buf_printf(&out,
		    "what waits now is delivered about %s (%s), an estimate "
		    "from its number and the rate of the last ten minutes",
		    queue_date(at, date), queue_when(at, when));
	else if (h->waiting > 0)
		buf_printf(&out, "unknown: nothing was delivered there lately");
	else
		buf_printf(&out, "mail for it is delivered as it comes");
	put("expected", &out);
	buf_free(&out);
	buf_free(&f.words);
}

static void print_site(struct posthouse *p, const struct site *s)
{
	char date[QUEUE_WORDS], text[QUEUE_WORDS];
	size_t n;
	struct tally_line **lines = tally_sorted(&s->reasons, &n);

	printf("%s: %llu recipient%s of %llu message%s wait%s", s->name,
	    (unsigned long long)s->recipients, s->recipients == 1 ? "" : "s",
	    (unsigned long long)s->messages, s->messages == 1 ? "" : "s",
	    s->recipients == 1 ? "s" : "");
	if (s->held > 0)
		printf(" (%llu of them on hold)", (unsigned long long)s->held);
	if (s->oldest > 0)
		printf(", the oldest arrived %s (%s)",
		    queue_date(s->oldest, date), queue_ago(s->oldest, text));
	if (s->next > 0)
		printf(
		    ", the next attempt is made %s", queue_when(s->next, text));
	putchar('\n');
	for (size_t i = 0; i < s->count; i++)
		print_hop(p, s, &s->hops[i]);
	if (s->count == 0)
		puts("  Since the queue manager started nothing was tried "
		     "there.");
	if (n > 0)
		puts("  what was answered");
	for (size_t i = 0; i < n && i < REASONS; i++) {
		printf("    %6llu  ", (unsigned long long)lines[i]->total);
		queue_print(str_from(lines[i]->name));
		putchar('\n');
	}
	free(lines);
}

/* ---- JSON ---- */

static void json_event(struct json *j, const char *name, uint64_t at,
    struct str words, struct str remote)
{
	json_object(j, name);
	json_u64(j, "time", at);
	json_text(j, "text", words);
	json_text(j, "remote", remote);
	json_end(j);
}

static void json_hop(struct posthouse *p, struct json *j, const struct site *s,
    const struct queue_hop *h)
{
	const struct {
		const char *name;
		uint64_t value;
	} figures[] = {{"waiting", h->waiting}, {"in_line", h->in_line},
	    {"in_use", h->in_use}, {"window", h->window},
	    {"window_limit", h->limit}, {"window_initial", h->initial},
	    {"window_grown", h->grown}, {"window_shrunk", h->shrunk},
	    {"agent_in_use", h->agent_in_use}, {"agent_limit", h->agent_limit},
	    {"delay", h->delay}, {"dead_until", h->dead_until},
	    {"since", h->since}, {"delivered", h->delivered},
	    {"deferred", h->deferred}, {"failed", h->failed},
	    {"recent", h->recent}, {"estimate", estimate(s, h)}};
	struct finding f = {.words = buf_new(TEXT_MAX)};
	struct buf value = buf_new(TEXT_MAX);

	bound_by(h, &s->asleep[h - s->hops], &f);
	if (f.parameter.len > 0)
		queue_value(p, f.parameter, &value);
	json_object(j, NULL);
	json_text(j, "transport", h->transport);
	json_text(j, "nexthop", h->nexthop);
	json_text(j, "binds", str_from(f.name));
	json_text(j, "cause", buf_str(&f.words));
	json_text(j, "parameter", f.parameter);
	json_text(j, "value", buf_str(&value));
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		json_u64(j, figures[i].name, figures[i].value);
	json_event(
	    j, "last_success", h->last_success, h->success, h->success_remote);
	json_event(
	    j, "last_failure", h->last_failure, h->failure, h->failure_remote);
	json_end(j);
	buf_free(&value);
	buf_free(&f.words);
}

static void json_site(struct posthouse *p, const struct site *s)
{
	struct buf out = buf_new(QUEUE_JSON_MAX);
	struct json j = json_start(&out);
	size_t n;
	struct tally_line **lines = tally_sorted(&s->reasons, &n);

	json_object(&j, NULL);
	json_text(&j, "site", str_from(s->name));
	json_u64(&j, "messages", s->messages);
	json_u64(&j, "recipients", s->recipients);
	json_u64(&j, "held", s->held);
	json_u64(&j, "oldest", s->oldest);
	json_u64(&j, "next", s->next);
	json_array(&j, "destinations");
	for (size_t i = 0; i < s->count; i++)
		json_hop(p, &j, s, &s->hops[i]);
	json_end(&j);
	json_array(&j, "reasons");
	for (size_t i = 0; i < n; i++) {
		json_object(&j, NULL);
		json_text(&j, "reason", str_from(lines[i]->name));
		json_u64(&j, "recipients", lines[i]->total);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
	free(lines);
}

int queue_do_why_site(struct posthouse *p, const char *name)
{
	struct site s = {.name = name,
	    .now = (uint64_t)clock_seconds(),
	    .arena = arena_new(16u << 20)};
	struct queue_ask ask = {.verb = QUEUE_HOPS, .site = str_from(name)};
	struct queue_calls calls = {.hop = take_hop, .arg = &s};
	struct ipc *c = queue_connect(p);
	int status = 1;

	if (c != NULL)
		status = queue_question(c, &ask, &calls);
	ask.verb = QUEUE_WHY;
	calls.row = take_row;
	calls.why = take_why;
	calls.end = take_end;
	if (status == 0)
		status = queue_question(c, &ask, &calls);
	ipc_close(&c);
	if (status == 0 && p->json)
		json_site(p, &s);
	else if (status == 0)
		print_site(p, &s);
	tally_free(&s.reasons);
	free(s.hops);
	free(s.asleep);
	arena_free(&s.arena);
	return status;
}
