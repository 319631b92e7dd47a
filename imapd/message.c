/* SPDX-License-Identifier: ISC */
#include "imapd/message.h"

#include <stdlib.h>

#include "core/memory.h"

#define STRUCTURE_MAX ((size_t)64 << 20) /* octets of a parsed structure */
#define KEEP_MAX      ((size_t)1 << 20)  /* of buffers for the next message */

/* Empty buffers for another message; large ones are given back. */
static void reuse(struct buf *b, uint64_t most)
{
	if (b->capacity > KEEP_MAX)
		buf_free(b);
	buf_clear(b);
	b->most = (size_t)most;
}

/* Remembers a failure for the reply. */
static enum store_result noted(struct session *s, enum store_result r)
{
	if (r != STORE_OK)
		s->read_failed = r;
	return r;
}

struct opened *message_open(struct session *s, uint32_t seq)
{
	const struct message *m = view_message(s->view, seq);
	struct opened *o = s->opened;

	if (m == NULL)
		return NULL;
	if (o == NULL) {
		o = s->opened = NEW(struct opened);
		o->arena = arena_new(STRUCTURE_MAX);
	} else if (o->uid == m->uid && o->mailbox == s->mailbox) {
		o->seq = seq;
		return o;
	}
	o->mailbox = s->mailbox;
	o->uid = m->uid;
	o->seq = seq;
	o->size = m->size;
	o->has_header = o->has_bytes = false;
	reuse(&o->header, m->size);
	reuse(&o->bytes, m->size);
	arena_clear(&o->arena);
	o->root = NULL;
	return o;
}

void message_close(struct session *s)
{
	struct opened *o = s->opened;

	if (o == NULL)
		return;
	s->opened = NULL;
	buf_free(&o->header);
	buf_free(&o->bytes);
	arena_free(&o->arena);
	free(o);
}

enum store_result message_header_len(
    struct session *s, struct opened *m, uint64_t *len)
{
	enum store_result r = view_header_len(s->view, m->seq, len);

	if (r == STORE_OK && *len > m->size)
		*len = m->size;
	return noted(s, r);
}

enum store_result message_header(
    struct session *s, struct opened *m, struct str *out)
{
	uint64_t len;
	enum store_result r = message_header_len(s, m, &len);

	if (r != STORE_OK)
		return r;
	if (m->has_bytes) {
		*out = str_sub(buf_str(&m->bytes), 0, (size_t)len);
		return STORE_OK;
	}
	if (!m->has_header) {
		buf_clear(&m->header);
		r = view_read(s->view, m->seq, 0, len, &m->header);
		if (r != STORE_OK)
			return noted(s, r);
		m->has_header = true;
	}
	*out = buf_str(&m->header);
	return STORE_OK;
}

enum store_result message_bytes(
    struct session *s, struct opened *m, struct str *out)
{
	if (!m->has_bytes) {
		buf_clear(&m->bytes);
		enum store_result r = view_read(
		    s->view, m->seq, 0, m->size, &m->bytes);
		if (r != STORE_OK)
			return noted(s, r);
		m->has_bytes = true;
	}
	*out = buf_str(&m->bytes);
	return STORE_OK;
}

enum store_result message_parsed(
    struct session *s, struct opened *m, struct mime_part **root)
{
	struct str all;
	enum store_result r = message_bytes(s, m, &all);

	if (r != STORE_OK)
		return r;
	if (m->root == NULL)
		m->root = mime_parse(all, &m->arena);
	*root = m->root;
	return m->root != NULL ? STORE_OK : noted(s, STORE_LIMIT);
}
