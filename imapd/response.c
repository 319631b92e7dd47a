/* SPDX-License-Identifier: ISC */
#include "imapd/response.h"

#include <stdarg.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/transcript.h"

#include "imapd/utf7.h"
#include "imapd/write.h"

#define OUT_PIECE  ((size_t)32 << 10)  /* given to the stream at once */
#define FILE_PIECE ((uint64_t)1 << 20) /* sent from a file at once */
#define PENDING    ((size_t)128 << 10) /* sent before more is made */

/* ---- octets ---- */

static void give_up(struct session *s, const char *why)
{
	s->dead = true;
	buf_clear(&s->out);
	if (s->ended == NULL)
		s->ended = why;
}

static void to_stream(struct session *s)
{
	if (s->dead || s->out.overflow) {
		give_up(s, "an answer was too large");
		return;
	}
	if (s->out.len == 0)
		return;
	s->octets_out += s->out.len;
	transcript_server(&s->id, buf_str(&s->out));
	if (stream_put(s->stream, buf_str(&s->out)) < 0)
		give_up(s, "the client does not read");
	buf_clear(&s->out);
}

static void send_all(struct session *s)
{
	if (!s->dead && stream_pending(s->stream) > 0 &&
	    stream_flush(s->stream, deadline_in(s->conf->imap_write_timeout)) !=
		STREAM_OK)
		give_up(s, "the client does not read");
}

void out_check(struct session *s)
{
	if (s->out.len < OUT_PIECE && !s->out.overflow && !s->dead)
		return;
	to_stream(s);
	if (!s->dead && stream_pending(s->stream) >= PENDING)
		send_all(s);
}

void out_flush(struct session *s)
{
	to_stream(s);
	send_all(s);
}

/* A slow client has time for each piece. */
void out_file(struct session *s, int fd, uint64_t offset, uint64_t len)
{
	to_stream(s);
	transcript_skip(len);
	while (len > 0 && !s->dead) {
		uint64_t n = len < FILE_PIECE ? len : FILE_PIECE;

		if (stream_send_file(s->stream, fd, offset, n,
			deadline_in(s->conf->imap_write_timeout)) != STREAM_OK)
			give_up(s,
			    "the client does not read, or a message "
			    "could not be read");
		s->octets_out += n;
		offset += n;
		len -= n;
	}
}

void out_str(struct session *s, struct str text)
{
	while (text.len > OUT_PIECE) {
		buf_add(&s->out, str_sub(text, 0, OUT_PIECE));
		text = str_skip(text, OUT_PIECE);
		out_check(s);
	}
	buf_add(&s->out, text);
}

void out_text(struct session *s, const char *text)
{
	buf_add_text(&s->out, text);
}

void out_char(struct session *s, char c)
{
	buf_add_char(&s->out, c);
}

void out_number(struct session *s, uint64_t n)
{
	char *p = out_room(s, WRITE_NUMBER_MAX);

	out_wrote(s, write_number(p, n));
}

void out_printf(struct session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(&s->out, format, args);
	va_end(args);
}

void out_end(struct session *s)
{
	buf_add_text(&s->out, "\r\n");
	out_check(s);
}

char *out_room(struct session *s, size_t len)
{
	char *room = buf_room(&s->out, len);

	if (room != NULL)
		return room;
	/* Beyond its maximum nothing of it can be sent any more. */
	give_up(s, "an answer was too large");
	return buf_room(&s->out, len);
}

void out_wrote(struct session *s, const char *end)
{
	buf_added(&s->out, (size_t)(end - (s->out.p + s->out.len)));
}

void out_uids(struct session *s, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count && !s->dead;) {
		size_t end = i + 1;

		while (end < count && uids[end] == uids[end - 1] + 1)
			end++;
		if (i > 0)
			out_char(s, ',');
		out_number(s, uids[i]);
		if (end - i > 1) {
			out_char(s, ':');
			out_number(s, uids[end - 1]);
		}
		out_check(s);
		i = end;
	}
}

void out_mailbox(struct session *s, struct str name)
{
	struct buf coded = buf_new((size_t)MAILBOX_NAME_MAX * 4);

	if ((s->enabled & ENABLED_REV2) || utf7_encode(name, &coded) < 0)
		put_astring(&s->out, name, true);
	else
		put_astring(&s->out, buf_str(&coded), false);
	buf_free(&coded);
}

void out_flags(struct session *s, uint32_t flags, uint64_t keywords,
    const struct mailbox_info *info)
{
	char *start = out_room(s, WRITE_FLAGS_MAX), *p = start;

	*p++ = '(';
	p = write_system_flags(p, flags);
	bool first = p == start + 1;
	out_wrote(s, p);
	for (size_t i = 0; info != NULL && i < info->keyword_count; i++) {
		if (!(keywords >> i & 1))
			continue;
		if (!first)
			out_char(s, ' ');
		first = false;
		out_str(s, info->keywords[i]);
	}
	out_char(s, ')');
}

/* ---- replies ---- */

static void state(struct session *s, struct str tag, const char *word,
    const char *code, const char *text)
{
	out_str(s, tag);
	out_char(s, ' ');
	out_text(s, word);
	if (code != NULL) {
		out_text(s, " [");
		out_text(s, code);
		out_char(s, ']');
	}
	out_char(s, ' ');
	out_text(s, text);
	out_end(s);
}

static void finish(struct session *s, struct command *c, const char *word,
    const char *code, const char *text)
{
	if (s->state == SELECTED && c->sync != SYNC_NONE)
		session_sync(s, c->sync == SYNC_ALL, NULL, NULL);
	c->replied = true;
	state(s, c->tag, word, code, text);
	if (s->gone && s->state == SELECTED)
		session_bye(s, NULL, "The selected mailbox was deleted",
		    "mailbox deleted");
}

void reply_ok(
    struct session *s, struct command *c, const char *code, const char *text)
{
	s->bad_in_a_row = 0;
	finish(s, c, "OK", code, text);
}

void reply_no(
    struct session *s, struct command *c, const char *code, const char *text)
{
	s->bad_in_a_row = 0;
	finish(s, c, "NO", code, text);
}

void reply_bad(struct session *s, struct command *c, const char *why)
{
	c->replied = true;
	out_str(s, c->tag);
	out_text(s, " BAD ");
	out_char(s, ascii_upper(why[0]));
	out_text(s, why + 1);
	out_end(s);
	if (++s->bad_in_a_row >= s->conf->imap_max_bad_commands)
		session_bye(
		    s, NULL, "Too many bad commands", "too many bad commands");
}

static const struct {
	const char *code, *text;
	bool log;
} results[] = {
    [STORE_OK] = {NULL, "Done", false},
    [STORE_DUPLICATE] = {NULL, "Done", false},
    [STORE_NO_MAILBOX] = {"NONEXISTENT", "There is no such mailbox", false},
    [STORE_EXISTS] = {"ALREADYEXISTS", "The mailbox exists", false},
    [STORE_BAD_NAME] = {"CANNOT", "The mailbox name is not allowed", false},
    [STORE_OVER_QUOTA] = {"OVERQUOTA", "The account is full", false},
    [STORE_LIMIT] = {"LIMIT", "A limit of the account is reached", false},
    [STORE_GONE] = {"EXPUNGEISSUED", "Messages have been expunged", false},
    [STORE_BUSY] = {"INUSE", "The account is busy; try again", true},
    [STORE_UNKNOWN] = {"UNAVAILABLE",
	"The disk failed; it may or may not have been done", true},
    [STORE_NO_SPACE] = {"UNAVAILABLE", "No space on the server", true},
    [STORE_CORRUPT] = {"CORRUPTION", "The account is damaged", true},
    [STORE_ERROR] = {"SERVERBUG", "The store failed", true},
};

const char *result_code(enum store_result result)
{
	return (size_t)result < ARRAY_LEN(results) ? results[result].code
						   : "SERVERBUG";
}

const char *result_text(enum store_result result)
{
	return (size_t)result < ARRAY_LEN(results) ? results[result].text
						   : "The store failed";
}

void reply_result(struct session *s, struct command *c,
    enum store_result result, const char *done)
{
	if (result == STORE_OK || result == STORE_DUPLICATE) {
		reply_ok(s, c, NULL, done);
		return;
	}
	if ((size_t)result >= ARRAY_LEN(results) || results[result].log)
		log_warning("%s: user=<%s>, store=%s: %s", s->id.text, s->login,
		    store_result_name(result), store_why(s->box));
	reply_no(s, c, result_code(result), result_text(result));
}

void session_bye(
    struct session *s, const char *code, const char *text, const char *ended)
{
	if (s->state == LOGGED_OUT)
		return;
	s->state = LOGGED_OUT;
	s->ended = ended;
	state(s, STR("*"), "BYE", code, text);
}

void respond_flags(struct session *s, const struct mailbox_info *info)
{
	uint64_t all = info->keyword_count >= 64
	    ? UINT64_MAX
	    : ((uint64_t)1 << info->keyword_count) - 1;
	uint32_t system = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED |
	    FLAG_DELETED | FLAG_DRAFT;

	out_text(s, "* FLAGS ");
	out_flags(s, system, all, info);
	out_end(s);
	out_text(s, "* OK [PERMANENTFLAGS ");
	if (s->read_only) {
		out_text(s, "()] Nothing can be changed");
	} else {
		out_flags(s, system, all, info);
		if (info->keyword_count < MAILBOX_KEYWORDS_MAX) {
			s->out.len--; /* the closing parenthesis */
			out_text(s, " \\*)");
		}
		out_text(s, "] Flags are kept");
	}
	out_end(s);
	s->keywords_told = info->keyword_count;
}

void respond_new_keywords(struct session *s)
{
	const struct mailbox_info *info = box_find_id(s->box, s->mailbox);

	if (info != NULL && info->keyword_count > s->keywords_told)
		respond_flags(s, info);
}
