/* SPDX-License-Identifier: ISC */
/* Virtual aliases, applied until nothing changes. */
#include "core/log.h"
#include "core/table.h"
#include "lookup/directory.h"
#include "lookup/rewriting.h"

struct pending {
	struct str address;
	int depth;
};

struct work {
	struct directory *d;
	struct expansion *out;
	struct table seen;  /* addresses taken up, in lower case */
	struct table given; /* addresses in the result */
	struct pending *todo;
	size_t todo_count;
	size_t most; /* addresses in the result */
};

static void stop(struct work *k, int status, const char *text)
{
	directory_tell(k->d, "virtual_alias_maps",
	    status == RESOLVE_TEMPORARY ? "defer" : "reject", "%s", text);
	k->out->status = status;
	k->out->text = text;
}

/*
 * An array of the arena with room for one more: grown to twice its size when
 * it is full, the old one stays where it is. NULL, after stop, at the bound.
 */
static void *grow(
    struct work *k, void *array, size_t count, size_t size, size_t most)
{
	size_t room = count == 0 ? 16 : count * 2;
	void *more;

	if (count < most && (count & (count - 1)) == 0 &&
	    (count == 0 || count >= 16)) {
		more = arena_alloc(&k->d->arena, room * size);
		if (more == NULL)
			stop(k, RESOLVE_TEMPORARY, "out of memory");
		else if (count > 0)
			memcpy(more, array, count * size);
		return more;
	}
	if (count < most)
		return array;
	stop(k, RESOLVE_REFUSED,
	    "the aliases of this address lead to too many others "
	    "(virtual_alias_expansion_limit)");
	return NULL;
}

static void give(struct work *k, struct str address)
{
	struct expansion *e = k->out;
	struct str *array;

	if (table_put(&k->given, address, k) != NULL)
		return;
	array = grow(k, e->address, e->count, sizeof(*array), k->most);
	if (array == NULL)
		return;
	e->address = array;
	e->address[e->count++] = address;
}

static void push(struct work *k, struct str address, int depth)
{
	struct pending *array = grow(
	    k, k->todo, k->todo_count, sizeof(*array), k->most * 4);

	if (array == NULL)
		return;
	k->todo = array;
	k->todo[k->todo_count++] = (struct pending){address, depth};
}

/* The next address of a list; blanks and commas part them, but not inside
 * quotes. */
static struct str cut_target(struct str *list)
{
	bool quoted = false;
	size_t n = 0;

	while (list->len > 0 && strchr(", \t", list->p[0]) != NULL &&
	    list->p[0] != '\0')
		*list = str_skip(*list, 1);
	while (n < list->len) {
		char c = list->p[n];

		if (!quoted && (c == ',' || c == ' ' || c == '\t'))
			break;
		if (c == '\\' && quoted && n + 1 < list->len)
			n++;
		else if (c == '"')
			quoted = !quoted;
		n++;
	}
	struct str target = str_sub(*list, 0, n);
	*list = str_skip(*list, n);
	return target;
}

/* "@other" keeps the local part; a name alone is of $myorigin; +detail goes
 * on with an alias that was found without it. */
static struct str complete(struct directory *d, const struct who *from,
    enum alias_match match, struct str target)
{
	if (target.p[0] == '@')
		return directory_text(
		    d, "%.*s%.*s", STR_FMT(from->local), STR_FMT(target));
	if (str_find(target, '@') == target.len)
		target = directory_text(
		    d, "%.*s@%s", STR_FMT(target), d->myorigin);
	if (match != ALIAS_BASE || target.p[0] == '"' ||
	    !d->conf->propagate_unmatched_extensions)
		return target;
	size_t at = str_find_last(target, '@');
	return directory_text(d, "%.*s%.*s%.*s",
	    STR_FMT(str_sub(target, 0, at)), STR_FMT(from->detail),
	    STR_FMT(str_skip(target, at)));
}

static void take_targets(struct work *k, const struct pending *p,
    const struct who *w, enum alias_match match, const char *rule,
    struct str list)
{
	struct str target;

	if (p->depth >= k->d->conf->virtual_alias_recursion_limit) {
		stop(k, RESOLVE_REFUSED,
		    "too many aliases lead to one another "
		    "(virtual_alias_recursion_limit)");
		return;
	}
	while (k->out->status == RESOLVE_OK &&
	    (target = cut_target(&list)).len > 0) {
		struct str full = complete(k->d, w, match, target);
		struct who t;

		if (full.len == 0)
			continue;
		directory_tell(k->d, rule, "expands", "%.*s", STR_FMT(full));
		if (directory_who(k->d, full, &t) < 0)
			give(k, full); /* its delivery will say why not */
		else if (str_eq(t.address, w->address))
			give(k, p->address); /* to itself: it is meant */
		else
			push(k, full, p->depth + 1);
	}
}

/* Postmaster of a domain of ours that has none. */
static bool take_postmaster(
    struct work *k, const struct pending *p, const struct who *w)
{
	const char *recipient = k->d->conf->postmaster_recipient;
	enum domain_class class;
	struct str relay, account;
	struct settings s;

	if (!str_eq(w->base, STR("postmaster")) || recipient[0] == '\0' ||
	    directory_domain(k->d, w->domain, &class, &relay) != MAP_FOUND ||
	    class == CLASS_RELAY ||
	    directory_user(k->d, w, &account, &s) != MAP_NONE)
		return false;
	take_targets(
	    k, p, w, ALIAS_EXACT, "postmaster_recipient", str_from(recipient));
	return true;
}

/* A sender that was rewritten here: whom it stands for. */
static void take_rewritten(struct work *k, const struct pending *p)
{
	struct rewriting_refusal why;
	struct str original;
	int status = rewriting_reverse(k->d, p->address, &original, &why);

	if (status == RESOLVE_OK) {
		push(k, original, p->depth + 1);
		return;
	}
	k->out->status = status;
	k->out->text = why.text;
}

static void take(struct work *k, const struct pending *p)
{
	enum alias_match match;
	struct str targets;
	struct who w;

	if (directory_who(k->d, p->address, &w) < 0) {
		give(k, p->address);
		return;
	}
	if (table_put(&k->seen, w.address, k) != NULL) {
		/* a loop, or two ways to one address */
		directory_tell(k->d, "virtual_alias_maps", "dunno",
		    "%.*s was met before and is not taken up again",
		    STR_FMT(w.address));
		return;
	}
	k->d->about = w.address;
	if (rewriting_is_ours(k->d, &w)) {
		take_rewritten(k, p);
		return;
	}
	switch (directory_alias(k->d, &w, &targets, &match)) {
	case MAP_FOUND:
		take_targets(k, p, &w, match, k->d->aliased_by, targets);
		break;
	case MAP_NONE:
		if (!take_postmaster(k, p, &w))
			give(k, p->address);
		break;
	case MAP_ERROR:
		stop(k, RESOLVE_TEMPORARY, "the directory is away");
		break;
	}
}

void directory_expand_within(
    struct directory *d, struct str address, struct expansion *out)
{
	struct work k = {.d = d, .out = out};
	struct str before = d->about;

	k.most = (size_t)d->conf->virtual_alias_expansion_limit;
	*out = (struct expansion){.status = RESOLVE_OK, .text = ""};
	if (str_find(address, '@') == address.len)
		address = directory_text(
		    d, "%.*s@%s", STR_FMT(address), d->myorigin);
	d->about = address;
	push(&k, address, 0);
	for (size_t i = 0; i < k.todo_count && out->status == RESOLVE_OK; i++)
		take(&k, &k.todo[i]);
	if (out->status == RESOLVE_OK && out->count == 0)
		stop(&k, RESOLVE_REFUSED,
		    "the aliases of this address lead in a circle");
	d->about = before;
	table_free(&k.seen);
	table_free(&k.given);
}

void directory_expand(
    struct directory *d, struct str address, struct expansion *out)
{
	arena_clear(&d->arena);
	d->about = STR_EMPTY;
	directory_expand_within(d, arena_copy(&d->arena, address), out);
}
