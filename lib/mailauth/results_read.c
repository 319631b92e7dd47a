/* SPDX-License-Identifier: ISC */
/* What others wrote, or a stranger in our name. */
#include "core/arena.h"
#include "mailauth/authors.h"
#include "mailauth/results.h"
#include "mailauth/results_text.h"

#define SERVER_MOST    1024 /* octets of an authserv-id */
#define RECEIVERS_MOST 4    /* of a Received-SPF; an honest one has one */

/* Behind blanks, line ends and comments, which nest. */
static struct str skip_comments(struct str s)
{
	unsigned depth = 0;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && depth > 0)
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(" \t\r\n", s.p[i]) == NULL)
			break;
	}
	return str_skip(s, i < s.len ? i : s.len);
}

/* The authserv-id, a token or a quoted string, without its quotes; what stands
 * behind it. */
static struct str read_server(struct str s, struct buf *out)
{
	size_t i;

	if (s.len == 0 || s.p[0] != '"') {
		for (i = 0; i < s.len && !results_special(s.p[i]); i++)
			buf_add_char(out, s.p[i]);
		return str_skip(s, i);
	}
	for (i = 1; i < s.len && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		buf_add_char(out, s.p[i]);
	}
	return str_skip(s, i < s.len ? i + 1 : s.len);
}

/* As DNS has it, but for its case; only what is beyond ASCII takes the time. */
static struct str server_name(struct str s, struct arena *memory)
{
	for (size_t i = 0; i < s.len; i++)
		if ((uint8_t)s.p[i] >= 0x80)
			return domain_to_ascii(s, memory);
	return str_ends(s, STR(".")) ? str_sub(s, 0, s.len - 1) : s;
}

/* Whether two names are the same to a reader: whatever their case, in A-labels
 * or U-labels, with or without a final dot. */
static bool same_server(struct str a, struct str b)
{
	struct arena memory = arena_new(4 * SERVER_MOST);
	struct str name = server_name(a, &memory);
	bool same = str_case_eq(a, b) ||
	    (name.len > 0 && str_case_eq(name, server_name(b, &memory)));

	arena_free(&memory);
	return same;
}

bool results_are_of(struct str value, struct str server)
{
	struct buf claimed = buf_new(SERVER_MOST);

	read_server(skip_comments(value), &claimed);
	bool same = same_server(buf_str(&claimed), server);
	buf_free(&claimed);
	return same;
}

bool results_are_readable(struct str value)
{
	struct buf server = buf_new(SERVER_MOST);
	struct str s = skip_comments(
	    read_server(skip_comments(value), &server));
	size_t digits = 0;

	buf_free(&server);
	while (s.len > 0 && s.p[0] == '0')
		s = str_skip(s, 1);
	while (digits < s.len && ascii_digit(s.p[digits]))
		digits++;
	bool other = digits > 0 && (digits != 1 || s.p[0] != '1');
	return !other || (digits < s.len && !results_special(s.p[digits]));
}

/* The quoted string that s begins with; what would mean something without the
 * quotes becomes "_", for a stranger may have chosen it. */
static struct str unquote(struct str s, struct buf *out)
{
	size_t i;

	for (i = 1; i < s.len && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		buf_add_char(out, results_special(s.p[i]) ? '_' : s.p[i]);
	}
	return str_skip(s, i < s.len ? i + 1 : s.len);
}

/* Without comments; each run of blanks is one, none stands beside "=". */
static void simplify(struct str s, struct buf *out)
{
	bool blank = false;

	while (!out->overflow && (s = skip_comments(s)).len > 0) {
		blank = out->len > 0 && s.p[0] != '=' &&
		    out->p[out->len - 1] != '=' && blank;
		if (blank)
			buf_add_char(out, ' ');
		if (s.p[0] == '"') {
			s = unquote(s, out);
		} else {
			buf_add_char(out, s.p[0]);
			s = str_skip(s, 1);
		}
		blank = s.len > 0 && strchr(" \t\r\n(", s.p[0]) != NULL;
	}
}

/* One result, without its comments. */
static bool is_pass_of(struct str one, struct str author)
{
	struct str word = str_word(&one, " ");

	if (!str_case_eq(word, STR("dmarc=pass")))
		return false;
	while ((word = str_word(&one, " ")).len > 0)
		if (str_case_starts(word, STR("header.from=")))
			return str_case_eq(
			    str_skip(word, sizeof("header.from=") - 1), author);
	return false;
}

bool results_passed_dmarc(struct str value, struct str author)
{
	struct buf plain = buf_new(65536);
	bool passed = false;

	simplify(value, &plain);
	struct str rest = buf_str(&plain);
	while (!passed && !plain.overflow && author.len > 0 && rest.len > 0)
		passed = is_pass_of(str_cut(&rest, ';'), author);
	buf_free(&plain);
	return passed;
}

bool results_spf_is_of(struct str value, struct str server)
{
	struct buf plain = buf_new(65536);
	unsigned named = 0;
	bool ours = false;

	simplify(value, &plain);
	struct str rest = buf_str(&plain), word;
	while (!ours && (word = str_word(&rest, " ;")).len > 0) {
		if (!str_case_starts(word, STR("receiver=")))
			continue;
		ours = ++named > RECEIVERS_MOST ||
		    same_server(
			str_skip(word, sizeof("receiver=") - 1), server);
	}
	ours = ours || named == 0 || plain.overflow;
	buf_free(&plain);
	return ours;
}
