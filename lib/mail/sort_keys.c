/* SPDX-License-Identifier: ISC */
#include "mail/sort_keys.h"

#include "core/arena.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"

#define VERSION     1
#define FIXED       24
#define DECODED_MAX 16384 /* octets of a subject that are looked at */
#define ARENA_MAX   ((size_t)1 << 20)

/* ---- the base subject ---- */

/* "[...]" and the blanks behind it; 0: none. */
static size_t blob_length(struct str s)
{
	size_t i = 1;

	if (s.len == 0 || s.p[0] != '[')
		return 0;
	while (i < s.len && s.p[i] != '[' && s.p[i] != ']')
		i++;
	if (i == s.len || s.p[i] != ']')
		return 0;
	for (i++; i < s.len && s.p[i] == ' '; i++)
		;
	return i;
}

/* "re:", "fw [list] :", "fwd:"; 0: none. */
static size_t refwd_length(struct str s)
{
	static const struct str words[] = {
	    STR_INIT("fwd"), STR_INIT("fw"), STR_INIT("re")};

	for (size_t k = 0; k < ARRAY_LEN(words); k++) {
		size_t i = words[k].len;

		if (!str_case_eq(str_sub(s, 0, i), words[k]))
			continue;
		while (i < s.len && s.p[i] == ' ')
			i++;
		i += blob_length(str_skip(s, i));
		if (i < s.len && s.p[i] == ':')
			return i + 1;
	}
	return 0;
}

/* Blobs in front of a "Re:" count only with it. */
static size_t leader_length(struct str s)
{
	size_t at = 0, some;

	if (s.len > 0 && s.p[0] == ' ')
		return 1;
	while ((some = blob_length(str_skip(s, at))) > 0)
		at += some;
	some = refwd_length(str_skip(s, at));
	return some == 0 ? 0 : at + some;
}

static struct str cut_trailers(struct str s, bool *reply)
{
	for (;;) {
		if (s.len > 0 && s.p[s.len - 1] == ' ') {
			s.len--;
		} else if (s.len >= 5 &&
		    str_case_eq(str_skip(s, s.len - 5), STR("(fwd)"))) {
			s.len -= 5;
			*reply = true;
		} else {
			return s;
		}
	}
}

static struct str cut_leaders(struct str s, bool *reply)
{
	for (;;) {
		size_t some = leader_length(s);

		if (some > 0) {
			*reply = *reply || s.p[0] != ' ';
			s = str_skip(s, some);
			continue;
		}
		some = blob_length(s);
		if (some == 0 || some >= s.len)
			return s;
		s = str_skip(s, some);
	}
}

/* Runs of blanks as one space. */
static void squeeze(struct str in, struct buf *out)
{
	bool blank = false;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if (!blank)
				buf_add_bytes(out, " ", 1);
			blank = true;
		} else {
			buf_add_bytes(out, &c, 1);
			blank = false;
		}
	}
}

bool subject_base(struct str decoded, struct buf *out)
{
	struct buf text = buf_new(DECODED_MAX + 1);
	struct str s;
	bool reply = false, again = true;

	squeeze(str_sub(decoded, 0, DECODED_MAX), &text);
	s = buf_str(&text);
	while (again) {
		s = cut_leaders(cut_trailers(s, &reply), &reply);
		again = s.len > 6 && s.p[s.len - 1] == ']' &&
		    str_case_eq(str_sub(s, 0, 5), STR("[fwd:"));
		if (again) {
			s = str_sub(s, 5, s.len - 6);
			reply = true;
		}
	}
	text_casefold(s, out);
	buf_free(&text);
	return reply;
}

/* ---- the keys ---- */

/* Cut at a character's end. */
static struct str clip(struct str s)
{
	size_t len = s.len < SORT_TEXT_MAX ? s.len : SORT_TEXT_MAX;

	while (
	    len > 0 && len < s.len && ((unsigned char)s.p[len] & 0xc0) == 0x80)
		len--;
	return str_sub(s, 0, len);
}

static void fold_decoded(struct str value, struct buf *out)
{
	struct buf decoded = buf_new(DECODED_MAX);

	header_decode(value, &decoded);
	text_casefold(buf_str(&decoded), out);
	buf_free(&decoded);
}

/* Adds a text to `texts` and says how long it is. */
static uint16_t add(struct buf *texts, const struct buf *folded)
{
	struct str s = clip(buf_str(folded));

	buf_add(texts, s);
	return (uint16_t)s.len;
}

/* The first mailbox of a field, or none. */
static bool first_mailbox(
    struct str value, struct arena *arena, struct mailbox *out)
{
	struct mailbox *list;
	size_t count = address_list(value, arena, 4, &list);

	for (size_t i = 0; i < count; i++)
		if (!list[i].group_start && !list[i].group_end) {
			*out = list[i];
			return true;
		}
	return false;
}

static void display(const struct mailbox *m, struct buf *out)
{
	if (m->name.len > 0) {
		fold_decoded(m->name, out);
		return;
	}
	text_casefold(m->local, out);
	if (m->domain.len > 0) {
		buf_add_bytes(out, "@", 1);
		text_casefold(m->domain, out);
	}
}

struct fields {
	struct str subject, from, to, cc, date;
};

/* The first field of each name, in one pass. */
static void collect(struct str header, struct fields *f)
{
	struct {
		struct str name;
		struct str *to;
	} wanted[] = {
	    {STR("Subject"), &f->subject},
	    {STR("From"), &f->from},
	    {STR("To"), &f->to},
	    {STR("Cc"), &f->cc},
	    {STR("Date"), &f->date},
	};
	struct header_field field;
	int next;

	while ((next = header_next(&header, &field)) != 0)
		for (size_t i = 0; next == 1 && i < ARRAY_LEN(wanted); i++)
			if (wanted[i].to->p == NULL &&
			    str_case_eq(field.name, wanted[i].name))
				*wanted[i].to = field.value;
}

static uint16_t add_address(
    struct str value, struct arena *arena, bool displayed, struct buf *texts)
{
	struct buf folded = buf_new(DECODED_MAX);
	struct mailbox m;
	uint16_t len;

	if (value.len > 0 && first_mailbox(value, arena, &m)) {
		if (displayed)
			display(&m, &folded);
		else
			text_casefold(m.local, &folded);
	}
	len = add(texts, &folded);
	buf_free(&folded);
	return len;
}

static void put_little(unsigned char *p, uint64_t v, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get_little(const char *p, size_t octets)
{
	uint64_t v = 0;

	for (size_t i = 0; i < octets; i++)
		v |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return v;
}

void sort_keys_put(struct str header, struct buf *out)
{
	struct fields f = {{0}, {0}, {0}, {0}, {0}};
	struct arena arena = arena_new(ARENA_MAX);
	struct buf texts = buf_new(SORT_TEXTS * SORT_TEXT_MAX);
	struct buf decoded = buf_new(DECODED_MAX);
	struct buf base = buf_new(DECODED_MAX * 4);
	unsigned char fixed[FIXED] = {VERSION};
	uint16_t lengths[SORT_TEXTS];
	int64_t date;

	collect(header, &f);
	header_decode(f.subject, &decoded);
	if (subject_base(buf_str(&decoded), &base))
		fixed[1] |= SORT_REPLY;
	lengths[SORT_SUBJECT] = add(&texts, &base);
	lengths[SORT_FROM] = add_address(f.from, &arena, false, &texts);
	lengths[SORT_TO] = add_address(f.to, &arena, false, &texts);
	lengths[SORT_CC] = add_address(f.cc, &arena, false, &texts);
	lengths[SORT_DISPLAY_FROM] = add_address(f.from, &arena, true, &texts);
	lengths[SORT_DISPLAY_TO] = add_address(f.to, &arena, true, &texts);
	if (f.date.len == 0 || date_parse_rfc5322(f.date, &date, NULL) < 0)
		date = SORT_NO_DATE;
	for (size_t i = 0; i < SORT_TEXTS; i++)
		put_little(fixed + 2 + 2 * i, lengths[i], 2);
	put_little(fixed + 16, (uint64_t)date, 8);
	buf_add_bytes(out, fixed, sizeof(fixed));
	buf_add(out, buf_str(&texts));
	buf_free(&base);
	buf_free(&decoded);
	buf_free(&texts);
	arena_free(&arena);
}

int sort_keys_get(struct str in, struct sort_keys *out)
{
	size_t at = FIXED;

	if (in.len < FIXED || in.p[0] != VERSION)
		return -1;
	out->flags = (unsigned char)in.p[1];
	out->date = (int64_t)get_little(in.p + 16, 8);
	for (size_t i = 0; i < SORT_TEXTS; i++) {
		size_t len = (size_t)get_little(in.p + 2 + 2 * i, 2);

		if (len > in.len - at)
			return -1;
		out->texts[i] = str_sub(in, at, len);
		at += len;
	}
	return at == in.len ? 0 : -1;
}
