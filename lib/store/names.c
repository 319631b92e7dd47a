/* SPDX-License-Identifier: ISC */
/* Mailboxes: names, list, create, delete, rename, subscribe. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "store/box.h"
#include "store/seeded.h"

#define LEVELS_MAX 50

/* ---- names ---- */

/* Octets of the UTF-8 character at p, 0: not UTF-8 or a control character
 * (RFC 9051 5.1). */
static size_t character(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80    ? 1
	    : (p[0] & 0xe0) == 0xc0 ? 2
	    : (p[0] & 0xf0) == 0xe0 ? 3
	    : (p[0] & 0xf8) == 0xf0 ? 4
				    : 0;
	uint32_t code = len < 2 ? p[0] : p[0] & (0x7fu >> len);

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000) || code < 0x20 ||
	    (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029)
		return 0;
	return len;
}

static bool name_ok(struct str name)
{
	size_t levels = 1;
	struct str rest = name;

	if (name.len == 0 || name.len > MAILBOX_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len;) {
		size_t len = character(
		    (const unsigned char *)name.p + i, name.len - i);

		if (len == 0)
			return false;
		levels += name.p[i] == '/';
		i += len;
	}
	if (levels > LEVELS_MAX || name.p[name.len - 1] == '/')
		return false;
	while (rest.len > 0)
		if (str_cut(&rest, '/').len == 0)
			return false;
	return true;
}

bool name_normalize(struct str name, char *space, struct str *out)
{
	struct str rest = name;

	if (!name_ok(name))
		return false;
	*out = name;
	if (str_case_eq(str_cut(&rest, '/'), STR("INBOX"))) {
		memcpy(space, name.p, name.len);
		memcpy(space, "INBOX", 5);
		*out = str_of(space, name.len);
	}
	return true;
}

static enum store_result normal(
    struct box *b, struct str name, char *space, struct str *out)
{
	return name_normalize(name, space, out)
	    ? STORE_OK
	    : box_fail(b, STORE_BAD_NAME, "not a mailbox name");
}

/* ---- looking ---- */

size_t box_mailboxes(struct box *b, const struct mailbox_info *const **out)
{
	*out = state_list(&b->state);
	return b->state.folder_count;
}

const struct mailbox_info *box_find(struct box *b, struct str name)
{
	char space[MAILBOX_NAME_MAX];
	struct str whole;
	struct folder *f;

	if (!name_normalize(name, space, &whole))
		return NULL;
	f = state_folder_named(&b->state, whole);
	return f == NULL ? NULL : &f->info;
}

const struct mailbox_info *box_find_id(struct box *b, uint32_t id)
{
	struct folder *f = state_folder(&b->state, id);

	return f == NULL ? NULL : &f->info;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

size_t box_subscriptions(struct box *b, struct arena *arena, struct str **names)
{
	size_t at = 0, count = 0;
	struct str key;
	void *value;

	*names = arena_alloc(
	    arena, (b->state.subscriptions.count + 1) * sizeof(**names));
	if (*names == NULL)
		return 0;
	while (table_next(&b->state.subscriptions, &at, &key, &value))
		(*names)[count++] = arena_copy(arena, key);
	qsort(*names, count, sizeof(**names), by_name);
	return count;
}

/* ---- creating ---- */

static const struct new_mailbox *created_now(
    const struct change *c, struct str name)
{
	for (size_t i = 0; i < c->mailbox_count; i++)
		if (str_eq(c->mailboxes[i].name, name))
			return &c->mailboxes[i];
	return NULL;
}

/* max(time, the box's last + 1) (RFC 9051 2.3.1.1). */
static uint32_t next_uidvalidity(const struct change *c)
{
	uint32_t last = c->b->state.last_uidvalidity;
	uint32_t now = (uint32_t)clock_seconds();

	if (c->mailbox_count > 0)
		last = c->mailboxes[c->mailbox_count - 1].uidvalidity;
	return now > last || seeded("uidvalidity-is-the-time") ? now : last + 1;
}

enum store_result change_create_one(struct change *c, struct str name,
    enum special_use use, bool selectable, uint32_t *id, uint32_t *uidvalidity)
{
	const struct state *s = &c->b->state;
	struct record r = {.type = RECORD_MAILBOX};

	if (s->folder_count + c->mailbox_count >= MAILBOXES_MAX)
		return box_fail(c->b, STORE_LIMIT, "too many mailboxes");
	if (c->mailbox_count == c->mailbox_room) {
		c->mailbox_room = c->mailbox_room * 2 + 4;
		c->mailboxes = mem_resize(
		    c->mailboxes, c->mailbox_room, sizeof(*c->mailboxes));
	}
	*id = s->next_mailbox + (uint32_t)c->mailbox_count;
	*uidvalidity = next_uidvalidity(c);
	name = arena_copy(&c->arena, name);
	c->mailboxes[c->mailbox_count++] = (struct new_mailbox){
	    name, *id, *uidvalidity};
	r.mailbox = (struct record_mailbox){*id, *uidvalidity, (uint32_t)use,
	    selectable ? 0 : MAILBOX_UNSELECTABLE, c->modseq, name};
	change_put(c, &r);
	return STORE_OK;
}

/* A name that only has levels below it makes room for a mailbox. */
static void displace(struct change *c, const struct folder *f)
{
	struct record r = {.type = RECORD_DELETE};

	r.delete = (struct record_delete){
	    f->info.id, c->modseq, 0, 0, clock_seconds()};
	change_put(c, &r);
}

/* The levels above a name (RFC 9051 6.3.4). */
static enum store_result create_above(struct change *c, struct str name)
{
	uint32_t id, uidvalidity;

	for (size_t i = 0; i < name.len; i++) {
		struct str above = str_sub(name, 0, i);
		enum store_result r;

		if (name.p[i] != '/' ||
		    state_folder_named(&c->b->state, above) != NULL ||
		    created_now(c, above) != NULL)
			continue;
		r = change_create_one(
		    c, above, USE_NONE, true, &id, &uidvalidity);
		if (r != STORE_OK)
			return r;
	}
	return STORE_OK;
}

enum store_result change_create(struct change *c, struct str name,
    enum special_use use, uint32_t *id, uint32_t *uidvalidity)
{
	char space[MAILBOX_NAME_MAX];
	struct str whole;
	const struct folder *f;
	const struct new_mailbox *made;
	enum store_result r = normal(c->b, name, space, &whole);

	if (r != STORE_OK)
		return r;
	made = created_now(c, whole);
	if (made != NULL) {
		*id = made->id;
		*uidvalidity = made->uidvalidity;
		return STORE_OK;
	}
	f = state_folder_named(&c->b->state, whole);
	if (f != NULL && f->info.selectable)
		return box_fail(c->b, STORE_EXISTS, "the mailbox exists");
	r = create_above(c, whole);
	if (r != STORE_OK)
		return r;
	if (f != NULL)
		displace(c, f);
	return change_create_one(c, whole, use, true, id, uidvalidity);
}

struct naming {
	struct str name, to;
	enum special_use use;
	bool on;
};

/* At most one mailbox has a use (RFC 6154 5.2 leaves it to the server). */
static bool use_taken(const struct state *s, enum special_use use)
{
	for (size_t i = 0; i < s->folder_count; i++)
		if (s->folders[i]->info.use == (int)use)
			return true;
	return false;
}

static enum store_result decide_create(struct change *c)
{
	const struct naming *n = c->arg;
	uint32_t id, uidvalidity;

	if (n->use != USE_NONE && use_taken(&c->b->state, n->use))
		return box_fail(
		    c->b, STORE_LIMIT, "another mailbox has this special use");
	return change_create(c, n->name, n->use, &id, &uidvalidity);
}

enum store_result box_create(
    struct box *b, struct str name, enum special_use use)
{
	struct naming n = {.name = name, .use = use};
	struct change c = {.decide = decide_create, .arg = &n};

	return box_change(b, &c);
}

/* ---- deleting ---- */

static bool is_below(struct str name, struct str above)
{
	return name.len > above.len && str_starts(name, above) &&
	    name.p[above.len] == '/';
}

static bool has_below(const struct state *s, struct str name)
{
	for (size_t i = 0; i < s->folder_count; i++)
		if (is_below(s->folders[i]->info.name, name))
			return true;
	return false;
}

static enum store_result decide_delete(struct change *c)
{
	const struct naming *n = c->arg;
	struct record r = {.type = RECORD_DELETE};
	const struct folder *f;
	uint32_t id, uidvalidity;
	bool below;

	f = state_folder_named(&c->b->state, n->name);
	if (f == NULL)
		return box_fail(c->b, STORE_NO_MAILBOX, "no such mailbox");
	if (c->b->state.dead_count >= MAILBOXES_MAX &&
	    folder_remains(&c->b->state, f))
		return box_fail(c->b, STORE_LIMIT,
		    "too many deleted mailboxes are not erased yet");
	below = has_below(&c->b->state, n->name);
	if (below && !f->info.selectable)
		return box_fail(
		    c->b, STORE_LIMIT, "there are mailboxes below this one");
	r.delete = (struct record_delete){f->info.id, c->modseq,
	    f->info.messages, f->info.octets, clock_seconds()};
	change_put(c, &r);
	if (below) /* the name stays as a level (RFC 9051 6.3.5) */
		return change_create_one(
		    c, f->info.name, USE_NONE, false, &id, &uidvalidity);
	return STORE_OK;
}

enum store_result box_delete(struct box *b, struct str name)
{
	char space[MAILBOX_NAME_MAX];
	struct naming n = {0};
	struct change c = {.decide = decide_delete, .arg = &n, .frees = true};
	enum store_result r = normal(b, name, space, &n.name);

	if (r != STORE_OK)
		return r;
	if (str_eq(n.name, STR("INBOX")))
		return box_fail(b, STORE_BAD_NAME, "INBOX stays");
	return box_change(b, &c);
}

/* ---- renaming ---- */

static void put_rename(
    struct change *c, const struct folder *f, struct str name)
{
	struct record r = {.type = RECORD_RENAME};

	r.rename = (struct record_rename){f->info.id, c->modseq, name};
	change_put(c, &r);
}

/* Everything below moves along. */
static enum store_result rename_below(
    struct change *c, struct str from, struct str to)
{
	const struct state *s = &c->b->state;

	for (size_t i = 0; i < s->folder_count; i++) {
		const struct folder *f = s->folders[i];
		char name[2 * MAILBOX_NAME_MAX];
		struct str tail;

		if (!is_below(f->info.name, from))
			continue;
		tail = str_skip(f->info.name, from.len);
		if (to.len + tail.len > MAILBOX_NAME_MAX)
			return box_fail(c->b, STORE_BAD_NAME,
			    "a mailbox below would get too long a name");
		memcpy(name, to.p, to.len);
		memcpy(name + to.len, tail.p, tail.len);
		put_rename(c, f, str_of(name, to.len + tail.len));
	}
	return STORE_OK;
}

/* RENAME of INBOX moves its messages and leaves it empty. */
static enum store_result rename_inbox(
    struct change *c, struct folder *inbox, struct str to)
{
	uint32_t id, uidvalidity;
	enum store_result r = change_create(c, to, USE_NONE, &id, &uidvalidity);

	return r == STORE_OK ? change_move_all(c, inbox, id) : r;
}

static enum store_result decide_rename(struct change *c)
{
	const struct naming *n = c->arg;
	const struct state *s = &c->b->state;
	struct folder *f = state_folder_named(s, n->name);
	enum store_result r;

	if (f == NULL)
		return box_fail(c->b, STORE_NO_MAILBOX, "no such mailbox");
	if (state_folder_named(s, n->to) != NULL)
		return box_fail(c->b, STORE_EXISTS, "the name is taken");
	if (str_eq(n->name, STR("INBOX")))
		return rename_inbox(c, f, n->to);
	if (is_below(n->to, n->name))
		return box_fail(
		    c->b, STORE_BAD_NAME, "a mailbox cannot go below itself");
	r = create_above(c, n->to);
	if (r != STORE_OK)
		return r;
	put_rename(c, f, n->to);
	return rename_below(c, n->name, n->to);
}

enum store_result box_rename(struct box *b, struct str from, struct str to)
{
	char space[2][MAILBOX_NAME_MAX];
	struct naming n = {0};
	struct change c = {.decide = decide_rename, .arg = &n};
	enum store_result r = normal(b, from, space[0], &n.name);

	if (r == STORE_OK)
		r = normal(b, to, space[1], &n.to);
	if (r == STORE_OK && str_eq(n.name, STR("INBOX"))) {
		const struct folder *f = state_folder_named(&b->state, n.name);

		if (f != NULL)
			box_warm(b, f->info.id, NULL);
	}
	return r == STORE_OK ? box_change(b, &c) : r;
}

/* ---- subscribing ---- */

static enum store_result decide_subscribe(struct change *c)
{
	const struct naming *n = c->arg;
	const struct state *s = &c->b->state;
	struct record r = {.type = RECORD_SUBSCRIBE};

	if ((table_get(&s->subscriptions, n->name) != NULL) == n->on)
		return STORE_OK;
	if (n->on && s->subscriptions.count >= MAILBOXES_MAX)
		return box_fail(c->b, STORE_LIMIT, "too many subscriptions");
	r.subscribe = (struct record_subscribe){n->on, n->name};
	change_put(c, &r);
	return STORE_OK;
}

enum store_result box_subscribe(struct box *b, struct str name, bool on)
{
	char space[MAILBOX_NAME_MAX];
	struct naming n = {.on = on};
	struct change c = {.decide = decide_subscribe, .arg = &n};
	enum store_result r = normal(b, name, space, &n.name);

	return r == STORE_OK ? box_change(b, &c) : r;
}
