/* SPDX-License-Identifier: ISC */
/*
 * The XML of a DMARC aggregate report: RFC 9990 appendix A, RFC 7489 appendix
 * C, and what reporters make of them: with and without a namespace, elements
 * left out, in another order, or of their own.
 *
 * A document type is refused, and with it every entity but XML's own five, so
 * that nothing can grow. Elements of another namespace than the root's are
 * extensions (RFC 9990 section 5) and are passed over.
 */
#include <expat.h>

#include "core/buf.h"
#include "net/netaddr.h"
#include "report/budget.h"
#include "report/parts.h"

#define DEPTH_MAX    16
#define PATH_MAX_LEN 512
#define NAME_MAX_LEN 128     /* of an element */
#define SPACE_MAX    256     /* of a namespace */
#define ELEMENTS_MAX 2000000 /* in a document */
#define MEMORY_MAX   ((size_t)64 << 20)
#define SEPARATOR    '\n' /* between namespace and name */

struct dmarc_parse {
	struct report_reader *reader;
	struct report *out;
	XML_Parser parser;
	struct report_row *row;
	struct report_auth *auth;
	char space[SPACE_MAX]; /* the root's namespace */
	char path[PATH_MAX_LEN];
	size_t ends[DEPTH_MAX]; /* of the path, at each depth */
	unsigned depth, skipped;
	unsigned long elements;
	struct buf text;
	bool failed, has_policy;
};

enum owner { OF_REPORT, OF_ROW, OF_AUTH };
enum form { TEXT, COUNT, SECONDS, ADDRESS, WORD };

#define R(path, form, member)                                                  \
	{                                                                      \
		"feedback/" path, OF_REPORT, form,                             \
		    offsetof(struct report, member)                            \
	}
#define ROW(path, form, member)                                                \
	{                                                                      \
		"feedback/record/" path, OF_ROW, form,                         \
		    offsetof(struct report_row, member)                        \
	}
#define AUTH(method, path, member)                                             \
	{                                                                      \
		"feedback/record/auth_results/" method "/" path, OF_AUTH,      \
		    TEXT, offsetof(struct report_auth, member)                 \
	}

/* clang-format off */
static const struct element {
	const char *path;
	enum owner owner;
	enum form form;
	size_t offset;
} known[] = {
	ROW("row/source_ip", ADDRESS, source),
	ROW("row/count", COUNT, count),
	ROW("row/policy_evaluated/disposition", WORD, disposition),
	ROW("row/policy_evaluated/dkim", WORD, dkim),
	ROW("row/policy_evaluated/spf", WORD, spf),
	ROW("row/policy_evaluated/reason/type", WORD, override),
	ROW("row/policy_evaluated/reason/comment", TEXT, comment),
	ROW("identifiers/header_from", WORD, header_from),
	ROW("identifiers/envelope_from", WORD, envelope_from),
	ROW("identifiers/envelope_to", WORD, envelope_to),
	AUTH("dkim", "domain", domain),
	AUTH("dkim", "selector", selector),
	AUTH("dkim", "result", result),
	AUTH("dkim", "human_result", explanation),
	AUTH("spf", "domain", domain),
	AUTH("spf", "scope", scope),
	AUTH("spf", "result", result),
	AUTH("spf", "human_result", explanation),
	R("version", TEXT, dmarc.version),
	R("report_metadata/org_name", TEXT, reporter),
	R("report_metadata/email", TEXT, contact),
	R("report_metadata/report_id", TEXT, id),
	R("report_metadata/date_range/begin", SECONDS, begin),
	R("report_metadata/date_range/end", SECONDS, end),
	R("report_metadata/error", TEXT, dmarc.errors),
	R("report_metadata/generator", TEXT, dmarc.generator),
	R("policy_published/domain", WORD, domain),
	R("policy_published/discovery_method", WORD, dmarc.discovery_method),
	R("policy_published/p", WORD, dmarc.p),
	R("policy_published/sp", WORD, dmarc.sp),
	R("policy_published/np", WORD, dmarc.np),
	R("policy_published/adkim", WORD, dmarc.adkim),
	R("policy_published/aspf", WORD, dmarc.aspf),
	R("policy_published/fo", WORD, dmarc.fo),
	R("policy_published/pct", WORD, dmarc.pct),
	R("policy_published/testing", WORD, dmarc.testing),
};
/* clang-format on */

static void stop(struct dmarc_parse *d, const char *why)
{
	if (!d->failed)
		report_fail(d->reader, "XML line %lu: %s",
		    (unsigned long)XML_GetCurrentLineNumber(d->parser), why);
	d->failed = true;
	XML_StopParser(d->parser, XML_FALSE);
}

/* ---- values ---- */

static void *owner_of(struct dmarc_parse *d, enum owner owner)
{
	return owner == OF_REPORT ? (void *)d->out
	    : owner == OF_ROW     ? (void *)d->row
				  : (void *)d->auth;
}

/* "1447286400", and "1447286400.5" as one reporter writes. */
static int read_number(struct str text, uint64_t *out)
{
	struct str whole = str_cut(&text, '.');

	return str_to_u64(str_trim(whole), REPORT_NUMBER_MAX, out);
}

static void take_address(
    struct dmarc_parse *d, struct str text, struct str *out)
{
	char canonical[NETADDR_TEXT_MAX];
	struct netaddr a;

	if (netaddr_parse(str_trim(text), 0, &a) < 0) {
		stop(d, "source_ip is no address");
		return;
	}
	netaddr_text(&a, canonical);
	*out = report_text(d->reader->arena, str_from(canonical));
}

static void take_value(struct dmarc_parse *d, const struct element *e)
{
	char *owner = owner_of(d, e->owner);
	void *member = owner == NULL ? NULL : owner + e->offset;
	struct str text = buf_str(&d->text), *out = member;

	if (member == NULL)
		return;
	switch (e->form) {
	case COUNT:
	case SECONDS:
		if (read_number(text, member) < 0)
			stop(d,
			    e->form == COUNT ? "count is no number"
					     : "date_range has no number");
		return;
	case ADDRESS:
		take_address(d, text, out);
		return;
	case TEXT:
		if (out->len == 0) /* of several, the first */
			*out = report_text(d->reader->arena, text);
		return;
	case WORD: /* domains, results: compared later */
		if (out->len == 0)
			*out = report_lower(d->reader->arena, text);
	}
}

/* ---- elements ---- */

static void begin_row(struct dmarc_parse *d)
{
	struct report_dmarc *r = &d->out->dmarc;
	void *list = r->rows;

	d->row = report_list_add(d->reader->arena, &list, &r->row_count,
	    sizeof(*r->rows), REPORT_ROWS_MAX);
	r->rows = list;
	if (d->row == NULL)
		stop(d, "there are too many records");
	else
		*d->row = (struct report_row){.source = STR_EMPTY};
}

/* Of more signatures than anybody looks at, the first count. */
static void begin_auth(struct dmarc_parse *d, const char *method)
{
	void *list;

	d->auth = NULL;
	if (d->row == NULL)
		return;
	list = d->row->auth;
	d->auth = report_list_add(d->reader->arena, &list, &d->row->auth_count,
	    sizeof(*d->row->auth), REPORT_LIST_MAX);
	d->row->auth = list;
	if (d->auth != NULL)
		*d->auth = (struct report_auth){.method = str_from(method)};
}

static bool enter(struct dmarc_parse *d, struct str name)
{
	size_t at = d->depth == 0 ? 0 : d->ends[d->depth - 1];
	size_t slash = at > 0 ? 1 : 0;

	if (d->depth == DEPTH_MAX || name.len > NAME_MAX_LEN ||
	    at + slash + name.len >= sizeof(d->path))
		return false;
	if (slash)
		d->path[at] = '/';
	memcpy(d->path + at + slash, name.p, name.len);
	d->ends[d->depth] = at + slash + name.len;
	d->path[d->ends[d->depth++]] = '\0';
	return true;
}

static void start_element(
    void *arg, const XML_Char *name, const XML_Char **atts)
{
	struct dmarc_parse *d = arg;
	struct str local = str_from(name), space = STR_EMPTY;

	(void)atts;
	if (d->failed)
		return;
	if (str_find(local, SEPARATOR) < local.len)
		space = str_cut(&local, SEPARATOR);
	if (++d->elements > ELEMENTS_MAX) {
		stop(d, "there are too many elements");
		return;
	}
	if (d->depth == 0 && str_copy(d->space, sizeof(d->space), space) < 0) {
		stop(d, "the namespace is too long");
		return;
	}
	if (d->skipped > 0 ||
	    (space.len > 0 && !str_eq(space, str_from(d->space)))) {
		if (++d->skipped > 10 * DEPTH_MAX)
			stop(d, "elements are nested too deep");
		return;
	}
	if (!enter(d, local)) {
		stop(d, "elements are nested too deep");
		return;
	}
	buf_clear(&d->text);
	if (d->depth == 1 && !str_eq(local, STR("feedback")))
		stop(d, "the root element is not feedback");
	else if (strcmp(d->path, "feedback/policy_published") == 0)
		d->has_policy = true;
	else if (strcmp(d->path, "feedback/record") == 0)
		begin_row(d);
	else if (strcmp(d->path, "feedback/record/auth_results/dkim") == 0)
		begin_auth(d, "dkim");
	else if (strcmp(d->path, "feedback/record/auth_results/spf") == 0)
		begin_auth(d, "spf");
}

static void end_row(struct dmarc_parse *d)
{
	if (d->row->source.len == 0)
		stop(d, "a record has no source_ip");
	d->row = NULL;
	d->auth = NULL;
}

static void end_element(void *arg, const XML_Char *name)
{
	struct dmarc_parse *d = arg;

	(void)name;
	if (d->failed)
		return;
	if (d->skipped > 0) {
		d->skipped--;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].path, d->path) == 0) {
			take_value(d, &known[i]);
			break;
		}
	if (d->row != NULL && strcmp(d->path, "feedback/record") == 0)
		end_row(d);
	d->depth--;
	d->path[d->depth == 0 ? 0 : d->ends[d->depth - 1]] = '\0';
	buf_clear(&d->text);
}

/* Texts may be cut: what is beyond is for nobody. */
static void character_data(void *arg, const XML_Char *s, int len)
{
	struct dmarc_parse *d = arg;
	size_t room = d->text.most - d->text.len;

	if (!d->failed && d->skipped == 0)
		buf_add_bytes(
		    &d->text, s, (size_t)len < room ? (size_t)len : room);
}

static void start_doctype(void *arg, const XML_Char *name, const XML_Char *sys,
    const XML_Char *pub, int internal)
{
	(void)name;
	(void)sys;
	(void)pub;
	(void)internal;
	stop(arg, "it has a document type, which is refused");
}

/* ---- the whole ---- */

/* What reporters leave out is taken from elsewhere, as far as it is there. */
static int complete(struct dmarc_parse *d)
{
	struct report *out = d->out;

	if (out->domain.len == 0 && out->dmarc.row_count > 0)
		out->domain = out->dmarc.rows[0].header_from;
	if (out->domain.len == 0)
		return report_fail(
		    d->reader, "the report does not say for which domain");
	if (!d->has_policy && out->dmarc.row_count == 0)
		return report_fail(d->reader, "the report is empty");
	return 0;
}

static int run(struct dmarc_parse *d, struct str xml)
{
	enum XML_Status status;

	XML_SetUserData(d->parser, d);
	XML_SetElementHandler(d->parser, start_element, end_element);
	XML_SetCharacterDataHandler(d->parser, character_data);
	XML_SetStartDoctypeDeclHandler(d->parser, start_doctype);
	/* All at once: a token that goes on over many pieces costs the square
	 * of its length. */
	status = XML_Parse(d->parser, xml.p, (int)xml.len, 1);
	if (d->failed)
		return -1;
	if (budget_passed())
		return report_fail(d->reader, "the XML takes too much memory");
	if (status != XML_STATUS_OK)
		return report_fail(d->reader, "XML line %lu: %s",
		    (unsigned long)XML_GetCurrentLineNumber(d->parser),
		    XML_ErrorString(XML_GetErrorCode(d->parser)));
	return complete(d);
}

int report_read_dmarc(
    struct report_reader *r, struct str xml, struct report *out)
{
	static const XML_Memory_Handling_Suite memory = {
	    budget_alloc, budget_resize, budget_free};
	static const XML_Char separator[] = {SEPARATOR, '\0'};
	struct dmarc_parse d = {
	    .reader = r, .out = out, .text = buf_new(4 * REPORT_TEXT_MAX)};
	int result = -1;

	if (xml.len > INT32_MAX)
		return report_fail(r, "the XML is too large");
	budget_begin(MEMORY_MAX);
	d.parser = XML_ParserCreate_MM(NULL, &memory, separator);
	if (d.parser == NULL) {
		report_fail(r, "no memory for the XML parser");
	} else {
		out->kind = REPORT_DMARC;
		result = run(&d, xml);
		XML_ParserFree(d.parser);
	}
	buf_free(&d.text);
	return result;
}
