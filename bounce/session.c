/* SPDX-License-Identifier: ISC */
#include "bounce/session.h"

#include <stdio.h>
#include <time.h>

#include "bounce/inject.h"
#include "bounce/report.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "queue/queue_file.h"

#define ARENA_MAX  (128u << 20) /* envelope texts of one request */
#define REPORT_MAX (512u << 20)

struct session {
	const struct bounce_conf *conf;
	const struct house_conf *house;
	struct ipc *peer;
	struct arena arena;
	/* the request */
	struct bounce what;
	int fd; /* the queue file, -1: none came */
	struct bounce_for *to;
	size_t count, room;
	struct buf original;
};

/* ---- the request ---- */

static bool keep(struct arena *a, struct str *const texts[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		*texts[i] = arena_copy(a, *texts[i]);
		if (texts[i]->p == NULL)
			return false;
	}
	return true;
}

static bool take_what(struct session *s, const struct bounce *b)
{
	struct str *const texts[] = {&s->what.queue_id, &s->what.session,
	    &s->what.sender, &s->what.envid, &s->what.ret};

	s->what = *b;
	return keep(&s->arena, texts, ARRAY_LEN(texts));
}

static bool take_recipient(struct session *s, const struct bounce_for *f)
{
	if (s->count == s->room) {
		size_t more = s->room == 0 ? 8 : s->room * 2;
		struct bounce_for *larger = arena_alloc(
		    &s->arena, more * sizeof(*larger));

		if (larger == NULL)
			return false;
		if (s->count > 0)
			memcpy(larger, s->to, s->count * sizeof(*larger));
		s->to = larger;
		s->room = more;
	}
	struct bounce_for *to = &s->to[s->count++];
	struct str *const texts[] = {
	    &to->address, &to->original, &to->dsn, &to->text, &to->remote};
	*to = *f;
	return keep(&s->arena, texts, ARRAY_LEN(texts));
}

/* Recipients up to bounce_end. false: the connection ends. */
static bool take_recipients(struct session *s)
{
	int64_t deadline = deadline_in(s->house->ipc_timeout);
	const struct ipc_type *type;
	const void *msg;

	for (;;) {
		if (ipc_wait(s->peer, &type, &msg, deadline) != IPC_OK)
			return false;
		if (type == &bounce_end)
			return s->count > 0 &&
			    s->count == ((const struct bounce_end *)msg)->count;
		if (type != &bounce_for || !take_recipient(s, msg))
			return false;
	}
}

/* ---- the message that is returned ---- */

static bool read_extent(
    struct session *s, const struct queue_extent *e, size_t most)
{
	size_t len = e->length < most ? (size_t)e->length : most;
	char *room = buf_room(&s->original, len);

	if (room == NULL || file_pread_full(s->fd, room, len, e->offset) < 0)
		return false;
	buf_added(&s->original, len);
	return true;
}

/* A header beyond the limit is cut behind its last whole line. */
static struct str cut_header(struct str header, bool complete)
{
	if (!complete)
		while (header.len > 0 && header.p[header.len - 1] != '\n')
			header.len--;
	return header;
}

/* Whole, when the sender did not ask for less (RFC 3461 4.3) and it is not
 * too large; that a message is late or has arrived takes its header only. */
static void read_original(struct session *s, struct report *r)
{
	size_t limit = (size_t)s->conf->bounce_size_limit;
	struct queue_file f;
	struct id id;
	const char *why = "no descriptor came with the request";

	if (s->fd < 0 || id_parse(s->what.queue_id, &id) < 0 ||
	    queue_read_of(s->fd, &id, &f, &why) < 0) {
		log_warning("%.*s: the message cannot be returned: %s",
		    STR_FMT(s->what.queue_id), why);
		return;
	}
	r->whole = s->what.kind == BOUNCE_FAILED &&
	    !str_case_eq(s->what.ret, STR("HDRS")) &&
	    f.header.length <= limit &&
	    f.body.length <= limit - f.header.length;
	if (!read_extent(s, &f.header, limit) ||
	    (r->whole && !read_extent(s, &f.body, limit))) {
		log_warning("%.*s: the message cannot be returned: it cannot "
			    "be read",
		    STR_FMT(s->what.queue_id));
		r->whole = false;
		return;
	}
	r->has_original = true;
	size_t header = f.header.length < limit ? (size_t)f.header.length
						: limit;
	r->header = cut_header(str_sub(buf_str(&s->original), 0, header),
	    f.header.length <= limit);
	if (r->whole)
		r->body = str_skip(buf_str(&s->original), header);
}

/* ---- the answer ---- */

static int zone_now(int64_t seconds)
{
	struct tm local;
	time_t t = (time_t)seconds;

	return localtime_r(&t, &local) == NULL ? 0
					       : (int)(local.tm_gmtoff / 60);
}

static bool answer(struct session *s, bool ok, struct str id, const char *text)
{
	struct bounced b = {.ok = ok,
	    .queue_id = id,
	    .text = str_sub(str_from(text), 0, IPC_REPLY_MAX)};

	return ipc_put(s->peer, &bounced, &b) == 0 &&
	    ipc_flush(s->peer, deadline_in(s->house->ipc_timeout)) == IPC_OK;
}

static void report_result(struct session *s, enum inject_result result,
    const struct id *from, const struct id *id, const char *text)
{
	const char *kind = s->what.kind == BOUNCE_FAILED ? "non-delivery"
	    : s->what.kind == BOUNCE_DELAYED             ? "delay"
							 : "delivery";
	struct id session = {""};

	id_parse(s->what.session, &session);
	switch (result) {
	case INJECT_QUEUED:
		log_info("%s: sender %s notification: %s", from->text, kind,
		    id->text);
		trace_event(TRACE_BOUNCED, &session, from,
		    &(struct trace_fields){.who = s->what.sender,
			.where = id_str(id),
			.why = str_from(kind)});
		daemon_count("notifications", 1);
		break;
	case INJECT_REFUSED:
		log_warning("%s: notification to <%.*s> cannot be queued and "
			    "is dropped: %s",
		    from->text, STR_FMT(s->what.sender), text);
		daemon_count("dropped", 1);
		break;
	case INJECT_AGAIN:
		log_warning("%s: notification deferred: %s", from->text, text);
		daemon_count("deferred", 1);
	}
}

/* Builds the notification and puts it into the queue. */
static enum inject_result notify(
    struct session *s, const struct id *id, char *text, size_t size)
{
	int64_t now = clock_seconds();
	struct buf out = buf_new(REPORT_MAX);
	struct report r = {.what = &s->what,
	    .to = s->to,
	    .count = s->count,
	    .myhostname = s->house->myhostname,
	    .myorigin = s->house->myorigin,
	    .mail_name = s->house->mail_name,
	    .id = *id,
	    .now = now,
	    .zone = zone_now(now),
	    .give_up = (int64_t)s->what.arrived +
		s->house->maximal_queue_lifetime / 1000};
	struct injection i = {
	    .session = s->what.session, .id = *id, .to = s->what.sender};
	enum inject_result result = INJECT_REFUSED;

	read_original(s, &r);
	if (report_build(&r, &out, &i.eight_bit, &i.utf8) == 0) {
		i.content = buf_str(&out);
		result = inject(&i, s->house->ipc_timeout, text, size);
	} else {
		snprintf(text, size, "the notification is too large");
	}
	buf_free(&out);
	return result;
}

/* One request. false: the connection ends. */
static bool serve_request(struct session *s)
{
	const struct ipc_type *type;
	const void *msg;
	char text[600];
	struct id from, id;
	enum inject_result result;

	if (ipc_wait(s->peer, &type, &msg,
		deadline_in(s->house->ipc_timeout)) != IPC_OK)
		return false;
	if (type != &bounce || !take_what(s, msg))
		return false;
	s->fd = ipc_take_fd(s->peer);
	if (!take_recipients(s) || id_parse(s->what.queue_id, &from) < 0) {
		log_warning("a request that is malformed");
		return false;
	}
	id = id_derive(&from, "bounce", s->what.round);
	result = notify(s, &id, text, sizeof(text));
	report_result(s, result, &from, &id, text);
	/* What is refused for good must not be asked again for ever: a
	 * notification that cannot be delivered is nobody's mail. */
	return answer(s, result != INJECT_AGAIN,
	    result == INJECT_QUEUED ? id_str(&id) : STR_EMPTY, text);
}

static void clear(struct session *s)
{
	file_close(&s->fd);
	arena_clear(&s->arena);
	buf_clear(&s->original);
	s->to = NULL;
	s->count = s->room = 0;
}

void session_run(
    int fd, const struct bounce_conf *conf, const struct house_conf *house)
{
	struct session s = {.conf = conf,
	    .house = house,
	    .peer = ipc_server(fd, &bounce_exchange),
	    .arena = arena_new(ARENA_MAX),
	    .fd = -1,
	    .original = buf_new((size_t)conf->bounce_size_limit)};

	while (ipc_has_input(s.peer) || daemon_idle(ipc_fd(s.peer))) {
		bool go_on = serve_request(&s);

		clear(&s);
		if (!go_on)
			break;
	}
	arena_free(&s.arena);
	buf_free(&s.original);
	ipc_close(&s.peer);
}
