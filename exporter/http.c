/* SPDX-License-Identifier: ISC */
#include "exporter/http.h"

#include <string.h>

#define FIELDS_MAX 64

/* A token of RFC 9110 section 5.6.2. */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alnum(s.p[i]) &&
		    (s.p[i] == '\0' ||
			strchr("!#$%&'*+-.^_`|~", s.p[i]) == NULL))
			return false;
	return s.len > 0;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

/* The next line without its end; false when it has not all come. A single LF
 * ends a line too (section 2.2). */
static bool take_line(struct str *rest, struct str *line)
{
	size_t end = str_find(*rest, '\n');

	if (end == rest->len)
		return false;
	*line = str_sub(*rest, 0, end);
	*rest = str_skip(*rest, end + 1);
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* Section 3.2: "/metrics?x", or "http://host/metrics". */
static int parse_target(struct str target, struct http_request *out)
{
	if (target.len == 0 || !is_printable(target) ||
	    str_find(target, '\t') < target.len)
		return -1;
	if (str_case_starts(target, STR("http://"))) {
		target = str_skip(target, 7);
		target = str_skip(target, str_find(target, '/'));
		if (target.len == 0)
			target = STR("/");
	}
	out->path = str_sub(target, 0, str_find(target, '?'));
	return out->path.len > 0 && out->path.p[0] == '/' ? 0 : -1;
}

static int parse_first(struct str line, struct http_request *out)
{
	struct str method = str_cut(&line, ' ');
	struct str target = str_cut(&line, ' ');

	if (!is_token(method) || parse_target(target, out) < 0)
		return -400;
	if (!str_starts(line, STR("HTTP/")) || line.len != 8 ||
	    !ascii_digit(line.p[5]) || line.p[6] != '.' ||
	    !ascii_digit(line.p[7]))
		return -400;
	if (line.p[5] != '1')
		return -505;
	out->old = line.p[7] == '0';
	out->last = out->old;
	out->get = str_eq(method, STR("GET"));
	out->head = str_eq(method, STR("HEAD"));
	return 0;
}

static void connection(struct str value, struct http_request *out)
{
	struct str word;

	while ((word = str_word(&value, " \t,")).len > 0) {
		if (str_case_eq(word, STR("close")))
			out->last = true;
		else if (out->old && str_case_eq(word, STR("keep-alive")))
			out->last = false;
	}
}

/* Section 5: no blank before the colon, no folded lines. */
static int parse_field(
    struct str line, struct http_request *out, int *hosts, bool *body)
{
	size_t colon = str_find(line, ':');
	struct str name = str_sub(line, 0, colon);
	struct str value = str_trim(str_skip(line, colon + 1));

	if (colon == line.len || !is_token(name) || !is_printable(value))
		return -400;
	if (str_case_eq(name, STR("Host")))
		(*hosts)++;
	else if (str_case_eq(name, STR("Connection")))
		connection(value, out);
	else if (str_case_eq(name, STR("Transfer-Encoding")) ||
	    (str_case_eq(name, STR("Content-Length")) &&
		!str_eq(value, STR("0"))))
		*body = true;
	return 0;
}

long http_parse(struct str in, size_t most, struct http_request *out)
{
	struct str rest = str_sub(in, 0, most), line;
	int hosts = 0, fields = 0, code;
	bool body = false;

	*out = (struct http_request){.path = STR_EMPTY};
	do { /* empty lines may stand before (section 2.2) */
		if (!take_line(&rest, &line))
			return in.len < most ? 0 : -431;
	} while (line.len == 0);
	code = parse_first(line, out);
	while (code == 0) {
		if (!take_line(&rest, &line))
			return in.len < most ? 0 : -431;
		if (line.len == 0)
			break;
		if (++fields > FIELDS_MAX)
			return -431;
		code = parse_field(line, out, &hosts, &body);
	}
	/* Section 3.2: exactly one Host from HTTP/1.1 on. */
	if (code == 0 && hosts != 1 && (hosts > 1 || !out->old))
		code = -400;
	out->last = out->last || body;
	return code < 0 ? code : rest.p - in.p;
}

const char *http_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}
