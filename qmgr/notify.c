/* SPDX-License-Identifier: ISC */
#include "qmgr/notify.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/bounce.h"
#include "ipc/limits.h"
#include "ipc/wire.h"
#include "qmgr/flow.h"
#include "qmgr/spool.h"

#define WORKERS    4 /* as many as bounce has processes in master.cf */
#define CONNECT_MS 200
#define PAUSE      5 /* seconds after the first failure, doubled */
#define PAUSE_MOST 300

/* One notification. */
struct notice {
	struct notice *next;
	struct message *message;
	enum bounce_kind kind;
	uint64_t round;
	size_t count;
	uint32_t indices[];
};

/* One connection to bounce, one notification at a time. */
struct asker {
	struct qmgr *q;
	struct wire *wire; /* NULL: not connected */
	struct loop_timer *timer;
	struct notice *notice; /* NULL: idle */
};

struct notifier {
	struct asker askers[WORKERS];
	struct notice *first, *last;
	/* While bounce cannot be asked: seconds between two tries, and when
	 * the next one is due (since 1970); 0: it can. All that fails until
	 * then is the same trouble. */
	uint32_t pause, until;
	char trouble[160]; /* why the last one failed, while pause > 0 */
};

/* ---- who is to be told what ---- */

static bool wants_delay(const struct qmgr *q, const struct recipient *r)
{
	const struct message *m = r->message;
	int64_t age = (int64_t)qmgr_now() - (int64_t)m->arrived;

	return q->conf->delay_warning_time > 0 &&
	    age >= q->conf->delay_warning_time / 1000 &&
	    r->state == QUEUE_PENDING && r->attempts > 0 && !r->hold &&
	    !(r->notify & QUEUE_NOTIFY_NEVER) &&
	    (r->notify == 0 || (r->notify & QUEUE_NOTIFY_DELAY)) &&
	    !(r->notified & QUEUE_NOTIFY_DELAY);
}

static bool wants_success(const struct recipient *r)
{
	return r->state == QUEUE_DELIVERED &&
	    (r->notify & QUEUE_NOTIFY_SUCCESS) &&
	    !(r->notified & QUEUE_NOTIFY_SUCCESS);
}

static bool wants(
    const struct qmgr *q, const struct recipient *r, enum bounce_kind kind)
{
	switch (kind) {
	case BOUNCE_FAILED:
		return r->state == QUEUE_FAILED || r->state == QUEUE_EXPIRED;
	case BOUNCE_DELAYED:
		return wants_delay(q, r);
	case BOUNCE_DELIVERED:
		return wants_success(r);
	}
	return false;
}

/* The recipient was told, or there is nobody to tell. */
static void told(struct recipient *r, enum bounce_kind kind)
{
	if (kind == BOUNCE_FAILED)
		r->state = QUEUE_NOTIFIED;
	else
		r->notified |= kind == BOUNCE_DELAYED ? QUEUE_NOTIFY_DELAY
						      : QUEUE_NOTIFY_SUCCESS;
	r->dirty = true;
}

/* Those that go into one notification, the first of them being r. Failures
 * of a round that was asked for before stay together. */
static struct notice *gather(
    struct qmgr *q, const struct recipient *r, enum bounce_kind kind)
{
	struct message *m = r->message;
	struct notice *n = mem_alloc(
	    sizeof(*n) + m->count * sizeof(n->indices[0]));
	uint16_t round = r->round;

	n->message = m;
	n->kind = kind;
	for (uint32_t i = recipient_index(r); i < m->count; i++)
		if (wants(q, &m->recipients[i], kind) &&
		    (kind != BOUNCE_FAILED || m->recipients[i].round == round))
			n->indices[n->count++] = i;
	/* Each recipient is told once of each kind, so its index makes the
	 * number unique for the message. */
	if (kind != BOUNCE_FAILED || round == 0)
		round = (uint16_t)(n->indices[0] + 1);
	n->round = (uint64_t)round * 4 + (uint64_t)kind;
	for (size_t i = 0; kind == BOUNCE_FAILED && i < n->count; i++) {
		struct recipient *t = &m->recipients[n->indices[i]];

		if (t->round == round)
			continue;
		t->round = round;
		spool_write_slot(q, t, STR_EMPTY, 0, 0);
	}
	return n;
}

static struct notice *find(struct qmgr *q, struct message *m)
{
	static const enum bounce_kind kinds[] = {
	    BOUNCE_FAILED, BOUNCE_DELIVERED, BOUNCE_DELAYED};

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (uint32_t i = 0; i < m->count; i++) {
			struct recipient *r = &m->recipients[i];

			if (!wants(q, r, kinds[k]))
				continue;
			if (m->sender->len > 0)
				return gather(q, r, kinds[k]);
			told(r, kinds[k]);
		}
	return NULL;
}

/* ---- asking ---- */

static int put_all(
    struct wire *w, const struct notice *n, const struct queue_file *f, int *fd)
{
	const struct message *m = n->message;
	const struct queue_envelope *e = &m->active->envelope;
	struct bounce request = {.queue_id = id_str(&m->id),
	    .session = id_str(&e->session),
	    .round = n->round,
	    .kind = (int)n->kind,
	    .sender = e->sender,
	    .arrived = m->arrived,
	    .envid = e->envid,
	    .ret = e->ret,
	    .smtputf8 = e->smtputf8};
	struct bounce_end last = {n->count};

	if (ipc_give_fd(wire_ipc(w), &bounce, &request, fd) < 0)
		return -1;
	for (size_t i = 0; i < n->count; i++) {
		const struct queue_recipient *in =
		    &e->recipients[n->indices[i]];
		struct queue_slot slot;
		struct note note;

		spool_read_note(f, n->indices[i], &note);
		if (queue_read_slot(f, n->indices[i], &slot) < 0 ||
		    slot.dsn[0] == '\0')
			slot = (struct queue_slot){
			    .dsn = "5.0.0", .last = qmgr_now()};
		struct bounce_for to = {.address = in->address,
		    .original = in->original,
		    .dsn = str_from(slot.dsn),
		    .code = slot.code <= 599 ? slot.code : 0,
		    .text = str_sub(str_from(note.text), 0, IPC_REPLY_MAX),
		    .remote = str_sub(
			str_from(note.remote), 0, IPC_HOST_MAX + 80),
		    .last = slot.last};

		if (wire_put(w, &bounce_for, &to) < 0)
			return -1;
	}
	return wire_put(w, &bounce_end, &last);
}

static void start_more(struct qmgr *q);

static void count_failure(struct notifier *t)
{
	if (t->pause > 0 && qmgr_now() < t->until)
		return;
	t->pause = t->pause == 0 ? PAUSE : t->pause * 2;
	if (t->pause > PAUSE_MOST)
		t->pause = PAUSE_MOST;
	t->until = qmgr_now() + t->pause;
}

/* The notification is made, or could not be made now. */
static void end(struct asker *a, bool ok)
{
	struct qmgr *q = a->q;
	struct notice *n = a->notice;
	struct message *m = n->message;

	a->notice = NULL;
	loop_timer_stop(a->timer);
	for (size_t i = 0; ok && i < n->count; i++)
		told(&m->recipients[n->indices[i]], n->kind);
	if (ok) {
		q->notifier->pause = 0;
	} else {
		count_failure(q->notifier);
		m->active->put_off = true;
	}
	free(n);
	m->busy--;
	flow_settled(q, m);
}

static void not_now(struct asker *a, struct str why)
{
	struct notifier *t = a->q->notifier;

	log_warning("%s: the sender cannot be notified now: %.*s",
	    a->notice->message->id.text, STR_FMT(why));
	str_copy(t->trouble, sizeof(t->trouble),
	    str_sub(why, 0, sizeof(t->trouble) - 1));
	end(a, false);
}

static void fail(struct asker *a, const char *why)
{
	if (a->notice != NULL)
		not_now(a, str_from(why));
}

static void answered(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	const struct bounced *b = msg;
	struct asker *a = arg;
	struct qmgr *q = a->q;

	(void)w;
	if (type != &bounced || a->notice == NULL)
		return;
	if (b->ok) { /* bounce has written log and trace */
		end(a, true);
	} else {
		not_now(a, b->text);
	}
	start_more(q);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	struct asker *a = arg;

	(void)w;
	a->wire = NULL;
	fail(a, why[0] == '\0' ? "bounce went away" : why);
	start_more(a->q);
}

static void timed_out(void *arg)
{
	struct asker *a = arg;

	wire_close(&a->wire);
	fail(a, "bounce does not answer");
	start_more(a->q);
}

static int connect_bounce(struct asker *a, const char **why)
{
	static const struct wire_calls calls = {
	    .message = answered, .lost = lost};
	struct ipc *c;

	if (a->wire != NULL)
		return 0;
	c = ipc_connect(
	    "bounce", &bounce_exchange, deadline_in(CONNECT_MS), why);
	if (c == NULL)
		return -1;
	a->wire = wire_new(a->q->loop, c, &calls, a);
	return 0;
}

static void ask(struct asker *a, struct notice *n)
{
	struct qmgr *q = a->q;
	const char *why = "no connection";
	const struct queue_file *f;
	int fd;

	a->notice = n;
	if (connect_bounce(a, &why) < 0) {
		fail(a, why);
		return;
	}
	f = spool_file(q, n->message);
	fd = f == NULL ? -1 : spool_open_readonly(q, n->message);
	if (fd < 0 || put_all(a->wire, n, f, &fd) < 0) {
		file_close(&fd);
		wire_close(&a->wire);
		fail(a, "bounce does not take the request");
		return;
	}
	loop_timer_set(a->timer, q->house->ipc_timeout);
	wire_push(a->wire);
}

static void start_more(struct qmgr *q)
{
	struct notifier *t = q->notifier;

	for (size_t i = 0; i < WORKERS && t->first != NULL; i++) {
		struct notice *n = t->first;

		if (t->askers[i].notice != NULL)
			continue;
		t->first = n->next;
		if (t->first == NULL)
			t->last = NULL;
		n->next = NULL;
		ask(&t->askers[i], n);
	}
}

static bool owes(struct qmgr *q, const struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		for (int k = BOUNCE_FAILED; k <= BOUNCE_DELIVERED; k++)
			if (wants(q, &m->recipients[i], (enum bounce_kind)k))
				return true;
	return false;
}

uint32_t notify_start(struct qmgr *q, struct message *m)
{
	struct notifier *t = q->notifier;
	struct notice *n;

	if (!owes(q, m))
		return 0;
	if (m->active->put_off || q->draining) {
		return t->pause > 0 && t->until > qmgr_now()
		    ? t->until
		    : qmgr_now() + PAUSE;
	}
	n = find(q, m);
	if (n == NULL)
		return 0;
	m->busy++;
	if (t->last == NULL)
		t->first = n;
	else
		t->last->next = n;
	t->last = n;
	return 0;
}

void notify_push(struct qmgr *q)
{
	start_more(q);
}

const char *notify_trouble(const struct qmgr *q)
{
	return q->notifier->pause > 0 ? q->notifier->trouble : "";
}

void notify_open(struct qmgr *q)
{
	struct notifier *t = NEW(struct notifier);

	for (size_t i = 0; i < WORKERS; i++) {
		t->askers[i].q = q;
		t->askers[i].timer = loop_timer_new(
		    q->loop, timed_out, &t->askers[i]);
	}
	q->notifier = t;
}

void notify_close(struct qmgr *q)
{
	struct notifier *t = q->notifier;

	if (t == NULL)
		return;
	for (size_t i = 0; i < WORKERS; i++) {
		wire_close(&t->askers[i].wire);
		loop_timer_free(&t->askers[i].timer);
		free(t->askers[i].notice);
	}
	while (t->first != NULL) {
		struct notice *n = t->first;

		t->first = n->next;
		free(n);
	}
	free(t);
	q->notifier = NULL;
}
