/* SPDX-License-Identifier: ISC */
#include "core/dsn.h"

#include <stdio.h>

struct dsn dsn_vmake(
    enum dsn_action action, const char *code, const char *format, va_list args)
{
	struct dsn d = {.action = action};

	snprintf(d.code, sizeof(d.code), "%s", code);
	vsnprintf(d.text, sizeof(d.text), format, args);
	for (char *p = d.text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	return d;
}

struct dsn dsn_make(
    enum dsn_action action, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct dsn d = dsn_vmake(action, code, format, args);
	va_end(args);
	return d;
}

/* Digits from position at; returns how many, at most `most`. */
static size_t digits(struct str s, size_t at, size_t most)
{
	size_t n = 0;

	while (n < most && at + n < s.len && ascii_digit(s.p[at + n]))
		n++;
	return n;
}

int dsn_cut_code(struct str *text, char code[DSN_CODE_MAX])
{
	size_t at = 2, n;

	if (text->len < 5 || strchr("245", text->p[0]) == NULL ||
	    text->p[1] != '.')
		return -1;
	n = digits(*text, at, 3);
	at += n;
	if (n == 0 || at >= text->len || text->p[at] != '.')
		return -1;
	at++;
	n = digits(*text, at, 3);
	at += n;
	if (n == 0 || (at < text->len && text->p[at] != ' '))
		return -1;
	if (str_copy(code, DSN_CODE_MAX, str_sub(*text, 0, at)) < 0)
		return -1;
	*text = str_skip(*text, at < text->len ? at + 1 : at);
	return 0;
}

const char *dsn_action_name(enum dsn_action action)
{
	static const char *const names[] = {"delivered", "deferred", "failed"};

	return names[action];
}
