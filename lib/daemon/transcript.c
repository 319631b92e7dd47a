/* SPDX-License-Identifier: ISC */
#include "daemon/transcript.h"

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "net/netaddr.h"

static struct {
	uint32_t turn;    /* of the board when we looked last */
	uint32_t session; /* of our row */
	int64_t until;    /* 0: nobody watches us */
	unsigned lines;
	uint64_t literal; /* octets that are still to be left out */
	struct buf line;  /* of the server, as far as it is there */
} transcript = {.turn = UINT32_MAX};

static bool is_watched(const struct watch *w, const struct who *who)
{
	struct str want = str_from(w->user), have = str_from(who->user);
	struct netaddr a = {.len = 0};

	if (w->user[0] == '\0' && w->client[0] == '\0')
		return false;
	if (want.len > 0 && str_find(want, '@') == want.len)
		have = str_sub(have, 0, str_find(have, '@'));
	if (want.len > 0 && !str_case_eq(want, have))
		return false;
	return w->client[0] == '\0' ||
	    (netaddr_parse(str_from(who->client), 0, &a) == 0 &&
		netaddr_in_list(&a, str_from(w->client), NULL) > 0);
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
			transcript.until = b->watches[i].until;
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
	if (transcript.lines++ < TRANSCRIPT_MOST)
		return true;
	if (transcript.lines == TRANSCRIPT_MOST + 1)
		log_info("protocol: no more lines of this session are shown");
	return false;
}

static void put(const struct id *id, char who, struct str line)
{
	log_info("%s: protocol %c: %.*s%s", id->text, who,
	    STR_FMT(str_sub(line, 0, TRANSCRIPT_LINE)),
	    line.len > TRANSCRIPT_LINE ? " ..." : "");
}

void transcript_client(const struct id *id, struct str line, bool shown)
{
	if (!is_on())
		return;
	if (shown)
		put(id, 'C', str_sub(line, 0, str_find(line, '\r')));
	else
		log_info(
		    "%s: protocol C: (%zu octets, cut)", id->text, line.len);
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
		put(id, 'S', line);
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
