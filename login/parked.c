/* SPDX-License-Identifier: ISC */
#include "login/parked.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"

#include "login/imap_words.h"

#define STILL_HERE "* OK Still here\r\n"

/* As small as it can be: there are thousands. */
struct parked {
	struct stream *stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	const struct parked_calls *calls;
	void *arg;
	int64_t silent_until, tell_at, taken_until; /* clock_ms */
	int64_t noop_until;                         /* likewise */
	uint64_t modseq;
	uint64_t began, octets_in, octets_out;
	uint32_t commands, notify, allowed;
	uint16_t pass_len, state_len;
	bool idle, taken;
	bool quiet;   /* there is nothing to tell */
	char words[]; /* pass, state */
};

static void set_timer(struct parked *p)
{
	int64_t at = p->silent_until;

	if (p->notify > 0 && p->tell_at < at)
		at = p->tell_at;
	if (p->taken && p->taken_until < at)
		at = p->taken_until;
	loop_timer_set(p->timer, at - clock_ms());
}

static void watch(struct parked *p)
{
	loop_watch_set(p->watch,
	    (p->taken ? 0u : LOOP_READ) |
		(stream_pending(p->stream) > 0 ? LOOP_WRITE : 0u));
}

/* False when the client is gone. */
static bool push(struct parked *p)
{
	return stream_push(p->stream) != STREAM_ERROR;
}

/* The tag, when one NOOP is all that has come. */
static bool is_noop(struct str input, struct str *tag)
{
	struct str line = input;

	if (!str_ends(line, STR("\r\n")))
		return false;
	line.len -= 2;
	*tag = str_cut(&line, ' ');
	return str_case_eq(line, STR("NOOP")) && imap_is_tag(*tag);
}

/* A client that asks again and again whether there is something new needs no
 * process to hear that there is not. */
static bool answer_noop(struct parked *p)
{
	struct str input = stream_peek(p->stream), tag;
	size_t before;

	if (!p->quiet || stream_pending(p->stream) > 0 ||
	    clock_ms() >= p->noop_until || !is_noop(input, &tag) ||
	    !p->calls->hear() || !p->quiet)
		return false;
	stream_printf(p->stream, "%.*s OK Done\r\n", STR_FMT(tag));
	before = stream_pending(p->stream);
	p->octets_in += input.len;
	p->octets_out += before;
	p->commands++;
	stream_consume(p->stream, input.len);
	p->silent_until = deadline_in(p->allowed);
	set_timer(p);
	return true;
}

static void ready(unsigned what, void *arg)
{
	struct parked *p = arg;
	enum stream_result r = STREAM_OK;

	if ((what & LOOP_WRITE) && !push(p))
		r = STREAM_ERROR;
	if (r == STREAM_OK && (what & LOOP_READ) && !p->taken)
		r = stream_fill(p->stream);
	if (stream_has_input(p->stream) && answer_noop(p) && !push(p))
		r = STREAM_ERROR;
	if (stream_has_input(p->stream)) {
		watch(p);
		p->calls->spoke(p->arg);
		return;
	}
	if (r == STREAM_EOF || r == STREAM_ERROR) {
		p->calls->ended(p->arg, "the client is gone");
		return;
	}
	stream_trim(p->stream);
	watch(p);
}

void parked_bye(struct parked *p, const char *text, const char *why)
{
	stream_printf(p->stream, "* BYE %s\r\n", text);
	push(p);
	p->calls->ended(p->arg, why);
}

/* One that does not read what it was told is told no more. */
static bool tell(struct parked *p)
{
	p->tell_at = deadline_in(p->notify);
	if (p->taken || stream_pending(p->stream) > 0)
		return true;
	stream_puts(p->stream, STILL_HERE);
	p->octets_out += sizeof(STILL_HERE) - 1;
	if (!push(p))
		return false;
	stream_trim(p->stream);
	watch(p);
	return true;
}

static void fired(void *arg)
{
	struct parked *p = arg;
	int64_t now = clock_ms();

	if (p->taken && now >= p->taken_until) {
		parked_bye(p, "[UNAVAILABLE] The server is busy",
		    "no session in time");
		return;
	}
	if (now >= p->silent_until) {
		parked_bye(p, "Silent for too long",
		    p->notify > 0 ? "timeout in IDLE" : "timeout");
		return;
	}
	if (p->notify > 0 && now >= p->tell_at && !tell(p)) {
		p->calls->ended(p->arg, "the client is gone");
		return;
	}
	set_timer(p);
}

struct parked *parked_new(struct loop *loop, struct stream *stream,
    const struct session_park *m, int64_t noop,
    const struct parked_calls *calls, void *arg)
{
	struct parked *p = mem_alloc(sizeof(*p) + m->pass.len + m->state.len);

	p->stream = stream;
	p->calls = calls;
	p->arg = arg;
	p->modseq = m->modseq;
	p->began = m->began;
	p->octets_in = m->octets_in;
	p->octets_out = m->octets_out;
	p->commands = (uint32_t)m->commands;
	p->idle = m->idle;
	p->quiet = m->quiet && noop > 0;
	p->noop_until = deadline_in(noop);
	p->allowed = (uint32_t)m->allowed;
	p->notify = (uint32_t)m->notify;
	p->tell_at = deadline_in(p->notify);
	p->silent_until = deadline_in((int64_t)m->timeout);
	p->pass_len = (uint16_t)m->pass.len;
	p->state_len = (uint16_t)m->state.len;
	memcpy(p->words, m->pass.p, m->pass.len);
	memcpy(p->words + m->pass.len, m->state.p, m->state.len);
	stream_trim(stream);
	p->watch = loop_watch_new(loop, stream_fd(stream), 0, ready, p);
	p->timer = loop_timer_new(loop, fired, p);
	watch(p);
	set_timer(p);
	return p;
}

struct stream *parked_take(struct parked **pp)
{
	struct parked *p = *pp;
	struct stream *stream = p->stream;

	*pp = NULL;
	loop_watch_free(&p->watch);
	loop_timer_free(&p->timer);
	free(p);
	return stream;
}

void parked_close(struct parked **p)
{
	struct stream *stream;

	if (*p == NULL)
		return;
	stream = parked_take(p);
	stream_close(&stream);
}

bool parked_changed(struct parked *p, uint64_t modseq)
{
	if (modseq <= p->modseq)
		return false;
	p->quiet = false;
	return p->idle;
}

void parked_wait(struct parked *p, int64_t within)
{
	p->taken = true;
	p->taken_until = deadline_in(within);
	watch(p);
	set_timer(p);
}

void parked_resume(const struct parked *p, struct session_resume *m)
{
	int left = deadline_left(p->silent_until);

	m->pass = str_of(p->words, p->pass_len);
	m->state = str_of(p->words + p->pass_len, p->state_len);
	m->timeout = left > 0 ? (uint64_t)left : 1;
	m->began = p->began;
	m->commands = p->commands;
	m->octets_in = p->octets_in;
	m->octets_out = p->octets_out;
}

struct stream *parked_stream(const struct parked *p)
{
	return p->stream;
}
