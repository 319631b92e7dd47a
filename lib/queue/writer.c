/* SPDX-License-Identifier: ISC */
/*
 * Writing a queue file.
 *
 * Octets are collected behind the room for the preamble. A body that fits
 * into the buffer goes to disk with everything else in one write at commit; a
 * larger one is written as it comes, and the preamble last, so that a file
 * left in new/ shows that it was never finished. For a small message the one
 * write is as safe: no order of writes counts before the fsync, and the name
 * is in queue/ only after it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/observe.h"
#include "queue/layout.h"
#include "queue/queue_file.h"
#include "queue/spool.h"

#define BODY_BUFFER  65536
#define ENVELOPE_MAX (256u << 20) /* 50,000 recipients at their longest */
#define TRIES        10           /* for a name that is free */

struct queue_writer {
	int spool_fd, fd;
	struct id id;       /* its name in new/ */
	struct id finished; /* its name in queue/; "": not finished */
	int failed;         /* errno of the first failure, 0: none */
	struct queue_extent body;
	uint64_t written; /* octets of the body that are in the file */
	size_t filled;    /* octets of the body that wait in the buffer */
	unsigned char buffer[QUEUE_PREAMBLE + BODY_BUFFER];
};

/* The one that ended last, so that a busy process allocates nothing. */
static struct queue_writer *spare;

static void retire(struct queue_writer **w)
{
	file_close(&(*w)->fd);
	if (spare == NULL)
		spare = *w;
	else
		free(*w);
	*w = NULL;
}

const struct id *queue_writer_id(const struct queue_writer *w)
{
	return &w->id;
}

uint64_t queue_body_len(const struct queue_writer *w)
{
	return w->body.length;
}

struct queue_writer *queue_create(int spool_fd)
{
	struct queue_writer *w = spare != NULL ? spare
					       : NEW(struct queue_writer);
	char path[QUEUE_PATH_MAX];

	spare = NULL;
	w->spool_fd = spool_fd;
	w->fd = -1;
	w->failed = 0;
	w->finished.text[0] = '\0';
	w->body = (struct queue_extent){QUEUE_PREAMBLE, 0, 0};
	w->written = 0;
	w->filled = 0;
	for (int i = 0; w->fd < 0 && i < TRIES; i++) {
		w->id = id_new();
		queue_dir_steer(spool_fd, &w->id);
		queue_new_path(&w->id, path);
		w->fd = openat(spool_fd, path,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
		if (w->fd < 0 && errno != EEXIST)
			break;
	}
	if (w->fd >= 0)
		return w;
	int saved = errno;
	retire(&w);
	errno = saved;
	return NULL;
}

static int fail(struct queue_writer *w)
{
	if (w->failed == 0)
		w->failed = errno != 0 ? errno : EIO;
	errno = w->failed;
	return -1;
}

static int flush(struct queue_writer *w)
{
	if (file_pwrite_full(w->fd, w->buffer + QUEUE_PREAMBLE, w->filled,
		QUEUE_PREAMBLE + w->written) < 0)
		return fail(w);
	w->written += w->filled;
	w->filled = 0;
	return 0;
}

int queue_add_body(struct queue_writer *w, const void *p, size_t len)
{
	const unsigned char *from = p;

	if (w->failed != 0)
		return fail(w);
	w->body.crc = crc32c(w->body.crc, p, len);
	w->body.length += len;
	while (len > 0) {
		size_t n = BODY_BUFFER - w->filled;

		if (n == 0) {
			if (flush(w) < 0)
				return -1;
			continue;
		}
		if (n > len)
			n = len;
		memcpy(w->buffer + QUEUE_PREAMBLE + w->filled, from, n);
		w->filled += n;
		from += n;
		len -= n;
	}
	return 0;
}

/* ---- commit ---- */

/* All of iov at offset; what a short write left is written again. */
static int write_all(int fd, struct iovec *iov, int count, uint64_t offset)
{
	while (count > 0) {
		ssize_t n = pwritev(fd, iov, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		offset += (uint64_t)n;
		while (count > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static struct queue_slot first_slot(const struct queue_recipient *r)
{
	return (struct queue_slot){.state = QUEUE_PENDING, .notify = r->notify};
}

/* The slots, into the preamble or behind the envelope in `tail`. */
static int put_slots(struct queue_writer *w, const struct queue_envelope *e,
    struct queue_preamble *p, struct buf *tail)
{
	uint64_t end = p->envelope.offset + p->envelope.length;
	size_t gap = (size_t)(-end % QUEUE_SLOT);
	unsigned char *to = w->buffer + QUEUE_FIXED;

	p->slots.offset = QUEUE_FIXED;
	p->slots.length = e->recipient_count * (uint64_t)QUEUE_SLOT;
	memset(to, 0, QUEUE_PREAMBLE - QUEUE_FIXED);
	if (e->recipient_count > QUEUE_INLINE_SLOTS) {
		p->slots.offset = end + gap;
		to = (unsigned char *)buf_room(
		    tail, gap + (size_t)p->slots.length);
		if (to == NULL)
			return -1;
		memset(to, 0, gap);
		to += gap;
		buf_added(tail, gap + (size_t)p->slots.length);
	}
	for (size_t i = 0; i < e->recipient_count; i++) {
		struct queue_slot slot = first_slot(&e->recipients[i]);

		queue_slot_encode(&slot, to + i * QUEUE_SLOT);
	}
	return 0;
}

static void *writable(const void *p)
{
	union {
		const void *in;
		void *out; /* struct iovec has no const; pwritev only reads */
	} u = {.in = p};

	return u.out;
}

/* Writes what is not yet in the file. tail: envelope, and slots when there
 * are many. */
static int write_rest(
    struct queue_writer *w, struct str header, const struct buf *tail)
{
	/* Nothing on disk yet: the preamble goes along, in one write. */
	bool whole = w->written == 0;
	size_t skip = whole ? 0 : QUEUE_PREAMBLE;
	struct iovec iov[] = {
	    {w->buffer + skip, QUEUE_PREAMBLE - skip + w->filled},
	    {writable(header.p), header.len},
	    {tail->p, tail->len},
	};

	if (write_all(w->fd, iov, ARRAY_LEN(iov),
		whole ? 0 : QUEUE_PREAMBLE + w->written) < 0)
		return -1;
	if (whole)
		return 0;
	return file_pwrite_full(w->fd, w->buffer, QUEUE_PREAMBLE, 0);
}

static int build(struct queue_writer *w, struct str header,
    const struct queue_envelope *e, struct buf *tail)
{
	struct queue_preamble p = {.id = e->id,
	    .arrived_us = e->arrived_us,
	    .body = w->body,
	    .recipient_count = (uint32_t)e->recipient_count};

	if (e->recipient_count == 0 ||
	    e->recipient_count > QUEUE_RECIPIENTS_MAX ||
	    queue_envelope_encode(e, tail) < 0) {
		errno = EINVAL;
		return -1;
	}
	p.header = (struct queue_extent){p.body.offset + p.body.length,
	    header.len, crc32c(0, header.p, header.len)};
	p.envelope = (struct queue_extent){p.header.offset + header.len,
	    tail->len, crc32c(0, tail->p, tail->len)};
	if (put_slots(w, e, &p, tail) < 0) {
		errno = EINVAL;
		return -1;
	}
	queue_preamble_encode(&p, w->buffer);
	return write_rest(w, header, tail);
}

static int finish_file(
    struct queue_writer *w, struct str header, const struct queue_envelope *e)
{
	struct buf tail = buf_new(ENVELOPE_MAX);
	int result = build(w, header, e, &tail);

	buf_free(&tail);
	return result;
}

int queue_finish(
    struct queue_writer *w, struct str header, struct queue_envelope *e)
{
	if (e->id.text[0] == '\0')
		e->id = w->id;
	if (e->arrived_us == 0)
		e->arrived_us = clock_us();
	if (w->failed != 0 || finish_file(w, header, e) < 0)
		return fail(w);
	w->finished = e->id;
	return 0;
}

int queue_writer_fd(const struct queue_writer *w)
{
	return w->fd;
}

/* new/NAME becomes queue/XX/ID, durably. */
static enum queue_commit publish(struct queue_writer *w, const struct id *id)
{
	char from[QUEUE_PATH_MAX];
	struct queue_dir dir;
	enum queue_commit result = QUEUE_COMMITTED;

	queue_new_path(&w->id, from);
	if (queue_dir_open(w->spool_fd, id, &dir) < 0)
		return QUEUE_FAILED_COMMIT;
	if (queue_move(w->spool_fd, from, dir.fd, id->text) < 0)
		result = errno == EEXIST ? QUEUE_EXISTS : QUEUE_FAILED_COMMIT;
	/* For a name that exists too: its writer may have died before this. */
	if (result != QUEUE_FAILED_COMMIT && observe_fsync(dir.fd) < 0) {
		int saved = errno;
		if (result == QUEUE_COMMITTED)
			unlinkat(dir.fd, id->text, 0);
		errno = saved;
		result = QUEUE_FAILED_COMMIT;
	}
	queue_dir_close(&dir);
	return result;
}

enum queue_commit queue_publish(struct queue_writer **w, int *fd)
{
	enum queue_commit result = QUEUE_FAILED_COMMIT;

	*fd = -1;
	assert((*w)->finished.text[0] != '\0');
	/* fsync and not fdatasync: the size is part of what must be there,
	 * and both cost the same for a new file. */
	if (observe_fsync((*w)->fd) == 0)
		result = publish(*w, &(*w)->finished);
	if (result != QUEUE_COMMITTED) {
		fail(*w);
		queue_abort(w);
		return result;
	}
	*fd = (*w)->fd;
	(*w)->fd = -1;
	retire(w);
	return QUEUE_COMMITTED;
}

enum queue_commit queue_commit(struct queue_writer **w, struct str header,
    struct queue_envelope *e, int *fd)
{
	*fd = -1;
	if (queue_finish(*w, header, e) == 0)
		return queue_publish(w, fd);
	queue_abort(w);
	return QUEUE_FAILED_COMMIT;
}

void queue_abort(struct queue_writer **w)
{
	char path[QUEUE_PATH_MAX];
	int saved = errno;

	if (*w == NULL)
		return;
	queue_new_path(&(*w)->id, path);
	unlinkat((*w)->spool_fd, path, 0);
	retire(w);
	errno = saved;
}
