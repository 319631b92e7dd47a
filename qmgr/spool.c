/* SPDX-License-Identifier: ISC */
#include "qmgr/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/cleanup.h"
#include "qmgr/figures.h"
#include "qmgr/hop.h"
#include "qmgr/outcome.h"
#include "qmgr/spool_state.h"

#define LOCK_NAME     "qmgr.lock"
#define ENVELOPE_MOST (256u << 20)
#define TROUBLE_MOST  60 /* seconds until a call that failed is tried again */

/* ---- the directory and its lock ---- */

int spool_open(struct qmgr *q)
{
	struct spool *s = NEW(struct spool);
	struct rlimit rl;

	q->spool = s;
	s->lock_fd = -1;
	s->fd = open(
	    q->house->queue_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd >= 0)
		s->lock_fd = openat(
		    s->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		log_error("cannot open the spool %s: %s; \"posthouse check\" "
			  "tells what is wrong with it",
		    q->house->queue_directory, strerror(errno));
		return -1;
	}
	s->files_most = 512;
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < 2048)
		s->files_most = (size_t)rl.rlim_cur / 4;
	return 0;
}

void spool_close(struct qmgr *q)
{
	if (q->spool == NULL)
		return;
	file_close(&q->spool->fd);
	file_close(&q->spool->lock_fd);
	free(q->spool);
	q->spool = NULL;
}

int spool_lock(struct qmgr *q)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(q->spool->lock_fd, F_OFD_SETLK, &lock);
}

void spool_unlock(struct qmgr *q)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (fcntl(q->spool->lock_fd, F_OFD_SETLK, &lock) < 0)
		log_warning("unlocking the spool: %s", strerror(errno));
}

int spool_fd(const struct qmgr *q)
{
	return q->spool->fd;
}

void spool_set_aside(struct qmgr *q, const struct id *id, const char *reason)
{
	if (queue_set_aside(q->spool->fd, id, reason) < 0)
		log_error("%s: damaged (%s), and it cannot be moved to "
			  "corrupt/: %s",
		    id->text, reason, strerror(errno));
	else
		log_warning(
		    "%s: damaged (%s), moved to corrupt/", id->text, reason);
}

static int open_file(const struct qmgr *q, const struct id *id, int flags)
{
	char path[QUEUE_PATH_MAX];

	queue_path(id, path);
	return openat(q->spool->fd, path, flags | O_CLOEXEC | O_NOFOLLOW);
}

/* cleanup may move the file of a proposed message into the queue any time. */
static int open_message(
    const struct qmgr *q, const struct message *m, int flags)
{
	char path[QUEUE_PATH_MAX];
	int fd;

	if (message_is_proposed(m)) {
		queue_new_path(&m->id, path);
		fd = openat(q->spool->fd, path, flags | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 || errno != ENOENT)
			return fd; /* else it has its name by now */
	}
	return open_file(q, &m->id, flags);
}

int spool_open_readonly(struct qmgr *q, const struct message *m)
{
	int fd = open_message(q, m, O_RDONLY);

	if (fd < 0)
		log_warning("%s: cannot open the queue file: %s", m->id.text,
		    strerror(errno));
	return fd;
}

int spool_unlink(struct qmgr *q, const struct message *m)
{
	char path[QUEUE_PATH_MAX];

	queue_path(&m->id, path);
	if (unlinkat(q->spool->fd, path, 0) == 0 || errno == ENOENT)
		return 0;
	log_error("%s: cannot remove the queue file: %s", m->id.text,
	    strerror(errno));
	return -1;
}

/* ---- a message in use ---- */

static struct active *active_new(int fd)
{
	struct active *a = NEW(struct active);

	a->arena = arena_new(ENVELOPE_MOST);
	a->file.fd = fd;
	return a;
}

static void active_free(struct spool *s, struct active **ap)
{
	struct active *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	if (a->file.fd >= 0) {
		file_close(&a->file.fd);
		s->files--;
	}
	arena_free(&a->arena);
	free(a->direct);
	free(a);
}

/* Preamble and envelope. An error of the disk is not damage: *why is NULL. */
static int read_envelope(
    const struct id *id, struct active *a, const char **why)
{
	int fd = a->file.fd;

	if (queue_read(fd, &a->file, why) < 0 ||
	    queue_read_envelope(&a->file, &a->arena, &a->envelope, why) < 0) {
		a->file.fd = fd;
		if (errno != EBADMSG)
			*why = NULL;
		return -1;
	}
	if (!str_eq(id_str(&a->file.id), id_str(id))) {
		*why = "the file's name is another message's";
		return -1;
	}
	return 0;
}

/* fd -1: opens it. NULL: gone, damaged (set aside), or unreadable now. */
static struct active *active_open(
    struct qmgr *q, const struct id *id, int fd, bool *gone)
{
	const char *why = NULL;
	struct active *a;

	*gone = true;
	if (fd < 0)
		fd = open_file(q, id, O_RDWR);
	if (fd < 0) {
		if (errno != ENOENT) {
			*gone = false;
			log_warning("%s: cannot open the queue file: %s",
			    id->text, strerror(errno));
		}
		return NULL;
	}
	q->spool->files++;
	a = active_new(fd);
	if (read_envelope(id, a, &why) == 0 && !a->file.unlinked)
		return a;
	int saved = errno;
	if (a->file.unlinked) {
		; /* the offer came late: it is delivered */
	} else if (why != NULL) {
		spool_set_aside(q, id, why);
	} else {
		*gone = false;
		log_warning("%s: cannot read the queue file: %s", id->text,
		    strerror(saved));
	}
	active_free(q->spool, &a);
	return NULL;
}

/* More files are open than there should be: this one is opened again when it
 * is needed. */
static void bound_files(struct spool *s, struct active *a)
{
	if (s->files <= s->files_most || a->file.fd < 0)
		return;
	file_close(&a->file.fd);
	s->files--;
}

const struct queue_file *spool_file(struct qmgr *q, struct message *m)
{
	struct active *a = m->active;

	if (a->file.fd >= 0)
		return &a->file;
	a->file.fd = open_message(q, m, O_RDWR);
	if (a->file.fd < 0) {
		log_warning("%s: cannot open the queue file: %s", m->id.text,
		    strerror(errno));
		return NULL;
	}
	q->spool->files++;
	return &a->file;
}

/* ---- reading into memory ---- */

static void from_slot(struct recipient *r, const struct queue_slot *slot,
    const struct queue_recipient *in)
{
	r->state = slot->state;
	r->hold = slot->hold != 0;
	r->notify = slot->damaged ? in->notify : slot->notify;
	r->notified = slot->notified;
	r->attempts = slot->attempts;
	r->next = slot->next > UINT32_MAX ? 0 : (uint32_t)slot->next;
	r->round = slot->round;
	r->reason = figures_reason(str_of(
			slot->dsn, strnlen(slot->dsn, sizeof(slot->dsn)))) &
	    7;
}

static int read_slots(struct message *m, const struct active *a)
{
	struct queue_slot *slots = mem_array(
	    a->file.recipient_count, sizeof(*slots));
	int result = queue_read_slots(&a->file, slots);

	for (uint32_t i = 0; result == 0 && i < m->count; i++)
		from_slot(
		    &m->recipients[i], &slots[i], &a->envelope.recipients[i]);
	free(slots);
	return result;
}

/* cleanup writes what the kernel has told pickup. */
static uint32_t owner_of(const struct queue_envelope *e)
{
	static const struct str prefix = STR_INIT("userid ");
	uint64_t uid;

	if (!str_eq(e->origin, str_from(mail_origin_names[ORIGIN_PICKUP])) ||
	    !str_starts(e->client, prefix) ||
	    str_to_u64(str_skip(e->client, prefix.len), UINT32_MAX - 1, &uid) <
		0)
		return MESSAGE_NO_OWNER;
	return (uint32_t)uid;
}

/* What was never tried waits for lookup to say where it goes. */
static void unrouted(struct qmgr *q, struct message *m)
{
	uint32_t now = qmgr_now();
	struct hop *h = hop_get(
	    &q->messages.hops, STR(HOP_UNROUTED), STR(HOP_UNROUTED), now);

	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].state == QUEUE_PENDING &&
		    m->recipients[i].attempts == 0)
			hop_set(&m->recipients[i], h, now);
}

static struct message *add_message(
    struct qmgr *q, const struct id *id, const struct active *a)
{
	struct message *m = messages_add(
	    &q->messages, id, a->envelope.sender, a->file.recipient_count);

	m->arrived = (uint32_t)(a->file.arrived_us / 1000000);
	m->size = a->file.header.length + a->file.body.length;
	m->owner = owner_of(&a->envelope);
	for (uint32_t i = 0; i < m->count; i++)
		m->recipients[i].notify = a->envelope.recipients[i].notify;
	return m;
}

struct message *spool_load(
    struct qmgr *q, const struct id *id, int fd, bool fresh)
{
	struct message *m = messages_find(&q->messages, id_str(id));
	struct active *a;
	bool gone, left = false;

	if (m != NULL) {
		file_close(&fd);
		return m;
	}
	a = active_open(q, id, fd, &gone);
	if (a == NULL)
		return NULL;
	m = add_message(q, id, a);
	m->verified = fresh;
	/* Of a fresh one too: an offer may be repeated, to another queue manager
	 * than the one that has worked on it. */
	if (read_slots(m, a) < 0) {
		/* The disk fails: the walk will find the message again. */
		log_warning(
		    "%s: cannot read the slots: %s", id->text, strerror(errno));
		active_free(q->spool, &a);
		messages_remove(&q->messages, &m);
		return NULL;
	}
	for (uint32_t i = 0; i < m->count; i++)
		left = left || !recipient_done(&m->recipients[i]) ||
		    (m->recipients[i].state == QUEUE_DELIVERED &&
			(m->recipients[i].notify & QUEUE_NOTIFY_SUCCESS &
			    ~(unsigned)m->recipients[i].notified) != 0);
	if (!left && spool_unlink(q, m) == 0) {
		log_info("%s: removed", id->text);
		active_free(q->spool, &a);
		messages_remove(&q->messages, &m);
		return NULL;
	}
	unrouted(q, m);
	if (fresh) {
		m->active = a;
		bound_files(q->spool, a);
	} else {
		active_free(q->spool, &a);
	}
	return m;
}

struct message *spool_take(struct qmgr *q, const struct id *id, int fd)
{
	const char *why = NULL;
	struct active *a;
	struct message *m;

	if (fd < 0) {
		log_warning("%s: proposed without its file", id->text);
		return NULL;
	}
	q->spool->files++;
	a = active_new(fd);
	if (read_envelope(id, a, &why) < 0 || a->file.unlinked) {
		if (!a->file.unlinked)
			log_warning("%s: proposed, but cannot be read: %s",
			    id->text, why != NULL ? why : strerror(errno));
		active_free(q->spool, &a);
		return NULL;
	}
	m = add_message(q, id, a);
	m->verified = true;
	m->active = a;
	bound_files(q->spool, a);
	return m;
}

uint32_t spool_try_again(const struct qmgr *q)
{
	int64_t pause = q->conf->minimal_backoff_time / 1000;

	return qmgr_now() +
	    (uint32_t)(pause < TROUBLE_MOST ? pause : TROUBLE_MOST);
}

/* The disk is in trouble, not the message: later. */
static int put_off(struct qmgr *q, struct message *m)
{
	messages_place(&q->messages, m, PLACE_HEAP, spool_try_again(q));
	return -1;
}

int spool_look(struct qmgr *q, struct message *m)
{
	bool gone;

	if (m->active == NULL)
		m->active = active_open(q, &m->id, -1, &gone);
	return m->active == NULL ? -1 : 0;
}

int spool_activate(struct qmgr *q, struct message *m)
{
	const char *why;
	bool gone;

	if (m->active == NULL)
		m->active = active_open(q, &m->id, -1, &gone);
	if (m->active == NULL && !gone)
		return put_off(q, m);
	if (m->active == NULL) {
		log_warning("%s: the queue file is gone", m->id.text);
		messages_remove(&q->messages, &m);
		return -1;
	}
	if (!m->verified && queue_verify(&m->active->file, &why) < 0) {
		active_free(q->spool, &m->active);
		if (errno != EBADMSG)
			return put_off(q, m);
		spool_set_aside(q, &m->id, why);
		messages_remove(&q->messages, &m);
		return -1;
	}
	m->verified = true;
	bound_files(q->spool, m->active);
	return 0;
}

void spool_rest(struct qmgr *q, struct message *m)
{
	active_free(q->spool, &m->active);
}

/* ---- slots and notes ---- */

void spool_write_slot(struct qmgr *q, struct recipient *r, struct str dsn,
    unsigned code, uint32_t last)
{
	const struct queue_file *f = spool_file(q, r->message);
	uint32_t index = recipient_index(r);
	struct queue_slot slot = {.state = 0};

	if (f == NULL)
		return;
	if (dsn.len == 0)
		queue_read_slot(f, index, &slot);
	else if (str_copy(slot.dsn, sizeof(slot.dsn), dsn) < 0)
		slot.dsn[0] = '\0';
	if (dsn.len > 0) {
		slot.code = (uint16_t)code;
		slot.last = last;
	}
	slot.state = r->state;
	slot.hold = r->hold;
	slot.notify = r->notify;
	slot.notified = r->notified;
	slot.attempts = r->attempts;
	slot.next = r->next;
	slot.round = r->round;
	if (queue_write_slot(f, index, &slot) < 0)
		log_warning("%s: cannot write the outcome: %s",
		    r->message->id.text, strerror(errno));
	else
		r->dirty = false;
	bound_files(q->spool, r->message->active);
}

#define NOTE_SIZE  1024
#define NOTE_MAGIC "PHN2"
#define NOTE_TEXTS 6  /* text, remote, phase, tls, transport, next hop */
#define NOTE_HEAD  20 /* magic, checksum, a length of 2 octets each */

/* Behind everything else in the file, at a multiple of the size. */
static uint64_t note_offset(const struct queue_file *f, uint32_t index)
{
	uint64_t end = f->envelope.offset + f->envelope.length;
	uint64_t slots = f->slots_offset + f->recipient_count * 64;

	if (slots > end)
		end = slots;
	end = (end + NOTE_SIZE - 1) / NOTE_SIZE * NOTE_SIZE;
	return end + (uint64_t)index * NOTE_SIZE;
}

static void put_u16(unsigned char *out, size_t n)
{
	out[0] = (unsigned char)n;
	out[1] = (unsigned char)(n >> 8);
}

void spool_write_note(
    struct qmgr *q, struct recipient *r, const struct outcome *o)
{
	static const size_t most[NOTE_TEXTS] = {
	    511, 343, IPC_PHASE_MAX, IPC_TLS_MAX, IPC_NAME_MAX, 511};
	const struct queue_file *f = spool_file(q, r->message);
	struct str hop = STR_EMPTY, transport = STR_EMPTY;
	unsigned char out[NOTE_SIZE] = NOTE_MAGIC;
	size_t at = NOTE_HEAD;
	uint32_t crc;

	if (f == NULL)
		return;
	if (r->hop != NULL) {
		transport = str_from(hop_transport(r->hop));
		hop = str_from(hop_nexthop(r->hop));
	}
	const struct str texts[NOTE_TEXTS] = {
	    o->text, o->remote, o->phase, o->tls, transport, hop};

	for (size_t i = 0; i < NOTE_TEXTS; i++) {
		struct str t = str_sub(texts[i], 0, most[i]);

		/* Half a name of a next hop is none. */
		if (t.len > NOTE_SIZE - at || (i == 5 && t.len < hop.len))
			t = STR_EMPTY;
		put_u16(out + 8 + 2 * i, t.len);
		if (t.len > 0)
			memcpy(out + at, t.p, t.len);
		at += t.len;
	}
	crc = crc32c(0, out + 8, sizeof(out) - 8);
	for (int i = 0; i < 4; i++)
		out[4 + i] = (unsigned char)(crc >> (8 * i));
	/* Best-effort: without space the words are lost. */
	(void)file_pwrite_full(
	    f->fd, out, sizeof(out), note_offset(f, recipient_index(r)));
	bound_files(q->spool, r->message->active);
}

void spool_read_note(
    const struct queue_file *f, uint32_t index, struct note *out)
{
	unsigned char in[NOTE_SIZE];
	const struct {
		char *p;
		size_t size;
	} into[NOTE_TEXTS] = {{out->text, sizeof(out->text)},
	    {out->remote, sizeof(out->remote)},
	    {out->phase, sizeof(out->phase)}, {out->tls, sizeof(out->tls)},
	    {out->transport, sizeof(out->transport)},
	    {out->nexthop, sizeof(out->nexthop)}};
	size_t at = NOTE_HEAD;
	uint32_t crc;

	for (size_t i = 0; i < NOTE_TEXTS; i++)
		into[i].p[0] = '\0';
	if (file_pread_full(f->fd, in, sizeof(in), note_offset(f, index)) < 0)
		return;
	crc = (uint32_t)in[4] | (uint32_t)in[5] << 8 | (uint32_t)in[6] << 16 |
	    (uint32_t)in[7] << 24;
	if (memcmp(in, NOTE_MAGIC, 4) != 0 ||
	    crc != crc32c(0, in + 8, sizeof(in) - 8))
		return;
	for (size_t i = 0; i < NOTE_TEXTS; i++) {
		size_t n = (size_t)in[8 + 2 * i] | (size_t)in[9 + 2 * i] << 8;

		if (n >= into[i].size || n > NOTE_SIZE - at)
			return;
		memcpy(into[i].p, in + at, n);
		into[i].p[n] = '\0';
		at += n;
	}
}
