/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include <arpa/inet.h>

#include "mail/encode.h"

/* Octets. RFC 5321 4.5.3.1.1 says 64 for what everybody has to take, and asks
 * for no limit: rewritten senders (SRS, VERP) are longer. */
#define LOCAL_MAX  255
#define DOMAIN_MAX 255 /* octets; RFC 5321 4.5.3.1.2 */
#define LABEL_MAX  63

/* atext of RFC 5322 3.2.3, and UTF8-non-ascii of RFC 6532. */
static bool is_atext(char c, bool utf8)
{
	if ((unsigned char)c >= 0x80)
		return utf8;
	return c > ' ' && c < 127 && strchr("()<>[]:;@\\,.\"", c) == NULL;
}

static const char *what_is_wrong(char c)
{
	unsigned char u = (unsigned char)c;

	if (c == ' ' || c == '\t')
		return "space in address";
	if (u < ' ' || u == 127)
		return "control character in address";
	return u >= 0x80 ? "octet above 127 in address"
			 : "bad character in address";
}

/* Octets of the quoted-string at the start of s, both quotes included; 0
 * when it is none. */
static size_t quoted_length(struct str s, bool utf8, const char **why)
{
	*why = "unclosed quote";
	if (s.len == 0 || s.p[0] != '"')
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && i + 1 < s.len)
			c = (unsigned char)s.p[++i];
		if (c < ' ' || c == 127 || (c >= 0x80 && !utf8)) {
			*why = what_is_wrong((char)c);
			return 0;
		}
	}
	return 0;
}

/* Octets of the dot-string at the start of s, 0 when there is none. */
static size_t dot_string_length(struct str s, bool utf8, const char **why)
{
	size_t n = 0;

	*why = "misplaced dot in local part";
	while (n < s.len && (is_atext(s.p[n], utf8) || s.p[n] == '.')) {
		if (s.p[n] == '.' && (n == 0 || s.p[n - 1] == '.'))
			return 0;
		n++;
	}
	if (n > 0 && s.p[n - 1] == '.')
		return 0;
	if (n == 0)
		*why = s.len == 0 || s.p[0] == '@' ? "no local part"
						   : what_is_wrong(s.p[0]);
	return n;
}

bool address_is_domain(struct str domain, bool utf8)
{
	size_t label = 0;

	if (domain.len == 0 || domain.len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i <= domain.len; i++) {
		char c = i < domain.len ? domain.p[i] : '.';

		if (c == '.') {
			if (label == 0 || label > LABEL_MAX ||
			    domain.p[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!ascii_alnum(c) && (c != '-' || label == 0) &&
		    !(utf8 && (unsigned char)c >= 0x80))
			return false;
		label++;
	}
	return !utf8 || utf8_valid(domain);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "[tag:content]" (RFC 5321 4.1.3) */
static bool is_literal(struct str s)
{
	char text[64];
	unsigned char space[16];

	if (s.len < 3 || s.p[0] != '[' || s.p[s.len - 1] != ']')
		return false;
	s = str_sub(s, 1, s.len - 2);
	if (str_case_starts(s, STR("IPv6:")))
		return str_copy(text, sizeof(text), str_skip(s, 5)) == 0 &&
		    inet_pton(AF_INET6, text, space) == 1;
	if (str_copy(text, sizeof(text), s) == 0 &&
	    inet_pton(AF_INET, text, space) == 1)
		return true;
	size_t colon = str_find(s, ':');
	if (colon + 1 >= s.len ||
	    !address_is_domain(str_sub(s, 0, colon), false))
		return false;
	for (size_t i = colon + 1; i < s.len; i++) /* dcontent */
		if (s.p[i] <= ' ' || s.p[i] == 127 ||
		    strchr("[]\\", s.p[i]) != NULL)
			return false;
	return true;
}

/* U+0080 to U+009F: RFC 6531 has them, but to a terminal they are what a
 * control character and a letter are in ASCII. */
static bool has_upper_control(struct str s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if ((unsigned char)s.p[i] == 0xc2 &&
		    (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	return false;
}

int address_split(
    struct str in, bool utf8, struct address *out, const char **why)
{
	size_t local = in.len > 0 && in.p[0] == '"'
	    ? quoted_length(in, utf8, why)
	    : dot_string_length(in, utf8, why);

	if (local == 0)
		return -1;
	if (local > LOCAL_MAX) {
		*why = "local part too long";
		return -1;
	}
	if (local < in.len && in.p[local] != '@') {
		*why = what_is_wrong(in.p[local]);
		return -1;
	}
	struct str domain = str_skip(in, local + 1);
	if (domain.len == 0) {
		*why = "no domain";
		return -1;
	}
	if (domain.len > DOMAIN_MAX) {
		*why = "domain too long";
		return -1;
	}
	if (!address_is_domain(domain, utf8) && !is_literal(domain)) {
		*why = "malformed domain";
		return -1;
	}
	if (utf8 && !utf8_valid(in)) {
		*why = "malformed UTF-8 in address";
		return -1;
	}
	if (has_upper_control(in)) {
		*why = "control character in address";
		return -1;
	}
	out->local = str_sub(in, 0, local);
	out->domain = domain;
	return 0;
}

/* Where the ">" stands that ends a path, quoted strings stepped over. */
static size_t find_angle(struct str s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '>' && !quoted)
			return i;
	}
	return s.len;
}

/* Takes "@a.example,@b.example:" off the front. */
static int skip_route(struct str *path, const char **why)
{
	struct str rest = *path;

	if (rest.len == 0 || rest.p[0] != '@')
		return 0;
	size_t colon = str_find(rest, ':');
	struct str route = str_sub(rest, 0, colon);
	*why = "malformed source route";
	if (colon == rest.len)
		return -1;
	while (route.len > 0) {
		struct str hop = str_cut(&route, ',');

		if (hop.len == 0 || hop.p[0] != '@' ||
		    !address_is_domain(str_skip(hop, 1), true))
			return -1;
	}
	*path = str_skip(rest, colon + 1);
	return 0;
}

int address_cut_path(
    struct str *args, bool utf8, struct str *mailbox, const char **why)
{
	struct str rest = *args, path;
	struct address a;
	size_t end;

	while (rest.len > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t'))
		rest = str_skip(rest, 1);
	if (rest.len == 0 || rest.p[0] != '<') {
		*why = "no address in angle brackets";
		return -1;
	}
	rest = str_skip(rest, 1);
	end = find_angle(rest);
	if (end == rest.len) {
		*why = "no closing angle bracket";
		return -1;
	}
	path = str_sub(rest, 0, end);
	if (skip_route(&path, why) < 0)
		return -1;
	if (str_case_eq(path, STR("Postmaster")))
		path = STR("Postmaster"); /* RFC 5321 4.1.1.3 */
	else if (path.len == 0 && end > 0)
		return *why = "no local part", -1; /* only a route */
	else if (path.len > 0 && address_split(path, utf8, &a, why) < 0)
		return -1;
	*mailbox = path;
	*args = str_skip(rest, end + 1);
	return 0;
}

static void add_lower(struct buf *out, struct str s)
{
	char *room = buf_room(out, s.len);

	for (size_t i = 0; room != NULL && i < s.len; i++)
		room[i] = ascii_lower(s.p[i]);
	if (room != NULL)
		buf_added(out, s.len);
}

/* What a quoted-string stands for, into space; its length. */
static size_t unquote(struct str quoted, char space[LOCAL_MAX])
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < quoted.len; i++) {
		if (quoted.p[i] == '\\')
			i++;
		space[n++] = quoted.p[i];
	}
	return n;
}

int address_normalize(struct str in, bool fold_local, struct buf *out)
{
	size_t before = out->len;
	char space[LOCAL_MAX];
	struct address a;
	const char *why;

	if (address_split(in, true, &a, &why) < 0)
		return -1;
	if (a.local.p[0] == '"') {
		struct str text = str_of(space, unquote(a.local, space));

		if (dot_string_length(text, true, &why) == text.len &&
		    text.len > 0) {
			buf_add(out, text);
		} else {
			buf_add_char(out, '"');
			for (size_t i = 0; i < text.len; i++) {
				if (text.p[i] == '"' || text.p[i] == '\\')
					buf_add_char(out, '\\');
				buf_add_char(out, text.p[i]);
			}
			buf_add_char(out, '"');
		}
	} else {
		buf_add(out, a.local);
	}
	for (size_t i = before; fold_local && i < out->len; i++)
		out->p[i] = ascii_lower(out->p[i]);
	buf_add_char(out, '@');
	add_lower(out, a.domain);
	if (!out->overflow)
		return 0;
	out->len = before;
	return -1;
}
