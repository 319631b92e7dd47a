/* SPDX-License-Identifier: ISC */
#include "posthouse/trace_print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/memory.h"
#include "posthouse/trace_story.h"

/* ---- which events tell a story ---------------------------------------------------- */

static bool is_of(const struct id *id, const struct trace_thing *t)
{
	return strcmp(id->text, t->id.text) == 0;
}

static bool is_opening(const struct trace_record *r)
{
	return r->kind == TRACE_CONNECT || r->kind == TRACE_SCREENED ||
	    r->kind == TRACE_LOGIN;
}

static const struct trace_record *queued_event(
    const struct trace_search *s, const struct trace_thing *t)
{
	for (size_t i = 0; i < s->found_count; i++) {
		const struct trace_record *r = s->found[i].record;

		if (r->kind == TRACE_QUEUED && is_of(&r->message, t))
			return r;
	}
	return NULL;
}

/* When the client began to speak of this message, and not of another. */
static uint64_t begun_at(
    const struct trace_search *s, const struct trace_record *queued)
{
	uint64_t us = 0;

	for (size_t i = 0; i < s->found_count; i++) {
		const struct trace_record *r = s->found[i].record;

		if (r->time_us > queued->time_us)
			break;
		if (r->kind == TRACE_ENVELOPE &&
		    strcmp(r->session.text, queued->session.text) == 0)
			us = r->time_us;
	}
	return us;
}

/* A message's own events, and what its session says of it. */
static size_t events_of_message(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **out)
{
	const struct trace_record *queued = t->child ? NULL
						     : queued_event(s, t);
	uint64_t begun = queued == NULL ? 0 : begun_at(s, queued);
	size_t n = 0;

	for (size_t i = 0; i < s->found_count; i++) {
		const struct trace_record *r = s->found[i].record;

		if (is_of(&r->message, t))
			out[n++] = r;
		else if (queued != NULL && r->message.text[0] == '\0' &&
		    r->time_us <= queued->time_us &&
		    r->kind != TRACE_SESSION_END &&
		    strcmp(r->session.text, queued->session.text) == 0 &&
		    (is_opening(r) || (begun != 0 && r->time_us >= begun)))
			out[n++] = r;
	}
	return n;
}

static size_t events_of_session(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->found_count; i++) {
		const struct trace_record *r = s->found[i].record;

		if (r->message.text[0] == '\0' && is_of(&r->session, t))
			out[n++] = r;
	}
	return n;
}

/* A session is a story of its own when something in it was refused, or no
 * message came of it. */
static bool is_worth_telling(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **events,
    size_t count)
{
	if (!t->matched || count == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (events[i]->kind == TRACE_REFUSED)
			return true;
	for (size_t i = 0; i < s->found_count; i++)
		if (s->found[i].record->message.text[0] != '\0' &&
		    is_of(&s->found[i].record->session, t))
			return false;
	return true;
}

typedef void tell(const struct trace_search *s, const struct trace_thing *t,
    const struct trace_record **events, size_t count, void *arg);

/* By the time at which they began, which their ids have. */
static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct trace_thing *const *)a)->id.text,
	    (*(struct trace_thing *const *)b)->id.text);
}

static bool is_message(
    const struct trace_search *s, const struct trace_thing *t)
{
	return trace_search_message(s, &t->id) == t;
}

static void each(
    const struct trace_search *s, bool messages, tell *act, void *arg)
{
	const struct trace_record **events = mem_alloc(
	    (s->found_count + 1) * sizeof(*events));
	struct trace_thing **things = mem_alloc(
	    (s->thing_count + 1) * sizeof(*things));
	size_t n = 0;

	for (size_t i = 0; i < s->thing_count; i++)
		if (is_message(s, s->things[i]) == messages)
			things[n++] = s->things[i];
	if (n > 0)
		qsort(things, n, sizeof(things[0]), by_id);
	for (size_t i = 0; i < n; i++) {
		size_t count = messages
		    ? events_of_message(s, things[i], events)
		    : events_of_session(s, things[i], events);

		if (messages ? count > 0
			     : is_worth_telling(s, things[i], events, count))
			act(s, things[i], events, count, arg);
	}
	free(things);
	free(events);
}

/* ---- for people -------------------------------------------------------------------- */

struct printer {
	struct buf *out;
	struct json *json;
	uint64_t now_us;
	const char *separator;
};

static void add_time(uint64_t us, struct buf *out)
{
	time_t t = (time_t)(us / 1000000);
	char text[32] = "";
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	buf_printf(out, "%s.%03u", text, (unsigned)(us / 1000 % 1000));
}

static void add_second(uint64_t seconds, struct buf *out)
{
	time_t t = (time_t)seconds;
	char text[32] = "";
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	buf_add_text(out, text);
}

static void print_line(
    const struct trace_record *r, uint64_t before, struct buf *out)
{
	buf_add_text(out, "  ");
	add_time(r->time_us, out);
	if (before == 0 || r->time_us < before)
		buf_printf(out, "%11s", "");
	else
		buf_printf(
		    out, " %+10.3f", (double)(r->time_us - before) / 1e6);
	buf_printf(out, "  %-10s ", r->daemon);
	story_say(r, out);
	if (r->torn)
		buf_add_text(out, " ... (the rest of this event is lost)");
	buf_add_char(out, '\n');
}

static void print_wait(const struct story_wait *w, struct buf *out)
{
	buf_add_text(out, "    waited ");
	story_duration(w->until_us - w->from_us, out);
	buf_add_text(out, w->reason->kind == TRACE_ATTEMPT ? " " : ": ");
	story_reason(w->reason, out);
	buf_add_char(out, '\n');
}

static void print_recipient(
    const struct story_recipient *r, uint64_t now_us, struct buf *out)
{
	const struct trace_record *e = r->last;
	uint64_t now = now_us / 1000000;

	buf_printf(out, "    %.*s: %s", STR_FMT(r->address),
	    story_state_name(r->state));
	if (e == NULL) {
		buf_add_char(out, '\n');
		return;
	}
	buf_add_text(out, r->state < STORY_DELIVERED ? " since " : " at ");
	add_second(e->time_us / 1000000, out);
	if (r->next > 0) {
		buf_add_text(out, ", next attempt at ");
		add_second(r->next, out);
		if (r->next > now) {
			buf_add_text(out, " (in ");
			story_duration((r->next - now) * 1000000, out);
			buf_add_char(out, ')');
		}
	}
	if (r->state == STORY_FAILED || r->state == STORY_QUEUED ||
	    r->state == STORY_REFUSED) {
		buf_add_text(out, ": ");
		story_reason(e, out);
	}
	buf_add_char(out, '\n');
}

static void print_state(const struct story *s, uint64_t now_us, struct buf *out)
{
	buf_printf(out, "  state: %s%s%s\n", story_state_name(s->state),
	    s->partly ? " (not all recipients alike)" : "",
	    s->removed || s->state < STORY_DELIVERED
		? ""
		: ", not yet removed from the queue");
	for (size_t i = 0; i < s->recipient_count; i++)
		print_recipient(&s->recipients[i], now_us, out);
	if (s->dsn.len > 0)
		buf_printf(out,
		    "    the sender was told: posthouse trace %.*s\n",
		    STR_FMT(s->dsn));
}

static void print_head(
    const struct trace_thing *t, const struct story *story, struct printer *p)
{
	const struct trace_record *q = story->queued;

	buf_printf(p->out, "%smessage %s", p->separator, t->id.text);
	p->separator = "\n";
	if (q != NULL) {
		if (q->says.where.len > 0)
			buf_printf(
			    p->out, " from <%.*s>", STR_FMT(q->says.where));
		else
			buf_add_text(p->out, " from <>");
		if (q->session.text[0] != '\0')
			buf_printf(p->out, ", session %s", q->session.text);
	}
	buf_add_text(p->out, t->child ? ", a notification\n" : "\n");
}

static void print_message(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **events,
    size_t count, void *arg)
{
	struct printer *p = arg;
	struct story story;
	uint64_t before = 0;
	size_t w = 0;

	(void)s;
	story_make(&story, events, count);
	print_head(t, &story, p);
	for (size_t i = 0; i < count; i++) {
		for (; w < story.wait_count && story.waits[w].before == i; w++)
			print_wait(&story.waits[w], p->out);
		print_line(events[i], before, p->out);
		before = events[i]->time_us;
	}
	print_state(&story, p->now_us, p->out);
	story_free(&story);
}

static void print_session(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **events,
    size_t count, void *arg)
{
	struct printer *p = arg;
	uint64_t before = 0;

	(void)s;
	buf_printf(p->out, "%ssession %s\n", p->separator, t->id.text);
	p->separator = "\n";
	for (size_t i = 0; i < count; i++) {
		print_line(events[i], before, p->out);
		before = events[i]->time_us;
	}
}

void trace_print_text(
    const struct trace_search *s, uint64_t now_us, struct buf *out)
{
	struct printer p = {.out = out, .now_us = now_us, .separator = ""};

	each(s, true, print_message, &p);
	each(s, false, print_session, &p);
}

/* ---- as JSON ------------------------------------------------------------------------ */

static void json_event(struct json *j, const struct trace_record *r)
{
	struct buf words = buf_new(4096);

	json_object(j, NULL);
	json_u64(j, "time_us", r->time_us);
	json_text(j, "daemon", str_from(r->daemon));
	json_u64(j, "pid", r->pid);
	json_text(j, "event", str_from(trace_kind_name(r->kind)));
	json_text(j, "session", id_str(&r->session));
	json_text(j, "message", id_str(&r->message));
	json_text(j, "who", r->says.who);
	json_text(j, "where", r->says.where);
	json_text(j, "code", r->says.code);
	json_text(j, "why", r->says.why);
	json_u64(j, "took_ms", r->says.wait_ms);
	json_u64(j, "number", r->says.number);
	story_say(r, &words);
	json_text(j, "text", buf_str(&words));
	json_bool(j, "torn", r->torn);
	json_end(j);
	buf_free(&words);
}

static void json_events(
    struct json *j, const struct trace_record **events, size_t count)
{
	json_array(j, "events");
	for (size_t i = 0; i < count; i++)
		json_event(j, events[i]);
	json_end(j);
}

static void json_wait(
    struct json *j, const struct story_wait *w, uint64_t now_us)
{
	bool lasts = w->until_us == UINT64_MAX;
	uint64_t until = lasts ? now_us : w->until_us;
	struct buf why = buf_new(4096);

	story_reason(w->reason, &why);
	json_object(j, NULL);
	json_u64(j, "from_us", w->from_us);
	json_u64(j, "ms", until > w->from_us ? (until - w->from_us) / 1000 : 0);
	json_bool(j, "lasts", lasts);
	json_text(j, "recipient", w->recipient);
	json_text(j, "reason", buf_str(&why));
	json_end(j);
	buf_free(&why);
}

static void json_recipient(struct json *j, const struct story_recipient *r)
{
	json_object(j, NULL);
	json_text(j, "address", r->address);
	json_text(j, "state", str_from(story_state_name(r->state)));
	json_u64(j, "since_us", r->last == NULL ? 0 : r->last->time_us);
	json_u64(j, "attempts", r->attempts);
	json_u64(j, "next_attempt", r->next);
	json_text(j, "code", r->last == NULL ? STR_EMPTY : r->last->says.code);
	json_text(j, "why", r->last == NULL ? STR_EMPTY : r->last->says.why);
	json_text(
	    j, "where", r->last == NULL ? STR_EMPTY : r->last->says.where);
	json_end(j);
}

static void json_message(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **events,
    size_t count, void *arg)
{
	struct printer *p = arg;
	struct json *j = p->json;
	const struct trace_record *q;
	struct story story;

	(void)s;
	story_make(&story, events, count);
	q = story.queued;
	json_object(j, NULL);
	json_text(j, "id", id_str(&t->id));
	json_text(j, "session", q == NULL ? STR_EMPTY : id_str(&q->session));
	json_text(j, "message_id", q == NULL ? STR_EMPTY : q->says.who);
	json_text(j, "sender", q == NULL ? STR_EMPTY : q->says.where);
	json_u64(j, "size", q == NULL ? 0 : q->says.number);
	json_bool(j, "notification", t->child);
	json_text(j, "state", str_from(story_state_name(story.state)));
	json_bool(j, "removed", story.removed);
	json_text(j, "dsn", story.dsn);
	json_array(j, "recipients");
	for (size_t i = 0; i < story.recipient_count; i++)
		json_recipient(j, &story.recipients[i]);
	json_end(j);
	json_array(j, "waits");
	for (size_t i = 0; i < story.wait_count; i++)
		json_wait(j, &story.waits[i], p->now_us);
	json_end(j);
	json_events(j, events, count);
	json_end(j);
	story_free(&story);
}

static void json_session(const struct trace_search *s,
    const struct trace_thing *t, const struct trace_record **events,
    size_t count, void *arg)
{
	struct printer *p = arg;

	(void)s;
	json_object(p->json, NULL);
	json_text(p->json, "id", id_str(&t->id));
	json_events(p->json, events, count);
	json_end(p->json);
}

void trace_print_json(
    const struct trace_search *s, uint64_t now_us, struct buf *out)
{
	struct json j = json_start(out);
	struct printer p = {.out = out, .json = &j, .now_us = now_us};
	struct str notes = buf_str(&s->files.notes), line;

	json_object(&j, NULL);
	json_text(&j, "query", s->query->key);
	json_bool(&j, "cut", s->cut);
	json_array(&j, "notes");
	while (notes.len > 0) {
		line = str_cut(&notes, '\n');
		json_text(&j, NULL, line);
	}
	json_end(&j);
	json_array(&j, "messages");
	each(s, true, json_message, &p);
	json_end(&j);
	json_array(&j, "sessions");
	each(s, false, json_session, &p);
	json_end(&j);
	json_end(&j);
}

void trace_print_event(const struct trace_record *r, bool json, struct buf *out)
{
	struct json j = json_start(out);

	if (json) {
		json_event(&j, r);
		return;
	}
	if (r->message.text[0] != '\0')
		buf_add(out, id_str(&r->message));
	else
		buf_printf(out, "%-22s", "");
	print_line(r, 0, out);
}
