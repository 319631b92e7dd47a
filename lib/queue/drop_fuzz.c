/* SPDX-License-Identifier: ISC */
/*
 * Whatever stands in a file of spool/drop: what is read whole is written again
 * with the same octets, and nothing is read twice or beyond the end.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "queue/drop.h"

/* 0 when the file was read whole and written again into out. */
static int copy(int fd, struct buf *out)
{
	struct drop_reader *r = drop_reader_new(fd);
	const struct drop_submission *s;
	const struct cleanup_recipient *to;
	const char *why = "";
	struct str piece;
	uint64_t size = 0, content = 0;
	int got = drop_head(r, &s, &why);

	if (got == 0) {
		size = s->size;
		got = drop_put_head(out, s);
	}
	while (got == 0 && (got = drop_recipient(r, &to, &why)) > 0)
		got = drop_put_recipient(out, to);
	while (got == 0 && (got = drop_content(r, &piece, &why)) > 0) {
		if (piece.len == 0)
			abort();
		content += piece.len;
		got = buf_add(out, piece);
	}
	if (got == 0 && content != size)
		abort();
	if (got == 0)
		got = drop_put_end(out, size);
	if (got < 0 && why[0] == '\0')
		abort();
	drop_reader_free(&r);
	return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("drop", MFD_CLOEXEC);
	struct buf out = buf_new(2 * len + 65536);

	if (fd < 0 || file_write_full(fd, data, len) < 0)
		abort();
	if (copy(fd, &out) == 0 &&
	    (out.len != len || memcmp(out.p, data, len) != 0))
		abort();
	buf_free(&out);
	close(fd);
	return 0;
}
