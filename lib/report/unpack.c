/* SPDX-License-Identifier: ISC */
/*
 * gzip and zip. A bomb is small and becomes large: what comes out is counted
 * while it comes, against a size and against a multiple of the archive.
 */
#include <zip.h>
#include <zlib.h>

#include "report/parts.h"

#define PIECE      65536
#define FREE_RATIO ((size_t)1 << 20) /* up to here any ratio will do */
#define FILES_MOST 100               /* in a zip archive */

static bool is_gzip(struct str s)
{
	return str_starts(s, STR("\x1f\x8b"));
}

static bool is_zip(struct str s)
{
	return str_starts(s, STR("PK\x03\x04")) ||
	    str_starts(s, STR("PK\x05\x06"));
}

/* Whether so many octets may come out of an archive of that size. */
static int allow(struct report_reader *r, size_t archive, size_t expanded)
{
	if (expanded > r->limits->expanded)
		return report_fail(r,
		    "the archive becomes more than %zu octets "
		    "(feedback_expanded_size_limit)",
		    r->limits->expanded);
	if (expanded > FREE_RATIO && expanded / r->limits->ratio > archive)
		return report_fail(r,
		    "the archive of %zu octets becomes more than %u times as "
		    "large (feedback_expansion_limit)",
		    archive, r->limits->ratio);
	return 0;
}

/* ---- gzip ---- */

/* One piece out. 1: there is more, 0: all of it, -1. */
static int inflate_piece(
    struct report_reader *r, z_stream *z, size_t archive, struct buf *out)
{
	char *room = buf_room(out, PIECE);
	int result;

	if (room == NULL)
		return allow(r, archive, r->limits->expanded + 1);
	z->next_out = (Bytef *)room;
	z->avail_out = PIECE;
	result = inflate(z, Z_NO_FLUSH);
	buf_added(out, PIECE - z->avail_out);
	if (allow(r, archive, out->len) < 0)
		return -1;
	if (result == Z_STREAM_END && z->avail_in > 0)
		/* Members may follow one another (RFC 1952 2.2); what is no
		 * member is padding. */
		return is_gzip(str_of(z->next_in, z->avail_in)) &&
			inflateReset(z) == Z_OK
		    ? 1
		    : 0;
	if (result == Z_STREAM_END)
		return 0;
	if (result == Z_OK && (z->avail_in > 0 || z->avail_out == 0))
		return 1;
	if (result == Z_OK || result == Z_BUF_ERROR)
		return report_fail(r, "the gzip file ends too early");
	return report_fail(r, "the gzip file is damaged: %s",
	    z->msg == NULL ? "no reason known" : z->msg);
}

static int unpack_gzip(struct report_reader *r, struct str in, struct buf *out)
{
	z_stream z = {0};
	int more;

	/* in is no larger than a message */
	z.next_in = (z_const Bytef *)in.p;
	z.avail_in = (uInt)in.len;
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return report_fail(r, "no memory for zlib");
	do {
		more = inflate_piece(r, &z, in.len, out);
	} while (more > 0);
	inflateEnd(&z);
	return more;
}

/* ---- zip ---- */

static int read_file(
    struct report_reader *r, zip_file_t *f, size_t archive, struct buf *out)
{
	zip_int64_t got;

	do {
		char *room = buf_room(out, PIECE);

		if (room == NULL)
			return allow(r, archive, r->limits->expanded + 1);
		got = zip_fread(f, room, PIECE);
		if (got < 0)
			return report_fail(r, "the zip file is damaged: %s",
			    zip_file_strerror(f));
		buf_added(out, (size_t)got);
		if (allow(r, archive, out->len) < 0)
			return -1;
	} while (got > 0);
	return 0;
}

/* The one file in the archive; folders and empty files do not count. */
static int find_file(struct report_reader *r, zip_t *z, zip_uint64_t *at)
{
	zip_int64_t files = zip_get_num_entries(z, 0);
	unsigned found = 0;

	if (files > FILES_MOST)
		return report_fail(
		    r, "the zip file has more than %d files", FILES_MOST);
	for (zip_int64_t i = 0; i < files; i++) {
		zip_stat_t s;

		if (zip_stat_index(z, (zip_uint64_t)i, 0, &s) < 0 ||
		    (s.valid & ZIP_STAT_SIZE) == 0 || s.size == 0)
			continue;
		*at = (zip_uint64_t)i;
		found++;
	}
	if (found == 1)
		return 0;
	return report_fail(r,
	    found == 0 ? "the zip file has nothing in it"
		       : "the zip file has more than one file in it");
}

static int read_archive(
    struct report_reader *r, zip_t *z, size_t archive, struct buf *out)
{
	zip_uint64_t at = 0;
	zip_file_t *f;
	int result;

	if (find_file(r, z, &at) < 0)
		return -1;
	f = zip_fopen_index(z, at, 0);
	if (f == NULL)
		return report_fail(
		    r, "the zip file cannot be read: %s", zip_strerror(z));
	result = read_file(r, f, archive, out);
	zip_fclose(f);
	return result;
}

static int unpack_zip(struct report_reader *r, struct str in, struct buf *out)
{
	zip_error_t error;
	zip_source_t *source;
	zip_t *z = NULL;
	int result;

	zip_error_init(&error);
	source = zip_source_buffer_create(in.p, in.len, 0, &error);
	if (source != NULL)
		z = zip_open_from_source(
		    source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
	if (z == NULL) {
		result = report_fail(r, "the zip file is damaged: %s",
		    zip_error_strerror(&error));
		if (source != NULL)
			zip_source_free(source);
	} else {
		result = read_archive(r, z, in.len, out);
		zip_discard(z);
	}
	zip_error_fini(&error);
	return result;
}

int report_unpack(
    struct report_reader *r, struct str in, struct buf *space, struct str *out)
{
	bool zip = is_zip(in);

	*out = in;
	if (!zip && !is_gzip(in))
		return 0;
	buf_clear(space);
	if ((zip ? unpack_zip(r, in, space) : unpack_gzip(r, in, space)) < 0)
		return -1;
	*out = buf_str(space);
	if (is_zip(*out) || is_gzip(*out))
		return report_fail(r, "an archive inside an archive");
	return 0;
}
