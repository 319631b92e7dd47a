/* SPDX-License-Identifier: ISC */
/* posthouse report pending, send: what reportd has counted, and its reports. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "core/clock.h"
#include "ipc/report.h"
#include "posthouse/report.h"

#define OUT_MAX (64u << 20)
#define WAIT_MS 30000
/* All questions to DNS about all reports may take their time. */
#define SEND_WAIT_MS (3600 * 1000)

struct out {
	bool json;
	struct buf text;
	struct json j;
	uint64_t count, failed;
};

static void put_time(struct buf *out, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_add_text(out, text);
}

static void put_period_json(struct out *o, const struct report_period *r)
{
	json_object(&o->j, NULL);
	json_text(&o->j, "domain", r->domain);
	json_u64(&o->j, "begin", r->begin);
	json_u64(&o->j, "end", r->end);
	json_u64(&o->j, "messages", r->messages);
	json_u64(&o->j, "rows", r->rows);
	json_u64(&o->j, "left_out", r->left_out);
	json_text(&o->j, "report_id", r->id);
	json_u64(&o->j, "attempts", r->attempts);
	json_u64(&o->j, "next", r->next);
	json_text(&o->j, "text", r->text);
	json_end(&o->j);
}

static void put_period(struct out *o, const struct report_period *r)
{
	bool open = r->end > (uint64_t)clock_seconds();

	o->count++;
	if (o->json) {
		put_period_json(o, r);
		return;
	}
	buf_printf(&o->text, "%.*s: %llu messages in %llu rows, from ",
	    STR_FMT(r->domain), (unsigned long long)r->messages,
	    (unsigned long long)r->rows);
	put_time(&o->text, r->begin);
	buf_add_text(&o->text, open ? "; the period ends " : " to ");
	put_time(&o->text, r->end);
	if (r->left_out > 0)
		buf_printf(&o->text,
		    "; %llu messages are not in it, for a limit",
		    (unsigned long long)r->left_out);
	if (r->next != 0) {
		buf_add_text(&o->text, "; to be sent ");
		put_time(&o->text, r->next);
	}
	if (r->text.len > 0)
		buf_printf(&o->text, "; %.*s", STR_FMT(r->text));
	buf_printf(&o->text, " (report %.*s)\n", STR_FMT(r->id));
}

static void put_sent(struct out *o, const struct report_sent *r)
{
	o->count++;
	o->failed += !r->queued;
	if (o->json) {
		json_object(&o->j, NULL);
		json_text(&o->j, "domain", r->domain);
		json_text(&o->j, "report_id", r->id);
		json_text(&o->j, "address", r->address);
		json_bool(&o->j, "queued", r->queued);
		json_text(&o->j, "queue_id", r->queue_id);
		json_text(&o->j, "text", r->text);
		json_end(&o->j);
		return;
	}
	buf_printf(&o->text, "%.*s: ", STR_FMT(r->domain));
	if (r->queued)
		buf_printf(&o->text, "queued as %.*s for %.*s\n",
		    STR_FMT(r->queue_id), STR_FMT(r->address));
	else if (r->address.len > 0)
		buf_printf(&o->text, "not sent to %.*s: %.*s\n",
		    STR_FMT(r->address), STR_FMT(r->text));
	else
		buf_printf(&o->text, "not sent: %.*s\n", STR_FMT(r->text));
}

static void take(const struct ipc_type *type, const void *answer, void *arg)
{
	if (type == &report_period)
		put_period(arg, answer);
	else if (type == &report_sent)
		put_sent(arg, answer);
}

/* nothing: said when there was no answer but the end. */
static int ask(struct posthouse *p, const struct ipc_type *type,
    const void *question, int64_t wait_ms, const char *nothing)
{
	struct out o = {.json = p->json, .text = buf_new(OUT_MAX)};
	int status;

	o.j = json_start(&o.text);
	if (p->json)
		json_array(&o.j, NULL);
	status = posthouse_ask(p,
	    &(struct posthouse_question){.command = "report",
		.daemon = "reportd",
		.exchange = &report_exchange,
		.type = type,
		.last = &report_end,
		.message = question,
		.wait_ms = wait_ms,
		.take = take,
		.arg = &o});
	if (p->json) {
		json_end(&o.j);
	} else if (o.count == 0) {
		buf_printf(&o.text, "%s\n", nothing);
	}
	if (status == 0)
		fputs(buf_text(&o.text), stdout);
	if (status == 0 && o.failed > 0)
		status = EX_TEMPFAIL;
	buf_free(&o.text);
	return status;
}

/* What is counted looks as if it would be sent. */
static bool sends_by_itself(struct posthouse *p)
{
	struct buf value = buf_new(64), errors = buf_new(1000);
	bool sends;

	sends = posthouse_conf(p) < 0 ||
	    conf_value(p->conf, "dmarc_reporting", "no", &value, &errors) < 0 ||
	    !str_eq(buf_str(&value), STR("no"));
	buf_free(&value);
	buf_free(&errors);
	return sends;
}

int report_show_pending(struct posthouse *p, int argc, char **argv)
{
	int status;

	struct report_pending question = {
	    .domain = str_from(argc > 1 ? argv[1] : "")};

	if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
		return posthouse_usage("report");
	status = ask(
	    p, &report_pending, &question, WAIT_MS, "no report is waiting");
	if (status == 0 && !p->json && !sends_by_itself(p))
		printf("dmarc_reporting is no: nothing is sent but by "
		       "\"posthouse report send\"\n");
	return status;
}

int report_send_now(struct posthouse *p, int argc, char **argv)
{
	struct report_send question = {.domain = STR_EMPTY};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--now") == 0)
			question.now = true;
		else if (argv[i][0] != '-' && question.domain.len == 0)
			question.domain = str_from(argv[i]);
		else
			return posthouse_usage("report");
	}
	if (question.now && question.domain.len == 0)
		return posthouse_usage("report");
	return ask(p, &report_send, &question, SEND_WAIT_MS,
	    question.now
		? "nothing is counted for this domain; \"posthouse report "
		  "pending\" shows what is"
		: "no report is ready; \"posthouse report pending\" shows what "
		  "is "
		  "counted, --now DOMAIN ends a period before its time");
}
