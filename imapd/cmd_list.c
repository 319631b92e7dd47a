/* SPDX-License-Identifier: ISC */
/*
 * LIST and LSUB (RFC 9051 section 6.3.9, RFC 3501 section 6.3.9; RFC 5258,
 * 5819, 6154).
 */
#include "core/log.h"

#include "imapd/list_match.h"
#include "imapd/list_names.h"
#include "imapd/response.h"
#include "imapd/special_use.h"
#include "imapd/status.h"
#include "imapd/utf7.h"

#include "mail/encode.h"

#define PATTERNS_MAX 100

struct list {
	/* selection */
	bool subscribed, recursive, special_use;
	/* return */
	bool show_subscribed, show_children;
	unsigned status; /* 0: none */
	bool extended;   /* the extended form of the command was used */
	struct str patterns[PATTERNS_MAX];
	size_t pattern_count;
};

static bool selection_option(struct command *c, struct list *l)
{
	if (parser_skip_word(&c->in, "SUBSCRIBED"))
		l->subscribed = l->show_subscribed = true;
	else if (parser_skip_word(&c->in, "RECURSIVEMATCH"))
		l->recursive = true;
	else if (parser_skip_word(&c->in, "SPECIAL-USE"))
		l->special_use = true;
	else if (!parser_skip_word(&c->in, "REMOTE"))
		return parser_fail(&c->in, "an unknown selection option");
	return true;
}

static bool selection_options(struct command *c, struct list *l)
{
	if (!parser_skip(&c->in, '('))
		return true;
	l->extended = true;
	if (!parser_skip(&c->in, ')')) {
		do {
			if (!selection_option(c, l))
				return false;
		} while (parser_skip(&c->in, ' '));
		if (!parser_char(&c->in, ')', "a list does not end"))
			return false;
	}
	if (l->recursive && !l->subscribed && !l->special_use)
		return parser_fail(
		    &c->in, "RECURSIVEMATCH needs another selection option");
	return parser_space(&c->in);
}

static bool return_option(struct command *c, struct list *l)
{
	if (parser_skip_word(&c->in, "SUBSCRIBED"))
		l->show_subscribed = true;
	else if (parser_skip_word(&c->in, "CHILDREN"))
		l->show_children = true;
	else if (parser_skip_word(&c->in, "STATUS"))
		return parser_space(&c->in) && status_parse(c, &l->status);
	else if (!parser_skip_word(&c->in, "SPECIAL-USE"))
		return parser_fail(&c->in, "an unknown return option");
	return true;
}

static bool return_options(struct command *c, struct list *l)
{
	if (!parser_skip(&c->in, ' '))
		return true;
	if (!parser_skip_word(&c->in, "RETURN"))
		return parser_fail(&c->in, "there is too much");
	l->extended = true;
	if (!parser_space(&c->in) ||
	    !parser_char(&c->in, '(', "a list is missing"))
		return false;
	if (parser_skip(&c->in, ')'))
		return true;
	do {
		if (!return_option(c, l))
			return false;
	} while (parser_skip(&c->in, ' '));
	return parser_char(&c->in, ')', "a list does not end");
}

/* Reference and pattern in one, as UTF-8. */
static bool add_pattern(struct session *s, struct command *c, struct list *l,
    struct str reference, struct str pattern)
{
	struct buf whole = buf_new((size_t)MAILBOX_NAME_MAX * 8);
	struct buf utf8 = buf_new((size_t)MAILBOX_NAME_MAX * 8);
	bool ok;

	buf_add(&whole, reference);
	buf_add(&whole, pattern);
	if (s->enabled & ENABLED_REV2)
		ok = utf8_valid(buf_str(&whole)) &&
		    buf_add(&utf8, buf_str(&whole)) == 0;
	else
		ok = utf7_decode(buf_str(&whole), &utf8) == 0;
	struct str copy = arena_copy(&s->arena, buf_str(&utf8));
	ok = ok && !whole.overflow && copy.p != NULL;
	buf_free(&whole);
	buf_free(&utf8);
	if (!ok)
		return parser_fail(&c->in, "a mailbox pattern is malformed");
	if (l->pattern_count == PATTERNS_MAX)
		return parser_fail(&c->in, "too many patterns");
	l->patterns[l->pattern_count++] = copy;
	return true;
}

static bool patterns(
    struct session *s, struct command *c, struct list *l, struct str reference)
{
	struct str pattern;

	if (!parser_skip(&c->in, '('))
		return parser_pattern(&c->in, &pattern) &&
		    add_pattern(s, c, l, reference, pattern);
	l->extended = true;
	do {
		if (!parser_pattern(&c->in, &pattern) ||
		    !add_pattern(s, c, l, reference, pattern))
			return false;
	} while (parser_skip(&c->in, ' '));
	return parser_char(&c->in, ')', "a list does not end");
}

static bool matches(const struct list *l, struct str name)
{
	for (size_t i = 0; i < l->pattern_count; i++)
		if (list_match(l->patterns[i], name))
			return true;
	return false;
}

/* The selection options hold for it. */
static bool selected(const struct list *l, const struct list_name *n)
{
	if (!l->subscribed && !l->special_use)
		return n->info != NULL || n->has_children;
	return (!l->subscribed || n->subscribed) &&
	    (!l->special_use || (n->info != NULL && n->info->use != USE_NONE));
}

static void attribute(struct session *s, const char *name, bool *any)
{
	if (*any)
		out_char(s, ' ');
	*any = true;
	out_text(s, name);
}

static void attributes(
    struct session *s, const struct list *l, const struct list_name *n)
{
	bool any = false;
	const char *use = n->info == NULL ? NULL
					  : special_use_name(n->info->use);

	if (n->info == NULL)
		attribute(s,
		    l->extended || (s->enabled & ENABLED_REV2) ? "\\NonExistent"
							       : "\\Noselect",
		    &any);
	else if (!n->info->selectable)
		attribute(s, "\\Noselect", &any);
	attribute(
	    s, n->has_children ? "\\HasChildren" : "\\HasNoChildren", &any);
	if (l->show_subscribed && n->subscribed)
		attribute(s, "\\Subscribed", &any);
	if (use != NULL)
		attribute(s, use, &any);
}

static void respond_list(struct session *s, const struct list *l,
    const struct list_name *n, bool childinfo)
{
	out_text(s, "* LIST (");
	attributes(s, l, n);
	out_text(s, ") \"/\" ");
	out_mailbox(s, n->name);
	if (childinfo) {
		out_text(s, " (CHILDINFO (");
		if (l->subscribed)
			out_text(s, "\"SUBSCRIBED\"");
		if (l->special_use)
			out_text(s,
			    l->subscribed ? " \"SPECIAL-USE\""
					  : "\"SPECIAL-USE\"");
		out_text(s, "))");
	}
	out_end(s);
}

/*
 * A level above selected names is shown only when one of those is not shown
 * itself (RFC 5258 section 3.5).
 */
static void mark_hidden(const struct list *l, const struct list_names *all)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct list_name *n = all->names[i];

		if (!selected(l, n) || matches(l, n->name))
			continue;
		for (struct list_name *up = n->above; up; up = up->above)
			up->hidden_below = true;
	}
}

static void list_one(
    struct session *s, const struct list *l, const struct list_name *n)
{
	bool below = l->recursive && (!l->subscribed || n->subscribed_below) &&
	    (!l->special_use || n->use_below);

	if (!matches(l, n->name) ||
	    (!selected(l, n) && !(below && n->hidden_below)))
		return;
	respond_list(s, l, n, below);
	if (l->status != 0 && n->info != NULL && n->info->selectable)
		respond_status(s, n->info, l->status);
}

/* An empty pattern asks for the delimiter and the root. */
static void list_root(struct session *s)
{
	out_text(s, "* LIST (\\Noselect) \"/\" \"\"");
	out_end(s);
}

void respond_list_one(struct session *s, const struct mailbox_info *info)
{
	struct list l = {.extended = true, .show_subscribed = true};
	struct list_names all;

	if (!list_names(s->box, &s->arena, &all))
		return;
	for (size_t i = 0; i < all.count; i++)
		if (all.names[i]->info == info)
			respond_list(s, &l, all.names[i], false);
}

static bool parse_list(struct session *s, struct command *c, struct list *l)
{
	struct str reference;

	return parser_space(&c->in) && selection_options(c, l) &&
	    parser_astring(&c->in, &reference) && parser_space(&c->in) &&
	    patterns(s, c, l, reference) && return_options(c, l) &&
	    parser_end(&c->in);
}

void cmd_list(struct session *s, struct command *c)
{
	struct list l = {0};
	struct list_names all;

	if (!parse_list(s, c, &l))
		return;
	if (!l.extended && l.pattern_count == 1 && l.patterns[0].len == 0) {
		list_root(s);
		reply_ok(s, c, NULL, "Done");
		return;
	}
	enum store_result r = box_refresh(s->box);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	if (status_has_modseq(l.status))
		session_enable_condstore(s);
	if (!list_names(s->box, &s->arena, &all)) {
		reply_no(s, c, "LIMIT", "Too many mailboxes");
		return;
	}
	if (l.recursive)
		mark_hidden(&l, &all);
	for (size_t i = 0; i < all.count && !s->dead; i++)
		list_one(s, &l, all.names[i]);
	reply_ok(s, c, NULL, "Done");
}

/* ---- LSUB (RFC 3501 section 6.3.9) ---- */

static void lsub_one(
    struct session *s, const struct list *l, const struct list_name *n)
{
	bool only_above = !n->subscribed;

	if (!matches(l, n->name))
		return;
	if (only_above) {
		/* With "%" a level above a subscribed name that does not
		 * match itself is shown as \Noselect. */
		bool percent = false;

		for (size_t i = 0; i < l->pattern_count; i++)
			percent |= str_ends(l->patterns[i], STR("%"));
		if (!percent || !n->subscribed_below)
			return;
	}
	out_text(
	    s, only_above ? "* LSUB (\\Noselect) \"/\" " : "* LSUB () \"/\" ");
	out_mailbox(s, n->name);
	out_end(s);
}

void cmd_lsub(struct session *s, struct command *c)
{
	struct list l = {0};
	struct list_names all;
	struct str reference, pattern;

	if (!parser_space(&c->in) || !parser_astring(&c->in, &reference) ||
	    !parser_space(&c->in) || !parser_pattern(&c->in, &pattern) ||
	    !add_pattern(s, c, &l, reference, pattern) || !parser_end(&c->in))
		return;
	enum store_result r = box_refresh(s->box);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	if (!list_names(s->box, &s->arena, &all)) {
		reply_no(s, c, "LIMIT", "Too many mailboxes");
		return;
	}
	for (size_t i = 0; i < all.count && !s->dead; i++)
		lsub_one(s, &l, all.names[i]);
	reply_ok(s, c, NULL, "Done");
}
