/* SPDX-License-Identifier: ISC */
/* posthouse trace: the way of a message, hop by hop, and where it waited. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "posthouse/posthouse.h"
#include "posthouse/trace_print.h"

#define OUTPUT_MAX    (256u << 20)
#define DEFAULT_MOST  50
#define LIMIT_MOST    1000
#define FOLLOWED_MOST 5000   /* messages that --follow keeps in mind */
#define FOLLOW_US     250000 /* between looks */

struct options {
	struct trace_query query;
	bool follow;
};

/* ---- options -------------------------------------------------------------------------- */

/* "90s", "15m", "2h", "3d": so long ago. */
static int parse_ago(struct str text, uint64_t now_us, uint64_t *out)
{
	static const char letters[] = "smhd";
	static const uint64_t seconds[] = {1, 60, 3600, 86400};
	const char *letter;
	uint64_t n;

	if (text.len < 2)
		return -1;
	letter = memchr(letters, text.p[text.len - 1], 4);
	if (letter == NULL ||
	    str_to_u64(str_sub(text, 0, text.len - 1), 100000000, &n) < 0)
		return -1;
	n *= seconds[letter - letters] * 1000000;
	*out = n > now_us ? 0 : now_us - n;
	return 0;
}

/* A local time, of today when it has no date; or so long ago. */
static int parse_time(const char *text, uint64_t *out)
{
	static const char *const formats[] = {"%Y-%m-%d %H:%M:%S",
	    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
	    "%H:%M:%S", "%H:%M"};
	uint64_t now = clock_us();
	time_t seconds = (time_t)(now / 1000000);

	if (parse_ago(str_from(text), now, out) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		const char *end;
		struct tm tm;

		localtime_r(&seconds, &tm);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		end = strptime(text, formats[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		*out = (uint64_t)mktime(&tm) * 1000000;
		return 0;
	}
	return -1;
}

static int take_option(struct options *o, const char *name, const char *value)
{
	uint64_t n;

	bool since = strcmp(name, "--since") == 0;

	if (value == NULL)
		return -1;
	if (since || strcmp(name, "--until") == 0) {
		if (parse_time(value,
			since ? &o->query.since_us : &o->query.until_us) == 0)
			return 0;
		posthouse_fail("trace",
		    "%s %s: a time is as 2026-11-22 14:00, 2026-11-22, 14:00, "
		    "or 90s, 15m, 2h, 3d ago",
		    name, value);
		return -1;
	}
	if (strcmp(name, "--limit") != 0)
		return -1;
	if (str_to_u64(str_from(value), LIMIT_MOST, &n) < 0 || n == 0) {
		posthouse_fail("trace",
		    "--limit %s: it is a number from 1 to %d", value,
		    LIMIT_MOST);
		return -1;
	}
	o->query.most = (size_t)n;
	return 0;
}

static int take_options(struct options *o, int argc, char **argv)
{
	*o = (struct options){
	    .query = {.until_us = UINT64_MAX, .most = DEFAULT_MOST}};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--follow") == 0) {
			o->follow = true;
		} else if (strncmp(argv[i], "--", 2) == 0) {
			if (take_option(o, argv[i], argv[i + 1]) < 0)
				return -1;
			i++;
		} else if (o->query.key.len > 0) {
			return -1;
		} else {
			o->query.key = str_trim(str_from(argv[i]));
		}
	}
	if (o->follow && o->query.most < FOLLOWED_MOST)
		o->query.most = FOLLOWED_MOST;
	return o->query.key.len > 0 ? 0 : -1;
}

/* ---- printing -------------------------------------------------------------------------- */

static void print(struct buf *out)
{
	fwrite(buf_text(out), 1, out->len, stdout);
	fflush(stdout);
	buf_clear(out);
}

static void print_events(
    const struct trace_search *s, size_t from, bool json, struct buf *out)
{
	for (size_t i = from; i < s->found_count; i++) {
		trace_print_event(s->found[i].record, json, out);
		print(out);
	}
}

/* What happens from now on, until all of it has ended. */
static void follow(struct posthouse *p, struct trace_search *s, struct buf *out)
{
	print_events(s, 0, p->json, out);
	while (!s->cut && !ferror(stdout) &&
	    (trace_search_goes_on(s) || !trace_search_ended(s))) {
		usleep(FOLLOW_US);
		print_events(s, trace_search_more(s), p->json, out);
	}
}

static int show(struct posthouse *p, struct trace_search *s)
{
	struct buf out = buf_new(OUTPUT_MAX);
	uint64_t now = clock_us();

	if (p->json) {
		trace_print_json(s, now, &out);
	} else {
		trace_print_text(s, now, &out);
	}
	print(&out);
	buf_free(&out);
	return s->found_count > 0 ? 0 : 1;
}

static void tell(struct trace_search *s, bool json)
{
	if (json)
		return;
	fputs(buf_text(&s->files.notes), stderr);
	if (s->cut)
		fprintf(stderr,
		    "there is more: only the newest are shown (--limit, "
		    "--since and --until choose others)\n");
}

int cmd_trace(struct posthouse *p, int argc, char **argv)
{
	struct trace_search s;
	struct options o;
	struct buf out = buf_new(OUTPUT_MAX);
	char *directory;
	int status = 0;

	if (take_options(&o, argc, argv) < 0)
		return posthouse_usage("trace");
	if (posthouse_conf(p) < 0 ||
	    asprintf(&directory, "%s/trace", p->house.log_directory) < 0)
		return 1;
	if (trace_search(&s, directory, &o.query) < 0)
		status = posthouse_fail("trace", "%s: %s%s", directory,
		    strerror(errno),
		    errno == ENOENT ? "; nothing has been traced yet" : "");
	else if (o.follow)
		follow(p, &s, &out);
	else
		status = show(p, &s);
	if (status == 1 && s.found_count == 0 && s.files.dir >= 0 && !p->json)
		posthouse_fail("trace",
		    "nothing is known of %.*s (trace_lifetime says how long "
		    "it would be)",
		    STR_FMT(o.query.key));
	tell(&s, p->json);
	trace_search_free(&s);
	buf_free(&out);
	free(directory);
	return status;
}
