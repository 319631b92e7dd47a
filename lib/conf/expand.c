/* SPDX-License-Identifier: ISC */
/*
 * $name, ${name}, $(name), ${name?text}, ${name:text} and
 * ${name?{text}:{other}} in values.
 */
#include "conf/conf_private.h"

#include <stdlib.h>

#define NAME_MAX_LEN 128

static bool is_name(char c)
{
	return ascii_alnum(c) || c == '_';
}

/* One $reference: its name, and what stands behind ? or :. */
struct reference {
	struct str name;
	char sign; /* '?', ':' or 0 */
	struct str text;
	struct str other; /* behind ? and the :, when the name is empty */
};

/* Position of the brace that closes the one before s, or s.len. */
static size_t closing(struct str s, char open, char close)
{
	size_t depth = 1;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == open)
			depth++;
		else if (s.p[i] == close && --depth == 0)
			return i;
	}
	return s.len;
}

static struct str cut_name(struct str *s)
{
	size_t n = 0;

	while (n < s->len && is_name(s->p[n]))
		n++;
	struct str name = str_sub(*s, 0, n);
	*s = str_skip(*s, n);
	return name;
}

/* Behind the sign: text, {text}, or with ? {text}:{other}. */
static void cut_texts(struct reference *r, struct str in)
{
	struct str other;
	size_t end;

	r->text = in;
	if (in.len < 2 || in.p[0] != '{')
		return;
	end = 1 + closing(str_skip(in, 1), '{', '}');
	if (end == in.len - 1) {
		r->text = str_sub(in, 1, end - 1);
		return;
	}
	other = str_skip(in, end + 1);
	if (r->sign != '?' || other.len < 3 || other.p[0] != ':' ||
	    other.p[1] != '{' || other.p[other.len - 1] != '}')
		return;
	r->text = str_sub(in, 1, end - 1);
	r->other = str_sub(other, 2, other.len - 3);
}

/* rest begins behind the $. */
static int cut_reference(
    struct str *rest, struct reference *r, const char **why)
{
	struct str inner;
	char open = rest->len > 0 ? rest->p[0] : '\0';

	*r = (struct reference){STR_EMPTY, '\0', STR_EMPTY, STR_EMPTY};
	if (open != '{' && open != '(') {
		r->name = cut_name(rest);
		*why = "$ without a name ($$ stands for a dollar sign)";
		return r->name.len > 0 ? 0 : -1;
	}
	inner = str_skip(*rest, 1);
	size_t end = closing(inner, open, open == '{' ? '}' : ')');
	if (end == inner.len) {
		*why = "a brace behind $ is not closed";
		return -1;
	}
	*rest = str_skip(inner, end + 1);
	inner.len = end;
	r->name = cut_name(&inner);
	if (inner.len > 0 && (inner.p[0] == '?' || inner.p[0] == ':')) {
		r->sign = inner.p[0];
		cut_texts(r, str_skip(inner, 1));
	} else if (inner.len > 0) {
		r->name.len = 0;
	}
	*why = "what stands in braces behind $ is not a name";
	return r->name.len > 0 ? 0 : -1;
}

static int names_in(struct str in, unsigned depth,
    void (*each)(struct str name, void *arg), void *arg, const char **why)
{
	if (depth > CONF_DEPTH_MAX) {
		*why = "references are nested too deep";
		return -1;
	}
	for (;;) {
		size_t dollar = str_find(in, '$');
		struct reference r;

		if (dollar == in.len)
			return 0;
		in = str_skip(in, dollar + 1);
		if (in.len > 0 && in.p[0] == '$') {
			in = str_skip(in, 1);
			continue;
		}
		if (cut_reference(&in, &r, why) < 0)
			return -1;
		each(r.name, arg);
		if (r.text.len > 0 &&
		    names_in(r.text, depth + 1, each, arg, why) < 0)
			return -1;
		if (r.other.len > 0 &&
		    names_in(r.other, depth + 1, each, arg, why) < 0)
			return -1;
	}
	return 0;
}

int conf_names(const char *value, void (*each)(struct str name, void *arg),
    void *arg, const char **why)
{
	return names_in(str_from(value), 0, each, arg, why);
}

/* What every step of one expansion uses. */
struct expansion {
	const struct conf *conf;
	struct buf *out;
	const char *why; /* on failure; NULL: out has the reason */
	bool lenient;    /* a name that is not known is empty */
};

static int expand(struct expansion *x, struct str in, unsigned depth);

static int expand_one(
    struct expansion *x, const struct reference *r, unsigned depth)
{
	char name[NAME_MAX_LEN];
	const char *value;

	if (str_copy(name, sizeof(name), r->name) < 0) {
		x->why = "a $name is too long";
		return -1;
	}
	value = conf_raw(x->conf, name);
	if (value == NULL)
		value = conf_default(x->conf, name);
	if (x->conf->stressed && strcmp(name, "stress") == 0 &&
	    (value == NULL || *value == '\0'))
		value = "yes";
	if (r->sign == '?')
		return expand(x,
		    value == NULL || *value == '\0' ? r->other : r->text,
		    depth + 1);
	if (r->sign == ':' && (value == NULL || *value == '\0'))
		return expand(x, r->text, depth + 1);
	if (value == NULL && x->lenient)
		return 0;
	if (value == NULL) {
		x->why = NULL;
		buf_clear(x->out);
		buf_printf(x->out, "$%s is neither set nor a parameter", name);
		return -1;
	}
	return expand(x, str_from(value), depth + 1);
}

static int expand(struct expansion *x, struct str in, unsigned depth)
{
	if (depth > CONF_DEPTH_MAX) {
		x->why = "a name leads back to itself";
		return -1;
	}
	while (in.len > 0) {
		size_t dollar = str_find(in, '$');
		struct reference r;

		buf_add(x->out, str_sub(in, 0, dollar));
		if (dollar == in.len)
			break;
		in = str_skip(in, dollar + 1);
		if (in.len > 0 && in.p[0] == '$') {
			buf_add_char(x->out, '$');
			in = str_skip(in, 1);
			continue;
		}
		if (cut_reference(&in, &r, &x->why) < 0 ||
		    expand_one(x, &r, depth) < 0)
			return -1;
	}
	if (x->out->overflow) {
		x->why = "the expanded value is too long";
		return -1;
	}
	return 0;
}

static int expand_text(const struct conf *conf, const char *text, bool lenient,
    struct buf *out, struct buf *why)
{
	struct buf expanded = buf_new(out->most);
	struct expansion x = {conf, &expanded, NULL, lenient};
	int result = expand(&x, str_from(text), 0);

	if (result == 0)
		buf_add(out, buf_str(&expanded));
	else if (x.why != NULL)
		buf_add_text(why, x.why);
	else
		buf_add(why, buf_str(&expanded));
	buf_free(&expanded);
	return result;
}

int conf_expand(
    const struct conf *conf, const char *text, struct buf *out, struct buf *why)
{
	return expand_text(conf, text, false, out, why);
}

/*
 * A daemon knows the defaults of its own tables only. Where a default refers
 * to another daemon's parameter that is not set, that one's default has to be
 * empty (check_test.c sees to it), and so it is here.
 */
int conf_value(const struct conf *conf, const char *name, const char *fallback,
    struct buf *out, struct buf *errors)
{
	const char *value = conf_raw(conf, name);
	bool is_default = value == NULL;
	struct buf why = buf_new(1024);
	int result;

	if (is_default)
		value = fallback == NULL ? "" : fallback;
	result = expand_text(conf, value, is_default, out, &why);
	if (result < 0) {
		conf_where(conf, name, errors);
		buf_printf(errors, "%s: %s\n", name, buf_text(&why));
	}
	buf_free(&why);
	return result;
}
