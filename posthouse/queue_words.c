/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "conf/registry.h"
#include "core/clock.h"
#include "posthouse/queue.h"

const char *queue_duration(uint64_t s, char out[QUEUE_WORDS])
{
	unsigned long long n = s;

	if (n < 120)
		snprintf(out, QUEUE_WORDS, "%llus", n);
	else if (n < 7200)
		snprintf(out, QUEUE_WORDS, "%llum", n / 60);
	else if (n < 172800)
		snprintf(
		    out, QUEUE_WORDS, "%lluh %llum", n / 3600, n % 3600 / 60);
	else
		snprintf(out, QUEUE_WORDS, "%llud %lluh", n / 86400,
		    n % 86400 / 3600);
	return out;
}

const char *queue_when(uint64_t at, char out[QUEUE_WORDS])
{
	int64_t left = (int64_t)at - clock_seconds();
	char text[QUEUE_WORDS];

	if (left <= 0)
		snprintf(out, QUEUE_WORDS, "now");
	else
		snprintf(out, QUEUE_WORDS, "in %.40s",
		    queue_duration((uint64_t)left, text));
	return out;
}

const char *queue_ago(uint64_t at, char out[QUEUE_WORDS])
{
	int64_t passed = clock_seconds() - (int64_t)at;
	char text[QUEUE_WORDS];

	snprintf(out, QUEUE_WORDS, "%.40s ago",
	    queue_duration(passed > 0 ? (uint64_t)passed : 0, text));
	return out;
}

const char *queue_date(uint64_t at, char out[QUEUE_WORDS])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, QUEUE_WORDS, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, QUEUE_WORDS, "-");
	return out;
}

void queue_print(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		putchar((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?'
								      : s.p[i]);
}

/* The last line that sets it; 0: none does. */
static unsigned line_of(const struct conf *conf, const char *name)
{
	const char *found, *value;
	unsigned line, last = 0;
	size_t at = 0;

	while (conf_next(conf, &at, &found, &value, &line))
		if (strcmp(found, name) == 0)
			last = line;
	return last;
}

void queue_value(struct posthouse *p, struct str name, struct buf *out)
{
	struct buf errors = buf_new(4096);
	const struct conf_param *row;
	char text[200];

	if (posthouse_conf(p) == 0 && str_copy(text, sizeof(text), name) >= 0 &&
	    (row = conf_find(text, NULL)) != NULL)
		conf_value(p->conf, text, row->fallback, out, &errors);
	buf_free(&errors);
}

void queue_parameter(struct posthouse *p, struct str name, struct buf *out)
{
	unsigned line = 0;
	char text[200];

	buf_printf(out, "%.*s=", STR_FMT(name));
	queue_value(p, name, out);
	if (p->conf != NULL && str_copy(text, sizeof(text), name) >= 0)
		line = line_of(p->conf, text);
	if (line > 0)
		buf_printf(out, ", main.cf line %u", line);
	else
		buf_printf(out, ", the default");
}

void queue_json_message(struct json *j, const struct queue_row *r)
{
	json_object(j, NULL);
	json_text(j, "id", r->queue_id);
	json_text(j, "sender", r->sender);
	json_u64(j, "size", r->size);
	json_u64(j, "arrived", r->arrived);
}
