/* SPDX-License-Identifier: ISC */
/*
 * BODY[section] and BINARY[section]. What stands in the message as it is sent
 * goes from the store to the client in pieces; only what must be looked into
 * (parts, chosen fields, decoded bodies) is read into memory.
 */
#include "imapd/fetch.h"

#include "core/clock.h"

#include "imapd/response.h"
#include "imapd/write.h"

#define PIECE ((size_t)64 << 10) /* read from the store at once */

static void head(struct session *s, const struct section *section, char sep)
{
	out_char(s, sep);
	out_str(s, section->label);
	out_char(s, ' ');
}

static enum section_result nil(
    struct session *s, const struct section *section, char sep)
{
	head(s, section, sep);
	out_text(s, "NIL");
	return SECTION_GONE;
}

static void clip(const struct section *section, uint64_t *offset, uint64_t *len)
{
	if (!section->partial)
		return;
	uint64_t skip = section->offset < *len ? section->offset : *len;

	*offset += skip;
	*len -= skip;
	if (section->len < *len)
		*len = section->len;
}

static enum section_result send_bytes(struct session *s,
    const struct section *section, struct str bytes, char sep)
{
	uint64_t offset = 0, len = bytes.len;

	clip(section, &offset, &len);
	bytes = str_sub(bytes, (size_t)offset, (size_t)len);
	head(s, section, sep);
	/* NUL octets travel in a literal8 (RFC 9051 section 4.3.1). */
	if (section->kind == SECTION_BINARY && bytes.len > 0 &&
	    memchr(bytes.p, '\0', bytes.len) != NULL)
		out_char(s, '~');
	put_literal_head(&s->out, bytes.len);
	out_str(s, bytes);
	return SECTION_SENT;
}

/* A small range: read behind its head, all taken back when that fails. */
static enum section_result send_small(struct session *s, struct opened *m,
    const struct section *section, uint64_t offset, uint64_t len, char sep)
{
	size_t start = s->out.len;

	head(s, section, sep);
	put_literal_head(&s->out, len);
	size_t before = s->out.len;
	if (len == 0)
		return SECTION_SENT;
	enum store_result r = view_read(s->view, m->seq, offset, len, &s->out);
	if (r == STORE_OK && s->out.len - before == len)
		return SECTION_SENT;
	s->out.len = start;
	s->read_failed = r != STORE_OK ? r : STORE_GONE;
	return nil(s, section, sep);
}

/* The literal was announced: from here on only the connection's end can say
 * that something is wrong. */
static void break_off(struct session *s)
{
	s->dead = true;
	s->ended = "a message could not be read to its end";
}

static enum section_result send_large(struct session *s, struct opened *m,
    const struct section *section, uint64_t offset, uint64_t len, char sep)
{
	struct buf piece = buf_new(PIECE);
	uint64_t start;
	int fd;

	enum store_result r = view_read(s->view, m->seq, offset, PIECE, &piece);
	if (r != STORE_OK || piece.len != PIECE) {
		buf_free(&piece);
		s->read_failed = r != STORE_OK ? r : STORE_GONE;
		return nil(s, section, sep);
	}
	head(s, section, sep);
	put_literal_head(&s->out, len);
	out_str(s, buf_str(&piece));
	offset += PIECE;
	len -= PIECE;
	if (view_file(s->view, m->seq, &fd, &start) == STORE_OK) {
		out_file(s, fd, start + offset, len);
		len = 0;
	}
	while (len > 0 && !s->dead) {
		uint64_t n = len < PIECE ? len : PIECE;

		buf_clear(&piece);
		if (view_read(s->view, m->seq, offset, n, &piece) != STORE_OK ||
		    piece.len != n)
			break_off(s);
		out_str(s, buf_str(&piece));
		out_check(s);
		offset += n;
		len -= n;
	}
	buf_free(&piece);
	return SECTION_SENT;
}

static enum section_result send_range(struct session *s, struct opened *m,
    const struct section *section, uint64_t offset, uint64_t len, char sep)
{
	if (m->has_bytes)
		return send_bytes(s, section,
		    str_sub(buf_str(&m->bytes), (size_t)offset, (size_t)len),
		    sep);
	clip(section, &offset, &len);
	return len <= PIECE ? send_small(s, m, section, offset, len, sep)
			    : send_large(s, m, section, offset, len, sep);
}

/* The message that a message/rfc822 part holds, or NULL. */
static const struct mime_part *held(const struct mime_part *part)
{
	return part->is_message ? part->child : NULL;
}

bool section_place(const struct mime_part *root, const struct section *section,
    size_t *offset, size_t *len)
{
	const struct mime_part *part = section->part.len == 0
	    ? root
	    : mime_find((struct mime_part *)root, section->part);

	if (part == NULL)
		return false;
	if (section->part.len > 0 && section->kind != SECTION_ALL &&
	    section->kind != SECTION_MIME && section->kind != SECTION_BINARY) {
		part = held(part);
		if (part == NULL)
			return false;
	}
	switch (section->kind) {
	case SECTION_HEADER:
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
	case SECTION_MIME:
		*offset = part->header_offset;
		*len = part->header_len;
		return true;
	default:
		*offset = part->body_offset;
		*len = part->body_len;
		return true;
	}
}

static bool is_chosen(const struct section *section, struct str name)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (str_case_eq(section->fields[i], name))
			return true;
	return false;
}

void section_fields(
    struct str header, const struct section *section, struct buf *out)
{
	bool wanted = section->kind == SECTION_FIELDS;
	struct header_field field;
	int r;

	while ((r = header_next(&header, &field)) != 0) {
		if (r < 0 || is_chosen(section, field.name) != wanted)
			continue;
		buf_add(out, field.whole);
		if (!str_ends(field.whole, STR("\n")))
			buf_add_text(out, "\r\n");
	}
	buf_add_text(out, "\r\n");
}

static enum section_result send_fields(struct session *s, struct opened *m,
    const struct section *section, char sep)
{
	struct str header;
	enum section_result result;

	if (section->part.len == 0) {
		if (message_header(s, m, &header) != STORE_OK)
			return nil(s, section, sep);
	} else {
		struct mime_part *root;
		size_t offset, len;

		if (message_parsed(s, m, &root) != STORE_OK)
			return nil(s, section, sep);
		if (!section_place(root, section, &offset, &len)) {
			nil(s, section, sep);
			return SECTION_SENT;
		}
		header = str_sub(buf_str(&m->bytes), offset, len);
	}
	struct buf chosen = buf_new(header.len + 4);
	section_fields(header, section, &chosen);
	result = send_bytes(s, section, buf_str(&chosen), sep);
	buf_free(&chosen);
	return result;
}

/* The message itself: nothing to parse. */
static enum section_result send_whole(struct session *s, struct opened *m,
    const struct section *section, char sep)
{
	uint64_t header = 0;

	if (section->kind == SECTION_ALL || section->kind == SECTION_BINARY)
		return send_range(s, m, section, 0, m->size, sep);
	if (message_header_len(s, m, &header) != STORE_OK)
		return nil(s, section, sep);
	if (section->kind == SECTION_HEADER)
		return send_range(s, m, section, 0, header, sep);
	return send_range(s, m, section, header, m->size - header, sep);
}

static enum section_result send_binary(struct session *s, struct opened *m,
    const struct section *section, char sep)
{
	struct mime_part *root, *part;
	enum section_result result = SECTION_SENT;

	if (message_parsed(s, m, &root) != STORE_OK)
		return nil(s, section, sep);
	part = mime_find(root, section->part);
	if (part == NULL) {
		head(s, section, sep);
		out_text(s, section->kind == SECTION_BINARY ? "NIL" : "0");
		return SECTION_SENT;
	}
	if (!mime_encoding_known(part)) {
		head(s, section, sep);
		out_text(s, section->kind == SECTION_BINARY ? "NIL" : "0");
		return SECTION_UNKNOWN_CTE;
	}
	struct buf body = buf_new(part->body_len + 16);
	mime_decode_body(part, buf_str(&m->bytes), &body);
	if (section->kind == SECTION_BINARY) {
		result = send_bytes(s, section, buf_str(&body), sep);
	} else {
		head(s, section, sep);
		out_number(s, body.len);
	}
	buf_free(&body);
	return result;
}

enum section_result fetch_section(struct session *s, struct opened *m,
    const struct section *section, char sep)
{
	struct mime_part *root;
	size_t offset, len;

	if (section->kind == SECTION_FIELDS ||
	    section->kind == SECTION_FIELDS_NOT)
		return send_fields(s, m, section, sep);
	if (section->part.len == 0) {
		if (section->kind != SECTION_BINARY_SIZE)
			return send_whole(s, m, section, sep);
		head(s, section, sep);
		out_number(s, m->size);
		return SECTION_SENT;
	}
	if (section->kind == SECTION_BINARY ||
	    section->kind == SECTION_BINARY_SIZE)
		return send_binary(s, m, section, sep);
	if (message_parsed(s, m, &root) != STORE_OK)
		return nil(s, section, sep);
	if (!section_place(root, section, &offset, &len)) {
		nil(s, section, sep);
		return SECTION_SENT;
	}
	return send_range(s, m, section, offset, len, sep);
}
