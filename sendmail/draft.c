/* SPDX-License-Identifier: ISC */
#include "sendmail/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "core/id.h"
#include "ipc/limits.h"
#include "queue/drop.h"
#include "queue/queue_file.h"
#include "sendmail/submit.h"

#define ARENA_MOST (256u << 20)
#define SEALS      (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define HEAD_MOST  (1u << 20) /* octets of envelope that are written at once */
#define ADDED_MOST 65536      /* to a header, beside what it has */

int draft_open(struct draft *d, const struct sendmail *s)
{
	*d = (struct draft){.arena = arena_new(ARENA_MOST)};
	d->content.body = -1;
	if (content_open(&d->content, s->house.message_size_limit,
		s->house.header_size_limit) < 0)
		return -1;
	return draft_clear(d, s);
}

void draft_close(struct draft *d)
{
	content_close(&d->content);
	arena_free(&d->arena);
}

int draft_clear(struct draft *d, const struct sendmail *s)
{
	arena_clear(&d->arena);
	d->recipients = (struct addresses){NULL, 0, 0, STR_EMPTY, false};
	d->sender = STR_EMPTY;
	d->envid = str_from(s->options.envid);
	d->ret = str_from(s->options.ret);
	d->notify = str_from(s->options.notify);
	d->body = str_from(s->options.body);
	return content_clear(&d->content);
}

/* Without "<" the text is the address: what the reading of header fields would
 * mend ("bad bad") is no sender. */
static bool is_as_given(struct str given, struct str got, const char *origin)
{
	struct str rest;

	if (str_find(given, '<') < given.len ||
	    str_find(given, '(') < given.len)
		return true;
	if (!str_starts(got, given))
		return false;
	rest = str_skip(got, given.len);
	return rest.len == 0 ||
	    (rest.p[0] == '@' && str_eq(str_skip(rest, 1), str_from(origin)));
}

int draft_sender(struct draft *d, const struct sendmail *s, const char *address)
{
	struct addresses one = {NULL, 0, 0, STR_EMPTY, false};
	struct str text = str_trim(str_from(address));

	d->sender = STR_EMPTY;
	if (text.len == 0 || str_eq(text, STR("<>")))
		return 0;
	header_addresses(text, s->house.myorigin, &d->arena, &one);
	if (one.count != 1 || one.wrong.len > 0 || one.full ||
	    one.list[0].len > IPC_ADDRESS_MAX ||
	    !is_as_given(text, one.list[0], s->house.myorigin))
		return -1;
	d->sender = one.list[0];
	return 0;
}

/* ---- what cannot be sent ---- */

static void judge(struct verdict *v, unsigned code, const char *dsn,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void judge(
    struct verdict *v, unsigned code, const char *dsn, const char *format, ...)
{
	va_list args;

	v->code = code;
	snprintf(v->dsn, sizeof(v->dsn), "%s", dsn);
	va_start(args, format);
	vsnprintf(v->text, sizeof(v->text), format, args);
	va_end(args);
}

static void check(const struct draft *d, struct verdict *v)
{
	const struct addresses *to = &d->recipients;

	if (content_too_large(&d->content))
		judge(v, 552, "5.3.4",
		    d->content.splitter.header.overflow
			? "Message header too large (header_size_limit)"
			: "Message too large (message_size_limit)");
	else if (d->content.error != 0)
		judge(v, 451, "4.3.0", "Keeping the message: %s",
		    strerror(d->content.error));
	else if (to->full || to->count > QUEUE_RECIPIENTS_MAX)
		judge(v, 550, "5.5.3", "Too many recipients");
	else if (to->wrong.len > 0)
		judge(v, 553, "5.1.3", "\"%.*s\" is not an address",
		    STR_FMT(str_sub(to->wrong, 0, 200)));
	else if (to->count == 0)
		judge(v, 554, "5.5.1", "No recipients");
}

/* ---- the submission ---- */

static bool has_utf8(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 128)
			return true;
	return false;
}

static bool needs_smtputf8(const struct draft *d)
{
	bool needs = has_utf8(d->sender);

	for (size_t i = 0; !needs && i < d->recipients.count; i++)
		needs = has_utf8(d->recipients.list[i]);
	return needs;
}

static int flush(int fd, struct buf *b)
{
	int r = b->overflow ? (errno = EMSGSIZE, -1)
			    : file_write_full(fd, b->p, b->len);

	buf_clear(b);
	return r;
}

static int put_envelope(
    int fd, const struct draft *d, uint64_t size, struct buf *work)
{
	struct id id = id_new();
	struct drop_submission s = {.id = id_str(&id),
	    .sender = d->sender,
	    .envid = d->envid,
	    .ret = d->ret,
	    .body = d->body,
	    .smtputf8 = needs_smtputf8(d),
	    .recipients = d->recipients.count,
	    .size = size};

	if (s.body.len == 0)
		s.body = d->content.eight_bit ? STR("8BITMIME") : STR("7BIT");
	if (drop_put_head(work, &s) < 0) {
		errno = EMSGSIZE;
		return -1;
	}
	for (size_t i = 0; i < d->recipients.count; i++) {
		struct cleanup_recipient r = {.address = d->recipients.list[i],
		    .original = STR_EMPTY,
		    .notify = d->notify};

		if (drop_put_recipient(work, &r) < 0) {
			errno = EMSGSIZE;
			return -1;
		}
		if (work->len > HEAD_MOST / 2 && flush(fd, work) < 0)
			return -1;
	}
	return flush(fd, work);
}

static int put_body(int fd, const struct content *c, struct buf *work)
{
	uint64_t at = 0;

	while (at < c->size) {
		uint64_t left = c->size - at;
		size_t n = left < HEAD_MOST ? (size_t)left : HEAD_MOST;
		char *room = buf_room(work, n);

		if (room == NULL || file_pread_full(c->body, room, n, at) < 0)
			return -1;
		buf_added(work, n);
		if (flush(fd, work) < 0)
			return -1;
		at += n;
	}
	return 0;
}

/* A sealed memfd with the submission, or -1 with errno. */
static int put_together(const struct draft *d, struct str header)
{
	struct buf work = buf_new(HEAD_MOST);
	uint64_t size = header.len + 2 + d->content.size;
	int fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -1 : put_envelope(fd, d, size, &work);

	if (r == 0)
		r = file_write_full(fd, header.p, header.len);
	if (r == 0)
		r = file_write_full(fd, "\r\n", 2);
	if (r == 0)
		r = put_body(fd, &d->content, &work);
	if (r == 0)
		r = drop_put_end(&work, size);
	if (r == 0)
		r = flush(fd, &work);
	if (r == 0)
		r = fcntl(fd, F_ADD_SEALS, SEALS);
	buf_free(&work);
	if (r < 0)
		file_close(&fd);
	return fd;
}

/* Who stands in a From field that is added: the sender, or without one the
 * person. */
static struct str author(struct draft *d, const struct sendmail *s)
{
	struct addresses one = {NULL, 0, 0, STR_EMPTY, false};

	if (d->sender.len > 0)
		return d->sender;
	header_addresses(str_from(s->user), s->house.myorigin, &d->arena, &one);
	return one.count > 0 ? one.list[0] : STR_EMPTY;
}

static void send_with(struct draft *d, const struct sendmail *s,
    struct str header, struct verdict *v)
{
	const char *wrong = header_wrong(header);
	int fd;

	if (wrong != NULL) {
		judge(v, 550, "5.6.0", "%s", wrong);
		return;
	}
	fd = put_together(d, header);
	if (fd < 0) {
		judge(v, 451, "4.3.0", "Keeping the message: %s",
		    strerror(errno));
		return;
	}
	submit(s, fd, v);
	file_close(&fd);
}

void draft_send(struct draft *d, const struct sendmail *s, struct verdict *v)
{
	struct str in = content_header(&d->content);
	struct buf header = buf_new(4 * in.len + ADDED_MOST);

	*v = (struct verdict){.code = 0};
	check(d, v);
	if (v->code == 0) {
		header_finish(
		    in, s->house.myorigin, s->full_name, author(d, s), &header);
		if (header.overflow)
			judge(v, 552, "5.3.4", "Message header too large");
	}
	if (v->code == 0)
		send_with(d, s, buf_str(&header), v);
	buf_free(&header);
}
