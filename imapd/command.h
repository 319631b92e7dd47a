/* SPDX-License-Identifier: ISC */
/*
 * The commands: one row each, with the states in which they are allowed.
 * Every cmd_ function parses its arguments from c->in, acts, and sends one
 * tagged reply.
 */
#ifndef IMAPD_COMMAND_H
#define IMAPD_COMMAND_H

#include "imapd/parser.h"
#include "imapd/session.h"

#define COMMAND_TAG_MAX 128 /* octets, as in ipc/session.h */

/* What the client is told before the tagged reply. */
enum command_sync {
	SYNC_NONE,
	SYNC_FLAGS, /* no EXPUNGE: RFC 9051 section 7.5.1 */
	SYNC_ALL
};

struct command {
	struct str tag;
	struct parser in;
	bool uid; /* "UID FETCH" and its like */
	enum command_sync sync;
	bool replied;
};

/* Runs the command that stands in text. */
void command_run(struct session *s, struct str text);
/* A command's tag for an answer before it is parsed; "*" when malformed. */
struct str command_tag(struct str text);
/*
 * A literal was announced in text, which is no whole command. Returns true
 * when cmd_append has taken over and the command is done.
 */
bool command_literal(struct session *s, struct str text);

/* ---- arguments that several commands have ---- */
/* A mailbox name as UTF-8. */
bool arg_mailbox(struct session *s, struct command *c, struct str *name);
/* A parenthesized list of flags or (paren false) flags divided by blanks.
 * \Recent and unknown system flags are refused. */
#define FLAG_KEYWORDS_MAX 64
struct flag_list {
	uint32_t flags;
	struct str keywords[FLAG_KEYWORDS_MAX];
	size_t keyword_count;
};
bool arg_flags(struct command *c, bool bare_allowed, struct flag_list *out);
/*
 * A sequence set as sequence numbers of the view, by uid when c->uid.
 * On false either c->in.why is set, or a reply was sent (c->replied).
 */
bool arg_messages(struct session *s, struct command *c, struct ranges *out);
bool set_to_messages(struct session *s, const struct set *set, bool uid,
    struct ranges *out, const char **why);
/* The uids of these messages, in the arena; false when that is full. */
bool messages_to_uids(
    struct session *s, const struct ranges *seqs, struct uid_set *out);

/* ---- cmd_session.c ---- */
void cmd_capability(struct session *s, struct command *c);
void cmd_noop(struct session *s, struct command *c);
void cmd_logout(struct session *s, struct command *c);
void cmd_enable(struct session *s, struct command *c);
void cmd_id(struct session *s, struct command *c);
void cmd_namespace(struct session *s, struct command *c);
void cmd_logged_in(struct session *s, struct command *c); /* LOGIN again */
/* The words behind CAPABILITY. */
void out_capabilities(struct session *s);
/* ---- cmd_select.c ---- */
void cmd_select(struct session *s, struct command *c);
void cmd_examine(struct session *s, struct command *c);
void cmd_close(struct session *s, struct command *c);
void cmd_unselect(struct session *s, struct command *c);
void session_deselect(struct session *s);
/* CONDSTORE is now on (RFC 7162 section 3.1); tells HIGHESTMODSEQ. */
void session_enable_condstore(struct session *s);
/* ---- cmd_mailbox.c ---- */
void cmd_create(struct session *s, struct command *c);
void cmd_delete(struct session *s, struct command *c);
void cmd_rename(struct session *s, struct command *c);
void cmd_subscribe(struct session *s, struct command *c);
void cmd_unsubscribe(struct session *s, struct command *c);
/* ---- cmd_status.c ---- */
void cmd_status(struct session *s, struct command *c);
/* ---- cmd_list.c ---- */
void cmd_list(struct session *s, struct command *c);
void cmd_lsub(struct session *s, struct command *c);
/* "* LIST (...) "/" name" for SELECT (RFC 9051 section 6.3.2). */
void respond_list_one(struct session *s, const struct mailbox_info *info);
/* ---- cmd_append.c ---- */
void cmd_append(struct session *s, struct command *c);
/* ---- the rest ---- */
void cmd_idle(struct session *s, struct command *c);
void cmd_expunge(struct session *s, struct command *c);
void cmd_search(struct session *s, struct command *c);
void cmd_fetch(struct session *s, struct command *c);
void cmd_store(struct session *s, struct command *c);
void cmd_copy(struct session *s, struct command *c);
void cmd_move(struct session *s, struct command *c);

#endif
