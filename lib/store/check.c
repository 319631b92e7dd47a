/* SPDX-License-Identifier: ISC */
/* Proving every invariant of a box: the order of things, and findings. */
#include "store/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

#define ROUNDS 5 /* looks at a box from which upkeep takes away */

/* ---- findings ---- */

void check_found(struct check *c, enum finding_kind kind,
    const struct check_at *at, const char *format, ...)
{
	struct store_finding *f;
	va_list args;

	c->out.findings++;
	if (c->finding_count == FINDINGS_MOST)
		return;
	if (c->findings == NULL)
		c->findings = mem_array(FINDINGS_MOST, sizeof(*c->findings));
	f = &c->findings[c->finding_count++];
	f->kind = kind;
	memcpy(f->file, at->file, sizeof(f->file));
	f->offset = at->offset;
	f->mailbox = at->mailbox;
	f->uid = at->uid;
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
}

struct check_at at_box(void)
{
	return (struct check_at){.file = ""};
}

struct check_at at_generation(uint64_t number, uint64_t offset)
{
	struct check_at at = {.offset = offset};

	snprintf(
	    at.file, sizeof(at.file), "g.%llu", (unsigned long long)number);
	return at;
}

struct check_at at_snapshot(uint64_t number, uint64_t offset)
{
	struct check_at at = {.offset = offset};

	snprintf(
	    at.file, sizeof(at.file), "s.%llu", (unsigned long long)number);
	return at;
}

/* A name that fits into a phrase: cut, but not within a character. */
static int cut(struct str name)
{
	size_t len = name.len < 60 ? name.len : 60;

	while (len < name.len && len > 0 &&
	    ((unsigned char)name.p[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}

struct check_name check_folder_name(const struct folder *f)
{
	struct check_name out;

	snprintf(out.text, sizeof(out.text), "%.*s%s%s", cut(f->info.name),
	    f->info.name.p,
	    cut(f->info.name) < (int)f->info.name.len ? "..." : "",
	    f->dead_modseq != 0 ? " (deleted)" : "");
	return out;
}

struct check_name check_message_name(
    const struct state *s, uint32_t mailbox, uint32_t uid)
{
	const struct folder *f = state_folder(s, mailbox);
	struct check_name out;

	if (f == NULL)
		f = state_dead(s, mailbox);
	if (f == NULL)
		snprintf(out.text, sizeof(out.text), "message %u of mailbox %u",
		    uid, mailbox);
	else
		snprintf(out.text, sizeof(out.text), "message %u of %.80s", uid,
		    check_folder_name(f).text);
	return out;
}

enum store_result check_fail(
    struct check *c, enum store_result r, const char *why)
{
	snprintf(c->out.why, sizeof(c->out.why), "%s", why);
	return r;
}

struct folder *check_folder(const struct state *s, size_t i)
{
	if (i < s->folder_count)
		return s->folders[i];
	i -= s->folder_count;
	return i < s->dead_count ? s->dead[i] : NULL;
}

/* ---- what others do meanwhile ---- */

/* A handle that only looks, with nothing read yet. */
static struct box *look(struct check *c)
{
	struct box *b;

	if (box_new(c->store, c->account, &b) != STORE_OK)
		return NULL;
	engine_look_only(b->engine);
	return b;
}

/* The box as it is by now. False when it cannot be read. */
static bool catch_up(struct check *c)
{
	bool fresh = c->now == NULL;
	enum store_result r;

	if (fresh)
		c->now = look(c);
	if (c->now == NULL)
		return false;
	r = fresh ? box_reload(c->now, false) : box_refresh(c->now);
	return r == STORE_OK;
}

bool check_still(struct check *c, uint32_t mailbox, uint32_t uid, uint64_t gone)
{
	struct folder *f;

	if (!catch_up(c))
		return true;
	if (c->now->state.incarnation != c->log->state.incarnation) {
		c->again = true; /* removed, and begun anew */
		return false;
	}
	if (gone != 0)
		return gone > c->now->state.horizon;
	if (c->now->state.horizon <= c->seen.modseq)
		return true;
	f = state_folder(&c->now->state, mailbox);
	return f != NULL && folder_load(c->now, f) == STORE_OK &&
	    folder_message(f, uid) != NULL;
}

bool check_still_kept(struct check *c, uint64_t number)
{
	return !catch_up(c) || check_kept(c->now, number);
}

bool check_still_announced(struct check *c, uint64_t number)
{
	return !catch_up(c) || c->now->state.snapshot.number == number;
}

/* ---- the check ---- */

static void clear(struct check *c)
{
	check_log_clear(c);
	check_bodies_clear(c);
	free(c->snapshots);
	c->snapshots = NULL;
	c->snapshot_count = 0;
	box_close(&c->log);
	box_close(&c->other);
	box_close(&c->now);
}

/* Nothing on disk, or nothing but what cannot be read any more. */
static enum store_result without_log(struct check *c)
{
	struct check_at at = at_box();
	uint64_t number;
	enum engine_status s = engine_snapshot_newest(
	    c->other->engine, UINT64_MAX, &number);

	if (s != ENGINE_OK)
		return check_fail(c, STORE_ERROR, engine_why(c->other->engine));
	if (number != 0)
		check_found(c, FINDING_DAMAGE, &at,
		    "there are snapshots, and no generation of the log");
	return check_files(c);
}

static enum store_result look_at_all(struct check *c)
{
	struct check_at at = at_box();
	enum store_result r = check_snapshots(c);

	if (r == STORE_OK)
		r = check_log(c);
	if (r != STORE_OK || c->again)
		return r;
	check_snapshots_end(c);
	if (c->no_state)
		return STORE_OK;
	check_counts(c, &c->log->state, &at);
	c->out.messages = c->log->state.usage.messages;
	c->out.octets = c->log->state.usage.octets;
	check_bodies(c);
	r = check_files(c);
	/* Some of what was folded stands in the snapshot that folding began
	 * with. */
	if (c->finding_count > 0 && c->log->state.base != 0 &&
	    !check_still_kept(c, c->log->state.base))
		c->again = true;
	return r;
}

static enum store_result check_once(struct check *c)
{
	enum engine_status s;

	c->again = c->damaged = c->senseless = c->no_state = false;
	c->frames_at = c->bodies_at = c->announced = 0;
	c->finding_count = 0;
	memset(&c->out, 0, sizeof(c->out));
	memset(&c->seen, 0, sizeof(c->seen));
	c->log = look(c);
	c->other = look(c);
	if (c->log == NULL || c->other == NULL)
		return check_fail(c, STORE_BAD_NAME, "not an account");
	s = engine_generations(
	    c->other->engine, &c->oldest, &c->first, &c->newest);
	if (s != ENGINE_OK)
		return check_fail(
		    c, box_status(c->other, s), engine_why(c->other->engine));
	return c->newest == 0 ? without_log(c) : look_at_all(c);
}

enum store_result box_check(struct store *s, struct str account, bool deep,
    void (*found)(void *arg, const struct store_finding *f), void *arg,
    struct check_result *out)
{
	struct check c = {.store = s, .account = account, .deep = deep};
	enum store_result r;
	unsigned round = 0;

	do {
		r = check_once(&c);
		clear(&c);
	} while (r == STORE_OK && c.again && ++round < ROUNDS);
	if (r == STORE_OK && c.again)
		r = check_fail(&c, STORE_BUSY,
		    "upkeep takes away what is being looked at");
	for (size_t i = 0; found != NULL && i < c.finding_count; i++)
		found(arg, &c.findings[i]);
	*out = c.out;
	free(c.findings);
	return r;
}
