/* SPDX-License-Identifier: ISC */
/* COPY and MOVE (RFC 9051 sections 6.4.7 and 6.4.8). */
#include "imapd/response.h"
#include "imapd/write.h"

#define CODE_MAX ((size_t)2 << 20) /* two sets of uids, at their worst */

static void copy_code(uint32_t uidvalidity, struct uid_set from,
    struct uid_set to, struct buf *code)
{
	if (from.count == 0)
		return;
	buf_add_text(code, "COPYUID ");
	buf_add_u64(code, uidvalidity);
	buf_add_char(code, ' ');
	put_uids(code, from.uids, from.count);
	buf_add_char(code, ' ');
	put_uids(code, to.uids, to.count);
	/* Clients do without rather than with half of it. */
	if (code->overflow)
		buf_free(code);
}

static void copy(struct session *s, struct command *c, bool move)
{
	struct ranges seqs;
	struct uid_set uids, from = {NULL, 0}, to = {NULL, 0};
	struct str name;
	uint32_t uidvalidity = 0;

	if (!parser_space(&c->in) || !arg_messages(s, c, &seqs) ||
	    !parser_space(&c->in) || !arg_mailbox(s, c, &name) ||
	    !parser_end(&c->in))
		return;
	if (move && s->read_only) {
		reply_no(s, c, "CANNOT", "The mailbox is read-only");
		return;
	}
	if (!messages_to_uids(s, &seqs, &uids)) {
		reply_no(s, c, "LIMIT", "Too many messages at once");
		return;
	}
	enum store_result r = box_refresh(s->box);
	const struct mailbox_info *info = r == STORE_OK ? box_find(s->box, name)
							: NULL;
	if (r == STORE_OK && (info == NULL || !info->selectable)) {
		reply_no(s, c, "TRYCREATE", result_text(STORE_NO_MAILBOX));
		return;
	}
	if (r == STORE_OK && uids.count == 0) {
		reply_ok(s, c, NULL, "There are no such messages");
		return;
	}
	if (r == STORE_OK)
		r = box_copy(s->box, s->mailbox, uids, name, move, &s->arena,
		    &from, &to, &uidvalidity);
	if (r != STORE_OK) {
		reply_result(s, c, r, "");
		return;
	}
	struct buf code = buf_new(CODE_MAX);
	copy_code(uidvalidity, from, to, &code);
	if (move && code.len > 0) {
		out_text(s, "* OK [");
		out_str(s, buf_str(&code));
		out_text(s, "] Moved");
		out_end(s);
		buf_clear(&code);
	}
	reply_ok(s, c, code.len > 0 ? buf_text(&code) : NULL,
	    move ? "Moved" : "Copied");
	buf_free(&code);
}

void cmd_copy(struct session *s, struct command *c)
{
	copy(s, c, false);
}

void cmd_move(struct session *s, struct command *c)
{
	copy(s, c, true);
}
