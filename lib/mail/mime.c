/* SPDX-License-Identifier: ISC */
/*
 * The tree of a message, in one pass over its lines: a stack holds the
 * boundaries of the multiparts that are open, and a line that is one of them
 * ends every part inside.
 */
#include "mail/mime.h"

#include "mail/encode.h"

struct level {
	struct str boundary;
	struct mime_part *part, *last; /* the multipart, its newest child */
};

struct parser {
	struct str in;
	struct arena *arena;
	struct level levels[MIME_DEPTH_MAX];
	size_t depth;           /* of levels */
	struct mime_part *open; /* the innermost part that has not ended */
	size_t open_depth;      /* its ancestors */
	size_t at;              /* start of the next line */
	size_t newlines;        /* line ends before it */
	size_t parts, params;
};

static size_t count_newlines(struct str s)
{
	size_t n = 0;

	for (const char *p = s.p, *end = s.p + s.len;
	     p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		n++;
	return n;
}

/*
 * The level whose boundary the line at p->at is (RFC 2046 5.1.1), innermost
 * first, or p->depth. *close tells that it is the last one ("--" behind it).
 */
static size_t boundary_level(const struct parser *p, bool *close)
{
	struct str line = str_skip(p->in, p->at);

	if (line.len < 3 || line.p[0] != '-' || line.p[1] != '-')
		return p->depth;
	line = str_skip(str_trim(str_sub(line, 0, str_find(line, '\n'))), 2);
	for (size_t i = p->depth; i-- > 0;) {
		struct str boundary = p->levels[i].boundary;

		if (!str_starts(line, boundary))
			continue;
		struct str rest = str_skip(line, boundary.len);
		*close = str_eq(rest, STR("--"));
		if (rest.len == 0 || *close)
			return i;
	}
	return p->depth;
}

/* ---- the header of a part ---- */

/* The value on one line: a view where it is not folded. */
static struct str unfolded(struct parser *p, struct str value)
{
	value = str_trim(value);
	if (str_find(value, '\n') == value.len &&
	    str_find(value, '\r') == value.len)
		return value;
	char *copy = arena_alloc(p->arena, value.len);
	if (copy == NULL)
		return STR_EMPTY;
	size_t n = 0;
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n')
			copy[n++] = value.p[i];
	return str_of(copy, n);
}

static struct mime_param *params(
    struct parser *p, struct str value, struct str *token)
{
	struct mime_param *list = mime_params_parse(
	    value, p->arena, MIME_PARAMS_MAX - p->params, token);

	for (const struct mime_param *m = list; m != NULL; m = m->next)
		p->params++;
	return list;
}

static void content_type(
    struct parser *p, struct mime_part *part, struct str value)
{
	struct str token;
	struct mime_param *list = params(p, value, &token);
	size_t slash = str_find(token, '/');

	if (slash == 0 || slash + 1 >= token.len)
		return; /* not a type: the default stands (RFC 2045 5.2) */
	part->type = str_sub(token, 0, slash);
	part->subtype = str_skip(token, slash + 1);
	part->params = list;
}

/* A field whose name starts with "Content-". The first of a name counts. */
static void content_field(
    struct parser *p, struct mime_part *part, const struct header_field *f)
{
	struct str name = str_skip(f->name, 8), value = f->value, token;

	if (str_case_eq(name, STR("Type"))) {
		if (part->type.len == 0)
			content_type(p, part, value);
	} else if (str_case_eq(name, STR("Transfer-Encoding"))) {
		mime_params_parse(value, p->arena, 0, &token);
		if (part->encoding.len == 0)
			part->encoding = token;
	} else if (str_case_eq(name, STR("Disposition"))) {
		if (part->disposition.len > 0)
			return;
		part->disposition_params = params(p, value, &part->disposition);
	} else if (str_case_eq(name, STR("ID"))) {
		part->id = unfolded(p, value);
	} else if (str_case_eq(name, STR("Description"))) {
		part->description = unfolded(p, value);
	} else if (str_case_eq(name, STR("MD5"))) {
		part->md5 = unfolded(p, value);
	} else if (str_case_eq(name, STR("Language"))) {
		part->language = unfolded(p, value);
	} else if (str_case_eq(name, STR("Location"))) {
		part->location = unfolded(p, value);
	}
}

/* Reads the header that starts at p->at and leaves p->at behind it. A line
 * that is a boundary ends a header which lacks its empty line. */
static void read_header(struct parser *p, struct mime_part *part)
{
	struct str rest = str_skip(p->in, p->at);
	struct header_field f;
	bool close;
	int got = 1;

	part->header_offset = p->at;
	while (got != 0 && boundary_level(p, &close) == p->depth) {
		got = header_next(&rest, &f);
		if (got > 0 && str_case_starts(f.name, STR("Content-")))
			content_field(p, part, &f);
		p->at = p->in.len - rest.len;
	}
	part->header_len = p->at - part->header_offset;
	part->body_offset = p->at;
	p->newlines += count_newlines(
	    str_sub(p->in, part->header_offset, part->header_len));
	part->lines = p->newlines; /* until it ends: line ends before it */
}

static bool parent_is_digest(const struct mime_part *parent)
{
	return parent != NULL && str_case_eq(parent->type, STR("multipart")) &&
	    str_case_eq(parent->subtype, STR("digest"));
}

/* RFC 2045 5.2; RFC 2046 5.1.5 for digests. */
static void fill_defaults(struct mime_part *part)
{
	bool digest = parent_is_digest(part->parent);

	if (part->type.len > 0)
		return;
	part->type = digest ? STR("message") : STR("text");
	part->subtype = digest ? STR("rfc822") : STR("plain");
}

static bool is_identity(struct str encoding)
{
	return encoding.len == 0 || str_case_eq(encoding, STR("7bit")) ||
	    str_case_eq(encoding, STR("8bit")) ||
	    str_case_eq(encoding, STR("binary"));
}

/* ---- parts ---- */

/* Makes the part that starts at p->at, or gives NULL at a limit. */
static struct mime_part *part_start(struct parser *p)
{
	struct mime_part *part = NULL;

	if (p->parts < MIME_PARTS_MAX)
		part = arena_alloc(p->arena, sizeof(*part));
	if (part == NULL)
		return NULL;
	p->parts++;
	*part = (struct mime_part){.parent = p->open,
	    .type = STR_EMPTY,
	    .subtype = STR_EMPTY,
	    .id = STR_EMPTY,
	    .description = STR_EMPTY,
	    .encoding = STR_EMPTY,
	    .md5 = STR_EMPTY,
	    .disposition = STR_EMPTY,
	    .language = STR_EMPTY,
	    .location = STR_EMPTY};
	if (p->open != NULL)
		p->open_depth++;
	p->open = part;
	read_header(p, part);
	fill_defaults(part);
	return part;
}

/* Opens what the part contains, if it contains parts. A message's own part
 * follows at once; the loop goes on with it. */
static void part_enter(struct parser *p, struct mime_part *part)
{
	while (part != NULL && p->open_depth + 1 < MIME_DEPTH_MAX) {
		struct str boundary = STR_EMPTY;

		if (str_case_eq(part->type, STR("multipart"))) {
			mime_param_find(
			    part->params, STR("boundary"), &boundary);
			boundary = str_trim(boundary);
			if (boundary.len > 0)
				p->levels[p->depth++] = (struct level){
				    boundary, part, NULL};
			return;
		}
		if (!str_case_eq(part->type, STR("message")) ||
		    !is_identity(part->encoding) ||
		    (!str_case_eq(part->subtype, STR("rfc822")) &&
			!str_case_eq(part->subtype, STR("global"))))
			return;
		struct mime_part *child = part_start(p);
		part->child = child;
		part->is_message = child != NULL;
		part = child;
	}
}

/* Ends the innermost part before octet `end`, which has `newlines` line ends
 * before it. */
static void part_end(struct parser *p, size_t end, size_t newlines)
{
	struct mime_part *part = p->open;

	if (part->header_offset > end) /* a message without an octet */
		part->header_offset = end;
	if (part->body_offset > end) {
		part->body_offset = end;
		part->header_len = end - part->header_offset;
	}
	part->body_len = end - part->body_offset;
	part->lines = newlines > part->lines ? newlines - part->lines : 0;
	p->open = part->parent;
	if (p->open_depth > 0)
		p->open_depth--;
}

/* The line at p->at is a boundary of levels[i]: what is open inside ends
 * before the line end that belongs to the boundary (RFC 2046 5.1.1). */
static void boundary_found(struct parser *p, size_t i)
{
	size_t end = p->at, newlines = p->newlines;
	const struct mime_part *last = p->levels[i].last;
	size_t start = last != NULL ? last->header_offset
				    : p->levels[i].part->body_offset;

	if (end > start) {
		end--;
		newlines--;
		if (end > start && p->in.p[end - 1] == '\r')
			end--;
	}
	while (p->open != p->levels[i].part)
		part_end(p, end, newlines);
	p->depth = i + 1;
}

static void skip_line(struct parser *p)
{
	const char *at = memchr(p->in.p + p->at, '\n', p->in.len - p->at);

	if (at == NULL) {
		p->at = p->in.len;
		return;
	}
	p->at = (size_t)(at - p->in.p) + 1;
	p->newlines++;
}

/* The next part of levels[i] begins at p->at. */
static bool next_child(struct parser *p, size_t i)
{
	struct level *level = &p->levels[i];
	struct mime_part *child = part_start(p);

	if (child == NULL)
		return false;
	if (level->last == NULL)
		level->part->child = child;
	else
		level->last->next = child;
	level->last = child;
	part_enter(p, child);
	return true;
}

/* Reads lines until no multipart is open, a limit is met, or the end. */
static void read_body(struct parser *p)
{
	while (p->depth > 0 && p->at < p->in.len) {
		bool close = false;
		size_t i = boundary_level(p, &close);

		if (i == p->depth) {
			skip_line(p);
			continue;
		}
		/* Past the limit the newest part takes all that follows. */
		if (!close && p->parts == MIME_PARTS_MAX)
			return;
		boundary_found(p, i);
		skip_line(p);
		if (close)
			p->depth = i; /* what follows is the epilogue */
		else if (!next_child(p, i))
			return;
	}
}

struct mime_part *mime_parse(struct str message, struct arena *arena)
{
	struct parser p = {.in = message, .arena = arena};
	struct mime_part *root = part_start(&p);

	if (root == NULL)
		return NULL;
	part_enter(&p, root);
	read_body(&p);
	p.newlines += count_newlines(str_skip(message, p.at));
	while (p.open != NULL)
		part_end(&p, message.len, p.newlines);
	return root;
}

/* ---- finding and decoding ---- */

static bool is_multipart(const struct mime_part *part)
{
	return str_case_eq(part->type, STR("multipart"));
}

struct mime_part *mime_find(struct mime_part *root, struct str numbers)
{
	struct mime_part *part = root;
	bool message = true; /* part is the whole of a message */

	if (str_ends(numbers, STR(".")))
		return NULL;
	while (part != NULL && numbers.len > 0) {
		uint64_t n;

		if (str_to_u64(str_cut(&numbers, '.'), MIME_PARTS_MAX, &n) <
			0 ||
		    n == 0)
			return NULL;
		if (part->is_message && !message) {
			part = part->child;
			message = true;
		}
		if (!is_multipart(part)) {
			/* Part 1 of what has no parts is its text. */
			part = message && n == 1 ? part : NULL;
			message = false;
			continue;
		}
		message = false;
		part = part->child;
		while (part != NULL && --n > 0)
			part = part->next;
	}
	return part;
}

bool mime_encoding_known(const struct mime_part *part)
{
	return is_identity(part->encoding) ||
	    str_case_eq(part->encoding, STR("base64")) ||
	    str_case_eq(part->encoding, STR("quoted-printable"));
}

void mime_decode_body(
    const struct mime_part *part, struct str message, struct buf *out)
{
	struct str body = str_sub(message, part->body_offset, part->body_len);

	if (str_case_eq(part->encoding, STR("base64")))
		base64_decode_mime(body, out);
	else if (str_case_eq(part->encoding, STR("quoted-printable")))
		qp_decode(body, false, out);
	else
		buf_add(out, body);
}
