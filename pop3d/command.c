/* SPDX-License-Identifier: ISC */
#include "pop3d/command.h"

#include <stdlib.h>

#include "core/memory.h"
#include "daemon/daemon.h"

#include "pop3d/stuff.h"

#define CHUNK_OCTETS 65536

struct command {
	const char *verb;
	int least, most; /* numbers */
	bool message;    /* the first number is a message that is there */
	void (*run)(struct session *s, int count, const uint64_t numbers[2]);
};

int command_split(struct str line, struct str *verb, uint64_t numbers[2])
{
	int count = 0;

	*verb = str_word(&line, " ");
	for (;;) {
		struct str word = str_word(&line, " ");

		if (word.len == 0)
			return line.len > 0 ? -1 : count;
		if (count == 2 ||
		    str_to_u64(word, UINT32_MAX, &numbers[count]) < 0)
			return -1;
		count++;
	}
}

static void error(struct session *s, const char *text)
{
	s->bad_in_a_row++;
	session_printf(s, "-ERR %s\r\n", text);
}

static bool is_deleted(const struct session *s, uint32_t seq)
{
	return s->marks[seq - 1] & MARK_DELETED;
}

static unsigned long long size_of(const struct session *s, uint32_t seq)
{
	return view_message(s->view, seq)->size;
}

/* ---- STAT, LIST, UIDL ---- */

static void cmd_stat(struct session *s, int count, const uint64_t numbers[2])
{
	(void)count;
	(void)numbers;
	session_printf(s, "+OK %u %llu\r\n", s->count - s->deleted,
	    (unsigned long long)s->octets);
}

static void cmd_list(struct session *s, int count, const uint64_t numbers[2])
{
	if (count == 1) {
		session_printf(s, "+OK %u %llu\r\n", (uint32_t)numbers[0],
		    size_of(s, (uint32_t)numbers[0]));
		return;
	}
	session_printf(s, "+OK %u messages (%llu octets)\r\n",
	    s->count - s->deleted, (unsigned long long)s->octets);
	for (uint32_t seq = 1; seq <= s->count && !s->dead; seq++) {
		if (is_deleted(s, seq))
			continue;
		session_printf(s, "%u %llu\r\n", seq, size_of(s, seq));
		session_flush_some(s);
	}
	session_printf(s, ".\r\n");
}

/* RFC 1939 section 7: the same in every session as long as the message is
 * there, and never another's. */
static void cmd_uidl(struct session *s, int count, const uint64_t numbers[2])
{
	if (count == 1) {
		uint32_t seq = (uint32_t)numbers[0];

		session_printf(s, "+OK %u %u.%u\r\n", seq, s->uidvalidity,
		    view_message(s->view, seq)->uid);
		return;
	}
	session_printf(s, "+OK\r\n");
	for (uint32_t seq = 1; seq <= s->count && !s->dead; seq++) {
		if (is_deleted(s, seq))
			continue;
		session_printf(s, "%u %u.%u\r\n", seq, s->uidvalidity,
		    view_message(s->view, seq)->uid);
		session_flush_some(s);
	}
	session_printf(s, ".\r\n");
}

/* ---- RETR, TOP ---- */

/* Reads the next octets of a message into s->chunk. */
static enum store_result read_chunk(
    struct session *s, uint32_t seq, uint64_t offset, uint64_t most)
{
	enum store_result r;

	buf_clear(&s->chunk);
	r = view_read(s->view, seq, offset,
	    most < CHUNK_OCTETS ? most : CHUNK_OCTETS, &s->chunk);
	if (r == STORE_OK && s->chunk.len == 0 && most > 0)
		return STORE_CORRUPT;
	return r;
}

static void put_stuffed(struct session *s, struct stuffer *st, struct str chunk)
{
	while (chunk.len > 0) {
		bool dot;
		struct str run = stuff_next(st, &chunk, &dot);

		if (dot)
			stream_put(s->stream, STR("."));
		stream_put(s->stream, run);
		s->octets_out += run.len;
	}
}

/* Octets of chunk up to the end of the line that makes *lines 0. */
static size_t up_to_line(struct str chunk, uint64_t *lines)
{
	size_t at = 0;

	while (*lines > 0 && at < chunk.len) {
		at += str_find(str_skip(chunk, at), '\n');
		if (at < chunk.len) {
			at++;
			--*lines;
		}
	}
	return at;
}

/*
 * Sends the header and `lines` lines of the body (or, with whole, all). Before
 * the first octet an error can be said; after it only the connection can be
 * ended.
 */
static bool send_message(
    struct session *s, uint32_t seq, bool whole, uint64_t lines)
{
	uint64_t size = size_of(s, seq), header = size, offset = 0;
	struct stuffer st = {false};
	enum store_result r = STORE_OK;

	if (!whole)
		r = view_header_len(s->view, seq, &header);
	if (r == STORE_OK)
		r = read_chunk(s, seq, 0, whole ? size : header);
	if (r != STORE_OK) {
		error(s,
		    r == STORE_GONE
			? "[SYS/PERM] Another session has removed the message"
			: "[SYS/TEMP] The message cannot be read now");
		return false;
	}
	if (whole)
		session_printf(
		    s, "+OK %llu octets\r\n", (unsigned long long)size);
	else
		session_printf(s, "+OK\r\n");
	while (!s->dead && s->chunk.len > 0) {
		struct str chunk = buf_str(&s->chunk);

		if (offset >= header)
			chunk = str_sub(chunk, 0, up_to_line(chunk, &lines));
		put_stuffed(s, &st, chunk);
		session_flush_some(s);
		offset += s->chunk.len;
		uint64_t end = offset < header ? header : size;
		if (offset >= size || (offset >= header && lines == 0))
			break;
		if (read_chunk(s, seq, offset, end - offset) != STORE_OK) {
			s->ended = "a message could not be read";
			s->dead = true;
		}
	}
	stream_put(s->stream, stuff_end(&st));
	return !s->dead;
}

static void cmd_retr(struct session *s, int count, const uint64_t numbers[2])
{
	uint32_t seq = (uint32_t)numbers[0];

	(void)count;
	if (!send_message(s, seq, true, 0))
		return;
	s->marks[seq - 1] |= MARK_SEEN;
	s->retrieved++;
}

static void cmd_top(struct session *s, int count, const uint64_t numbers[2])
{
	(void)count;
	if (send_message(s, (uint32_t)numbers[0], false, numbers[1]))
		s->topped++;
}

/* ---- DELE, RSET, NOOP, CAPA ---- */

static void cmd_dele(struct session *s, int count, const uint64_t numbers[2])
{
	uint32_t seq = (uint32_t)numbers[0];

	(void)count;
	s->marks[seq - 1] |= MARK_DELETED;
	s->deleted++;
	s->octets -= size_of(s, seq);
	session_printf(s, "+OK Marked for removal\r\n");
}

static void cmd_rset(struct session *s, int count, const uint64_t numbers[2])
{
	(void)count;
	(void)numbers;
	for (uint32_t seq = 1; seq <= s->count; seq++) {
		if (!is_deleted(s, seq))
			continue;
		s->marks[seq - 1] &= (unsigned char)~MARK_DELETED;
		s->octets += size_of(s, seq);
	}
	s->deleted = 0;
	session_printf(s, "+OK\r\n");
}

static void cmd_noop(struct session *s, int count, const uint64_t numbers[2])
{
	(void)count;
	(void)numbers;
	session_printf(s, "+OK\r\n");
}

static void cmd_capa(struct session *s, int count, const uint64_t numbers[2])
{
	(void)count;
	(void)numbers;
	session_printf(s,
	    "+OK Capability list follows\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
	    "AUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
	    "IMPLEMENTATION %s\r\n.\r\n",
	    daemon_house()->mail_name);
}

/* ---- QUIT: the UPDATE state ---- */

/* The uids whose mark is `mark` and nothing else counts; the caller frees. */
static struct uid_set marked(const struct session *s, unsigned char mark)
{
	uint32_t *uids = mem_array(s->count + 1u, sizeof(*uids));
	struct uid_set set = {uids, 0};

	for (uint32_t seq = 1; seq <= s->count; seq++) {
		const struct message *m = view_message(s->view, seq);

		if (s->marks[seq - 1] != mark ||
		    (mark == MARK_SEEN && (m->flags & FLAG_SEEN)))
			continue;
		uids[set.count++] = m->uid;
	}
	return set;
}

/* Those that were fetched and stay. A hint for other clients: POP3 has no
 * word for its failure. */
static void set_seen(struct session *s)
{
	struct uid_set seen = marked(s, MARK_SEEN), modified;
	struct arena arena = arena_new(1 << 20);
	uint64_t modseq;

	if (seen.count > 0)
		(void)box_store(s->box, view_mailbox(s->view), seen, FLAGS_ADD,
		    FLAG_SEEN, NULL, 0, 0, &arena, &modified, &modseq);
	arena_free(&arena);
	free((void *)(uintptr_t)seen.uids);
}

static enum store_result remove_deleted(struct session *s)
{
	uint32_t *uids = mem_array(s->deleted + 1u, sizeof(*uids));
	struct uid_set set = {uids, 0};
	enum store_result r = STORE_OK;

	for (uint32_t seq = 1; seq <= s->count; seq++)
		if (is_deleted(s, seq))
			uids[set.count++] = view_message(s->view, seq)->uid;
	if (set.count > 0)
		r = box_remove(s->box, view_mailbox(s->view), set);
	free(uids);
	return r;
}

static void cmd_quit(struct session *s, int count, const uint64_t numbers[2])
{
	enum store_result r;

	(void)count;
	(void)numbers;
	s->quit = true;
	s->ended = "logged out";
	if (!s->conf->pop3_no_flag_updates)
		set_seen(s);
	r = remove_deleted(s);
	if (r == STORE_OK) {
		session_printf(s, "+OK Logged out\r\n");
		return;
	}
	s->ended = "messages could not be removed";
	session_printf(s, "-ERR [SYS/TEMP] Messages were not removed: %s\r\n",
	    r == STORE_UNKNOWN ? "it is not certain" : "try again later");
}

/* clang-format off */
static const struct command commands[] = {
	/* verb  numbers message */
	{"STAT", 0, 0,   false,  cmd_stat},
	{"LIST", 0, 1,   true,   cmd_list},
	{"UIDL", 0, 1,   true,   cmd_uidl},
	{"RETR", 1, 1,   true,   cmd_retr},
	{"TOP",  2, 2,   true,   cmd_top},
	{"DELE", 1, 1,   true,   cmd_dele},
	{"RSET", 0, 0,   false,  cmd_rset},
	{"NOOP", 0, 0,   false,  cmd_noop},
	{"CAPA", 0, 0,   false,  cmd_capa},
	{"QUIT", 0, 0,   false,  cmd_quit},
};
/* clang-format on */

static const struct command *find(struct str verb)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_case_eq(verb, str_from(commands[i].verb)))
			return &commands[i];
	return NULL;
}

bool command_is_plain(struct str line)
{
	return find(str_word(&line, " ")) != NULL;
}

void command_run(struct session *s, struct str line)
{
	uint64_t numbers[2] = {0, 0};
	struct str verb;
	int count = command_split(line, &verb, numbers);
	const struct command *c = find(verb);

	if (c == NULL)
		error(s, "Command not known");
	else if (count < c->least || count > c->most)
		error(s, "Wrong arguments");
	else if (c->message && count > 0 &&
	    (numbers[0] == 0 || numbers[0] > s->count))
		error(s, "There is no such message");
	else if (c->message && count > 0 && is_deleted(s, (uint32_t)numbers[0]))
		error(s, "The message is marked for removal");
	else {
		s->bad_in_a_row = 0;
		c->run(s, count, numbers);
	}
}
