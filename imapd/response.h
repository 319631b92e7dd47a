/* SPDX-License-Identifier: ISC */
/*
 * Answers: buffered in the session, given to the stream in large pieces and
 * sent when the client has nothing more to say (RFC 9051 section 7).
 */
#ifndef IMAPD_RESPONSE_H
#define IMAPD_RESPONSE_H

#include "store/mailbox.h"

#include "imapd/command.h"
#include "imapd/session.h"

/* ---- octets ---- */
void out_str(struct session *s, struct str text);
void out_text(struct session *s, const char *text);
void out_number(struct session *s, uint64_t n);
void out_char(struct session *s, char c);
void out_printf(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void out_end(struct session *s); /* CRLF */
/*
 * Room for len octets (up to 64 KiB) to be written by hand, then declared
 * with out_wrote; never NULL.
 */
char *out_room(struct session *s, size_t len);
void out_wrote(struct session *s, const char *end);
/* Gives the buffer to the stream; sends when a lot is pending. */
void out_check(struct session *s);
/* Octets of a file, behind everything that is pending. */
void out_file(struct session *s, int fd, uint64_t offset, uint64_t len);
/* Sends everything; the session is dead when that fails. */
void out_flush(struct session *s);

/* Numbers in the shortest set, order kept. */
void out_uids(struct session *s, const uint32_t *uids, size_t count);
/* A mailbox name in the client's form: UTF-8 after ENABLE IMAP4rev2, else
 * modified UTF-7. */
void out_mailbox(struct session *s, struct str name);
/* "(\Seen $Junk)" */
void out_flags(struct session *s, uint32_t flags, uint64_t keywords,
    const struct mailbox_info *info);

/* ---- whole responses ---- */
/*
 * The tagged end of a command, after the changes that the mailbox has seen
 * (as the command's row allows). code is "TRYCREATE" or NULL.
 */
void reply_ok(
    struct session *s, struct command *c, const char *code, const char *text);
void reply_no(
    struct session *s, struct command *c, const char *code, const char *text);
/* A syntax error; counts towards imap_max_bad_commands. */
void reply_bad(struct session *s, struct command *c, const char *why);
/* NO with the code of RFC 5530 that fits, or OK. Logs what is our fault. */
void reply_result(struct session *s, struct command *c,
    enum store_result result, const char *done);
/* The response code for a result; NULL for none. */
const char *result_code(enum store_result result);
const char *result_text(enum store_result result);
/* "* BYE ..."; the session ends after the command. ended: for the log. */
void session_bye(
    struct session *s, const char *code, const char *text, const char *ended);

/* "* FLAGS", and with permanent also PERMANENTFLAGS. */
void respond_flags(struct session *s, const struct mailbox_info *info);
/* Tells of keywords that the client does not know yet. */
void respond_new_keywords(struct session *s);

/*
 * Reads what others did and tells the client: EXPUNGE or VANISHED (only when
 * allowed), FETCH with FLAGS, EXISTS. skip, when not NULL, is asked for each
 * message with new flags and returns true when the client need not hear it.
 */
typedef bool skip_flags(
    struct session *s, uint32_t seq, const struct message *m, void *arg);
enum store_result session_sync(
    struct session *s, bool allow_expunge, skip_flags *skip, void *arg);

/* "* 5 FETCH (UID 7 FLAGS (...) MODSEQ (9))"; MODSEQ when CONDSTORE is on,
 * FLAGS when `flags`. */
void respond_fetch_flags(struct session *s, uint32_t seq,
    const struct message *m, bool flags, bool uid);

#endif
