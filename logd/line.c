/* SPDX-License-Identifier: ISC */
#include "logd/line.h"

#include <stdio.h>
#include <time.h>

#include "core/id.h"
#include "core/json.h"

#define FIELDS_MAX 40 /* of one line */
#define KEY_MOST   32

/* ---- words --------------------------------------------------------------- */

enum log_level line_level(struct str name)
{
	for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_FATAL; i++)
		if (str_eq(name, str_from(log_level_name((enum log_level)i))))
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

int line_priority(enum log_level level)
{
	static const int priorities[] = {[LOG_LEVEL_DEBUG] = 7,
	    [LOG_LEVEL_INFO] = 6,
	    [LOG_LEVEL_WARNING] = 4,
	    [LOG_LEVEL_ERROR] = 3,
	    [LOG_LEVEL_FATAL] = 2};

	return priorities[level];
}

void line_time(uint64_t us, char *out, size_t size)
{
	time_t now = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	localtime_r(&now, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(
	    out + n, size - n, ".%06u", (unsigned)(us % 1000000));
	strftime(out + n, size - n, "%z", &tm);
	/* +0100 to +01:00 */
	n = strlen(out);
	if (n >= 5 && n + 2 < size) {
		memmove(out + n - 1, out + n - 2, 3);
		out[n - 2] = ':';
	}
}

void line_escape(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len && i < LOG_LINE_MAX; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < ' ' || c == 127)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_char(out, text.p[i]);
	}
}

struct str line_queue_id(struct str text)
{
	struct str word = str_sub(text, 0, ID_LEN);
	struct id id;

	if (!str_starts(str_skip(text, ID_LEN), STR(": ")) ||
	    id_parse(word, &id) < 0)
		return STR_EMPTY;
	return word;
}

/* ---- key=value ------------------------------------------------------------ */

static bool is_key(struct str s)
{
	if (s.len == 0 || s.len > KEY_MOST)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return true;
}

/* Whether this begins another piece: "key=...", or a word for itself ("TLS").
 * Everything else behind a comma belongs to the value before it. */
static bool begins_piece(struct str s)
{
	struct str word = str_sub(s, 0, str_find(s, ','));
	size_t equals = str_find(word, '=');

	return equals < word.len ? is_key(str_sub(word, 0, equals))
				 : is_key(word);
}

/* Octets at the start of s in which no comma ends the piece: what stands
 * between < and >, as names and addresses do. */
static size_t bracketed(struct str s)
{
	size_t equals = str_find(s, '=');
	struct str value = str_skip(s, equals + 1);

	if (equals >= s.len || value.len == 0 || value.p[0] != '<' ||
	    !is_key(str_sub(s, 0, equals)))
		return 0;
	for (size_t i = 1; i < value.len; i++)
		if (value.p[i] == '>' &&
		    (i + 1 == value.len ||
			str_starts(str_skip(value, i + 1), STR(", "))))
			return equals + 1 + i;
	return 0;
}

/* The next piece up to a comma and a blank, before what can be another;
 * behind "status=" all of it. */
static struct str cut_piece(struct str *rest)
{
	struct str piece;

	if (str_starts(*rest, STR("status="))) {
		piece = *rest;
		*rest = STR_EMPTY;
		return piece;
	}
	for (size_t i = bracketed(*rest); i + 1 < rest->len; i++) {
		if (rest->p[i] != ',' || rest->p[i + 1] != ' ' ||
		    !begins_piece(str_skip(*rest, i + 2)))
			continue;
		piece = str_sub(*rest, 0, i);
		*rest = str_skip(*rest, i + 2);
		return piece;
	}
	piece = *rest;
	*rest = STR_EMPTY;
	return piece;
}

static struct str without_brackets(struct str s)
{
	if (s.len > 1 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		return str_sub(s, 1, s.len - 2);
	return s;
}

/* "sent (250 Ok)": the word and the words. */
static void add_status(struct json *j, struct str value)
{
	struct str word = str_sub(value, 0, str_find(value, ' '));
	struct str words = str_trim(str_skip(value, word.len));

	if (words.len > 1 && words.p[0] == '(' && words.p[words.len - 1] == ')')
		words = str_sub(words, 1, words.len - 2);
	json_text(j, "status", word);
	json_text(j, "reason", words);
}

static void add_fields(struct json *j, struct str rest)
{
	struct str seen[FIELDS_MAX];
	size_t count = 0;
	char name[KEY_MOST + 1];

	json_object(j, "fields");
	while (rest.len > 0 && count < FIELDS_MAX) {
		struct str value = cut_piece(&rest);
		struct str key = str_cut(&value, '=');
		bool again = !is_key(key);

		for (size_t i = 0; i < count && !again; i++)
			again = str_eq(seen[i], key);
		if (again || value.p == key.p + key.len)
			continue;
		seen[count++] = key;
		if (str_eq(key, STR("status"))) {
			add_status(j, value);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", STR_FMT(key));
		json_text(j, name, without_brackets(value));
	}
	json_end(j);
}

/* ---- the forms ------------------------------------------------------------- */

void line_json(struct buf *out, const struct log_line *l)
{
	struct str id = line_queue_id(l->text), rest = l->text;
	struct json j = json_start(out);
	char stamp[40];

	line_time(l->us, stamp, sizeof(stamp));
	json_object(&j, NULL);
	json_text(&j, "time", str_from(stamp));
	json_text(&j, "host", str_from(l->host));
	json_text(&j, "name", str_from(l->prefix));
	json_text(&j, "program", l->program);
	json_u64(&j, "pid", (uint64_t)l->pid);
	json_text(&j, "level", str_from(log_level_name(l->level)));
	json_text(&j, "text", str_sub(l->text, 0, LOG_LINE_MAX));
	if (id.len > 0) {
		json_text(&j, "queue_id", id);
		rest = str_skip(rest, id.len + 2);
	}
	add_fields(&j, str_sub(rest, 0, LOG_LINE_MAX));
	json_end(&j);
}

void line_syslog(
    struct buf *out, const struct log_line *l, int facility, bool as_json)
{
	time_t now = (time_t)(l->us / 1000000);
	char stamp[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	buf_printf(out,
	    "<%d>%s %s/%.*s[%d]: ", facility * 8 + line_priority(l->level),
	    stamp, l->prefix, STR_FMT(l->program), (int)l->pid);
	if (!as_json) {
		line_escape(out, l->text);
		return;
	}
	line_json(out, l);
	if (out->len > 0)
		out->len--; /* its line feed */
}

void line_journal(struct buf *out, const struct log_line *l, int facility)
{
	struct str id = line_queue_id(l->text);

	buf_add_text(out, "MESSAGE=");
	line_escape(out, l->text);
	buf_printf(out,
	    "\nPRIORITY=%d\nSYSLOG_FACILITY=%d\n"
	    "SYSLOG_IDENTIFIER=%s/%.*s\nSYSLOG_PID=%d\n"
	    "POSTHOUSE_PROGRAM=%.*s\n",
	    line_priority(l->level), facility, l->prefix, STR_FMT(l->program),
	    (int)l->pid, STR_FMT(l->program));
	if (id.len > 0)
		buf_printf(out, "POSTHOUSE_QUEUE_ID=%.*s\n", STR_FMT(id));
}
