/* SPDX-License-Identifier: ISC */
#include "queue/drop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/id.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "queue/queue_file.h"

#define MAGIC "posthouse-drop\t1\n"

static const struct ipc_field submission_fields[] = {
    IPC_TEXT(struct drop_submission, id, ID_LEN, ID_LEN),
    IPC_TEXT(struct drop_submission, sender, 0, IPC_ADDRESS_MAX),
    IPC_TEXT(struct drop_submission, envid, 0, 100),
    IPC_TEXT(struct drop_submission, ret, 0, 4),
    IPC_TEXT(struct drop_submission, body, 4, 8),
    IPC_BOOL(struct drop_submission, smtputf8),
    IPC_U64(struct drop_submission, recipients, 1, QUEUE_RECIPIENTS_MAX),
    IPC_U64(struct drop_submission, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type drop_submission = {"submission", submission_fields};

static const struct ipc_field end_fields[] = {
    IPC_U64(struct drop_end, size, 0, INT64_MAX),
    IPC_END,
};
const struct ipc_type drop_end = {"end", end_fields};

static const struct ipc_type *const types[] = {
    &drop_submission, &cleanup_recipient, &drop_end, NULL};
static const struct ipc_exchange drop_lines = {"drop", DROP_VERSION, types};

/* ---- writing ---- */

int drop_put_head(struct buf *out, const struct drop_submission *s)
{
	buf_add(out, STR(MAGIC));
	return ipc_encode(out, &drop_submission, s);
}

int drop_put_recipient(struct buf *out, const struct cleanup_recipient *r)
{
	return ipc_encode(out, &cleanup_recipient, r);
}

int drop_put_end(struct buf *out, uint64_t size)
{
	struct drop_end end = {.size = size};

	return ipc_encode(out, &drop_end, &end);
}

/* ---- reading ---- */

struct drop_reader {
	int fd;
	uint64_t at;         /* of the octet behind the buffer */
	size_t start, end;   /* unread octets of the buffer */
	uint64_t recipients; /* that are still to come */
	uint64_t size, left; /* octets of content */
	union {
		struct drop_submission submission;
		struct cleanup_recipient recipient;
		struct drop_end end;
		char room[IPC_STRUCT_MAX];
	} msg;
	char buffer[IPC_LINE_MAX + 1];
};

struct drop_reader *drop_reader_new(int fd)
{
	struct drop_reader *r = NEW(struct drop_reader);

	r->fd = fd;
	return r;
}

void drop_reader_free(struct drop_reader **r)
{
	free(*r);
	*r = NULL;
}

static int bad(const char **why, const char *reason)
{
	*why = reason;
	errno = 0;
	return -1;
}

/* Fills the buffer; -1 when the file cannot be read. */
static int fill(struct drop_reader *r, const char **why)
{
	memmove(r->buffer, r->buffer + r->start, r->end - r->start);
	r->end -= r->start;
	r->start = 0;
	while (r->end < sizeof(r->buffer)) {
		ssize_t n = pread(r->fd, r->buffer + r->end,
		    sizeof(r->buffer) - r->end, (off_t)r->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*why = strerror(errno);
			return -1;
		}
		if (n == 0)
			break;
		r->end += (size_t)n;
		r->at += (uint64_t)n;
	}
	return 0;
}

/* The next line, without its LF; a view that ipc_decode may change. */
static int next_line(
    struct drop_reader *r, char **line, size_t *len, const char **why)
{
	struct str rest = str_of(r->buffer + r->start, r->end - r->start);
	size_t lf = str_find(rest, '\n');

	if (lf == rest.len) {
		if (fill(r, why) < 0)
			return -1;
		rest = str_of(r->buffer, r->end);
		lf = str_find(rest, '\n');
	}
	if (lf == rest.len)
		return bad(why,
		    rest.len == sizeof(r->buffer) ? "a line is too long"
						  : "the file ends early");
	*line = r->buffer + r->start;
	*len = lf;
	r->start += lf + 1;
	return 0;
}

static int next_message(
    struct drop_reader *r, const struct ipc_type *type, const char **why)
{
	const struct ipc_type *got;
	char *line;
	size_t len;

	if (next_line(r, &line, &len, why) < 0)
		return -1;
	got = ipc_decode(&drop_lines, line, len, &r->msg, why);
	if (got == NULL)
		return bad(why, *why);
	return got == type ? 0 : bad(why, "a line stands out of order");
}

/* cleanup ends a peer that says what it may not: a file that does so would
 * come to nobody's eyes and be tried for ever. */
static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

/* RFC 3461 section 4.1. */
static bool is_notify(struct str s)
{
	while (s.len > 0) {
		struct str word = str_cut(&s, ',');

		if (!str_case_eq(word, STR("NEVER")) &&
		    !str_case_eq(word, STR("SUCCESS")) &&
		    !str_case_eq(word, STR("FAILURE")) &&
		    !str_case_eq(word, STR("DELAY")))
			return false;
	}
	return true;
}

int drop_head(
    struct drop_reader *r, const struct drop_submission **s, const char **why)
{
	char *line;
	size_t len;

	if (next_line(r, &line, &len, why) < 0)
		return -1;
	line[len] = '\n';
	if (!str_eq(str_of(line, len + 1), STR(MAGIC)))
		return bad(why, "not a submission of this version");
	if (next_message(r, &drop_submission, why) < 0)
		return -1;
	*s = &r->msg.submission;
	if (!is_clean((*s)->sender) || !is_clean((*s)->envid) ||
	    !is_clean((*s)->ret))
		return bad(why, "control octets in the envelope");
	r->recipients = (*s)->recipients;
	r->size = r->left = (*s)->size;
	return 0;
}

int drop_recipient(struct drop_reader *r, const struct cleanup_recipient **to,
    const char **why)
{
	if (r->recipients == 0)
		return 0;
	if (next_message(r, &cleanup_recipient, why) < 0)
		return -1;
	r->recipients--;
	*to = &r->msg.recipient;
	if (!is_clean((*to)->address) || !is_clean((*to)->original))
		return bad(why, "control octets in the envelope");
	if (!is_notify((*to)->notify))
		return bad(why, "a word of notify that is none");
	return 1;
}

/* The end line, and nothing behind it. */
static int check_end(struct drop_reader *r, const char **why)
{
	if (next_message(r, &drop_end, why) < 0)
		return -1;
	if (r->msg.end.size != r->size)
		return bad(why, "the end says another size");
	if (r->start == r->end && fill(r, why) < 0)
		return -1;
	return r->start == r->end ? 0 : bad(why, "something follows the end");
}

int drop_content(struct drop_reader *r, struct str *piece, const char **why)
{
	size_t len;

	if (r->left == 0)
		return check_end(r, why);
	if (r->start == r->end && fill(r, why) < 0)
		return -1;
	len = r->end - r->start;
	if (len == 0)
		return bad(why, "the file ends early");
	if (len > DROP_PIECE)
		len = DROP_PIECE;
	if (len > r->left)
		len = (size_t)r->left;
	*piece = str_of(r->buffer + r->start, len);
	r->start += len;
	r->left -= len;
	return 1;
}
