/* SPDX-License-Identifier: ISC */
#include "imapd/park.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "ipc/auth.h"

#include "imapd/command.h"

#define ANSWER_MS  5000              /* for login to take the client */
#define PASS_FRESH (30 * 60000)      /* ms until a pass is renewed */
#define SAVED_MOST ((size_t)1 << 20) /* uids of a "$" that comes back */

/* ---- keys ---- */

static int from_hex(struct str hex, unsigned char key[SEAL_KEY])
{
	if (hex.len != 2 * SEAL_KEY)
		return -1;
	memset(key, 0, SEAL_KEY);
	for (size_t i = 0; i < hex.len; i++) {
		char c = hex.p[i];
		int digit = ascii_digit(c) ? c - '0'
		    : c >= 'a' && c <= 'f' ? c - 'a' + 10
					   : -1;

		if (digit < 0)
			return -1;
		key[i / 2] = (unsigned char)(key[i / 2] << 4 | digit);
	}
	return 0;
}

void park_admit(struct session *s, struct str pass, struct str key)
{
	if (from_hex(key, s->seal_key) < 0 ||
	    str_copy(s->pass, sizeof(s->pass), pass) < 0)
		s->pass[0] = '\0';
	s->pass_since = clock_ms();
}

/* A session that was busy for long asks for a pass that lasts. */
static bool pass_is_fresh(struct session *s)
{
	int64_t deadline = deadline_in(ANSWER_MS);
	struct auth_resume ask = {.request = 1,
	    .login = str_from(s->login),
	    .service = STR("imap"),
	    .session = id_str(&s->id),
	    .pass = str_from(s->pass)};
	const char *why;
	const void *reply;
	struct ipc *auth;

	if (clock_ms() - s->pass_since < PASS_FRESH)
		return true;
	if (ipc_ask(&auth, "auth", &auth_exchange, &auth_resume, &ask,
		&auth_resumed, &reply, deadline, &why) == IPC_OK) {
		const struct auth_resumed *m = reply;

		if (m->ok)
			park_admit(s, m->pass, m->key);
		else if (!m->temporary)
			s->pass[0] = '\0'; /* it ends as it is */
	}
	ipc_close(&auth);
	return s->pass[0] != '\0' && clock_ms() - s->pass_since < PASS_FRESH;
}

/* ---- going ---- */

/* The session as a sealed line. -1: it cannot be said. */
static int seal(struct session *s, bool *quiet, struct buf *out)
{
	struct buf saved = buf_new(PARK_SAVED_MAX);
	struct buf plain = buf_new(PARK_PLAIN_MAX);
	struct park_state p = {.selected = s->state == SELECTED,
	    .read_only = s->read_only,
	    .enabled = s->enabled,
	    .bad_in_a_row = (unsigned)s->bad_in_a_row,
	    .quota_octets = s->quota_octets,
	    .quota_messages = s->quota_messages,
	    .keywords_told = s->keywords_told,
	    .idle = str_from(s->idle)};
	int result = 0;

	if (p.selected &&
	    (s->gone || s->told != view_count(s->view) ||
		view_formula(s->view, &p.view) != STORE_OK))
		result = -1;
	*quiet = s->bad_in_a_row == 0 && s->idle[0] == '\0' &&
	    (!p.selected || !view_is_waiting(s->view));
	if (result == 0)
		result = park_saved_encode(s->saved, s->saved_count, &saved);
	p.saved = buf_str(&saved);
	if (result == 0)
		result = park_state_encode(&p, &plain);
	if (result == 0)
		result = seal_close(s->seal_key, buf_str(&plain), out);
	buf_free(&saved);
	buf_free(&plain);
	return result;
}

static int put(struct session *s, const struct session_park *m)
{
	return s->through_login
	    ? ipc_put(s->control, &session_park, m)
	    : ipc_put_fd(s->control, &session_park, m, stream_fd(s->stream));
}

/* As in a wait: login is gone, or out of order. */
static enum wait_result without_login(struct session *s)
{
	ipc_close(&s->control);
	s->stranded = s->through_login;
	return s->stranded ? WAIT_DRAIN : WAIT_TIMEOUT;
}

/* login's answer; what woke us meanwhile is known to login too. */
static enum wait_result hear_answer(struct session *s)
{
	int64_t deadline = deadline_in(ANSWER_MS);
	const struct ipc_type *type = NULL;
	const void *msg;
	enum ipc_result r;

	do {
		r = ipc_wait(s->control, &type, &msg, deadline);
		if (r == IPC_OK && type == &session_stay)
			return WAIT_WAKE;
	} while (r == IPC_OK && type != &session_parked);
	/* A login that is slow has the client before it, so nobody else may
	 * have it. */
	s->parked = r == IPC_OK || r == IPC_TIMEOUT;
	return s->parked ? WAIT_PARKED : without_login(s);
}

enum wait_result park(struct session *s)
{
	struct buf state = buf_new(SESSION_STATE_MAX);
	struct session_park m = {
	    .consumed = s->consumed,
	    .modseq = s->synced,
	    .idle = s->idle[0] != '\0' && s->state == SELECTED,
	    .timeout = (uint64_t)deadline_left(s->silent_until),
	    .allowed = (uint64_t)s->conf->imap_timeout,
	    .notify = s->idle[0] != '\0'
		? (uint64_t)s->conf->imap_idle_notify_interval
		: 0,
	    .began = (uint64_t)s->began,
	    .commands = s->commands,
	    .octets_in = s->octets_in,
	    .octets_out = s->octets_out,
	};
	enum wait_result r = WAIT_TIMEOUT;

	if (pass_is_fresh(s) && seal(s, &m.quiet, &state) == 0) {
		m.pass = str_from(s->pass);
		m.state = buf_str(&state);
		if (put(s, &m) == 0)
			r = ipc_flush(s->control, deadline_in(ANSWER_MS)) ==
				IPC_OK
			    ? hear_answer(s)
			    : without_login(s);
	}
	buf_free(&state);
	return r;
}

/* ---- coming ---- */

int park_open(struct str key, struct str sealed, struct buf *space,
    struct park_state *out, const char **why)
{
	unsigned char octets[SEAL_KEY];
	int result = -1;

	*why = "it was not sealed by us";
	if (from_hex(key, octets) == 0 && seal_open(octets, sealed, space) == 0)
		result = park_state_decode(space->p, space->len, out, why);
	mem_wipe(octets, sizeof(octets));
	return result;
}

enum store_result park_view(
    struct box *b, const struct park_state *p, struct view **out)
{
	enum store_result r;

	*out = NULL;
	if (!p->selected)
		return STORE_OK;
	r = box_refresh(b);
	return r == STORE_OK ? view_reopen(b, &p->view, out) : r;
}

void park_restore(
    struct session *s, const struct park_state *p, struct view *view)
{
	s->resumed = true;
	s->enabled = p->enabled;
	s->bad_in_a_row = (int)p->bad_in_a_row;
	str_copy(s->idle, sizeof(s->idle), p->idle);
	if (view == NULL)
		return;
	s->view = view;
	s->state = SELECTED;
	s->mailbox = p->view.mailbox;
	s->read_only = p->read_only;
	s->told = view_count(view);
	s->keywords_told = p->keywords_told;
	/* Sealed by us: it is a set. */
	if (park_saved_decode(
		p->saved, SAVED_MOST, &s->saved, &s->saved_count) < 0)
		s->saved_count = 0;
}
