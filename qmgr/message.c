/* SPDX-License-Identifier: ISC */
#include "qmgr/message.h"

#include <stdlib.h>

#include "core/memory.h"
#include "qmgr/hop.h"

#define RETRY_TURN 5

/* ---- strings kept once ---- */

struct interned *intern(struct table *t, struct str s)
{
	struct interned *i = table_get(t, s);

	if (i == NULL) {
		i = mem_alloc(sizeof(*i) + s.len);
		i->len = (uint32_t)s.len;
		memcpy(i->p, s.p, s.len);
		table_put(t, s, i);
	}
	i->uses++;
	return i;
}

void intern_drop(struct table *t, struct interned **s)
{
	struct interned *i = *s;

	*s = NULL;
	if (i == NULL || --i->uses > 0)
		return;
	table_remove(t, interned_str(i));
	free(i);
}

/* ---- senders ---- */

bool recipient_is_rewritten(const struct recipient *r)
{
	const struct queue_envelope *e = &r->message->active->envelope;

	return e->forward_sender.len > 0 && r->route != NULL &&
	    !r->route->local && e->recipients[recipient_index(r)].forwarded;
}

struct str recipient_sender(const struct recipient *r)
{
	const struct queue_envelope *e = &r->message->active->envelope;

	return recipient_is_rewritten(r) ? e->forward_sender : e->sender;
}

/* ---- lines ---- */

static void line_add(struct line *l, struct message *m)
{
	m->prev = l->last;
	m->next = NULL;
	if (l->last == NULL)
		l->first = m;
	else
		l->last->next = m;
	l->last = m;
	l->count++;
}

static void line_remove(struct line *l, struct message *m)
{
	if (m->prev == NULL)
		l->first = m->next;
	else
		m->prev->next = m->next;
	if (m->next == NULL)
		l->last = m->prev;
	else
		m->next->prev = m->prev;
	m->prev = m->next = NULL;
	l->count--;
}

/* ---- the heap of those that sleep ---- */

static void heap_set(struct messages *ms, size_t at, struct message *m)
{
	ms->heap[at] = m;
	m->heap_at = (uint32_t)at;
}

static void heap_up(struct messages *ms, size_t at, struct message *m)
{
	while (at > 0 && ms->heap[(at - 1) / 2]->due > m->due) {
		heap_set(ms, at, ms->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(ms, at, m);
}

static void heap_down(struct messages *ms, size_t at, struct message *m)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= ms->heap_count)
			break;
		if (child + 1 < ms->heap_count &&
		    ms->heap[child + 1]->due < ms->heap[child]->due)
			child++;
		if (ms->heap[child]->due >= m->due)
			break;
		heap_set(ms, at, ms->heap[child]);
		at = child;
	}
	heap_set(ms, at, m);
}

static void heap_add(struct messages *ms, struct message *m)
{
	if (ms->heap_count == ms->heap_room) {
		ms->heap_room = ms->heap_room == 0 ? 64 : ms->heap_room * 2;
		ms->heap = mem_resize(
		    ms->heap, ms->heap_room, sizeof(ms->heap[0]));
	}
	heap_up(ms, ms->heap_count++, m);
}

static void heap_remove(struct messages *ms, struct message *m)
{
	size_t at = m->heap_at;
	struct message *last = ms->heap[--ms->heap_count];

	if (last == m)
		return;
	heap_up(ms, at, last);
	heap_down(ms, last->heap_at, last);
}

/* ---- messages ---- */

struct message *messages_find(const struct messages *ms, struct str id)
{
	return table_get(&ms->by_id, id);
}

struct message *messages_add(
    struct messages *ms, const struct id *id, struct str sender, size_t count)
{
	struct message *m = NEW(struct message);

	m->id = *id;
	m->place = PLACE_HELD;
	m->owner = MESSAGE_NO_OWNER;
	m->sender = intern(&ms->senders, sender);
	m->recipients = mem_array(count, sizeof(m->recipients[0]));
	m->count = (uint32_t)count;
	for (size_t i = 0; i < count; i++)
		m->recipients[i].message = m;
	table_put(&ms->by_id, id_str(id), m);
	return m;
}

static void leave(struct messages *ms, struct message *m)
{
	switch ((enum place)m->place) {
	case PLACE_NEW:
		line_remove(&ms->fresh, m);
		break;
	case PLACE_RETRY:
		line_remove(&ms->retries, m);
		break;
	case PLACE_ACTIVE:
		ms->active--;
		break;
	case PLACE_HEAP:
		heap_remove(ms, m);
		break;
	case PLACE_HELD:
		break;
	}
}

void messages_place(
    struct messages *ms, struct message *m, enum place place, uint32_t due)
{
	leave(ms, m);
	m->place = (uint8_t)place;
	switch (place) {
	case PLACE_NEW:
		line_add(&ms->fresh, m);
		break;
	case PLACE_RETRY:
		line_add(&ms->retries, m);
		break;
	case PLACE_ACTIVE:
		ms->active++;
		break;
	case PLACE_HEAP:
		m->due = due;
		heap_add(ms, m);
		break;
	case PLACE_HELD:
		break;
	}
}

static void free_message(struct messages *ms, struct message *m)
{
	intern_drop(&ms->senders, &m->sender);
	for (uint32_t i = 0; i < m->count; i++) {
		free(m->recipients[i].route);
		hop_set(&m->recipients[i], NULL, 0);
	}
	free(m->recipients);
	free(m);
}

void messages_remove(struct messages *ms, struct message **mp)
{
	struct message *m = *mp;

	*mp = NULL;
	leave(ms, m);
	table_remove(&ms->by_id, id_str(&m->id));
	free_message(ms, m);
}

struct message *messages_next(struct messages *ms)
{
	if (ms->fresh.first == NULL)
		return ms->retries.first;
	if (ms->retries.first == NULL)
		return ms->fresh.first;
	return ++ms->turns % RETRY_TURN == 0 ? ms->retries.first
					     : ms->fresh.first;
}

struct message *messages_first_due(const struct messages *ms)
{
	return ms->heap_count == 0 ? NULL : ms->heap[0];
}

void messages_free(struct messages *ms)
{
	struct str key;
	size_t at = 0;
	void *m;

	while (table_next(&ms->by_id, &at, &key, &m))
		free_message(ms, m);
	table_free(&ms->by_id);
	table_free(&ms->senders);
	hops_free(&ms->hops);
	free(ms->heap);
	*ms = (struct messages){.heap = NULL};
}
