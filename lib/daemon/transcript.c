/* SPDX-License-Identifier: ISC */
#include "daemon/transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "ipc/trace.h"
#include "net/netaddr.h"

static struct {
	uint32_t turn;            /* of the board when we looked last */
	uint32_t session;         /* of our row */
	int64_t until;            /* 0: nobody watches us */
	char about[WHO_USER_MAX]; /* whom: the name of the file */
	unsigned lines;
	uint64_t literal; /* octets that are still to be left out */
	struct buf line;  /* of the server, as far as it is there */
} transcript = {.turn = UINT32_MAX};

static bool is_watched(const struct watch *w, const struct who *who)
{
	return (w->user[0] != '\0' || w->client[0] != '\0') &&
	    who_is_meant(
		str_from(w->user), str_from(w->client), who->user, who->client);
}

/* The entry of debug_peer_list that means this session; empty: none does. */
static struct str listed(const struct who *who)
{
	struct str list = str_from(self.house.debug_peer_list), word;

	while ((word = str_word(&list, " ,\t\r\n")).len > 0) {
		bool user = str_find(word, '@') < word.len;

		if (who_is_meant(user ? word : STR_EMPTY,
			user ? STR_EMPTY : word, who->user, who->client))
			break;
	}
	return word;
}

static void begin(int64_t until, struct str about)
{
	transcript.until = until;
	(void)str_copy(transcript.about, sizeof(transcript.about), about);
}

/* Who is watched, or who we are, has changed. */
static void look_again(void)
{
	const struct board *b = self.board;
	struct who who;

	transcript.until = 0;
	if (!who_read(&b->who[self.slot], &who))
		return;
	for (size_t i = 0; i < WATCH_COUNT; i++)
		if (b->watches[i].until > transcript.until &&
		    is_watched(&b->watches[i], &who))
			begin(b->watches[i].until,
			    str_from(b->watches[i].user[0] != '\0'
				    ? b->watches[i].user
				    : b->watches[i].client));
	struct str peer = listed(&who);

	if (transcript.until == 0 && peer.len > 0)
		begin(INT64_MAX, peer);
}

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* By hand, without logd, it goes where all lines go. */
static void put(const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *p = text; (p = strchr(p, '\n')) != NULL;)
		*p = '?'; /* it ends a record; logd escapes the others */
	if (!logsink_protocol(transcript.about, str_from(text)))
		log_info("protocol %s", text);
}

static void put_line(const struct id *id, char who, struct str line)
{
	put("%s: %c: %.*s%s", id->text, who,
	    STR_FMT(str_sub(line, 0, TRANSCRIPT_LINE)),
	    line.len > TRANSCRIPT_LINE ? " ..." : "");
}

static bool is_on(void)
{
	const struct board *b = self.board;
	uint32_t session;

	if (b == NULL || self.slot < 0)
		return false;
	session = b->who[self.slot].turn;
	if (session != transcript.session)
		transcript.lines = 0;
	if (b->watch_turn != transcript.turn || session != transcript.session) {
		transcript.turn = b->watch_turn;
		transcript.session = session;
		look_again();
	}
	if (transcript.until == 0 || clock_seconds() > transcript.until)
		return false;
	unsigned most = (unsigned)self.house.protocol_log_line_limit;

	if (transcript.lines++ < most)
		return true;
	if (transcript.lines == most + 1)
		put("protocol_log_line_limit: no more lines of this session "
		    "are written");
	return false;
}

void transcript_client(const struct id *id, struct str line, bool shown)
{
	if (!is_on())
		return;
	if (shown)
		put_line(id, 'C', str_sub(line, 0, str_find(line, '\r')));
	else
		put("%s: C: (%zu octets, cut)", id->text, line.len);
}

/* The octets of a literal that a line announces at its end. */
static uint64_t literal_of(struct str line)
{
	size_t open = str_find_last(line, '{');
	uint64_t n;

	if (line.len < 3 || line.p[line.len - 1] != '}' || open >= line.len ||
	    str_to_u64(str_sub(line, open + 1, line.len - open - 2), UINT64_MAX,
		&n) < 0)
		return 0;
	return n;
}

void transcript_server(const struct id *id, struct str octets)
{
	if (!is_on())
		return;
	if (transcript.line.most == 0)
		transcript.line = buf_new(TRANSCRIPT_LINE + 80);
	while (octets.len > 0) {
		uint64_t skip = transcript.literal < octets.len
		    ? transcript.literal
		    : octets.len;
		size_t end;

		octets = str_skip(octets, (size_t)skip);
		transcript.literal -= skip;
		if (octets.len == 0)
			break;
		end = str_find(octets, '\n');
		buf_add(&transcript.line,
		    str_sub(octets, 0,
			end < TRANSCRIPT_LINE ? end : TRANSCRIPT_LINE));
		if (end == octets.len)
			break; /* the rest comes later */
		struct str line = buf_str(&transcript.line);
		struct str tail = str_sub(
		    octets, end > 24 ? end - 24 : 0, end > 24 ? 24 : end);

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (tail.len > 0 && tail.p[tail.len - 1] == '\r')
			tail.len--;
		put_line(id, 'S', line);
		transcript.literal = literal_of(tail.len > 0 ? tail : line);
		buf_clear(&transcript.line);
		octets = str_skip(octets, end + 1);
	}
}

void transcript_skip(uint64_t octets)
{
	transcript.literal -= octets < transcript.literal ? octets
							  : transcript.literal;
}
