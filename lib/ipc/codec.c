/* SPDX-License-Identifier: ISC */
/*
 * Messages to lines and back, by the tables. A line has exactly one spelling:
 * numbers without leading zeroes, and whatever can be escaped must be. So
 * what was decoded encodes to the same octets again.
 */
#include "ipc/ipc.h"

#include <stdio.h>

static char escape_of(char c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\0':
		return '0';
	default:
		return 0;
	}
}

static void add_escaped(struct buf *out, struct str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		char e = escape_of(s.p[i]);

		if (e == 0)
			continue;
		buf_add_bytes(out, s.p + from, i - from);
		buf_add_char(out, '\\');
		buf_add_char(out, e);
		from = i + 1;
	}
	if (from < s.len)
		buf_add_bytes(out, s.p + from, s.len - from);
}

static size_t choice_count(const char *const *choices)
{
	size_t n = 0;

	while (choices[n] != NULL)
		n++;
	return n;
}

static int add_value(
    struct buf *out, const struct ipc_field *f, const char *member)
{
	switch (f->kind) {
	case IPC_KIND_TEXT: {
		const struct str *s = (const void *)member;

		if (s->len < f->least || s->len > f->most)
			return -1;
		add_escaped(out, *s);
		return 0;
	}
	case IPC_KIND_U64: {
		const uint64_t *n = (const void *)member;

		if (*n < f->least || *n > f->most)
			return -1;
		buf_add_u64(out, *n);
		return 0;
	}
	case IPC_KIND_I64:
		buf_printf(out, "%lld",
		    (long long)*(const int64_t *)(const void *)member);
		return 0;
	case IPC_KIND_BOOL:
		buf_add_char(
		    out, *(const bool *)(const void *)member ? '1' : '0');
		return 0;
	case IPC_KIND_CHOICE: {
		const int *n = (const void *)member;

		if (*n < 0 || (size_t)*n >= choice_count(f->choices))
			return -1;
		buf_add_text(out, f->choices[*n]);
		return 0;
	}
	}
	return -1;
}

int ipc_encode(struct buf *out, const struct ipc_type *type, const void *msg)
{
	size_t before = out->len;
	bool overflow = out->overflow;
	int bad = 0;

	out->overflow = false;
	buf_add_text(out, type->name);
	for (const struct ipc_field *f = type->fields; f->name != NULL; f++) {
		buf_add_char(out, '\t');
		buf_add_text(out, f->name);
		buf_add_char(out, '=');
		bad |= add_value(out, f, (const char *)msg + f->offset);
	}
	buf_add_char(out, '\n');
	if (bad < 0 || out->overflow || out->len - before > IPC_LINE_MAX) {
		out->len = before;
		out->overflow = overflow;
		return -1;
	}
	out->overflow = overflow;
	return 0;
}

/* Unescapes in place; -1 when an escape is unknown or an octet that must be
 * escaped stands bare. */
static int unescape(char *p, size_t len, struct str *out)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		char c = p[i];

		if (c == '\\') {
			if (++i == len)
				return -1;
			c = p[i] == 't'    ? '\t'
			    : p[i] == 'n'  ? '\n'
			    : p[i] == 'r'  ? '\r'
			    : p[i] == '0'  ? '\0'
			    : p[i] == '\\' ? '\\'
					   : 'x';
			if (c == 'x')
				return -1;
		} else if (escape_of(c) != 0) {
			return -1;
		}
		p[to++] = c;
	}
	*out = str_of(p, to);
	return 0;
}

static int get_u64(struct str s, uint64_t *out)
{
	if (s.len > 1 && s.p[0] == '0')
		return -1;
	return str_to_u64(s, UINT64_MAX, out);
}

static int get_i64(struct str s, int64_t *out)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	uint64_t n;

	if (get_u64(str_skip(s, minus ? 1 : 0), &n) < 0 ||
	    n > (uint64_t)INT64_MAX + (minus ? 1 : 0) || (minus && n == 0))
		return -1;
	*out = !minus ? (int64_t)n : -(int64_t)(n - 1) - 1;
	return 0;
}

static int get_choice(struct str s, const char *const *choices, int *out)
{
	for (int i = 0; choices[i] != NULL; i++) {
		if (str_eq(s, str_from(choices[i]))) {
			*out = i;
			return 0;
		}
	}
	return -1;
}

static int get_value(
    char *p, size_t len, const struct ipc_field *f, char *member)
{
	struct str s = str_of(p, len);
	uint64_t n;

	switch (f->kind) {
	case IPC_KIND_TEXT:
		if (unescape(p, len, &s) < 0 || s.len < f->least ||
		    s.len > f->most)
			return -1;
		*(struct str *)(void *)member = s;
		return 0;
	case IPC_KIND_U64:
		if (get_u64(s, &n) < 0 || n < f->least || n > f->most)
			return -1;
		*(uint64_t *)(void *)member = n;
		return 0;
	case IPC_KIND_I64:
		return get_i64(s, (int64_t *)(void *)member);
	case IPC_KIND_BOOL:
		if (len != 1 || (p[0] != '0' && p[0] != '1'))
			return -1;
		*(bool *)(void *)member = p[0] == '1';
		return 0;
	case IPC_KIND_CHOICE:
		return get_choice(s, f->choices, (int *)(void *)member);
	}
	return -1;
}

static const struct ipc_type *find_type(
    const struct ipc_exchange *exchange, struct str name)
{
	for (const struct ipc_type *const *t = exchange->types; *t != NULL; t++)
		if (str_eq(name, str_from((*t)->name)))
			return *t;
	return NULL;
}

const struct ipc_type *ipc_decode(const struct ipc_exchange *exchange,
    char *line, size_t len, void *msg, const char **why)
{
	char *end = line + len, *p = line + str_find(str_of(line, len), '\t');
	const struct ipc_type *type = find_type(
	    exchange, str_of(line, (size_t)(p - line)));

	if (type == NULL) {
		*why = "unknown message";
		return NULL;
	}
	for (const struct ipc_field *f = type->fields; f->name != NULL; f++) {
		size_t name_len = strlen(f->name);
		struct str rest = str_of(p, (size_t)(end - p));

		if (rest.len < name_len + 2 || p[0] != '\t' ||
		    memcmp(p + 1, f->name, name_len) != 0 ||
		    p[1 + name_len] != '=') {
			*why = "missing or unknown field";
			return NULL;
		}
		p += name_len + 2;
		len = str_find(str_of(p, (size_t)(end - p)), '\t');
		if (get_value(p, len, f, (char *)msg + f->offset) < 0) {
			*why = "field out of bounds";
			return NULL;
		}
		p += len;
	}
	if (p != end) {
		*why = "field too many";
		return NULL;
	}
	return type;
}
