/* SPDX-License-Identifier: ISC */
/* Tells the client what has changed in the selected mailbox. */
#include "core/log.h"

#include "imapd/response.h"
#include "imapd/write.h"

struct sync {
	struct session *s;
	const struct mailbox_info *info;
	skip_flags *skip;
	void *arg;
	uint32_t *vanished; /* QRESYNC: falling uids, in the arena */
	size_t vanished_count, vanished_room;
};

void respond_fetch_flags(struct session *s, uint32_t seq,
    const struct message *m, bool flags, bool uid)
{
	bool space = false;

	out_text(s, "* ");
	out_number(s, seq);
	out_text(s, " FETCH (");
	if (uid) {
		out_text(s, "UID ");
		out_number(s, m->uid);
		space = true;
	}
	if (flags) {
		out_text(s, space ? " FLAGS " : "FLAGS ");
		out_flags(s, m->flags, m->keywords,
		    m->keywords == 0 ? NULL : box_find_id(s->box, s->mailbox));
		space = true;
	}
	if (s->enabled & ENABLED_CONDSTORE) {
		out_text(s, space ? " MODSEQ (" : "MODSEQ (");
		out_number(s, m->modseq);
		out_char(s, ')');
	}
	out_char(s, ')');
	out_end(s);
}

/* A uid for VANISHED; the handlers come with falling numbers. */
static bool remember(struct sync *sync, uint32_t uid)
{
	if (sync->vanished_count == sync->vanished_room) {
		size_t more = sync->vanished_room * 2 + 64;
		uint32_t *grown = arena_alloc(
		    &sync->s->arena, more * sizeof(*grown));

		if (grown == NULL)
			return false;
		if (sync->vanished_count > 0)
			memcpy(grown, sync->vanished,
			    sync->vanished_count * sizeof(*grown));
		sync->vanished = grown;
		sync->vanished_room = more;
	}
	sync->vanished[sync->vanished_count++] = uid;
	return true;
}

static void expunged(uint32_t seq, uint32_t uid, void *arg)
{
	struct sync *sync = arg;
	struct session *s = sync->s;

	s->told -= s->told > 0;
	if ((s->enabled & ENABLED_QRESYNC) && remember(sync, uid))
		return;
	if (s->enabled & ENABLED_QRESYNC) {
		out_text(s, "* VANISHED ");
		out_number(s, uid);
	} else {
		out_text(s, "* ");
		out_number(s, seq);
		out_text(s, " EXPUNGE");
	}
	out_end(s);
}

static void tell_vanished(struct sync *sync)
{
	struct session *s = sync->s;
	size_t n = sync->vanished_count;

	if (n == 0)
		return;
	for (size_t i = 0; i < n / 2; i++) {
		uint32_t uid = sync->vanished[i];

		sync->vanished[i] = sync->vanished[n - 1 - i];
		sync->vanished[n - 1 - i] = uid;
	}
	out_text(s, "* VANISHED ");
	out_uids(s, sync->vanished, n);
	out_end(s);
	sync->vanished_count = 0;
}

static void flags_changed(uint32_t seq, const struct message *m, void *arg)
{
	struct sync *sync = arg;

	tell_vanished(sync);
	if (sync->skip != NULL && sync->skip(sync->s, seq, m, sync->arg))
		return;
	/* An unsolicited FETCH has the UID (RFC 9051 section 7.5.2). */
	respond_fetch_flags(sync->s, seq, m, true, true);
}

enum store_result session_sync(
    struct session *s, bool allow_expunge, skip_flags *skip, void *arg)
{
	struct sync sync = {.s = s, .skip = skip, .arg = arg};
	struct view_events events = {expunged, flags_changed, &sync};

	if (s->view == NULL || s->gone)
		return STORE_OK;
	enum store_result r = box_refresh(s->box);
	if (r == STORE_OK) {
		s->synced = box_modseq(s->box);
		respond_new_keywords(s);
		r = view_sync(s->view, allow_expunge, &events);
		tell_vanished(&sync);
	}
	if (r == STORE_GONE || r == STORE_NO_MAILBOX) {
		s->gone = true;
		return STORE_GONE;
	}
	if (r != STORE_OK) {
		log_warning("%s: user=<%s>, refresh=%s: %s", s->id.text,
		    s->login, store_result_name(r), store_why(s->box));
		return r;
	}
	if (view_count(s->view) != s->told) {
		s->told = view_count(s->view);
		out_text(s, "* ");
		out_number(s, s->told);
		out_text(s, " EXISTS");
		out_end(s);
	}
	return STORE_OK;
}
