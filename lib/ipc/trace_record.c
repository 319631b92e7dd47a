/* SPDX-License-Identifier: ISC */
#include "ipc/trace_record.h"

#include "core/checksum.h"

#define MAGIC_0   0xd7 /* no octet of a log line's beginning */
#define MAGIC_1   'T'
#define VERSION   2
#define HEAD_TEXT 52
#define MORE_TEXT 120
#define PACKED    14 /* octets of an id */
#define DAEMON    10

/* On disk, little-endian. */
struct head {
	uint8_t magic[2];
	uint8_t version_cells; /* version << 4 | cells of the event */
	uint8_t kind;
	uint32_t wait_ms;
	uint64_t time_us;
	uint64_t number;
	uint32_t pid;
	uint16_t who_len, why_len;
	uint8_t where_len, code_len;
	char daemon[DAEMON];
	uint8_t session[PACKED], message[PACKED]; /* zero: none */
	char text[HEAD_TEXT];                     /* who, where, code, why */
	uint32_t crc; /* CRC-32C of everything before it */
};

struct more {
	uint8_t magic[2];
	uint8_t version_cells; /* version << 4: begins no event */
	uint8_t place;         /* 1 to 8 */
	char text[MORE_TEXT];
	uint32_t crc;
};

_Static_assert(sizeof(struct head) == TRACE_CELL, "a format on disk");
_Static_assert(sizeof(struct more) == TRACE_CELL, "a format on disk");
_Static_assert(HEAD_TEXT + (TRACE_CELLS_MAX - 1) * MORE_TEXT >=
	sizeof(((struct trace_record *)0)->text),
    "room for all texts");

/* ---- ids ------------------------------------------------------------------ */

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* 22 characters of five bits in 14 octets, so that they sort as the text. */
static void pack(const struct id *id, uint8_t out[PACKED])
{
	static uint8_t value[256];
	unsigned bits = 0, have = 0;
	size_t n = 0;

	if (value['Z'] == 0)
		for (uint8_t i = 0; i < 32; i++)
			value[(unsigned char)alphabet[i]] = i;
	memset(out, 0, PACKED);
	if (id->text[0] == '\0')
		return;
	for (size_t i = 0; i < ID_LEN; i++) {
		bits = bits << 5 | value[(unsigned char)id->text[i]];
		have += 5;
		if (have >= 8) {
			have -= 8;
			out[n++] = (uint8_t)(bits >> have);
		}
	}
	out[n] = (uint8_t)(bits << (8 - have));
}

static void unpack(const uint8_t in[PACKED], struct id *out)
{
	static const uint8_t none[PACKED];
	unsigned bits = 0, have = 0;
	size_t n = 0;

	out->text[0] = '\0';
	if (memcmp(in, none, PACKED) == 0)
		return;
	for (size_t i = 0; i < ID_LEN; i++) {
		if (have < 5) {
			bits = bits << 8 | in[n++];
			have += 8;
		}
		have -= 5;
		out->text[i] = alphabet[bits >> have & 31];
	}
	out->text[ID_LEN] = '\0';
}

/* ---- writing --------------------------------------------------------------- */

static void seal(struct trace_cell *c)
{
	uint32_t crc = crc32c(0, c->octets, TRACE_CELL - sizeof(crc));

	memcpy(c->octets + TRACE_CELL - sizeof(crc), &crc, sizeof(crc));
}

static size_t add(char *text, size_t *at, struct str s, size_t most)
{
	if (s.len > most)
		s.len = most;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		text[*at + i] = (unsigned char)c < ' ' || c == 127 ? ' ' : c;
	}
	*at += s.len;
	return s.len;
}

static void begin_cell(uint8_t magic[2])
{
	magic[0] = MAGIC_0;
	magic[1] = MAGIC_1;
}

size_t trace_encode(
    const struct trace_record *r, struct trace_cell out[TRACE_CELLS_MAX])
{
	char text[sizeof(r->text)];
	size_t len = 0, at = 0, cells = 1;
	const struct trace_fields *says = &r->says;
	struct head h = {.kind = (uint8_t)r->kind,
	    .wait_ms = says->wait_ms > UINT32_MAX ? UINT32_MAX
						  : (uint32_t)says->wait_ms,
	    .time_us = r->time_us,
	    .number = says->number,
	    .pid = r->pid};

	h.who_len = (uint16_t)add(text, &len, says->who, TRACE_WHO_MAX);
	h.where_len = (uint8_t)add(text, &len, says->where, TRACE_WHERE_MAX);
	h.code_len = (uint8_t)add(text, &len, says->code, TRACE_CODE_MAX);
	h.why_len = (uint16_t)add(text, &len, says->why, TRACE_WHY_MAX);
	begin_cell(h.magic);
	memcpy(h.daemon, r->daemon, strnlen(r->daemon, DAEMON));
	pack(&r->session, h.session);
	pack(&r->message, h.message);
	at = len < HEAD_TEXT ? len : HEAD_TEXT;
	memcpy(h.text, text, at);
	for (; at < len; at += MORE_TEXT) {
		size_t n = len - at < MORE_TEXT ? len - at : MORE_TEXT;
		struct more m = {
		    .version_cells = VERSION << 4, .place = (uint8_t)cells};

		begin_cell(m.magic);
		memcpy(m.text, text + at, n);
		memcpy(&out[cells], &m, sizeof(m));
		seal(&out[cells++]);
	}
	h.version_cells = (uint8_t)(VERSION << 4 | cells);
	memcpy(&out[0], &h, sizeof(h));
	seal(&out[0]);
	return cells;
}

/* ---- reading --------------------------------------------------------------- */

uint32_t trace_cell_sum(const struct trace_cell *c)
{
	uint32_t crc;

	memcpy(&crc, c->octets + TRACE_CELL - sizeof(crc), sizeof(crc));
	return crc;
}

bool trace_cell_is_valid(const struct trace_cell *c)
{
	return c->octets[0] == MAGIC_0 && c->octets[1] == MAGIC_1 &&
	    c->octets[2] >> 4 == VERSION &&
	    trace_cell_sum(c) ==
	    crc32c(0, c->octets, TRACE_CELL - sizeof(uint32_t));
}

unsigned trace_cell_begins(const struct trace_cell *c)
{
	return c->octets[2] & 15;
}

bool trace_cell_looks(struct str octets)
{
	return octets.len >= TRACE_CELL &&
	    (unsigned char)octets.p[0] == MAGIC_0 && octets.p[1] == MAGIC_1;
}

/* Views of the texts, as far as there are any. */
static void cut_texts(const struct head *h, size_t len, struct trace_record *r)
{
	struct trace_fields *says = &r->says;
	struct str rest = str_of(r->text, len);

	says->who = str_sub(rest, 0, h->who_len);
	rest = str_skip(rest, says->who.len);
	says->where = str_sub(rest, 0, h->where_len);
	rest = str_skip(rest, says->where.len);
	says->code = str_sub(rest, 0, h->code_len);
	rest = str_skip(rest, says->code.len);
	says->why = str_sub(rest, 0, h->why_len);
}

size_t trace_decode(
    const struct trace_cell *cells, size_t count, struct trace_record *out)
{
	struct head h;
	struct more m;
	size_t want, have, n = 1;

	if (count == 0 || !trace_cell_is_valid(cells))
		return 0;
	memcpy(&h, cells, sizeof(h));
	want = (size_t)h.who_len + h.where_len + h.code_len + h.why_len;
	if ((h.version_cells & 15) == 0 || want > sizeof(out->text) ||
	    want > HEAD_TEXT + ((h.version_cells & 15u) - 1) * MORE_TEXT)
		return 0;
	out->time_us = h.time_us;
	out->kind = h.kind;
	out->pid = h.pid;
	memcpy(out->daemon, h.daemon, DAEMON);
	out->daemon[DAEMON] = '\0';
	unpack(h.session, &out->session);
	unpack(h.message, &out->message);
	have = want < HEAD_TEXT ? want : HEAD_TEXT;
	memcpy(out->text, h.text, have);
	while (have < want && n < count && trace_cell_is_valid(&cells[n])) {
		size_t piece = want - have < MORE_TEXT ? want - have
						       : MORE_TEXT;

		memcpy(&m, &cells[n], sizeof(m));
		if ((m.version_cells & 15) != 0 || m.place != n)
			break;
		memcpy(out->text + have, m.text, piece);
		have += piece;
		n++;
	}
	out->torn = have < want;
	out->says = (struct trace_fields){
	    .number = h.number, .wait_ms = h.wait_ms};
	cut_texts(&h, have, out);
	return n;
}

const char *trace_kind_name(unsigned kind)
{
	static const char *const names[TRACE_KINDS] = {"unknown", "connect",
	    "envelope", "recipient", "queued", "refused", "scheduled",
	    "attempt", "delivered", "deferred", "failed", "bounced", "stored",
	    "removed", "login", "session-end", "operator", "screened",
	    "expanded", "waits", "host", "signed", "checked", "sealed"};

	return names[kind < TRACE_KINDS ? kind : 0];
}
