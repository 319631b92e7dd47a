/* SPDX-License-Identifier: ISC */
/* posthouse report list, show: the reports that others have sent us. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/memory.h"
#include "posthouse/received.h"
#include "posthouse/report.h"
#include "posthouse/report_advice.h"

#define OUTPUT_MAX ((size_t)512 << 20)

/* ---- one report in a line ---- */

static void say(const struct report_head *h, struct buf *out)
{
	switch (h->kind) {
	case REPORT_DMARC:
	case REPORT_TLS:
		buf_printf(out, "%llu %s, %llu failed",
		    (unsigned long long)h->total,
		    h->kind == REPORT_DMARC ? "messages" : "sessions",
		    (unsigned long long)h->failed);
		break;
	case REPORT_ARF:
		buf_printf(out, "%.*s", STR_FMT(h->type));
		if (h->message_id.len > 0)
			buf_printf(
			    out, " about <%.*s>", STR_FMT(h->message_id));
		break;
	case REPORT_UNREADABLE:
		buf_printf(out, "%.*s", STR_FMT(h->reason));
	}
}

/* ---- list ---- */

struct row {
	uint64_t received;
	char key[REPORT_KEY_LEN + 1];
	char *line; /* as it is printed */
};

/* The newest that were found, twice as many as are wanted at most. */
struct list {
	struct row *rows;
	size_t count, room, most;
	uint64_t found;
	bool json;
};

static void put_row_json(
    const struct report_head *h, const char *key, struct buf *out)
{
	struct buf what = buf_new(4096);
	struct json j = json_start(out);

	say(h, &what);
	json_object(&j, NULL);
	json_text(&j, "key", str_from(key));
	json_text(&j, "kind", str_from(report_kind_names[h->kind]));
	json_u64(&j, "received", h->received);
	json_text(&j, "reporter", h->reporter);
	json_text(&j, "report_id", h->id);
	json_text(&j, "domain", h->domain);
	json_u64(&j, "begin", h->begin);
	json_u64(&j, "end", h->end);
	json_u64(&j, "total", h->total);
	json_u64(&j, "failed", h->failed);
	json_text(&j, "text", buf_str(&what));
	json_end(&j);
	buf_free(&what);
	out->len--; /* the line's end: it is one of a list */
}

static void put_row_text(
    const struct report_head *h, const char *key, struct buf *out)
{
	buf_printf(out, "%.*s  ", RECEIVED_ID, key);
	received_put_time(out, h->received);
	buf_printf(out, "  %-10s  %.*s from %.*s: ", report_kind_names[h->kind],
	    STR_FMT(h->domain.len > 0 ? h->domain : STR("-")),
	    STR_FMT(h->reporter.len > 0 ? h->reporter : STR("nobody known")));
	say(h, out);
}

static int newest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->received != y->received)
		return x->received > y->received ? -1 : 1;
	return strcmp(y->key, x->key);
}

/* Sorted, and no more than are wanted. */
static void keep_newest(struct list *l)
{
	if (l->count > 0)
		qsort(l->rows, l->count, sizeof(*l->rows), newest_first);
	while (l->count > l->most)
		free(l->rows[--l->count].line);
}

static int take_row(const struct report_head *h, const char *key, void *arg)
{
	struct list *l = arg;
	struct buf line = buf_new(32768);
	struct row *row;

	l->found++;
	if (l->count == 2 * l->most)
		keep_newest(l);
	if (l->count == l->room) {
		l->room = l->room == 0 ? 64 : l->room * 2;
		l->rows = mem_resize(l->rows, l->room, sizeof(*l->rows));
	}
	row = &l->rows[l->count++];
	*row = (struct row){.received = h->received};
	snprintf(row->key, sizeof(row->key), "%s", key);
	if (l->json)
		put_row_json(h, key, &line);
	else
		put_row_text(h, key, &line);
	row->line = str_dup(buf_str(&line));
	buf_free(&line);
	return 0;
}

/* The oldest first: what came last stands where the eye is. */
static void print_rows(struct list *l)
{
	if (l->json)
		printf("{\"reports\":[");
	for (size_t i = l->count; i > 0; i--) {
		printf("%s%s%s", l->json && i < l->count ? "," : "",
		    l->rows[i - 1].line, l->json ? "" : "\n");
		free(l->rows[i - 1].line);
	}
	if (l->json)
		printf("],\"found\":%llu,\"more\":%s}\n",
		    (unsigned long long)l->found,
		    l->found > l->count ? "true" : "false");
}

int report_list(struct posthouse *p, int argc, char **argv)
{
	uint64_t now = (uint64_t)clock_seconds();
	struct list l = {.json = p->json};
	struct received_query q;
	int status;

	if (received_options(&q, argc, argv, false, now) < 0)
		return EX_USAGE;
	if (posthouse_conf(p) < 0)
		return EX_CONFIG;
	l.most = q.most;
	status = received_heads(p, &q, now, take_row, &l) == 0 ? 0 : EX_NOINPUT;
	keep_newest(&l);
	print_rows(&l);
	if (p->json)
		;
	else if (l.found > l.count)
		fprintf(stderr,
		    "there is more: only the newest %zu of %llu are shown "
		    "(--limit, --until and --since choose others)\n",
		    l.count, (unsigned long long)l.found);
	else if (l.count == 0 && status == 0)
		printf("%s\n", received_none(&q));
	free(l.rows);
	return status;
}

/* ---- show ---- */

static void put_line(struct buf *out, const char *name, struct str value)
{
	if (value.len > 0)
		buf_printf(out, "%-12s %.*s\n", name, STR_FMT(value));
}

static void put_period(struct buf *out, const struct report *r)
{
	if (r->begin == 0 && r->end == 0)
		return;
	buf_printf(out, "%-12s ", "period");
	received_put_time(out, r->begin);
	buf_add_text(out, " to ");
	received_put_time(out, r->end);
	buf_add_char(out, '\n');
}

static void put_row(struct buf *out, const struct report_row *row)
{
	buf_printf(out, "  %.*s: %llu as %.*s, DKIM %.*s, SPF %.*s, %.*s",
	    STR_FMT(row->source), (unsigned long long)row->count,
	    STR_FMT(row->header_from),
	    STR_FMT(row->dkim.len > 0 ? row->dkim : STR("not said")),
	    STR_FMT(row->spf.len > 0 ? row->spf : STR("not said")),
	    STR_FMT(
		row->disposition.len > 0 ? row->disposition : STR("not said")));
	if (row->override.len > 0)
		buf_printf(out, " because of %.*s", STR_FMT(row->override));
	if (row->comment.len > 0)
		buf_printf(out, " (%.*s)", STR_FMT(row->comment));
	buf_add_char(out, '\n');
	for (size_t i = 0; i < row->auth_count; i++) {
		const struct report_auth *a = &row->auth[i];

		buf_printf(out, "      %.*s %.*s", STR_FMT(a->method),
		    STR_FMT(a->domain));
		if (a->selector.len > 0)
			buf_printf(out, " s=%.*s", STR_FMT(a->selector));
		buf_printf(out, ": %.*s", STR_FMT(a->result));
		if (a->explanation.len > 0)
			buf_printf(out, " (%.*s)", STR_FMT(a->explanation));
		buf_add_char(out, '\n');
	}
}

static void show_dmarc(const struct report *r, struct buf *out)
{
	const struct report_dmarc *d = &r->dmarc;

	buf_printf(out, "%-12s p=%.*s", "policy",
	    STR_FMT(d->p.len > 0 ? d->p : STR("?")));
	if (d->sp.len > 0)
		buf_printf(out, " sp=%.*s", STR_FMT(d->sp));
	if (d->np.len > 0)
		buf_printf(out, " np=%.*s", STR_FMT(d->np));
	if (d->testing.len > 0)
		buf_printf(out, " t=%.*s", STR_FMT(d->testing));
	buf_add_char(out, '\n');
	put_line(out, "errors", d->errors);
	buf_printf(out,
	    "rows         %zu: source: messages as author's domain, "
	    "what is aligned, what was done\n",
	    d->row_count);
	for (size_t i = 0; i < d->row_count; i++)
		put_row(out, &d->rows[i]);
}

static void show_tls(const struct report *r, struct buf *out)
{
	for (size_t i = 0; i < r->tls.policy_count; i++) {
		const struct report_policy *p = &r->tls.policies[i];

		buf_printf(out,
		    "policy       %.*s of %.*s: %llu sessions "
		    "passed, %llu failed\n",
		    STR_FMT(p->type), STR_FMT(p->domain),
		    (unsigned long long)p->passed,
		    (unsigned long long)p->failed);
		for (size_t k = 0; k < p->failure_count; k++) {
			const struct report_failure *f = &p->failures[k];

			buf_printf(out, "  %llu from %.*s to %.*s: %.*s: %s\n",
			    (unsigned long long)f->count,
			    STR_FMT(f->sending_address.len > 0
				    ? f->sending_address
				    : STR("?")),
			    STR_FMT(f->receiving_host.len > 0
				    ? f->receiving_host
				    : STR("?")),
			    STR_FMT(f->result), advice_tls(f->result));
			if (f->code.len > 0)
				buf_printf(
				    out, "      %.*s\n", STR_FMT(f->code));
			if (f->information.len > 0)
				buf_printf(out, "      %.*s\n",
				    STR_FMT(f->information));
		}
	}
}

static void show_arf(const struct report *r, struct buf *out)
{
	const struct report_arf *a = &r->arf;

	put_line(out, "type", a->type);
	put_line(out, "failure", a->auth_failure);
	put_line(out, "not aligned", a->identity_alignment);
	put_line(out, "result", a->results);
	put_line(out, "source", a->source);
	put_line(out, "sender", a->sender);
	put_line(out, "recipient", a->recipient);
	put_line(out, "author", a->from);
	put_line(out, "subject", a->subject);
	put_line(out, "arrived", a->arrived);
	put_line(out, "message id", a->message_id);
	put_line(out, "envelope id", a->envelope_id);
	put_line(out, "queue id", a->queue_id);
	if (a->queue_id.len > 0)
		buf_printf(out,
		    "\nIt says that this message went through this house: "
		    "\"posthouse trace %.*s\" shows who sent it.\n",
		    STR_FMT(a->queue_id));
	else if (a->message_id.len > 0)
		buf_printf(out,
		    "\nNo Received line of this house was in it; "
		    "\"posthouse trace '%.*s'\" knows whether it was ours.\n",
		    STR_FMT(a->message_id));
}

static void show(
    const struct report *r, const char *key, const char *path, struct buf *out)
{
	put_line(out, "key", str_from(key));
	put_line(out, "kind", str_from(report_kind_names[r->kind]));
	put_line(out, "reporter", r->reporter);
	put_line(out, "contact", r->contact);
	put_line(out, "report id", r->id);
	put_line(out, "domain", r->domain);
	put_period(out, r);
	buf_printf(out, "%-12s ", "received");
	received_put_time(out, r->received);
	buf_printf(out, " as %.*s from %.*s\n", STR_FMT(r->mail_queue_id),
	    STR_FMT(r->mail_from.len > 0 ? r->mail_from : STR("nobody known")));
	if (str_eq(r->mail_dmarc, STR("pass")))
		buf_printf(
		    out, "%-12s yes, that mail passed DMARC\n", "authentic");
	else
		buf_printf(out,
		    "%-12s not proved: that mail did not pass DMARC here, so "
		    "anybody may have written it\n",
		    "authentic");
	put_line(out, "subject", r->mail_subject);
	put_line(out, "reason", r->reason);
	if (r->kind == REPORT_DMARC)
		show_dmarc(r, out);
	else if (r->kind == REPORT_TLS)
		show_tls(r, out);
	else if (r->kind == REPORT_ARF)
		show_arf(r, out);
	else
		buf_printf(
		    out, "\nThe mail is kept beside %s, as .eml.\n", path);
}

struct shown {
	struct buf out;
	bool json;
	size_t count;
};

static int take_shown(
    const struct report *r, const char *key, const char *path, void *arg)
{
	struct shown *s = arg;
	struct json j = json_start(&s->out);

	if (s->count++ > 0)
		return 1; /* one is enough to know that it is not the only one */
	if (!s->json) {
		show(r, key, path, &s->out);
		return 0;
	}
	json_object(&j, NULL);
	json_text(&j, "key", str_from(key));
	report_write_members(r, &j);
	json_end(&j);
	return 0;
}

int report_show(struct posthouse *p, int argc, char **argv)
{
	uint64_t now = (uint64_t)clock_seconds();
	struct shown s = {.out = buf_new(OUTPUT_MAX), .json = p->json};
	struct received_query q;
	int status = EX_NOINPUT;

	if (received_options(&q, argc, argv, true, now) < 0)
		return EX_USAGE;
	if (q.key.len == 0)
		return posthouse_usage("report");
	if (posthouse_conf(p) < 0)
		return EX_CONFIG;
	if (received_each(p, &q, now, take_shown, &s) != 0)
		;
	else if (s.count == 0)
		posthouse_fail("report",
		    "there is no report %.*s; \"posthouse report list\" shows "
		    "them",
		    STR_FMT(q.key));
	else if (s.count > 1)
		posthouse_fail("report",
		    "more than one report begins with %.*s", STR_FMT(q.key));
	else
		status = 0;
	if (status == 0)
		fwrite(buf_text(&s.out), 1, s.out.len, stdout);
	buf_free(&s.out);
	return status;
}
