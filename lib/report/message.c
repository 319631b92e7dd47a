/* SPDX-License-Identifier: ISC */
/* Finds the report in a message. */
#include <stdio.h>

#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mailauth/results.h"
#include "report/parts.h"

#define TRIED_MAX  10 /* parts that might be one */
#define PIECE      65536
#define FIELDS_MAX 1000 /* of the header; the rest is not looked at */

const char *const report_kind_names[] = {
    "dmarc", "tls", "arf", "unreadable", NULL};

struct finder {
	struct report_reader *reader;
	struct str message;
	const struct mime_part *tried[TRIED_MAX];
	size_t count;
	const struct mime_part *feedback; /* message/feedback-report */
	const struct mime_part *original; /* what stands behind it */
};

/* ---- which part ---- */

static bool is_type(
    const struct mime_part *p, struct str type, struct str subtype)
{
	return str_case_eq(p->type, type) && str_case_eq(p->subtype, subtype);
}

static struct str file_name(const struct mime_part *p)
{
	struct str name = STR_EMPTY;

	if (!mime_param_find(p->disposition_params, STR("filename"), &name))
		mime_param_find(p->params, STR("name"), &name);
	return name;
}

/* By type, or by name where the type says nothing. */
static bool may_be_report(const struct mime_part *p)
{
	static const char *const types[] = {"gzip", "x-gzip", "gzip-compressed",
	    "x-gunzip", "zip", "x-zip", "x-zip-compressed", "tlsrpt+gzip",
	    "tlsrpt+json", "json", "xml", "octet-stream"};
	static const char *const names[] = {".xml", ".gz", ".zip", ".json"};
	struct str name = file_name(p);

	if (is_type(p, STR("text"), STR("xml")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (is_type(p, STR("application"), str_from(types[i])))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_case_ends(name, str_from(names[i])))
			return true;
	return false;
}

static void look_at(struct finder *f, const struct mime_part *p)
{
	if (f->feedback == NULL &&
	    is_type(p, STR("message"), STR("feedback-report")))
		f->feedback = p;
	else if (f->feedback != NULL && f->original == NULL &&
	    (p->is_message || is_type(p, STR("text"), STR("rfc822-headers")) ||
		is_type(p, STR("message"), STR("rfc822-headers"))))
		f->original = p;
	else if (p->child == NULL && f->count < TRIED_MAX && may_be_report(p))
		f->tried[f->count++] = p;
}

/* The parts in order; those inside the message that a complaint is about are
 * not of the report. MIME's own bounds hold for the depth. */
static void walk(struct finder *f, const struct mime_part *p)
{
	for (; p != NULL; p = p->next) {
		look_at(f, p);
		if (p->child != NULL && !p->is_message)
			walk(f, p->child);
	}
}

/* ---- what is in it ---- */

static struct str without_mark(struct str s)
{
	return str_starts(s, STR("\xef\xbb\xbf")) ? str_skip(s, 3) : s;
}

static int read_content(
    struct finder *f, struct str content, struct report *out)
{
	struct buf space = buf_new(f->reader->limits->expanded + PIECE);
	struct str start, text;
	int result = -1;

	if (report_unpack(f->reader, content, &space, &text) == 0) {
		start = str_trim(without_mark(text));
		if (str_starts(start, STR("<")) ||
		    str_starts(text, STR("\xff\xfe")) ||
		    str_starts(text, STR("\xfe\xff")))
			result = report_read_dmarc(f->reader, text, out);
		else if (str_starts(start, STR("{")))
			result = report_read_tls(f->reader, start, out);
		else
			report_fail(f->reader,
			    "the attachment is neither XML nor JSON");
	}
	buf_free(&space);
	return result;
}

static struct str decode(
    struct finder *f, const struct mime_part *p, struct buf *out)
{
	mime_decode_body(p, f->message, out);
	return buf_str(out);
}

static int read_part(
    struct finder *f, const struct mime_part *p, struct report *out)
{
	struct buf content = buf_new(f->message.len + 16);
	int result = read_content(f, decode(f, p, &content), out);

	buf_free(&content);
	return result;
}

static int read_feedback(struct finder *f, struct report *out)
{
	struct buf fields = buf_new(f->message.len + 16);
	struct buf original = buf_new(f->message.len + 16);
	int result;

	decode(f, f->feedback, &fields);
	if (f->original != NULL)
		decode(f, f->original, &original);
	result = report_read_arf(
	    f->reader, buf_str(&fields), buf_str(&original), out);
	buf_free(&fields);
	buf_free(&original);
	return result;
}

/* The reason of the first part that might have been one is told. */
static int read_any(struct finder *f, struct report *out)
{
	char why[REPORT_WHY_MAX] = "no report is attached";
	struct report none = *out;

	if (f->feedback != NULL) {
		if (read_feedback(f, out) == 0)
			return 0;
		snprintf(why, sizeof(why), "%s", f->reader->why);
	}
	for (size_t i = 0; i < f->count; i++) {
		*out = none;
		if (read_part(f, f->tried[i], out) == 0)
			return 0;
		if (i == 0 && f->feedback == NULL)
			snprintf(why, sizeof(why), "%s", f->reader->why);
	}
	return report_fail(f->reader, "%s", why);
}

/* ---- the mail ---- */

static void take_author(
    struct report_reader *r, struct str value, struct report *out)
{
	struct mailbox *m;
	size_t count = address_list(value, r->arena, 4, &m);
	char text[REPORT_TEXT_MAX];

	for (size_t i = 0; i < count && out->mail_from.len == 0; i++) {
		if (m[i].domain.len == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s@%.*s", STR_FMT(m[i].local),
		    STR_FMT(m[i].domain));
		out->mail_from = report_text(r->arena, str_from(text));
	}
}

/* cleanup has taken out what strangers wrote in our name. */
static void take_verdict(struct finder *f, struct report *out)
{
	struct str rest = f->message, from = out->mail_from;
	struct str author = from.len == 0
	    ? STR_EMPTY
	    : str_skip(from, str_find_last(from, '@') + 1);
	struct header_field field;

	for (int n = 0, got = 1; n < FIELDS_MAX && got != 0; n++) {
		got = header_next(&rest, &field);
		if (got == 1 &&
		    str_case_eq(field.name, STR("Authentication-Results")) &&
		    results_are_of(field.value, f->reader->limits->site) &&
		    results_passed_dmarc(field.value, author))
			out->mail_dmarc = STR("pass");
	}
}

static void take_mail(struct finder *f, struct report *out)
{
	struct report_reader *r = f->reader;
	struct header_field field;

	if (header_find(f->message, STR("From"), &field))
		take_author(r, field.value, out);
	if (header_find(f->message, STR("Subject"), &field))
		out->mail_subject = report_header(r->arena, field.value);
	if (header_find(f->message, STR("Message-ID"), &field))
		out->mail_id = report_text(
		    r->arena, header_message_id(field.value));
	if (r->limits->site.len > 0)
		take_verdict(f, out);
}

void report_read(struct str message, const struct report_limits *limits,
    struct arena *arena, struct report *out)
{
	struct report_reader reader = {.limits = limits, .arena = arena};
	struct finder f = {.reader = &reader, .message = message};
	const struct mime_part *root = mime_parse(message, arena);
	struct report empty;
	struct str from;

	*out = (struct report){.kind = REPORT_UNREADABLE};
	take_mail(&f, out);
	empty = *out;
	if (root != NULL)
		walk(&f, root);
	if (read_any(&f, out) < 0) {
		*out = empty;
		out->reason = report_text(arena, str_from(reader.why));
	}
	report_fill(out);
	from = out->mail_from;
	if (out->reporter.len == 0 && from.len > 0)
		out->reporter = str_trim(
		    str_skip(from, str_find_last(from, '@') + 1));
}
