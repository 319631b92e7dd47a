/* SPDX-License-Identifier: ISC */
#include "mail/seven_bit.h"

#include <stdlib.h>

#include "core/arena.h"
#include "core/memory.h"
#include "mail/encode.h"
#include "mail/mime.h"
#include "mail/transfer_encoder.h"

#define HEADER_MOST 65536 /* octets of a part's header */
#define SAMPLE      4096  /* octets by which an encoding is chosen */
#define MEMORY      (1u << 20)
#define FRAGMENT    (SEVEN_BIT_LINE + 2) /* octets; a longer line comes in many */
#define OUT_MOST    65536

enum mode {
	MODE_HEADER, /* of a part */
	MODE_LOOK,   /* a leaf, undecided: it is held back */
	MODE_QP,
	MODE_BASE64,
	MODE_REWRAP_QP, /* it is encoded, lines may be too long */
	MODE_REWRAP_BASE64,
	MODE_PASS
};

/* What becomes of a header. */
struct change {
	const char *encoding; /* of Content-Transfer-Encoding; NULL: as it is */
	const char *charset;  /* there was no Content-Type; NULL */
};

struct seven_bit {
	size_t look;
	void (*put)(struct str octets, void *arg);
	void *arg;
	struct arena arena;
	/* lines */
	struct buf line;
	bool goes_on;  /* the line began before what is in `line` */
	bool line_end; /* held back: it may belong to a boundary */
	/* structure */
	struct str boundaries[MIME_DEPTH_MAX];
	size_t depth;
	enum mode mode;
	const char *reason; /* MODE_PASS: what is left when it needs encoding */
	bool is_top;        /* the leaf is the message itself */
	struct buf header;  /* of a part: coming in, or of the leaf held back */
	/* a leaf */
	struct buf held;
	bool claims, is_text, has_type; /* it claims to be of 8 bits */
	bool offends;
	size_t high; /* octets above 127 in it */
	struct transfer_encoder encoder;
	struct buf out;
	/* in the end */
	struct change top;
	bool changed;
	const char *left;
};

/* ---- out ---- */

static void flush(struct seven_bit *s)
{
	if (s->out.len > 0)
		s->put(buf_str(&s->out), s->arg);
	buf_clear(&s->out);
}

/* Room for what one piece can become. */
static struct buf *out_of(struct seven_bit *s)
{
	if (s->out.len > OUT_MOST / 2)
		flush(s);
	return &s->out;
}

static void put(struct seven_bit *s, struct str octets)
{
	if (octets.len <= OUT_MOST / 2) {
		buf_add(out_of(s), octets);
		return;
	}
	flush(s);
	s->put(octets, s->arg);
}

static size_t count_high(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (unsigned char)s.p[i] > 127 || s.p[i] == '\0';
	return n;
}

static void leave(struct seven_bit *s, const char *reason)
{
	if (s->left == NULL)
		s->left = reason;
}

/* Lines as they are, with what may be wrong in them. */
static void put_raw(struct seven_bit *s, struct str lines, const char *reason)
{
	struct str rest = lines;

	if (count_high(lines) > 0)
		leave(s, reason);
	while (rest.len > 0)
		if (str_cut(&rest, '\n').len > SEVEN_BIT_LINE + 1)
			leave(s, reason);
	put(s, lines);
}

/* ---- headers ---- */

/* Who takes it for the end of a line and who does not will not agree. */
static bool has_bare_lf(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			return true;
	return false;
}

/* Appends a field with lines of 998 octets at most, broken before a blank. */
static void put_folded(struct seven_bit *s, struct str field, struct buf *out)
{
	while (field.len > 0) {
		size_t end = str_find(field, '\n');
		struct str line = str_sub(
		    field, 0, end < field.len ? end + 1 : end);

		field = str_skip(field, line.len);
		while (line.len > SEVEN_BIT_LINE + 2) {
			size_t at = SEVEN_BIT_LINE;

			while (
			    at > 1 && line.p[at] != ' ' && line.p[at] != '\t')
				at--;
			/* Only blanks before it would be an empty line. */
			if (str_trim(str_sub(line, 0, at)).len == 0) {
				leave(s, "a header field is too long to fold");
				break;
			}
			buf_add(out, str_sub(line, 0, at));
			buf_add_text(out, "\r\n");
			line = str_skip(line, at);
			s->changed = true;
		}
		buf_add(out, line);
	}
}

static void put_encoding(const struct change *c, struct buf *out)
{
	buf_printf(out, "Content-Transfer-Encoding: %s\r\n", c->encoding);
}

/* Appends a header's fields, changed; without the empty line. */
static void put_fields(struct seven_bit *s, struct str header,
    const struct change *change, bool is_message, struct buf *out)
{
	bool encoding = change->encoding == NULL, version = !is_message;
	struct str rest = header;
	struct header_field f;
	int got;

	if (count_high(header) > 0)
		leave(s, "a header field has 8-bit octets");
	if (has_bare_lf(header))
		leave(s, "a header has a bare line feed");
	for (; (got = header_next(&rest, &f)) != 0; header = rest) {
		if (got > 0 &&
		    str_case_eq(f.name, STR("Content-Transfer-Encoding")) &&
		    change->encoding != NULL) {
			if (!encoding)
				put_encoding(change, out);
			encoding = true;
			continue;
		}
		version |= got > 0 && str_case_eq(f.name, STR("MIME-Version"));
		put_folded(s, f.whole, out);
	}
	if (change->encoding != NULL && !version)
		buf_add_text(out, "MIME-Version: 1.0\r\n");
	if (change->charset != NULL)
		buf_printf(out, "Content-Type: text/plain; charset=%s\r\n",
		    change->charset);
	if (!encoding)
		put_encoding(change, out);
	/* A bare LF can end the fields before the header's last line. */
	put_folded(s, header, out);
	s->changed |= change->encoding != NULL;
}

/* The header of a part goes out, with its empty line. */
static void put_header(struct seven_bit *s, const struct change *change)
{
	struct buf out = buf_new(4 * HEADER_MOST);

	put_fields(s, buf_str(&s->header), change, false, &out);
	put(s, buf_str(&out));
	put(s, STR("\r\n"));
	buf_free(&out);
	buf_clear(&s->header);
}

static void change_header(struct seven_bit *s, const struct change *change)
{
	if (s->is_top)
		s->top = *change;
	else
		put_header(s, change);
}

/* ---- what an entity is ---- */

static bool starts_boundary(struct seven_bit *s, const struct mime_param *list)
{
	struct str boundary;

	if (!mime_param_find(list, STR("boundary"), &boundary) ||
	    boundary.len == 0 || boundary.len > 200 ||
	    s->depth == MIME_DEPTH_MAX)
		return false;
	boundary = arena_copy(&s->arena, boundary);
	if (boundary.p == NULL)
		return false;
	s->boundaries[s->depth++] = boundary;
	return true;
}

static void pass(struct seven_bit *s, const char *reason)
{
	s->mode = MODE_PASS;
	s->reason = reason;
}

/* "multipart/signed" from a whole value. */
static bool is_type(struct str type, struct str name)
{
	return str_case_eq(str_trim(type), name);
}

static bool is_opaque(struct str type)
{
	return is_type(type, STR("multipart/signed")) ||
	    is_type(type, STR("multipart/encrypted")) ||
	    is_type(type, STR("application/pkcs7-mime"));
}

static struct str field_value(struct str header, struct str name)
{
	struct header_field f;

	return header_find(header, name, &f) ? str_trim(f.value) : STR_EMPTY;
}

/* The entity's header is whole: what its body is. */
static void enter_entity(struct seven_bit *s, struct str header)
{
	struct str value = field_value(header, STR("Content-Type")), type;
	struct str encoding = field_value(
	    header, STR("Content-Transfer-Encoding"));
	const struct mime_param *list = mime_params_parse(
	    value, &s->arena, MIME_PARAMS_MAX, &type);
	bool claims = str_case_eq(encoding, STR("8bit")) ||
	    str_case_eq(encoding, STR("binary"));
	bool plain = claims || encoding.len == 0 ||
	    str_case_eq(encoding, STR("7bit"));
	struct change none = {NULL, NULL}, seven = {"7bit", NULL};

	s->encoder = (struct transfer_encoder){.filled = 0};
	if (is_opaque(type)) {
		change_header(s, &none);
		pass(s, "a signed or encrypted part is left as it is");
	} else if (is_type(type, STR("multipart/digest"))) {
		/* Its parts are messages without saying so. */
		change_header(s, &none);
		pass(s, "a digest is left as it is");
	} else if (plain && str_case_starts(type, STR("multipart/"))) {
		bool found = starts_boundary(s, list);
		change_header(s, claims && found ? &seven : &none);
		pass(s,
		    found ? "text between parts has 8-bit octets or long lines"
			  : "a multipart has no boundary");
	} else if (plain && is_type(type, STR("message/rfc822"))) {
		change_header(s, claims ? &seven : &none);
		s->mode = MODE_HEADER;
		s->is_top = false;
	} else if (str_case_starts(type, STR("message/")) &&
	    !is_type(type, STR("message/delivery-status"))) {
		change_header(s, &none);
		pass(s, "a part of type message/ has no form of 7 bits");
	} else if (plain) {
		s->mode = MODE_LOOK;
		s->claims = claims;
		s->has_type = value.len > 0;
		s->is_text = !s->has_type ||
		    str_case_starts(type, STR("text/"));
		s->offends = false;
		s->high = 0;
		buf_clear(&s->held);
	} else {
		change_header(s, &none);
		if (str_case_eq(encoding, STR("quoted-printable")))
			s->mode = MODE_REWRAP_QP;
		else if (str_case_eq(encoding, STR("base64")))
			s->mode = MODE_REWRAP_BASE64;
		else
			pass(s, "a part has an unknown encoding");
	}
}

/* ---- a leaf ---- */

static void encode_text(struct seven_bit *s, struct str piece)
{
	if (s->mode == MODE_QP)
		qp_stream(&s->encoder, piece, out_of(s));
	else
		base64_stream(&s->encoder, piece, out_of(s));
}

static void encode_line_end(struct seven_bit *s)
{
	if (s->mode == MODE_QP)
		qp_stream_line(&s->encoder, out_of(s));
	else
		base64_stream(&s->encoder, STR("\r\n"), out_of(s));
}

static const char *charset_of(struct str sample)
{
	/* A character may be cut at the end. */
	return utf8_valid_length(sample) + 4 > sample.len ? "utf-8"
							  : "unknown-8bit";
}

/* What was held back is encoded. */
static void encode_held(struct seven_bit *s)
{
	struct str rest = buf_str(&s->held);

	while (rest.len > 0) {
		size_t end = str_find(rest, '\n');
		bool line = end < rest.len && end > 0 &&
		    rest.p[end - 1] == '\r';

		if (end < rest.len)
			end++;
		struct str piece = str_sub(rest, 0, line ? end - 2 : end);
		while (piece.len > 0) {
			struct str part = str_sub(piece, 0, FRAGMENT);
			encode_text(s, part);
			piece = str_skip(piece, part.len);
		}
		if (line)
			encode_line_end(s);
		rest = str_skip(rest, end);
	}
}

/* The leaf is known well enough. */
static void decide(struct seven_bit *s)
{
	struct change change = {NULL, NULL};
	struct str held = buf_str(&s->held);

	if (s->offends || s->claims) {
		s->mode = !s->is_text || s->high > held.len / 3 ? MODE_BASE64
								: MODE_QP;
		change.encoding = s->mode == MODE_QP ? "quoted-printable"
						     : "base64";
		if (!s->has_type && s->is_top)
			change.charset = s->high > 0 ? charset_of(held)
						     : "us-ascii";
	}
	change_header(s, &change);
	if (change.encoding != NULL) {
		encode_held(s);
	} else {
		put(s, held);
		pass(s,
		    "what needs an encoding stands far behind the start of "
		    "a part (dkim_sign_7bit_look)");
	}
	buf_clear(&s->held);
}

static void look(struct seven_bit *s, struct str piece, bool is_long)
{
	buf_add(&s->held, piece);
	s->high += count_high(piece);
	s->offends |= is_long || s->high > 0;
	if (s->held.len > s->look ||
	    ((s->offends || s->claims) && s->held.len > SAMPLE))
		decide(s);
}

/* ---- lines of a body ---- */

static void rewrap(struct seven_bit *s, struct str piece, bool is_long)
{
	bool high = count_high(piece) > 0;

	if (s->mode == MODE_REWRAP_BASE64 && high)
		leave(s, "a part in base64 has 8-bit octets");
	if (!is_long && (s->mode == MODE_REWRAP_BASE64 || !high)) {
		put(s, piece);
		return;
	}
	if (s->mode == MODE_REWRAP_QP)
		qp_rewrap(&s->encoder, piece, out_of(s));
	else
		base64_rewrap(&s->encoder, piece, out_of(s));
	s->changed = true;
}

/* A piece of a line; is_long: of one that is too long. */
static void body_piece(struct seven_bit *s, struct str piece, bool is_long)
{
	switch (s->mode) {
	case MODE_HEADER:
		break;
	case MODE_LOOK:
		look(s, piece, is_long);
		break;
	case MODE_QP:
	case MODE_BASE64:
		encode_text(s, piece);
		break;
	case MODE_REWRAP_QP:
	case MODE_REWRAP_BASE64:
		rewrap(s, piece, is_long);
		break;
	case MODE_PASS:
		if (is_long || count_high(piece) > 0)
			leave(s, s->reason);
		put(s, piece);
		break;
	}
}

static void body_line_end(struct seven_bit *s)
{
	if (s->mode == MODE_LOOK) {
		look(s, STR("\r\n"), false);
	} else if (s->mode == MODE_QP || s->mode == MODE_BASE64) {
		encode_line_end(s);
	} else {
		qp_rewrap_end(&s->encoder, out_of(s));
		put(s, STR("\r\n"));
	}
}

/* The body of a leaf, or a header that was cut short, is over. */
static void finish(struct seven_bit *s)
{
	if (s->mode == MODE_LOOK)
		decide(s);
	if (s->mode == MODE_QP)
		qp_stream_end(&s->encoder, out_of(s));
	else if (s->mode == MODE_BASE64)
		base64_stream_end(&s->encoder, out_of(s));
	else if (s->mode == MODE_REWRAP_QP)
		qp_rewrap_end(&s->encoder, out_of(s));
	else if (s->mode == MODE_HEADER)
		put_raw(
		    s, buf_str(&s->header), "the header of a part has no end");
	buf_clear(&s->header);
}

/* ---- boundaries ---- */

/* Which boundary the line is, from the innermost; depth when it is none. */
static size_t find_boundary(
    const struct seven_bit *s, struct str line, bool *closes)
{
	if (!str_starts(line, STR("--")))
		return s->depth;
	for (size_t i = s->depth; i-- > 0;) {
		struct str rest = str_skip(line, 2);

		if (!str_starts(rest, s->boundaries[i]))
			continue;
		rest = str_skip(rest, s->boundaries[i].len);
		*closes = str_starts(rest, STR("--"));
		if (str_trim(str_skip(rest, *closes ? 2 : 0)).len == 0)
			return i;
	}
	return s->depth;
}

static bool take_boundary(struct seven_bit *s, struct str line)
{
	bool closes = false;
	size_t at = find_boundary(s, line, &closes);

	if (at == s->depth)
		return false;
	finish(s);
	if (s->line_end)
		put(s, STR("\r\n"));
	s->line_end = false;
	put(s, line);
	put(s, STR("\r\n"));
	s->is_top = false;
	s->depth = closes ? at : at + 1;
	s->mode = MODE_HEADER;
	if (closes)
		pass(s,
		    "text behind the last part has 8-bit octets or long "
		    "lines");
	return true;
}

/* ---- lines ---- */

static void header_piece(struct seven_bit *s, struct str piece, bool ends)
{
	bool is_empty = piece.len == 0 && !s->goes_on && ends;

	if (is_empty) {
		struct buf copy = buf_new(HEADER_MOST);

		buf_add(&copy, buf_str(&s->header));
		enter_entity(s, buf_str(&copy));
		buf_free(&copy);
		return;
	}
	buf_add(&s->header, piece);
	if (ends)
		buf_add(&s->header, STR("\r\n"));
	if (s->header.len <= HEADER_MOST)
		return;
	put_raw(s, buf_str(&s->header), "the header of a part is too large");
	buf_clear(&s->header);
	pass(s, "the header of a part is too large");
}

/* What has come of a line: all of it, or a piece of a long one. */
static void take_piece(struct seven_bit *s, struct str piece, bool ends)
{
	bool is_long = s->goes_on || !ends;

	if (!s->goes_on && ends && take_boundary(s, piece))
		return;
	if (s->mode == MODE_HEADER) {
		header_piece(s, piece, ends);
		return;
	}
	if (s->line_end)
		body_line_end(s);
	s->line_end = false;
	body_piece(s, piece, is_long);
	s->line_end = ends;
}

static void take_line(struct seven_bit *s, bool ends)
{
	take_piece(s, buf_str(&s->line), ends);
	s->goes_on = !ends;
	buf_clear(&s->line);
}

void seven_bit_add(struct seven_bit *s, struct str octets)
{
	while (octets.len > 0) {
		size_t room = FRAGMENT - s->line.len;
		struct str piece = str_sub(octets, 0, room);
		size_t end = str_find(piece, '\n');

		piece = str_sub(piece, 0, end < piece.len ? end + 1 : end);
		buf_add(&s->line, piece);
		octets = str_skip(octets, piece.len);
		if (str_ends(buf_str(&s->line), STR("\r\n"))) {
			s->line.len -= 2;
			take_line(s, true);
		} else if (s->line.len == FRAGMENT) {
			bool cr = s->line.p[FRAGMENT - 1] == '\r';

			s->line.len -= cr;
			take_line(s, false);
			if (cr)
				buf_add_char(&s->line, '\r');
		}
	}
}

void seven_bit_end(struct seven_bit *s)
{
	if (s->line.len > 0 || s->goes_on) {
		/* The last line has no end. */
		take_piece(s, buf_str(&s->line), s->goes_on ? false : true);
		s->line_end = false;
	}
	if (s->line_end)
		body_line_end(s);
	bool encoded = s->mode == MODE_LOOK || s->mode == MODE_BASE64;
	finish(s);
	if (encoded && s->mode == MODE_BASE64 && s->encoder.any)
		put(s, STR("\r\n"));
	flush(s);
}

/* ---- the whole ---- */

struct seven_bit *seven_bit_new(struct str header, size_t look_octets,
    void (*put_octets)(struct str octets, void *arg), void *arg)
{
	struct seven_bit *s = NEW(struct seven_bit);

	s->look = look_octets;
	s->put = put_octets;
	s->arg = arg;
	s->arena = arena_new(MEMORY);
	s->line = buf_new(FRAGMENT + 2);
	s->header = buf_new(2 * HEADER_MOST);
	s->held = buf_new(look_octets + SAMPLE + FRAGMENT);
	s->out = buf_new(OUT_MOST);
	s->is_top = true;
	enter_entity(s, header);
	return s;
}

void seven_bit_free(struct seven_bit **s)
{
	arena_free(&(*s)->arena);
	buf_free(&(*s)->line);
	buf_free(&(*s)->header);
	buf_free(&(*s)->held);
	buf_free(&(*s)->out);
	free(*s);
	*s = NULL;
}

void seven_bit_header(struct seven_bit *s, struct str header, struct buf *out)
{
	/* A multipart is what its parts are. */
	struct change change = s->top;

	if (s->left != NULL && change.encoding != NULL &&
	    strcmp(change.encoding, "7bit") == 0)
		change.encoding = NULL;
	put_fields(s, header, &change, true, out);
}

bool seven_bit_changed(const struct seven_bit *s)
{
	return s->changed;
}

const char *seven_bit_left(const struct seven_bit *s)
{
	return s->left;
}
