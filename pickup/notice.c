/* SPDX-License-Identifier: ISC */
#include "pickup/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file.h"
#include "ipc/limits.h"
#include "queue/drop.h"

#define LISTED_MOST 200 /* recipients that are named */
#define TOLD_MOST   (DROP_PIECE + LISTED_MOST * 1024 + 16384)
#define FILE_MODE   0640 /* as postdrop makes them */

/* What a refused file says, as far as it can be read. */
struct refused {
	struct buf sender, to; /* to: one address in each line */
	uint64_t recipients;
	struct buf content; /* its first piece */
	bool whole;         /* which is all of it */
};

static void refused_free(struct refused *r)
{
	buf_free(&r->sender);
	buf_free(&r->to);
	buf_free(&r->content);
}

/* Whether somebody can be told. */
static bool read_refused(int fd, struct refused *out)
{
	struct drop_reader *reader = drop_reader_new(fd);
	const struct cleanup_recipient *to;
	const struct drop_submission *s;
	struct str piece = STR_EMPTY;
	const char *why;
	int got = -1;
	bool told;

	if (drop_head(reader, &s, &why) == 0) {
		buf_add(&out->sender, s->sender);
		out->recipients = s->recipients;
		for (uint64_t n = 0;
		     (got = drop_recipient(reader, &to, &why)) > 0; n++)
			if (n < LISTED_MOST) {
				buf_add(&out->to, to->address);
				buf_add_char(&out->to, '\n');
			}
		if (got == 0 && drop_content(reader, &piece, &why) > 0)
			buf_add(&out->content, piece);
		out->whole = got == 0 && out->content.len == s->size;
	}
	told = got == 0 && out->sender.len > 0;
	drop_reader_free(&reader);
	return told;
}

/* The header, without the empty line. */
static struct str header_of(struct str content)
{
	for (size_t i = 0; i + 1 < content.len; i++)
		if (content.p[i] == '\n' &&
		    (content.p[i + 1] == '\n' || content.p[i + 1] == '\r'))
			return str_sub(content, 0, i + 1);
	return content;
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

static void put_status(
    struct buf *out, const struct refused *r, const struct outcome *o)
{
	struct str rest = buf_str(&r->to);

	buf_printf(out, "Reporting-MTA: dns; %s\n", pickup.house->myhostname);
	while (rest.len > 0) {
		struct str address = str_cut(&rest, '\n');

		buf_printf(out,
		    "\nFinal-Recipient: rfc822; %.*s\nAction: failed\n"
		    "Status: %s\nDiagnostic-Code: X-Posthouse; %u %s %.*s\n",
		    STR_FMT(address), o->dsn, o->code, o->dsn,
		    STR_FMT(o->text));
	}
}

static void put_words(struct buf *out, const struct refused *r,
    const char *name, const struct outcome *o)
{
	struct str rest = buf_str(&r->to);

	buf_printf(out,
	    "This is the mail system at host %s.\n\n"
	    "A message of yours was left here while the mail system was not "
	    "running.\nIt could not be sent on:\n\n    %s %.*s\n\n"
	    "It has been kept as drop/corrupt/%s, where the postmaster finds "
	    "it.\nNone of its recipients has got it:\n\n",
	    pickup.house->myhostname, o->dsn, STR_FMT(o->text), name);
	while (rest.len > 0) {
		struct str address = str_cut(&rest, '\n');

		buf_printf(out, "    <%.*s>\n", STR_FMT(address));
	}
	if (r->recipients > LISTED_MOST)
		buf_printf(out, "    and %llu more\n",
		    (unsigned long long)(r->recipients - LISTED_MOST));
}

/* cleanup adds what is missing in the header. */
static void put_report(struct buf *out, const struct refused *r,
    const char *name, const struct outcome *o)
{
	struct str back = r->whole ? buf_str(&r->content)
				   : header_of(buf_str(&r->content));
	const char *encoding = is_ascii(back) && is_ascii(buf_str(&r->to))
	    ? "7bit"
	    : "8bit";

	buf_printf(out,
	    "From: Mail Delivery System <MAILER-DAEMON@%s>\n"
	    "To: %.*s\nSubject: Undelivered Mail Returned to Sender\n"
	    "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"%s/refused\"\nContent-Transfer-Encoding: %s\n\n"
	    "--%s/refused\nContent-Type: text/plain; charset=utf-8\n"
	    "Content-Transfer-Encoding: %s\n\n",
	    pickup.house->myorigin, STR_FMT(buf_str(&r->sender)), name,
	    encoding, name, encoding);
	put_words(out, r, name, o);
	buf_printf(out,
	    "\n--%s/refused\nContent-Type: message/delivery-status\n\n", name);
	put_status(out, r, o);
	buf_printf(out,
	    "\n--%s/refused\nContent-Type: %s\n"
	    "Content-Transfer-Encoding: %s\n\n",
	    name, r->whole ? "message/rfc822" : "text/rfc822-headers",
	    encoding);
	buf_add(out, back);
	buf_printf(out, "\n--%s/refused--\n", name);
}

static int put_submission(
    struct buf *out, const struct id *id, struct str to, struct str content)
{
	struct drop_submission s = {.id = id_str(id),
	    .sender = STR_EMPTY,
	    .envid = STR_EMPTY,
	    .ret = STR_EMPTY,
	    .body = is_ascii(content) ? STR("7BIT") : STR("8BITMIME"),
	    .smtputf8 = !is_ascii(to),
	    .recipients = 1,
	    .size = content.len};
	struct cleanup_recipient r = {
	    .address = to, .original = STR_EMPTY, .notify = STR("NEVER")};

	if (drop_put_head(out, &s) < 0 || drop_put_recipient(out, &r) < 0 ||
	    buf_add(out, content) < 0)
		return -1;
	return drop_put_end(out, content.len);
}

/* Whole, synced and under its name, or not at all. */
static int leave(int dir_fd, const struct id *id, struct str text)
{
	char temporary[sizeof("new.") + ID_LEN];
	int fd, r;

	snprintf(temporary, sizeof(temporary), "new.%s", id->text);
	fd = openat(dir_fd, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -1;
	r = file_write_full(fd, text.p, text.len);
	if (r == 0)
		r = fsync(fd);
	if (r == 0)
		r = renameat(dir_fd, temporary, dir_fd, id->text);
	if (r < 0)
		unlinkat(dir_fd, temporary, 0);
	file_close(&fd);
	return r < 0 ? -1 : fsync(dir_fd);
}

int notice_leave(int dir_fd, const char *name, const struct outcome *o)
{
	struct refused r = {.sender = buf_new(IPC_ADDRESS_MAX),
	    .to = buf_new(TOLD_MOST),
	    .content = buf_new(DROP_PIECE)};
	struct buf report = buf_new(2 * TOLD_MOST);
	struct buf text = buf_new(3 * TOLD_MOST);
	int status = 0;
	struct id file, id;
	int fd = openat(dir_fd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (id_parse(str_from(name), &file) == 0 && read_refused(fd, &r)) {
		id = id_derive(&file, "refused", 0);
		put_report(&report, &r, name, o);
		status = -1;
		errno = EINVAL;
		if (put_submission(
			&text, &id, buf_str(&r.sender), buf_str(&report)) == 0)
			status = leave(dir_fd, &id, buf_str(&text));
	}
	file_close(&fd);
	refused_free(&r);
	buf_free(&report);
	buf_free(&text);
	return status;
}
