/* SPDX-License-Identifier: ISC */
/* For tests: what a box shows, as text, so that two can be compared. Each
 * test includes it once. */
#ifndef STORE_PICTURE_H
#define STORE_PICTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/checksum.h"
#include "store/box.h"

#define PICTURE_MAX ((size_t)64 << 20)

/* "uid:flags:keywords:text" of each message; long texts as their hash. */
static void picture_messages(struct box *b, uint32_t mailbox, struct buf *out)
{
	struct buf text = buf_new(PICTURE_MAX);
	const struct mailbox_info *info;
	struct view *v;

	/* Which may read the box anew. */
	assert_int_equal(view_open(b, mailbox, &v), STORE_OK);
	info = box_find_id(b, mailbox);
	for (uint32_t i = 1; i <= view_count(v); i++) {
		const struct message *m = view_message(v, i);
		const char *between = "";

		buf_printf(out, "%s%u:%u:", i > 1 ? " " : "", m->uid, m->flags);
		for (size_t k = 0; k < info->keyword_count; k++) {
			if (!(m->keywords & UINT64_C(1) << k))
				continue;
			buf_printf(
			    out, "%s%.*s", between, STR_FMT(info->keywords[k]));
			between = ",";
		}
		buf_clear(&text);
		assert_int_equal(
		    view_read(v, i, 0, UINT64_MAX, &text), STORE_OK);
		buf_add_char(out, ':');
		if (text.len < 40)
			buf_add(out, buf_str(&text));
		else
			buf_printf(out, "%016llx",
			    (unsigned long long)hash64(0, text.p, text.len));
	}
	view_close(&v);
	buf_free(&text);
}

__attribute__((unused)) static const char *picture_rows(
    struct box *b, struct str mailbox, struct arena *arena)
{
	struct buf out = buf_new(PICTURE_MAX);
	const struct mailbox_info *info = box_find(b, mailbox);
	struct str copy;

	if (info == NULL)
		return "no mailbox";
	picture_messages(b, info->id, &out);
	copy = arena_copy(arena, buf_str(&out));
	buf_free(&out);
	assert_non_null(copy.p);
	return copy.p;
}

/* Everything: names, uses, subscriptions, messages; with `ids`, what clients
 * keep of a mailbox too. In the arena. */
__attribute__((unused)) static const char *picture(
    struct box *b, bool ids, struct arena *arena)
{
	struct buf out = buf_new(PICTURE_MAX);
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(b, &list);
	struct str *names, copy;

	for (size_t i = 0; i < count; i++) {
		const struct mailbox_info *info = box_find_id(b, list[i]->id);

		buf_printf(&out, "%.*s use %d%s ", STR_FMT(info->name),
		    info->use, info->selectable ? "" : " level");
		if (ids)
			buf_printf(&out, "id %u uidvalidity %u uidnext %u ",
			    info->id, info->uidvalidity, info->uidnext);
		buf_printf(&out, "messages %u unseen %u deleted %u octets %u: ",
		    (unsigned)info->messages, (unsigned)info->unseen,
		    (unsigned)info->deleted, (unsigned)info->octets);
		if (info->selectable)
			picture_messages(b, info->id, &out);
		buf_add_char(&out, '\n');
		/* Loading a mailbox may have read the box anew. */
		count = box_mailboxes(b, &list);
	}
	count = box_subscriptions(b, arena, &names);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "subscribed %.*s\n", STR_FMT(names[i]));
	buf_printf(&out, "%u messages, %u octets\n",
	    (unsigned)box_usage(b).messages, (unsigned)box_usage(b).octets);
	copy = arena_copy(arena, buf_str(&out));
	buf_free(&out);
	assert_non_null(copy.p);
	return copy.p;
}

/* Fails with what stands around the first difference. */
__attribute__((unused)) static void same_picture(
    const char *got, const char *want)
{
	size_t at = 0;

	while (got[at] != '\0' && got[at] == want[at])
		at++;
	if (got[at] == want[at])
		return;
	at = at > 100 ? at - 100 : 0;
	fail_msg("...%.200s\ninstead of\n...%.200s", got + at, want + at);
}

#endif
