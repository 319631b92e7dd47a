/* SPDX-License-Identifier: ISC */
#include "local/request.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "core/memory.h"

#define ARENA_MAX  ((size_t)64 << 20)
#define SMALL_MAX  ((size_t)1 << 20) /* bodies kept in memory */
#define HEADER_MAX ((size_t)16 << 20)

void request_init(struct request *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
	r->arena = arena_new(ARENA_MAX);
	r->content = buf_new(SMALL_MAX + HEADER_MAX);
}

void request_clear(struct request *r)
{
	file_close(&r->fd);
	arena_clear(&r->arena);
	buf_clear(&r->content);
	if (r->content.capacity > SMALL_MAX)
		buf_free(&r->content);
	memset(&r->head, 0, sizeof(r->head));
	r->count = 0;
}

void request_free(struct request *r)
{
	request_clear(r);
	arena_free(&r->arena);
	buf_free(&r->content);
	free(r->to);
	r->to = NULL;
}

void request_begin(struct request *r, const struct deliver *head)
{
	request_clear(r);
	r->head = *head;
	r->head.queue_id = arena_copy(&r->arena, head->queue_id);
	r->head.session = arena_copy(&r->arena, head->session);
	r->head.sender = arena_copy(&r->arena, head->sender);
	if (id_parse(head->queue_id, &r->queue_id) < 0)
		r->queue_id.text[0] = '\0';
	if (id_parse(head->session, &r->session) < 0)
		r->session.text[0] = '\0';
}

int request_add(struct request *r, const struct deliver_to *to)
{
	struct deliver_to *mine;

	if (r->count >= QUEUE_RECIPIENTS_MAX)
		return -1;
	if (r->count == r->room) {
		r->room = r->room == 0 ? 8 : r->room * 2;
		r->to = mem_resize(r->to, r->room, sizeof(*r->to));
	}
	mine = &r->to[r->count];
	*mine = *to;
	mine->address = arena_copy(&r->arena, to->address);
	mine->original = arena_copy(&r->arena, to->original);
	mine->account = arena_copy(&r->arena, to->account);
	mine->notify = STR_EMPTY;
	if (mine->address.p == NULL || mine->original.p == NULL ||
	    mine->account.p == NULL)
		return -1;
	r->count++;
	return 0;
}

/* In the queue file the header stands behind the body: one read gives
 * both. */
static int read_extent(struct request *r, uint64_t offset, uint64_t len)
{
	char *room = buf_room(&r->content, len);

	r->why = "header too long";
	if (room == NULL)
		return -1;
	r->why = "queue file unreadable";
	if (file_pread_full(r->fd, room, len, offset) < 0)
		return -1;
	buf_added(&r->content, len);
	return 0;
}

/* What was read is what cleanup wrote; a large body is read for it. */
static bool is_sound(struct request *r)
{
	const char *why;

	if (!r->small)
		return queue_verify(&r->file, &why) == 0;
	return crc32c(0, r->header.p, r->header.len) == r->file.header.crc &&
	    crc32c(0, r->content.p, r->file.body.length) == r->file.body.crc;
}

int request_read(struct request *r)
{
	const struct queue_extent *header = &r->file.header;
	const struct queue_extent *body = &r->file.body;
	uint64_t gap;

	r->why = "no queue file came with the request";
	if (r->fd < 0 ||
	    queue_read_of(r->fd, &r->queue_id, &r->file, &r->why) < 0)
		return -1;
	r->small = body->length <= SMALL_MAX;
	r->why = "header too long";
	if (header->length > HEADER_MAX)
		return -1;
	gap = header->offset - (body->offset + body->length);
	if (!r->small) {
		if (read_extent(r, header->offset, header->length) < 0)
			return -1;
	} else if (header->offset >= body->offset + body->length &&
	    gap < QUEUE_PREAMBLE) {
		if (read_extent(r, body->offset,
			header->offset + header->length - body->offset) < 0)
			return -1;
	} else if (read_extent(r, body->offset, body->length) < 0 ||
	    read_extent(r, header->offset, header->length) < 0) {
		return -1;
	}
	r->header = str_of(
	    r->content.p + (r->content.len - header->length), header->length);
	r->why = "the queue file is damaged";
	return is_sound(r) ? 0 : -1;
}
