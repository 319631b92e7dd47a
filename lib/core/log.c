/* SPDX-License-Identifier: ISC */
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *program = "posthouse";
static enum log_level least = LOG_LEVEL_INFO;

static void to_stderr(enum log_level level, struct str line, void *arg)
{
	char out[LOG_LINE_MAX + 64];
	int n = snprintf(
	    out, sizeof(out), "%s: %.*s\n", program, STR_FMT(line));

	(void)level;
	(void)arg;
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		return;
}

static log_sink *sink = to_stderr;
static void *sink_arg;

void log_open(const char *name)
{
	program = name;
}

const char *log_program(void)
{
	return program;
}

void log_set_sink(log_sink *to, void *arg)
{
	sink = to != NULL ? to : to_stderr;
	sink_arg = arg;
}

void log_set_level(enum log_level level)
{
	least = level;
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {
	    "debug", "info", "warning", "error", "fatal"};

	return names[level];
}

/* Copies with control octets escaped; returns the length, cut to size. */
static size_t escape(char *out, size_t size, const char *in)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (; *in != '\0'; in++) {
		unsigned char c = (unsigned char)*in;

		if (n + 7 > size) {
			memcpy(out + n, "...", 3);
			return n + 3;
		}
		if (c >= ' ' && c != 127) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return n;
}

static void emit(enum log_level level, const char *format, va_list args)
{
	char raw[LOG_LINE_MAX + 8], line[LOG_LINE_MAX];

	vsnprintf(raw, sizeof(raw), format, args);
	sink(level, str_of(line, escape(line, sizeof(line), raw)), sink_arg);
}

void log_at(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level < least)
		return;
	va_start(args, format);
	emit(level, format, args);
	va_end(args);
}

void log_name(char *out, size_t size, struct str name)
{
	size_t n = 0;

	for (; n < name.len && n + 1 < size; n++) {
		char c = name.p[n];
		bool fine = (unsigned char)c > ' ' && c != 127 &&
		    strchr("<>,", c) == NULL;

		out[n] = fine ? c : '?';
	}
	out[n] = '\0';
}

void log_fatal(const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_at(LOG_LEVEL_FATAL, "fatal: %s", text);
	exit(1);
}
