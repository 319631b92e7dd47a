/* SPDX-License-Identifier: ISC */
/* posthouse trace: the way of a message, hop by hop, and where it waited. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "posthouse/posthouse.h"
#include "posthouse/trace_search.h"

#define JSON_MAX (64u << 20)

static void print_time(uint64_t us)
{
	time_t t = (time_t)(us / 1000000);
	char text[32];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	printf("%s.%03u", text, (unsigned)(us / 1000 % 1000));
}

/* "+0.012", how long nothing happened before. */
static void print_wait(uint64_t before, uint64_t now)
{
	uint64_t us = before == 0 || now < before ? 0 : now - before;

	printf(" %+9.3f", (double)us / 1e6);
}

static void print_events(const struct trace_search *s)
{
	const char *session = "", *message = "";
	uint64_t before = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct trace_record *r = s->events[i];

		if (strcmp(session, r->session.text) != 0 ||
		    strcmp(message, r->message.text) != 0) {
			session = r->session.text;
			message = r->message.text;
			printf("%s%.*s%s%.*s\n",
			    session[0] != '\0' ? "session " : "", ID_LEN,
			    session, message[0] != '\0' ? "  message " : "",
			    ID_LEN, message);
		}
		printf("  ");
		print_time(r->time_us);
		print_wait(before, r->time_us);
		printf("  %-9s %-11s %.*s %.*s %.*s %.*s\n", r->daemon,
		    trace_kind_name(r->kind), STR_FMT(r->says.who),
		    STR_FMT(r->says.where), STR_FMT(r->says.code),
		    STR_FMT(r->says.why));
		before = r->time_us;
	}
	if (s->count > 1)
		printf("%zu events, %.3f s from first to last\n", s->count,
		    (double)(before - s->events[0]->time_us) / 1e6);
}

static void print_json(const struct trace_search *s)
{
	struct buf out = buf_new(JSON_MAX);
	struct json j = json_start(&out);
	uint64_t before = s->count > 0 ? s->events[0]->time_us : 0;

	json_array(&j, NULL);
	for (size_t i = 0; i < s->count; i++) {
		const struct trace_record *r = s->events[i];

		json_object(&j, NULL);
		json_u64(&j, "time_us", r->time_us);
		json_u64(&j, "wait_us", r->time_us - before);
		json_text(&j, "daemon", str_from(r->daemon));
		json_u64(&j, "pid", r->pid);
		json_text(&j, "event", str_from(trace_kind_name(r->kind)));
		json_text(&j, "session", id_str(&r->session));
		json_text(&j, "message", id_str(&r->message));
		json_text(&j, "who", r->says.who);
		json_text(&j, "where", r->says.where);
		json_text(&j, "code", r->says.code);
		json_text(&j, "why", r->says.why);
		json_u64(&j, "took_ms", r->says.wait_ms);
		json_u64(&j, "number", r->says.number);
		json_end(&j);
		before = r->time_us;
	}
	json_end(&j);
	printf("%s\n", buf_text(&out));
	buf_free(&out);
}

int cmd_trace(struct posthouse *p, int argc, char **argv)
{
	struct trace_search s;
	char *directory;
	int status = 0;

	if (argc != 2 || argv[1][0] == '\0')
		return posthouse_usage("trace");
	if (posthouse_conf(p) < 0 ||
	    asprintf(&directory, "%s/trace", p->house.log_directory) < 0)
		return 1;
	if (trace_search(&s, directory, str_from(argv[1])) < 0)
		status = posthouse_fail(
		    "trace", "%s: %s", directory, strerror(errno));
	else if (p->json)
		print_json(&s);
	else if (s.count == 0)
		status = posthouse_fail("trace",
		    "nothing is known of %s "
		    "(trace_lifetime says how long it would be)",
		    argv[1]);
	else
		print_events(&s);
	if (s.cut)
		fprintf(stderr, "only the newest messages are shown\n");
	trace_search_free(&s);
	free(directory);
	return status;
}
