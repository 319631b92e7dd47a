/* SPDX-License-Identifier: ISC */
#include "feedback/request.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "feedback/folder.h"
#include "ipc/trace.h"
#include "queue/queue_file.h"

#define ARENA_MAX ((size_t)16 << 20) /* of the envelope */

void request_init(struct request *r)
{
	*r = (struct request){.fd = -1, .arena = arena_new(ARENA_MAX)};
}

void request_clear(struct request *r)
{
	file_close(&r->fd);
	arena_clear(&r->arena);
	r->head = (struct deliver){.request = 0};
	r->to = NULL;
	r->count = 0;
}

int request_begin(struct request *r, const struct deliver *head)
{
	request_clear(r);
	r->head = *head;
	r->head.queue_id = arena_copy(&r->arena, head->queue_id);
	if (id_parse(head->queue_id, &r->queue_id) < 0)
		return -1;
	if (id_parse(head->session, &r->session) < 0)
		r->session.text[0] = '\0';
	return 0;
}

int request_add(struct request *r, const struct deliver_to *to)
{
	bool full = (r->count & (r->count - 1)) == 0; /* 0, 1, 2, 4 ... */

	if (r->count >= QUEUE_RECIPIENTS_MAX)
		return -1;
	if (full) {
		struct deliver_to *larger = arena_alloc(&r->arena,
		    (r->count == 0 ? 1 : r->count * 2) * sizeof(*larger));

		if (larger == NULL)
			return -1;
		if (r->count > 0)
			memcpy(larger, r->to, r->count * sizeof(*larger));
		r->to = larger;
	}
	r->to[r->count] = (struct deliver_to){
	    .index = to->index, .address = arena_copy(&r->arena, to->address)};
	return r->to[r->count++].address.p == NULL ? -1 : 0;
}

/* ---- the mail ---- */

static int read_extent(
    int fd, const struct queue_extent *e, size_t most, struct buf *out)
{
	size_t len = e->length < most ? (size_t)e->length : most;
	char *room = buf_room(out, len);

	if (room == NULL || file_pread_full(fd, room, len, e->offset) < 0)
		return -1;
	buf_added(out, len);
	return 0;
}

/* Header and body, cut at the limit. NULL, or why not. */
static const char *read_mail(
    struct request *r, size_t most, struct buf *out, bool *whole)
{
	const char *why = "no queue file came with the request";
	struct queue_file f;

	if (r->fd < 0 || queue_read_of(r->fd, &r->queue_id, &f, &why) < 0 ||
	    queue_verify(&f, &why) < 0)
		return why;
	*whole = f.header.length <= most && f.body.length <= most &&
	    f.header.length + f.body.length <= most;
	if (read_extent(r->fd, &f.header, most, out) < 0 ||
	    read_extent(r->fd, &f.body, most - out->len, out) < 0)
		return "the queue file cannot be read";
	return NULL;
}

/* ---- the report ---- */

static struct dsn stored(struct request *r, const struct report *report,
    const char *key, enum kept result)
{
	char where[TRACE_WHERE_MAX + 1];

	if (result == KEPT_NOT) {
		log_warning("%s: the report cannot be stored: %s",
		    r->queue_id.text, strerror(errno));
		return dsn_make(DSN_DEFERRED,
		    errno == ENOSPC || errno == EDQUOT ? "4.3.1" : "4.3.0",
		    "the report cannot be stored now");
	}
	snprintf(where, sizeof(where), "report %.12s", key);
	for (size_t i = 0; i < r->count; i++)
		trace_event(TRACE_STORED, &r->session, &r->queue_id,
		    &(struct trace_fields){.who = r->to[i].address,
			.where = str_from(where),
			.why = str_from(result == KEPT_KNOWN
				? "known already"
				: report_kind_names[report->kind])});
	if (report->kind == REPORT_UNREADABLE)
		return dsn_make(DSN_DELIVERED, "2.0.0",
		    "report %.12s from %.*s cannot be read: %.*s", key,
		    STR_FMT(report->reporter), STR_FMT(report->reason));
	return dsn_make(DSN_DELIVERED, "2.0.0",
	    "%s report %.12s from %.*s about %.*s%s",
	    report_kind_names[report->kind], key, STR_FMT(report->reporter),
	    STR_FMT(report->domain),
	    result == KEPT_KNOWN ? " is known already" : "");
}

static void count(const struct report *report, enum kept result)
{
	static const char *const names[] = {[REPORT_DMARC] = "feedback_dmarc",
	    [REPORT_TLS] = "feedback_tls",
	    [REPORT_ARF] = "feedback_arf",
	    [REPORT_UNREADABLE] = "feedback_unreadable"};

	if (result == KEPT_NEW)
		daemon_count(names[report->kind], 1);
	else if (result == KEPT_KNOWN)
		daemon_count("feedback_known", 1);
}

static struct dsn store(struct request *r, const struct feedback_conf *conf,
    struct str message, bool whole)
{
	const struct report_limits limits = {
	    .expanded = (size_t)conf->feedback_expanded_size_limit,
	    .ratio = (unsigned)conf->feedback_expansion_limit,
	    .host = str_from(daemon_house()->myhostname),
	    .site = str_from(daemon_house()->authserv_id)};
	struct arena arena = arena_new(REPORT_ARENA_MAX);
	char key[REPORT_KEY_LEN + 1];
	enum kept result;
	struct report report;
	struct dsn dsn;

	report_read(message, &limits, &arena, &report);
	if (!whole) {
		report.kind = REPORT_UNREADABLE;
		report.reason = STR("the mail is larger than "
				    "feedback_message_size_limit");
	}
	report.mail_queue_id = r->head.queue_id;
	report.mail_recipient = r->to[0].address;
	report.received = (uint64_t)clock_seconds();
	report_key(&report, message, key);
	result = folder_store(&report, key, message);
	dsn = stored(r, &report, key, result);
	count(&report, result);
	arena_free(&arena);
	return dsn;
}

struct dsn request_run(struct request *r, const struct feedback_conf *conf)
{
	size_t most = (size_t)conf->feedback_message_size_limit;
	struct buf mail = buf_new(most);
	bool whole = false;
	const char *why = read_mail(r, most, &mail, &whole);
	struct dsn dsn;

	if (why == NULL)
		dsn = store(r, conf, buf_str(&mail), whole);
	else
		dsn = dsn_make(DSN_DEFERRED, "4.3.0", "%s", why);
	buf_free(&mail);
	folder_sweep(clock_seconds(), false);
	return dsn;
}
