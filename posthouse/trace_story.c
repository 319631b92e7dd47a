/* SPDX-License-Identifier: ISC */
#include "posthouse/trace_story.h"

#include <stdlib.h>

#include "core/memory.h"

#define WAIT_LEAST_US 1000000 /* what is shorter is no wait */

/* ---- recipients ------------------------------------------------------------------ */

static struct story_recipient *recipient(struct story *s, struct str address)
{
	struct story_recipient *r;

	for (size_t i = 0; i < s->recipient_count; i++)
		if (str_case_eq(s->recipients[i].address, address))
			return &s->recipients[i];
	s->recipients = mem_resize(
	    s->recipients, s->recipient_count + 1, sizeof(s->recipients[0]));
	r = &s->recipients[s->recipient_count++];
	*r = (struct story_recipient){.address = address};
	return r;
}

static bool is_open(const struct story_recipient *r)
{
	return r->state == STORY_QUEUED || r->state == STORY_TRYING ||
	    r->state == STORY_HELD || r->state == STORY_UNKNOWN;
}

static void set(struct story *s, const struct trace_record *e,
    enum story_state state, uint64_t next)
{
	struct story_recipient *r = recipient(s, e->says.who);

	r->state = state;
	r->last = e;
	r->next = next;
	r->attempts += e->kind == TRACE_DELIVERED ||
	    e->kind == TRACE_DEFERRED || e->kind == TRACE_FAILED;
}

/* All recipients that something is still to be done for. */
static void set_all(struct story *s, const struct trace_record *e,
    enum story_state from, enum story_state to)
{
	for (size_t i = 0; i < s->recipient_count; i++) {
		struct story_recipient *r = &s->recipients[i];

		if (!is_open(r) || (from != STORY_UNKNOWN && r->state != from))
			continue;
		r->state = to;
		r->last = e;
		r->next = 0;
	}
}

/* ---- waits ----------------------------------------------------------------------- */

static void add_wait(struct story *s, uint64_t from_us, uint64_t until_us,
    struct str who, const struct trace_record *reason, size_t before)
{
	if (until_us < from_us + WAIT_LEAST_US)
		return;
	s->waits = mem_resize(s->waits, s->wait_count + 1, sizeof(s->waits[0]));
	s->waits[s->wait_count++] = (struct story_wait){
	    from_us, until_us, who, reason, before};
}

/* The attempt that was put off has its turn. */
static void end_deferral(struct story *s, size_t at)
{
	const struct trace_record *e = s->events[at];
	const struct story_recipient *r = recipient(s, e->says.who);

	if (r->last != NULL &&
	    (r->last->kind == TRACE_DEFERRED || r->state == STORY_HELD))
		add_wait(s, r->last->time_us, e->time_us,
		    r->last->kind == TRACE_DEFERRED ? r->address : STR_EMPTY,
		    r->last, at);
}

/* An attempt says how long it waited for its turn; why stands before it. */
static void end_line(struct story *s, size_t at)
{
	const struct trace_record *e = s->events[at], *why = e;

	for (size_t i = at; i-- > 0;) {
		const struct trace_record *w = s->events[i];

		if (w->kind == TRACE_ATTEMPT &&
		    str_eq(w->says.where, e->says.where))
			break;
		if (w->kind == TRACE_WAITS &&
		    str_eq(w->says.where, e->says.where)) {
			why = w;
			break;
		}
	}
	add_wait(s, e->time_us - e->says.wait_ms * 1000, e->time_us, STR_EMPTY,
	    why, at);
}

/* ---- what the events say ------------------------------------------------------------ */

static void operate(struct story *s, size_t at)
{
	const struct trace_record *e = s->events[at];
	struct str verb = e->says.why;

	if (str_eq(verb, STR("hold")))
		set_all(s, e, STORY_UNKNOWN, STORY_HELD);
	else if (str_eq(verb, STR("delete")))
		set_all(s, e, STORY_UNKNOWN, STORY_DELETED);
	else if (str_eq(verb, STR("release"))) {
		for (size_t i = 0; i < s->recipient_count; i++)
			if (s->recipients[i].state == STORY_HELD) {
				add_wait(s, s->recipients[i].last->time_us,
				    e->time_us, STR_EMPTY,
				    s->recipients[i].last, at);
				break;
			}
		set_all(s, e, STORY_HELD, STORY_QUEUED);
	}
}

/* A message that would have been cut through: whoever has it keeps it, nobody
 * is told of the others but the client. */
static void refuse(struct story *s, const struct trace_record *e)
{
	for (size_t i = 0; i < s->recipient_count; i++) {
		struct story_recipient *r = &s->recipients[i];

		if (r->state != STORY_DELIVERED)
			r->state = STORY_REFUSED;
		if (r->last == NULL)
			r->last = e;
	}
	s->removed = true;
}

static void take(struct story *s, size_t at)
{
	const struct trace_record *e = s->events[at];

	switch (e->kind) {
	case TRACE_QUEUED:
		s->queued = e;
		break;
	case TRACE_SCHEDULED:
		end_deferral(s, at);
		set(s, e, STORY_TRYING, 0);
		break;
	case TRACE_WAITS:
		set(s, e, STORY_QUEUED, 0);
		break;
	case TRACE_ATTEMPT:
		end_line(s, at);
		break;
	case TRACE_DELIVERED:
		set(s, e, STORY_DELIVERED, 0);
		break;
	case TRACE_DEFERRED:
		set(s, e, STORY_QUEUED, e->says.number);
		break;
	case TRACE_FAILED:
		set(s, e, STORY_FAILED, 0);
		break;
	case TRACE_BOUNCED:
		s->dsn = e->says.where;
		break;
	case TRACE_OPERATOR:
		operate(s, at);
		break;
	case TRACE_REMOVED:
		s->removed = true;
		break;
	case TRACE_REFUSED:
		refuse(s, e);
		break;
	default:
		break;
	}
}

/* What lasts: each recipient's last deferral or hold. */
static void open_waits(struct story *s)
{
	for (size_t i = 0; i < s->recipient_count && !s->removed; i++) {
		const struct story_recipient *r = &s->recipients[i];

		if (r->last != NULL && is_open(r) && r->state != STORY_TRYING)
			add_wait(s, r->last->time_us, UINT64_MAX,
			    r->state == STORY_HELD ? STR_EMPTY : r->address,
			    r->last, s->count);
	}
}

/* What is most in need of attention comes first. */
static void sum_up(struct story *s)
{
	static const enum story_state order[] = {STORY_HELD, STORY_TRYING,
	    STORY_QUEUED, STORY_REFUSED, STORY_FAILED, STORY_DELIVERED,
	    STORY_DELETED};
	bool has[STORY_REFUSED + 1] = {false};
	unsigned kinds = 0;

	for (size_t i = 0; i < s->recipient_count; i++)
		has[s->recipients[i].state] = true;
	s->state = s->queued == NULL && s->removed ? STORY_REFUSED
	    : s->queued != NULL && !s->removed     ? STORY_QUEUED
						   : STORY_UNKNOWN;
	for (size_t i = ARRAY_LEN(order); i-- > 0;) {
		if (!has[order[i]])
			continue;
		s->state = order[i];
		kinds++;
	}
	s->partly = kinds > 1;
}

void story_make(
    struct story *s, const struct trace_record **events, size_t count)
{
	*s = (struct story){.events = events, .count = count};
	for (size_t i = 0; i < count; i++)
		take(s, i);
	open_waits(s);
	sum_up(s);
}

void story_free(struct story *s)
{
	free(s->recipients);
	free(s->waits);
}

const char *story_state_name(enum story_state state)
{
	static const char *const names[] = {"unknown", "queued", "in delivery",
	    "held", "delivered", "bounced", "deleted", "refused"};

	return names[state];
}

/* ---- words ------------------------------------------------------------------------- */

void story_duration(uint64_t us, struct buf *out)
{
	uint64_t s = us / 1000000;

	if (s < 10)
		buf_printf(out, "%u.%03u s", (unsigned)s,
		    (unsigned)(us / 1000 % 1000));
	else if (s < 60)
		buf_printf(out, "%u s", (unsigned)s);
	else if (s < 3600)
		buf_printf(
		    out, "%u min %u s", (unsigned)(s / 60), (unsigned)(s % 60));
	else
		buf_printf(out, "%llu h %u min", (unsigned long long)(s / 3600),
		    (unsigned)(s / 60 % 60));
}

/* A separator and the words, if there are any. */
static void add(
    struct buf *out, const char *before, struct str words, const char *after)
{
	if (words.len == 0)
		return;
	buf_add_text(out, before);
	buf_add(out, words);
	buf_add_text(out, after);
}

static void add_took(struct buf *out, const char *before, uint64_t ms)
{
	buf_add_text(out, before);
	story_duration(ms * 1000, out);
}

void story_reason(const struct trace_record *r, struct buf *out)
{
	if (r->kind == TRACE_OPERATOR) {
		buf_add_text(out, "held by the operator");
		return;
	}
	if (r->kind == TRACE_ATTEMPT) {
		buf_add_text(out, "for its turn");
		return;
	}
	add(out, "", r->says.code, " ");
	buf_add(out, r->says.why);
	add(out, " (", r->says.where, ")");
}

static void say_outcome(
    const struct trace_record *r, const char *word, struct buf *out)
{
	buf_add(out, r->says.who);
	buf_printf(out, " %s", word);
	add(out, r->kind == TRACE_DELIVERED ? " to " : " by ", r->says.where,
	    "");
	add(out, ": ", r->says.code, "");
	add(out, r->says.code.len > 0 ? " " : ": ", r->says.why, "");
	if (r->says.wait_ms >= 1000)
		add_took(out, ", after ", r->says.wait_ms);
}

/* The sections of the journey: each says the event and gives true if it is one
 * of its own. */

static bool say_session(const struct trace_record *r, struct buf *out)
{
	const struct trace_fields *f = &r->says;

	switch (r->kind) {
	case TRACE_CONNECT:
		add(out, "connection from ", f->where, " ");
		add(out, "[", f->who, "]");
		add(out, ", ", f->why, "");
		return true;
	case TRACE_SCREENED:
		add(out, "", f->who, ": ");
		buf_add(out, f->why);
		add_took(out, ", after ", f->wait_ms);
		return true;
	case TRACE_LOGIN:
		add(out, "login of ", f->who, "");
		add(out, ", ", f->where, "");
		add(out, ", ", f->why, "");
		return true;
	case TRACE_ENVELOPE:
		buf_printf(out, "from <%.*s>", STR_FMT(f->who));
		return true;
	case TRACE_RECIPIENT:
		buf_printf(out, "to <%.*s>, accepted", STR_FMT(f->who));
		return true;
	case TRACE_REFUSED:
		add(out, "refused ", f->who, "");
		add(out, f->who.len > 0 ? " at " : "refused at ", f->where, "");
		add(out, ": ", f->code, "");
		add(out, f->code.len > 0 ? " " : ": ", f->why, "");
		return true;
	case TRACE_CHECKED:
		add(out, "", f->who, " ");
		buf_add(out, f->code);
		add(out, " for ", f->where, "");
		add(out, ": ", f->why, "");
		return true;
	case TRACE_SESSION_END:
		add(out, "end of the ", f->where, " session");
		add(out, ": ", f->why, "");
		return true;
	default:
		return false;
	}
}

static void say_expanded(const struct trace_fields *f, struct buf *out)
{
	bool srs = str_eq(f->why, STR("srs"));

	add(out, srs ? "the rewritten sender " : "the alias ", f->who, "");
	add(out, srs ? " stands for " : " leads to ", f->where, "");
}

static bool say_acceptance(const struct trace_record *r, struct buf *out)
{
	const struct trace_fields *f = &r->says;

	switch (r->kind) {
	case TRACE_QUEUED:
		buf_printf(out, "accepted, %llu octets",
		    (unsigned long long)f->number);
		add(out, ", Message-ID ", f->who, "");
		return true;
	case TRACE_EXPANDED:
		say_expanded(f, out);
		return true;
	case TRACE_SIGNED:
		add(out, "signed (DKIM) by ", f->where, "");
		add(out,
		    f->where.len > 0 ? ", but " : "not signed (DKIM): ", f->why,
		    "");
		add(out, "; the author is at ", f->who, "");
		return true;
	case TRACE_SEALED:
		add(out, "sealed (ARC) by ", f->where, "");
		buf_printf(out, ", set %llu", (unsigned long long)f->number);
		if (str_eq(f->why, STR("none")))
			buf_add_text(out, "; it came without a chain");
		else
			add(out, "; the chain came with ", f->why, "");
		return true;
	default:
		return false;
	}
}

static bool say_transport(const struct trace_record *r, struct buf *out)
{
	const struct trace_fields *f = &r->says;

	switch (r->kind) {
	case TRACE_SCHEDULED:
		add(out, "", f->who, " goes by ");
		buf_add(out, f->where);
		return true;
	case TRACE_WAITS:
		add(out, "", f->who, " waits: ");
		buf_add(out, f->why);
		add(out, " (", f->where, ")");
		return true;
	case TRACE_ATTEMPT:
		add(out, "attempt by ", f->where, "");
		buf_printf(out, ", %llu recipient%s",
		    (unsigned long long)f->number, f->number == 1 ? "" : "s");
		add(out, ", sent as <", f->who, ">");
		return true;
	case TRACE_HOST:
		add(out, "", f->where, ": ");
		add(out, "", f->code, " ");
		buf_add(out, f->why);
		add_took(out, ", after ", f->wait_ms);
		return true;
	default:
		return false;
	}
}

static bool say_end(const struct trace_record *r, struct buf *out)
{
	const struct trace_fields *f = &r->says;

	switch (r->kind) {
	case TRACE_DELIVERED:
		say_outcome(r, "delivered", out);
		return true;
	case TRACE_DEFERRED:
		say_outcome(r, "put off", out);
		return true;
	case TRACE_FAILED:
		say_outcome(r, "failed", out);
		return true;
	case TRACE_BOUNCED:
		buf_printf(out, "%.*s notification to <%.*s> as %.*s",
		    STR_FMT(f->why), STR_FMT(f->who), STR_FMT(f->where));
		return true;
	case TRACE_STORED:
		add(out, "", f->who, " ");
		add(out, "stored in ", f->where, "");
		add(out, ": ", f->why, "");
		return true;
	case TRACE_REMOVED:
		buf_add_text(out, "done, removed from the queue");
		return true;
	case TRACE_OPERATOR:
		add(out, "", f->why, " by the operator");
		return true;
	default:
		return false;
	}
}

void story_say(const struct trace_record *r, struct buf *out)
{
	const struct trace_fields *f = &r->says;

	if (say_session(r, out) || say_acceptance(r, out) ||
	    say_transport(r, out) || say_end(r, out))
		return;
	add(out, "", f->who, " ");
	add(out, "", f->where, " ");
	add(out, "", f->code, " ");
	buf_add(out, f->why);
}
