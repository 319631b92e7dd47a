/* SPDX-License-Identifier: ISC */
#include "smtp/content.h"

#include <errno.h>

#include "core/checksum.h"
#include "core/file.h"

#define PIECE 16384

void dots_add(struct dots *d, const char *p, size_t len, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		char c = p[i];

		if (c == '.' && !d->in_line) {
			buf_add_bytes(out, p + from, i - from);
			buf_add_char(out, '.');
			from = i;
		}
		/* Only CRLF ends a line. */
		d->in_line = !(c == '\n' && d->cr);
		d->cr = c == '\r';
	}
	buf_add_bytes(out, p + from, len - from);
}

void dots_end(struct dots *d, struct buf *out)
{
	if (d->in_line)
		buf_add(out, STR("\r\n"));
	buf_add(out, STR(".\r\n"));
	*d = (struct dots){false, false};
}

int content_open(
    struct content *c, int fd, const struct id *id, const char **why)
{
	*c = (struct content){.done = 0};
	return queue_read_of(fd, id, &c->file, why);
}

void content_rewind(struct content *c)
{
	c->done = 0;
	c->crc = 0;
	c->dots = (struct dots){false, false};
}

/* Of the header or the body, what comes next. */
static size_t locate(const struct content *c, uint64_t done, uint64_t *offset)
{
	const struct queue_extent *e = &c->file.header;
	uint64_t left;

	if (done >= e->length) {
		done -= e->length;
		e = &c->file.body;
	}
	left = e->length - done;
	*offset = e->offset + done;
	return left < PIECE ? (size_t)left : PIECE;
}

/* At the end of the header and of the body. */
static int check(struct content *c, const char *piece, size_t len)
{
	uint64_t header = c->file.header.length;
	uint32_t want = c->done > header ? c->file.body.crc
					 : c->file.header.crc;

	c->crc = crc32c(c->crc, piece, len);
	if (c->done != header && c->done != header + c->file.body.length)
		return 0;
	if (c->crc == want) {
		c->crc = 0;
		return 0;
	}
	errno = EBADMSG;
	return -1;
}

int content_next(struct content *c, struct buf *out)
{
	char piece[PIECE];
	uint64_t offset;
	size_t len = locate(c, c->done, &offset);

	if (len > 0) {
		if (file_pread_full(c->file.fd, piece, len, offset) < 0)
			return -1;
		c->done += len;
		if (check(c, piece, len) < 0)
			return -1;
		dots_add(&c->dots, piece, len, out);
	}
	if (c->done < c->file.header.length + c->file.body.length)
		return 1;
	dots_end(&c->dots, out);
	return 0;
}

static bool has_8bit(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] > 127)
			return true;
	return false;
}

int content_is_8bit(const struct content *c, bool *header, bool *any)
{
	char piece[PIECE];
	uint64_t done = 0, offset;
	size_t len;

	*header = *any = false;
	while ((len = locate(c, done, &offset)) > 0) {
		if (file_pread_full(c->file.fd, piece, len, offset) < 0)
			return -1;
		if (has_8bit(piece, len)) {
			*any = true;
			if (done < c->file.header.length)
				*header = true;
			return 0;
		}
		done += len;
	}
	return 0;
}
