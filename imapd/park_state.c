/* SPDX-License-Identifier: ISC */
#include "imapd/park_state.h"

#include <stdlib.h>

#include "core/memory.h"

#include "imapd/command.h"
#include "imapd/set.h"
#include "imapd/write.h"

/* As it stands in the line; short names, thousands are kept. */
struct line {
	bool selected, readonly;
	uint64_t enabled, bad;
	uint64_t octets, messages; /* the quota */
	uint64_t mailbox, uidvalidity, uidnext, count, expunged, flags, hash;
	uint64_t keywords;
	struct str idle, saved;
};

static const struct ipc_field fields[] = {
    IPC_BOOL(struct line, selected),
    IPC_BOOL(struct line, readonly),
    IPC_U64(struct line, enabled, 0, ENABLED_ALL),
    IPC_U64(struct line, bad, 0, 10000),
    IPC_U64(struct line, octets, 0, UINT64_MAX),
    IPC_U64(struct line, messages, 0, UINT64_MAX),
    IPC_U64(struct line, mailbox, 0, UINT32_MAX),
    IPC_U64(struct line, uidvalidity, 0, UINT32_MAX),
    IPC_U64(struct line, uidnext, 0, UINT32_MAX),
    IPC_U64(struct line, count, 0, UINT32_MAX),
    IPC_U64(struct line, expunged, 0, UINT64_MAX),
    IPC_U64(struct line, flags, 0, UINT64_MAX),
    IPC_U64(struct line, hash, 0, UINT64_MAX),
    IPC_U64(struct line, keywords, 0, MAILBOX_KEYWORDS_MAX),
    IPC_TEXT(struct line, idle, 0, COMMAND_TAG_MAX),
    IPC_TEXT(struct line, saved, 0, PARK_SAVED_MAX),
    IPC_END,
};
/* The name has the version. */
static const struct ipc_type type = {"imap1", fields};
static const struct ipc_type *const types[] = {&type, NULL};
static const struct ipc_exchange exchange = {"parked", 1, types};

int park_state_encode(const struct park_state *s, struct buf *out)
{
	struct line l = {
	    .selected = s->selected,
	    .readonly = s->read_only,
	    .enabled = s->enabled,
	    .bad = s->bad_in_a_row,
	    .octets = s->quota_octets,
	    .messages = s->quota_messages,
	    .mailbox = s->view.mailbox,
	    .uidvalidity = s->view.uidvalidity,
	    .uidnext = s->view.uidnext,
	    .count = s->view.count,
	    .expunged = s->view.expunged_at,
	    .flags = s->view.flags_at,
	    .hash = s->view.hash,
	    .keywords = s->keywords_told,
	    .idle = s->idle,
	    .saved = s->saved,
	};

	return ipc_encode(out, &type, &l);
}

/* A tag, for it is sent as it is. */
static bool is_tag(struct str s)
{
	return str_eq(command_tag(s), s) && !str_eq(s, STR("*"));
}

int park_state_decode(
    char *line, size_t len, struct park_state *out, const char **why)
{
	struct line l;

	if (len == 0 || line[len - 1] != '\n') {
		*why = "it does not end";
		return -1;
	}
	if (ipc_decode(&exchange, line, len - 1, &l, why) == NULL)
		return -1;
	if (l.idle.len > 0 && !is_tag(l.idle)) {
		*why = "the tag of IDLE";
		return -1;
	}
	*out = (struct park_state){
	    .selected = l.selected,
	    .read_only = l.readonly,
	    .enabled = (unsigned)l.enabled,
	    .bad_in_a_row = (unsigned)l.bad,
	    .quota_octets = l.octets,
	    .quota_messages = l.messages,
	    .view = {.mailbox = (uint32_t)l.mailbox,
		.uidvalidity = (uint32_t)l.uidvalidity,
		.uidnext = (uint32_t)l.uidnext,
		.count = (uint32_t)l.count,
		.expunged_at = l.expunged,
		.flags_at = l.flags,
		.hash = l.hash},
	    .keywords_told = (size_t)l.keywords,
	    .idle = l.idle,
	    .saved = l.saved,
	};
	return 0;
}

int park_saved_encode(const uint32_t *uids, size_t count, struct buf *out)
{
	put_uids(out, uids, count);
	return out->overflow || out->len > PARK_SAVED_MAX ? -1 : 0;
}

static size_t fill(const struct ranges *r, uint32_t *uids)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		for (uint64_t uid = r->r[i].first; uid <= r->r[i].last; uid++)
			uids[n++] = (uint32_t)uid;
	return n;
}

int park_saved_decode(
    struct str text, size_t most, uint32_t **uids, size_t *count)
{
	struct arena arena = arena_new((size_t)1 << 20);
	struct ranges r = {0};
	struct set set;
	const char *why;
	int result = 0;

	*uids = NULL;
	*count = 0;
	if (text.len == 0)
		return 0;
	if (set_parse(text, &arena, &set, &why) < 0 || set.saved ||
	    set_normalize(&set, UINT32_MAX, &arena, &r) < 0 || r.total > most) {
		result = -1;
	} else {
		*uids = mem_array((size_t)r.total, sizeof(**uids));
		*count = fill(&r, *uids);
	}
	arena_free(&arena);
	return result;
}
