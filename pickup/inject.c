/* SPDX-License-Identifier: ISC */
/*
 * A lane is a connection to cleanup with at most one letter on its way. It is
 * kept for the next letter; cleanup may close it between two, and then the
 * letter is said again on a new one. Nothing is lost or doubled by that, for
 * the queue id follows from the submission: cleanup folds what it has already.
 */
#include "pickup/inject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/dsn.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/trace.h"
#include "ipc/wire.h"
#include "mail/crlf.h"
#include "queue/drop.h"

#define LANES_MAX     100
#define PENDING_MOST  131072 /* octets that wait for cleanup */
#define PIECES_A_TURN 8      /* then others have a turn of the loop */
#define CONNECT_MS    100
#define AHEAD_MOST    3600000 /* ms that an id may be made in the future */
#define TROUBLE       "Error: queue file write error"

struct letter {
	struct letter *next;
	int fd;
	unsigned uid;
	struct id session;
	bool flying;
	void (*done)(void *arg, const struct outcome *outcome); /* or NULL */
	void *arg;
};

enum stage { ENVELOPE, RECIPIENTS, CONTENT, COMMITTED };

struct lane {
	struct wire *wire;     /* NULL: not connected */
	struct letter *letter; /* NULL: free */
	bool kept;             /* connected before this letter */
	enum stage stage;
	struct drop_reader *reader;
	struct crlf crlf;
	struct buf piece;
	uint64_t size; /* octets of content sent */
	struct id id;  /* the queue id */
	char sender[IPC_ADDRESS_MAX + 1];
	struct loop_timer *patience, *turn;
};

static struct letter *first; /* the line, oldest first */
static size_t count;
static struct lane lanes[LANES_MAX];

static void start_some(void);

/* ---- the end of a letter ---- */

static void letter_free(struct letter *l)
{
	file_close(&l->fd);
	free(l);
	count--;
}

static void finish(struct lane *lane, const struct outcome *o)
{
	struct letter *l = lane->letter;
	char sender[IPC_ADDRESS_MAX + 1];

	lane->letter = NULL;
	loop_timer_stop(lane->patience);
	loop_timer_stop(lane->turn);
	drop_reader_free(&lane->reader);
	log_name(sender, sizeof(sender), str_from(lane->sender));
	if (o->code == 250) {
		log_info("%s: uid=%u from=<%s>", o->id.text, l->uid, sender);
		daemon_count("accepted", 1);
	} else {
		log_info("NOQUEUE: uid=%u from=<%s>: %u %s %.*s", l->uid,
		    sender, o->code, o->dsn, STR_FMT(o->text));
		daemon_count("refused", 1);
	}
	if (l->done != NULL)
		l->done(l->arg, o);
	letter_free(l);
	start_some();
}

static void refuse(
    struct lane *lane, unsigned code, const char *dsn, const char *text)
{
	struct outcome o = {
	    .code = code, .dsn = dsn, .text = str_from(text), .id = {""}};

	finish(lane, &o);
}

/* cleanup has part of a message that will not be: the end of the connection
 * says so. */
static void give_up(
    struct lane *lane, unsigned code, const char *dsn, const char *text)
{
	wire_close(&lane->wire);
	refuse(lane, code, dsn, text);
}

static void malformed(struct lane *lane, const char *why)
{
	char text[160];

	if (errno != 0) {
		log_warning("reading a submission: %s", why);
		give_up(lane, 451, "4.3.0", "The submission cannot be read");
		return;
	}
	snprintf(text, sizeof(text), "Malformed submission: %s", why);
	give_up(lane, 554, "5.6.0", text);
}

/* ---- what cleanup is told ---- */

/* ENDED: the letter has its outcome; the lane may have another one by now. */
enum step { GOES_ON, DONE, ENDED, FAILED };

static enum step put_envelope(struct lane *lane)
{
	const struct letter *l = lane->letter;
	const struct drop_submission *s;
	struct id id;
	const char *why;

	if (drop_head(lane->reader, &s, &why) < 0) {
		malformed(lane, why);
		return ENDED;
	}
	errno = 0;
	if (id_parse(s->id, &id) < 0 ||
	    id_time_ms(&id) > clock_us() / 1000 + AHEAD_MOST) {
		malformed(lane, "an id that is none");
		return ENDED;
	}
	/* Whatever id a user chooses, it can only be his own message's. */
	lane->id = id_derive(&id, "pickup", l->uid);
	(void)str_copy(lane->sender, sizeof(lane->sender), s->sender);
	struct cleanup_message m = {.origin = ORIGIN_PICKUP,
	    .session = id_str(&l->session),
	    .queue_id = id_str(&lane->id),
	    .sender = s->sender,
	    .helo = STR_EMPTY,
	    .client_name = STR_EMPTY,
	    .client_address = STR_EMPTY,
	    .uid = l->uid,
	    .protocol = STR_EMPTY,
	    .tls = STR_EMPTY,
	    .login = STR_EMPTY,
	    .ticket = STR_EMPTY,
	    .envid = s->envid,
	    .ret = s->ret,
	    .body = s->body,
	    .smtputf8 = s->smtputf8};
	return wire_put(lane->wire, &cleanup_message, &m) < 0 ? FAILED : DONE;
}

static enum step put_recipient(struct lane *lane)
{
	const struct cleanup_recipient *r;
	const char *why;
	int got = drop_recipient(lane->reader, &r, &why);

	if (got < 0) {
		malformed(lane, why);
		return ENDED;
	}
	if (got == 0)
		return DONE;
	return wire_put(lane->wire, &cleanup_recipient, r) < 0 ? FAILED
							       : GOES_ON;
}

static int put_piece(struct lane *lane)
{
	struct cleanup_content head = {.length = lane->piece.len};

	if (lane->piece.len == 0)
		return 0;
	lane->size += lane->piece.len;
	if (wire_put(lane->wire, &cleanup_content, &head) < 0)
		return -1;
	return ipc_put_bytes(
	    wire_ipc(lane->wire), lane->piece.p, lane->piece.len);
}

/* Line ends are made right once more, whoever wrote the file. */
static enum step put_content(struct lane *lane)
{
	struct cleanup_commit commit;
	struct str piece = STR_EMPTY;
	const char *why;
	int got = drop_content(lane->reader, &piece, &why);

	if (got < 0) {
		malformed(lane, why);
		return ENDED;
	}
	buf_clear(&lane->piece);
	if (got > 0)
		crlf_feed(&lane->crlf, piece, &lane->piece);
	else
		crlf_end(&lane->crlf, &lane->piece);
	if (put_piece(lane) < 0)
		return FAILED;
	if (got > 0)
		return GOES_ON;
	commit.size = lane->size;
	return wire_put(lane->wire, &cleanup_commit, &commit) < 0 ? FAILED
								  : DONE;
}

/* One step of the letter; the stage moves on when it is done with. */
static enum step next_step(struct lane *lane)
{
	static enum step (*const steps[])(struct lane *) = {
	    [ENVELOPE] = put_envelope,
	    [RECIPIENTS] = put_recipient,
	    [CONTENT] = put_content};
	enum step got = steps[lane->stage](lane);

	if (got == DONE)
		lane->stage++;
	return got;
}

/* Puts what cleanup takes, and goes on when it has taken it. */
static void go_on(struct lane *lane)
{
	struct ipc *c = wire_ipc(lane->wire);

	loop_timer_set(lane->patience, pickup.house->ipc_timeout);
	for (int i = 0; i < PIECES_A_TURN; i++) {
		while (
		    lane->stage != COMMITTED && ipc_pending(c) < PENDING_MOST) {
			enum step got = next_step(lane);

			if (got == FAILED)
				give_up(lane, 451, "4.3.0", TROUBLE);
			if (got == FAILED || got == ENDED)
				return;
		}
		wire_push(lane->wire);
		if (lane->stage == COMMITTED || ipc_pending(c) > 0)
			return;
	}
	loop_timer_set(lane->turn, 0);
}

/* ---- what cleanup says ---- */

static void take_outcome(struct lane *lane, const struct cleanup_outcome *said)
{
	char dsn[IPC_DSN_MAX + 1];
	struct outcome o = {
	    .code = (unsigned)said->code, .dsn = dsn, .text = said->text};

	if (str_copy(dsn, sizeof(dsn), said->dsn) < 0)
		o.dsn = "4.3.0";
	if (said->accepted && id_parse(said->queue_id, &o.id) == 0) {
		o.code = 250;
		finish(lane, &o);
	} else if (said->accepted || o.code < 400) {
		refuse(lane, 451, "4.3.0", TROUBLE);
	} else {
		finish(lane, &o);
	}
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	struct lane *lane = arg;

	(void)w;
	if (lane->letter == NULL || type != &cleanup_outcome) {
		wire_close(&lane->wire);
		if (lane->letter != NULL)
			refuse(lane, 451, "4.3.0", TROUBLE);
		return;
	}
	/* An early refusal: the rest need not be said. */
	if (lane->stage != COMMITTED)
		wire_close(&lane->wire);
	take_outcome(lane, msg);
}

static bool begin(struct lane *lane);

static void lost(struct wire *w, void *arg, const char *why)
{
	struct lane *lane = arg;

	(void)w;
	lane->wire = NULL;
	if (lane->letter == NULL)
		return;
	if (lane->kept) {
		lane->kept = false;
		drop_reader_free(&lane->reader);
		if (begin(lane))
			return;
	}
	log_warning("cleanup: %s", why[0] != '\0' ? why : "connection closed");
	refuse(lane, 451, "4.3.0", TROUBLE);
}

static void drained(struct wire *w, void *arg)
{
	struct lane *lane = arg;

	(void)w;
	if (lane->letter != NULL && lane->stage != COMMITTED)
		go_on(lane);
}

static void next_turn(void *arg)
{
	drained(NULL, arg);
}

static void too_long(void *arg)
{
	log_warning("cleanup: no answer in time");
	give_up(arg, 451, "4.3.0", TROUBLE);
}

/* ---- the line ---- */

static int connect_lane(struct lane *lane)
{
	static const struct wire_calls calls = {message, lost, drained};
	const char *why = "";
	struct ipc *c;

	if (lane->wire != NULL)
		return 0;
	c = ipc_connect(
	    "cleanup-pickup", &cleanup_exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL) {
		log_warning("cleanup-pickup: %s", why);
		return -1;
	}
	lane->wire = wire_new(pickup.loop, c, &calls, lane);
	return 0;
}

/* Says the lane's letter from its start; false when cleanup is away. */
static bool begin(struct lane *lane)
{
	if (connect_lane(lane) < 0)
		return false;
	lane->stage = ENVELOPE;
	lane->size = 0;
	lane->crlf = (struct crlf){false, false};
	lane->sender[0] = '\0';
	lane->reader = drop_reader_new(lane->letter->fd);
	go_on(lane);
	return true;
}

/* From a handler of its own, so that nothing ends before inject() returns. */
static void take_off(void *arg)
{
	struct lane *lane = arg;

	lane->kept = lane->wire != NULL;
	if (!begin(lane))
		refuse(lane, 451, "4.3.0", TROUBLE);
}

static void lane_turn(void *arg)
{
	struct lane *lane = arg;

	if (lane->letter == NULL)
		return;
	if (lane->reader == NULL)
		take_off(lane);
	else
		next_turn(lane);
}

static struct lane *free_lane(void)
{
	struct lane *lane = NULL;

	for (int i = 0; i < pickup.conf->pickup_injection_limit; i++) {
		if (lanes[i].letter != NULL)
			continue;
		if (lane == NULL || lanes[i].wire != NULL)
			lane = &lanes[i];
		if (lane->wire != NULL)
			break;
	}
	return lane;
}

static int flying_of(unsigned uid)
{
	int n = 0;

	for (size_t i = 0; i < LANES_MAX; i++)
		n += lanes[i].letter != NULL && lanes[i].letter->uid == uid;
	return n;
}

/* The oldest whose user has not his share under way. */
static struct letter *take_next(void)
{
	struct letter *l;

	for (struct letter **at = &first; (l = *at) != NULL; at = &l->next)
		if (flying_of(l->uid) <
		    pickup.conf->pickup_user_injection_limit) {
			*at = l->next;
			return l;
		}
	return NULL;
}

static void start_some(void)
{
	struct lane *lane;
	struct letter *l;

	while ((lane = free_lane()) != NULL && (l = take_next()) != NULL) {
		if (lane->turn == NULL) {
			lane->turn = loop_timer_new(
			    pickup.loop, lane_turn, lane);
			lane->patience = loop_timer_new(
			    pickup.loop, too_long, lane);
			lane->piece = buf_new(2 * DROP_PIECE + 2);
		}
		l->flying = true;
		lane->letter = l;
		loop_timer_set(lane->turn, 0);
	}
}

struct letter *inject(int fd, unsigned uid,
    void (*done)(void *arg, const struct outcome *outcome), void *arg)
{
	struct letter *l = NEW(struct letter), **at = &first;
	char who[24];

	*l = (struct letter){.fd = fd,
	    .uid = uid,
	    .session = id_new(),
	    .done = done,
	    .arg = arg};
	while (*at != NULL)
		at = &(*at)->next;
	*at = l;
	count++;
	snprintf(who, sizeof(who), "uid=%u", uid);
	trace_event(TRACE_CONNECT, &l->session, NULL,
	    &(struct trace_fields){
		.who = str_from(who), .where = STR("sendmail")});
	start_some();
	return l;
}

void inject_forget(struct letter **letter)
{
	struct letter *l = *letter, **at = &first;

	*letter = NULL;
	if (l == NULL)
		return;
	l->done = NULL;
	if (l->flying)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	letter_free(l);
}

size_t inject_count(void)
{
	return count;
}
