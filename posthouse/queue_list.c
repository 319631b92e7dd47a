/* SPDX-License-Identifier: ISC */
/* posthouse queue list and count. */
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "posthouse/queue.h"

struct listing {
	bool as_json;
	bool filtered;
	struct buf out;
	struct json json;
	char last[ID_LEN + 1]; /* the message of the row before */
	uint64_t messages, recipients;
	bool open; /* a message's object is open in the JSON */
};

static void close_message(struct listing *l)
{
	if (l->open) {
		json_end(&l->json);
		json_end(&l->json);
	}
	l->open = false;
}

static void json_row(struct listing *l, const struct queue_row *r, bool first)
{
	struct json *j = &l->json;

	if (first) {
		close_message(l);
		queue_json_message(j, r);
		json_array(j, "recipients");
		l->open = true;
	}
	json_object(j, NULL);
	json_text(j, "address", r->recipient);
	json_text(j, "state", r->state);
	json_u64(j, "attempts", r->attempts);
	json_u64(j, "next", r->next);
	json_u64(j, "last", r->last);
	json_text(j, "transport", r->transport);
	json_text(j, "nexthop", r->nexthop);
	json_text(j, "reason", r->reason);
	json_end(j);
}

static void print_row(const struct queue_row *r, bool first)
{
	char text[QUEUE_WORDS];

	if (first) {
		printf("%.*s  %s  %10llu  ", STR_FMT(r->queue_id),
		    queue_date(r->arrived, text), (unsigned long long)r->size);
		if (r->sender.len == 0)
			fputs("<>", stdout);
		queue_print(r->sender);
		putchar('\n');
	}
	printf("    %-8.*s  ", STR_FMT(r->state));
	queue_print(r->recipient);
	if (r->next > 0 && !str_eq(r->state, STR("incoming")))
		printf("  next attempt %s", queue_when(r->next, text));
	putchar('\n');
	if (r->reason.len > 0) {
		fputs("              (", stdout);
		queue_print(r->reason);
		puts(")");
	}
}

static void take_row(const struct queue_row *r, void *arg)
{
	struct listing *l = arg;
	bool first = !str_eq(r->queue_id, str_from(l->last));

	str_copy(l->last, sizeof(l->last), r->queue_id);
	if (l->as_json)
		json_row(l, r, first);
	else
		print_row(r, first);
}

static void take_end(const struct queue_end *e, void *arg)
{
	struct listing *l = arg;

	l->messages = e->count;
	l->recipients = e->recipients;
}

int queue_do_list(struct posthouse *p, const struct queue_options *o)
{
	struct listing l = {.as_json = p->json,
	    .filtered = queue_has_filter(&o->ask),
	    .out = buf_new(QUEUE_JSON_MAX)};
	struct queue_calls calls = {
	    .row = take_row, .end = take_end, .arg = &l};
	int status;

	l.json = json_start(&l.out);
	json_object(&l.json, NULL);
	json_array(&l.json, "messages");
	status = queue_ask_once(p, &o->ask, &calls);
	close_message(&l);
	json_end(&l.json);
	json_u64(&l.json, "count", l.messages);
	json_u64(&l.json, "recipients", l.recipients);
	json_end(&l.json);
	if (status == 0 && l.out.overflow)
		status = posthouse_fail("queue", "too much for one document");
	else if (status == 0 && p->json)
		fputs(buf_text(&l.out), stdout);
	else if (status == 0 && l.messages == 0)
		puts(l.filtered ? "No message in the queue is meant."
				: "The queue is empty.");
	else if (status == 0)
		printf("%llu %s, %llu %s\n", (unsigned long long)l.messages,
		    l.messages == 1 ? "message" : "messages",
		    (unsigned long long)l.recipients,
		    l.recipients == 1 ? "recipient" : "recipients");
	buf_free(&l.out);
	return status;
}

int queue_do_count(struct posthouse *p, const struct queue_options *o)
{
	struct listing l = {.messages = 0};
	struct queue_calls calls = {.end = take_end, .arg = &l};
	struct buf out = buf_new(4096);
	struct json j = json_start(&out);

	if (queue_ask_once(p, &o->ask, &calls) != 0)
		return 1;
	json_object(&j, NULL);
	json_u64(&j, "count", l.messages);
	json_u64(&j, "recipients", l.recipients);
	json_end(&j);
	if (p->json)
		fputs(buf_text(&out), stdout);
	else
		printf("%llu messages, %llu recipients\n",
		    (unsigned long long)l.messages,
		    (unsigned long long)l.recipients);
	buf_free(&out);
	return 0;
}
