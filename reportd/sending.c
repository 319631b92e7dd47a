/* SPDX-License-Identifier: ISC */
#include "reportd/sending.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "daemon/house_suffixes.h"
#include "ipc/limits.h"
#include "mailauth/dmarc.h"
#include "reportd/aggregate.h"
#include "reportd/aggregate_mail.h"
#include "reportd/destinations.h"
#include "reportd/handover.h"

#define DNS_TRIES 3
#define ROWS_PART 200 /* rows that are written before others get a turn */
#define TEXTS_MAX (4u << 20)

enum stage {
	STAGE_VERIFYING,
	STAGE_WRITING,
	STAGE_HANDING_OVER /* cleanup has it: nothing goes on until it answers */
};

/* The report that is under way; texts are in the arena. */
struct sending {
	enum stage stage;
	struct period p;
	struct arena arena;
	struct destinations to;
	size_t at; /* in to */
	struct aggregate *file;
	struct buf rows_at;
	struct str packed; /* the file; NULL p: not made yet */
	struct buf mail;
	struct buf done; /* p.done, growing */
	char problem[ROWS_PROBLEM_MAX];
	bool again; /* some of it has to be tried again */
	size_t queued;
};

static struct {
	const struct reportd_conf *conf;
	const struct sending_calls *calls;
	struct dns *dns;
	struct questions *questions;
	struct public_suffixes *suffixes;
	struct loop_timer *step;   /* goes on with it */
	struct loop_timer *budget; /* of DNS */
	struct sending *now;
} sender;

static void go_on(void)
{
	loop_timer_set(sender.step, 0);
}

static void tell(const char *problem, struct str address, struct str queue_id)
{
	sender.calls->tried(&sender.now->p, problem, address, queue_id);
}

/* ---- the end of it ---- */

static void forget(void)
{
	struct sending *s = sender.now;

	sender.now = NULL;
	if (s == NULL)
		return;
	loop_timer_stop(sender.step);
	loop_timer_stop(sender.budget);
	questions_clear(sender.questions, 0);
	aggregate_free(&s->file);
	buf_free(&s->rows_at);
	buf_free(&s->mail);
	buf_free(&s->done);
	arena_free(&s->arena);
	free(s);
}

static void end(void)
{
	forget();
	sender.calls->ended();
}

static void remember_problem(struct str address, const char *why)
{
	struct sending *s = sender.now;

	snprintf(s->problem, sizeof(s->problem), "%.*s%s%.120s",
	    STR_FMT(str_sub(address, 0, 254)), address.len > 0 ? ": " : "",
	    why);
}

/* It goes out of the store. */
static void finish(void)
{
	struct sending *s = sender.now;

	if (s->queued == 0 && s->done.len == 0) {
		daemon_count("reports_dropped", 1);
		log_info("report %.*s for %.*s dropped: %s", STR_FMT(s->p.id),
		    STR_FMT(s->p.domain), s->problem);
	}
	rows_remove_period(&s->p);
	end();
}

/* What did not work is tried again later. */
static void postpone(void)
{
	struct sending *s = sender.now;
	uint64_t now = (uint64_t)clock_seconds();

	s->p.attempts++;
	s->p.next = now + (uint64_t)sender.conf->dmarc_report_retry_time / 1000;
	s->p.done = buf_str(&s->done);
	s->p.problem = str_from(s->problem);
	rows_save_period(&s->p);
	daemon_count("reports_deferred", 1);
	log_warning("report %.*s for %.*s deferred: %s", STR_FMT(s->p.id),
	    STR_FMT(s->p.domain), s->problem);
	end();
}

/* ---- the messages ---- */

static bool is_done(const struct sending *s, struct str address)
{
	struct str list = buf_str(&s->done);

	while (list.len > 0)
		if (str_case_eq(str_cut(&list, '\n'), address))
			return true;
	return false;
}

static void mark_done(struct sending *s, struct str address)
{
	if (s->done.len + address.len + 1 > ROWS_DONE_MAX)
		return;
	buf_add(&s->done, address);
	buf_add_char(&s->done, '\n');
}

static void handed_over(enum handover_result result, struct str text)
{
	struct sending *s = sender.now;
	const struct destination *d = &s->to.list[s->at++];
	char why[IPC_REPLY_MAX + 64];

	s->stage = STAGE_WRITING;
	(void)str_copy(why, sizeof(why), text);
	if (result == HANDOVER_QUEUED) {
		s->queued++;
		mark_done(s, d->address);
		daemon_count("reports_sent", 1);
		log_info("report %.*s for %.*s: queued as %s, to=<%.*s>, "
			 "messages=%llu, rows=%llu, size=%zu",
		    STR_FMT(s->p.id), STR_FMT(s->p.domain), why,
		    STR_FMT(d->address),
		    (unsigned long long)aggregate_messages(s->file),
		    (unsigned long long)aggregate_rows(s->file), s->mail.len);
		tell("", d->address, text);
	} else {
		remember_problem(d->address, why);
		s->again = s->again || result == HANDOVER_AGAIN;
		tell(why, d->address, STR_EMPTY);
	}
	go_on();
}

/* The same for the same address, whenever it is tried. */
static struct id id_for(const struct sending *s, struct str address)
{
	struct id report;

	if (id_parse(s->p.id, &report) < 0)
		return id_new();
	return id_derive(&report, "report", hash64(0, address.p, address.len));
}

static void mail_one(struct sending *s, const struct destination *d)
{
	struct id id = id_for(s, d->address);
	struct str sender_address = str_from(sender.conf->dmarc_report_sender);
	struct aggregate_mail m = {.period = &s->p,
	    .sender = sender_address,
	    .to = d->address,
	    .receiver = daemon_house()->myhostname,
	    .contact = sender.conf->dmarc_report_contact,
	    .message_id = id_str(&id),
	    .now = clock_seconds(),
	    .file = s->packed,
	    .rows = aggregate_rows(s->file),
	    .messages = aggregate_messages(s->file)};
	struct handover h = {.session = s->p.id,
	    .id = id,
	    .sender = sender_address,
	    .to = d->address};

	buf_clear(&s->mail);
	if (aggregate_mail_write(&m, &s->mail) < 0) {
		remember_problem(d->address, "the message is too large");
		s->at++;
		go_on();
		return;
	}
	h.content = buf_str(&s->mail);
	s->stage = STAGE_HANDING_OVER;
	handover_start(&h, daemon_house()->ipc_timeout, handed_over);
}

/* ---- the file ---- */

static bool begin_file(struct sending *s)
{
	struct aggregate_from from = {
	    .org_name = sender.conf->dmarc_report_org_name,
	    .contact = sender.conf->dmarc_report_contact,
	    .receiver = daemon_house()->myhostname,
	    .software = "Posthouse " POSTHOUSE_VERSION};
	size_t most = (size_t)sender.conf->dmarc_report_size_limit;

	s->file = aggregate_new(&s->p, &from, most);
	s->rows_at = buf_new(ROWS_KEY_MAX);
	s->mail = buf_new(2 * most + 65536);
	return s->file != NULL;
}

/* False while there is more. */
static bool write_rows(struct sending *s)
{
	struct counted_row row;

	for (int i = 0; i < ROWS_PART; i++)
		if (!rows_next(&s->p, &s->rows_at, &row) ||
		    !aggregate_add(s->file, &row))
			return true;
	return false;
}

static void make_file(struct sending *s)
{
	if (s->file == NULL && !begin_file(s)) {
		remember_problem(STR_EMPTY, "its policy record is none");
		finish();
		return;
	}
	if (!write_rows(s)) {
		go_on();
		return;
	}
	s->packed = aggregate_end(s->file);
	if (aggregate_rows(s->file) == 0 || s->packed.len == 0) {
		remember_problem(STR_EMPTY, "it has no rows");
		finish();
		return;
	}
	go_on();
}

/* ---- step by step ---- */

/* Those that get none are told, once all are settled. */
static void tell_refused(struct sending *s)
{
	for (size_t i = 0; i < s->to.count; i++) {
		const struct destination *d = &s->to.list[i];

		if (d->state == DESTINATION_ALLOWED)
			continue;
		s->again = s->again || d->state == DESTINATION_TEMPORARY;
		remember_problem(d->address, d->why);
		log_info("report %.*s for %.*s: nothing to <%.*s>: %s",
		    STR_FMT(s->p.id), STR_FMT(s->p.domain), STR_FMT(d->address),
		    d->why);
		tell(d->why, d->address, STR_EMPTY);
	}
}

static void next_mail(struct sending *s)
{
	while (s->at < s->to.count) {
		const struct destination *d = &s->to.list[s->at];

		if (d->state == DESTINATION_ALLOWED &&
		    !is_done(s, d->address)) {
			if (s->packed.p == NULL)
				make_file(s);
			else
				mail_one(s, d);
			return;
		}
		s->at++;
	}
	if (s->again)
		postpone();
	else
		finish();
}

static void step(void *arg)
{
	struct sending *s = sender.now;
	struct destination_rules rules = {
	    .most = (size_t)sender.conf->dmarc_report_destination_limit,
	    .suffixes = sender.suffixes};

	(void)arg;
	if (s == NULL)
		return;
	rules.policy_domain = s->p.domain;
	switch (s->stage) {
	case STAGE_VERIFYING:
		if (!destinations_verify(
			&s->to, &rules, sender.questions, &s->arena))
			return; /* questions_on_answer, or the budget */
		loop_timer_stop(sender.budget);
		s->stage = STAGE_WRITING;
		tell_refused(s);
		go_on();
		return;
	case STAGE_WRITING:
		next_mail(s);
		return;
	case STAGE_HANDING_OVER:
		return;
	}
}

static void answered(void *arg)
{
	(void)arg;
	go_on();
}

static struct str kept(struct sending *s, struct str text)
{
	struct str copy = arena_copy(&s->arena, text);

	return copy.p != NULL ? copy : STR_EMPTY;
}

void sending_begin(const struct period *p)
{
	struct sending *s = NEW(struct sending);
	struct dmarc_record record;

	s->arena = arena_new(TEXTS_MAX);
	s->p = *p;
	s->p.domain = kept(s, p->domain);
	s->p.id = kept(s, p->id);
	s->p.record = kept(s, p->record);
	s->done = buf_new(ROWS_DONE_MAX);
	buf_add(&s->done, p->done);
	s->packed = (struct str){NULL, 0};
	sender.now = s;
	if (dmarc_record_parse(s->p.record, &record) == 0)
		destinations_parse(record.reports,
		    (size_t)sender.conf->dmarc_report_destination_limit,
		    &s->arena, &s->to);
	if (s->to.count == 0) {
		remember_problem(STR_EMPTY,
		    "its policy record names no address for reports");
		tell(s->problem, STR_EMPTY, STR_EMPTY);
		finish();
		return;
	}
	questions_clear(sender.questions,
	    deadline_in(sender.conf->dmarc_report_dns_timeout));
	loop_timer_set(
	    sender.budget, sender.conf->dmarc_report_dns_timeout + 1);
	go_on();
}

/* ---- the whole ---- */

int sending_prepare(void)
{
	const char *why;

	if (house_suffixes(daemon_house(), &sender.suffixes) < 0)
		return -1;
	/* The budget of a report ends what takes longer. */
	sender.dns = dns_open(
	    daemon_loop(), daemon_house()->dns_servers, 5000, DNS_TRIES, &why);
	if (sender.dns != NULL)
		return 0;
	log_error("dns_servers: %s", why);
	return -1;
}

void sending_start(
    const struct reportd_conf *conf, const struct sending_calls *calls)
{
	sender.conf = conf;
	sender.calls = calls;
	sender.questions = questions_new(sender.dns);
	questions_on_answer(sender.questions, answered, NULL);
	sender.step = loop_timer_new(daemon_loop(), step, NULL);
	sender.budget = loop_timer_new(daemon_loop(), answered, NULL);
}

bool sending_busy(void)
{
	return sender.now != NULL;
}

void sending_stop(void)
{
	handover_stop();
	forget();
}
