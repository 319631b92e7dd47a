/* SPDX-License-Identifier: ISC */
/* posthouse queue summary: recipients by domain and age, as qshape(1) has
 * them, by state and by reason. */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "posthouse/queue.h"
#include "posthouse/queue_tally.h"

#define SHOWN 20 /* lines of each table, for people */

struct summary {
	uint64_t now, messages;
	struct tally domains, states, reasons;
};

static void take_row(const struct queue_row *r, void *arg)
{
	struct summary *s = arg;
	size_t at = str_find_last(r->recipient, '@');
	struct str domain = at == r->recipient.len
	    ? STR("(none)")
	    : str_skip(r->recipient, at + 1);

	tally_add(&s->domains, domain, r->arrived, r->last, s->now);
	tally_add(&s->states, r->state, r->arrived, r->last, s->now);
	tally_add(
	    &s->reasons, tally_reason(r->reason), r->arrived, r->last, s->now);
}

static void take_end(const struct queue_end *e, void *arg)
{
	((struct summary *)arg)->messages = e->count;
}

/* ---- for people ---- */

static void print_ages(const char *name, const struct tally_line *l)
{
	printf("%-30.30s %8llu", name, (unsigned long long)l->total);
	for (size_t i = 0; i < TALLY_AGES; i++)
		printf(" %6llu", (unsigned long long)l->ages[i]);
	putchar('\n');
}

static void print_domains(const struct tally *t)
{
	size_t n;
	struct tally_line **lines = tally_sorted(t, &n);
	char age[16];

	printf("%-30s %8s", "RECIPIENTS BY DOMAIN, MINUTES", "TOTAL");
	for (size_t i = 0; i < TALLY_AGES - 1; i++) {
		snprintf(age, sizeof(age), "<%u", tally_ages[i]);
		printf(" %6s", age);
	}
	printf(" %6s\n", "older");
	print_ages("all", &t->all);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		print_ages(lines[i]->name, lines[i]);
	if (n > SHOWN)
		printf("(and %zu more domains)\n", n - SHOWN);
	free(lines);
}

static void print_counts(const char *title, const struct tally *t)
{
	size_t n;
	struct tally_line **lines = tally_sorted(t, &n);

	printf("\n%s\n", title);
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		printf("%8llu  ", (unsigned long long)lines[i]->total);
		queue_print(str_from(lines[i]->name));
		putchar('\n');
	}
	if (n > SHOWN)
		printf("(and %zu more)\n", n - SHOWN);
	free(lines);
}

/* ---- JSON ---- */

static void json_tally(
    struct json *j, const char *name, const char *key, const struct tally *t)
{
	size_t n;
	struct tally_line **lines = tally_sorted(t, &n);

	json_array(j, name);
	for (size_t i = 0; i < n; i++) {
		json_object(j, NULL);
		json_text(j, key, str_from(lines[i]->name));
		json_u64(j, "recipients", lines[i]->total);
		json_u64(j, "oldest", lines[i]->oldest);
		json_u64(j, "last", lines[i]->last);
		json_array(j, "ages");
		for (size_t k = 0; k < TALLY_AGES; k++)
			json_u64(j, NULL, lines[i]->ages[k]);
		json_end(j);
		json_end(j);
	}
	json_end(j);
	free(lines);
}

static void print_json(const struct summary *s)
{
	struct buf out = buf_new(QUEUE_JSON_MAX);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_u64(&j, "messages", s->messages);
	json_u64(&j, "recipients", s->domains.all.total);
	json_array(&j, "age_minutes");
	for (size_t i = 0; i < TALLY_AGES - 1; i++)
		json_u64(&j, NULL, tally_ages[i]);
	json_end(&j);
	json_tally(&j, "domains", "domain", &s->domains);
	json_tally(&j, "states", "state", &s->states);
	json_tally(&j, "reasons", "reason", &s->reasons);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
}

int queue_do_summary(struct posthouse *p, const struct queue_options *o)
{
	struct summary s = {.now = (uint64_t)clock_seconds()};
	struct queue_calls calls = {
	    .row = take_row, .end = take_end, .arg = &s};
	int status = queue_ask_once(p, &o->ask, &calls);

	if (status == 0 && p->json) {
		print_json(&s);
	} else if (status == 0) {
		print_domains(&s.domains);
		print_counts("RECIPIENTS BY STATE", &s.states);
		print_counts("RECIPIENTS BY REASON", &s.reasons);
		printf("\n%llu messages, %llu recipients\n",
		    (unsigned long long)s.messages,
		    (unsigned long long)s.domains.all.total);
	}
	tally_free(&s.domains);
	tally_free(&s.states);
	tally_free(&s.reasons);
	return status;
}
