/* SPDX-License-Identifier: ISC */
/*
 * Whatever the message: parts lie inside their parents, one behind the other,
 * header and body side by side; depth, parts and parameters keep their
 * bounds; a section number finds each part; ENVELOPE and BODYSTRUCTURE are
 * lists of IMAP's grammar.
 */
#include <stdlib.h>

#include "mail/encode.h"
#include "mail/mime.h"

static size_t parts, params;

static void check_part(const struct mime_part *p, size_t end, int depth)
{
	size_t at = p->body_offset;

	parts++;
	if (depth >= MIME_DEPTH_MAX ||
	    p->header_offset + p->header_len != p->body_offset ||
	    p->body_offset + p->body_len > end || p->lines > p->body_len)
		abort();
	for (const struct mime_param *m = p->params; m != NULL; m = m->next)
		params++;
	for (const struct mime_param *m = p->disposition_params; m != NULL;
	     m = m->next)
		params++;
	for (const struct mime_part *c = p->child; c != NULL; c = c->next) {
		if (c->parent != p || c->header_offset < at)
			abort();
		check_part(c, p->body_offset + p->body_len, depth + 1);
		at = c->body_offset + c->body_len;
	}
}

/* Sections of a multipart's children, and of those of a message in it. */
static void check_find(
    struct mime_part *root, const struct mime_part *p, struct buf *name)
{
	size_t before = name->len, n = 0;

	if (p->is_message && p != root)
		p = p->child;
	if (!str_case_eq(p->type, STR("multipart")))
		return;
	for (const struct mime_part *c = p->child; c != NULL; c = c->next) {
		name->len = before;
		buf_printf(name, before > 0 ? ".%zu" : "%zu", ++n);
		if (mime_find(root, buf_str(name)) != c)
			abort();
		check_find(root, c, name);
	}
	name->len = before;
}

/* ---- an IMAP value ---- */

struct in {
	const char *p, *end;
};

static void expect(struct in *in, char c)
{
	if (in->p == in->end || *in->p++ != c)
		abort();
}

static uint64_t number(struct in *in)
{
	uint64_t n = 0;
	const char *start = in->p;

	while (in->p < in->end && ascii_digit(*in->p))
		n = n * 10 + (uint64_t)(*in->p++ - '0');
	if (in->p == start)
		abort();
	return n;
}

static void quoted(struct in *in)
{
	expect(in, '"');
	while (in->p < in->end && *in->p != '"') {
		if (*in->p == '\\')
			in->p++;
		if (in->p == in->end || *in->p == '\0' || *in->p == '\r' ||
		    *in->p == '\n' || (unsigned char)*in->p >= 0x80)
			abort();
		in->p++;
	}
	expect(in, '"');
}

static void literal(struct in *in)
{
	expect(in, '{');
	uint64_t n = number(in);
	expect(in, '}');
	expect(in, '\r');
	expect(in, '\n');
	if (n > (uint64_t)(in->end - in->p) ||
	    memchr(in->p, '\0', (size_t)n) != NULL)
		abort();
	in->p += n;
}

/* Returns how many values stand in it, when it is a list. */
static size_t value(struct in *in)
{
	size_t n = 0;

	if (in->p == in->end)
		abort();
	if (*in->p == '"') {
		quoted(in);
	} else if (*in->p == '{') {
		literal(in);
	} else if (ascii_digit(*in->p)) {
		number(in);
	} else if (*in->p == 'N') {
		expect(in, 'N');
		expect(in, 'I');
		expect(in, 'L');
	} else {
		expect(in, '(');
		do {
			if (in->p < in->end && *in->p == ' ')
				in->p++;
			value(in);
			n++;
		} while (in->p < in->end && *in->p != ')');
		expect(in, ')');
	}
	return n;
}

static size_t whole(struct buf *out)
{
	struct in in = {out->p, out->p + out->len};
	size_t n;

	if (out->overflow)
		return 0;
	n = value(&in);
	if (in.p != in.end)
		abort();
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};
	struct arena arena = arena_new(16 << 20);
	struct buf out = buf_new(16 << 20);
	struct mime_part *root = mime_parse(in, &arena);

	parts = params = 0;
	if (root == NULL || root->body_offset + root->body_len != len)
		abort();
	check_part(root, len, 0);
	if (parts > MIME_PARTS_MAX || params > 2 * MIME_PARAMS_MAX)
		abort();
	check_find(root, root, &out);
	buf_clear(&out);
	mime_envelope(in, &out);
	if (whole(&out) != 10 && !out.overflow)
		abort();
	for (int extensions = 0; extensions < 2; extensions++) {
		buf_clear(&out);
		mime_bodystructure(root, in, extensions, &out);
		whole(&out);
	}
	buf_clear(&out);
	mime_decode_body(root, in, &out);
	buf_free(&out);
	arena_free(&arena);
	return 0;
}
