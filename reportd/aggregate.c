/* SPDX-License-Identifier: ISC */
#include "reportd/aggregate.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/memory.h"
#include "mailauth/dmarc.h"
#include "reportd/xml.h"

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"
#define PLAIN_MAX (1u << 20) /* octets of one row's XML */
#define GZIP      (15 + 16)  /* windowBits: the format with a header */
/* What zlib may still hold back when a row has gone in, and the end. */
#define HELD_BACK 131072

struct aggregate {
	z_stream z;
	struct buf plain, packed;
	size_t most;
	uint64_t rows, messages;
};

/* ---- compressing ------------------------------------------------------------- */

/* Everything in plain goes in. -1 when there is no room. */
static int pack(struct aggregate *a, int flush)
{
	int result = Z_OK;

	a->z.next_in = (Bytef *)a->plain.p;
	a->z.avail_in = (uInt)a->plain.len;
	do {
		char *room = buf_room(&a->packed, 16384);

		if (room == NULL)
			return -1;
		a->z.next_out = (Bytef *)room;
		a->z.avail_out = 16384;
		result = deflate(&a->z, flush);
		buf_added(&a->packed, 16384 - a->z.avail_out);
	} while (a->z.avail_out == 0 && result == Z_OK);
	buf_clear(&a->plain);
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR
	    ? 0
	    : -1;
}

/* ---- the parts, in the order of section 3.1.1 ---------------------------------- */

static void put_metadata(struct aggregate *a, const struct period *p,
    const struct aggregate_from *from)
{
	struct buf *out = &a->plain;

	xml_begin(out, "report_metadata");
	xml_text(out, "org_name", str_from(from->org_name));
	xml_text(out, "email", str_from(from->contact));
	xml_text(out, "report_id", p->id);
	xml_begin(out, "date_range");
	xml_u64(out, "begin", p->begin);
	xml_u64(out, "end", p->end - 1);
	xml_end(out, "date_range");
	xml_text(out, "generator", str_from(from->software));
	xml_end(out, "report_metadata");
}

static void put_word(struct buf *out, const char *name, const char *word)
{
	xml_text(out, name, str_from(word));
}

/* With the defaults of what the record does not say. */
static void put_policy(
    struct aggregate *a, const struct period *p, const struct dmarc_record *d)
{
	enum dmarc_policy below = d->has_subdomain_policy ? d->subdomain_policy
							  : d->policy;
	enum dmarc_policy absent = d->has_absent_policy ? d->absent_policy
							: below;
	struct buf *out = &a->plain;

	xml_begin(out, "policy_published");
	xml_text(out, "domain", p->domain);
	put_word(out, "discovery_method", report_discovery_names[p->discovery]);
	put_word(out, "p", dmarc_policy_name(d->policy));
	put_word(out, "sp", dmarc_policy_name(below));
	put_word(out, "np", dmarc_policy_name(absent));
	xml_text(out, "fo", d->options.len > 0 ? d->options : STR("0"));
	put_word(out, "adkim", d->strict_dkim ? "s" : "r");
	put_word(out, "aspf", d->strict_spf ? "s" : "r");
	put_word(out, "testing", d->testing ? "y" : "n");
	xml_end(out, "policy_published");
}

static void put_evaluated(struct buf *out, const struct report_row *r)
{
	xml_begin(out, "policy_evaluated");
	put_word(out, "disposition", report_disposition_names[r->disposition]);
	put_word(out, "dkim", r->dkim_aligned ? "pass" : "fail");
	put_word(out, "spf", r->spf_aligned ? "pass" : "fail");
	if (r->reason != REPORT_AS_ASKED) {
		xml_begin(out, "reason");
		put_word(out, "type", report_reason_names[r->reason]);
		if (r->comment.len > 0)
			xml_text(out, "comment", r->comment);
		xml_end(out, "reason");
	}
	xml_end(out, "policy_evaluated");
}

static bool is_dkim_result(struct str s)
{
	static const char *const results[] = {"none", "pass", "fail", "policy",
	    "neutral", "temperror", "permerror"};

	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		if (str_eq(s, str_from(results[i])))
			return true;
	return false;
}

static void put_results(struct buf *out, const struct report_row *r)
{
	struct str list = r->dkim;
	struct report_signature s;

	xml_begin(out, "auth_results");
	while (report_dkim_next(&list, &s)) {
		if (!is_dkim_result(s.result))
			continue;
		xml_begin(out, "dkim");
		xml_text(out, "domain", s.domain);
		xml_text(out, "selector", s.selector);
		xml_text(out, "result", s.result);
		xml_end(out, "dkim");
	}
	if (r->spf_domain.len > 0) {
		xml_begin(out, "spf");
		xml_text(out, "domain", r->spf_domain);
		put_word(out, "scope", "mfrom");
		put_word(out, "result", report_spf_names[r->spf]);
		xml_end(out, "spf");
	}
	xml_end(out, "auth_results");
}

static void put_record(struct buf *out, const struct counted_row *c)
{
	const struct report_row *r = &c->row;

	xml_begin(out, "record");
	xml_begin(out, "row");
	xml_text(out, "source_ip", r->client_address);
	xml_u64(out, "count", c->count);
	put_evaluated(out, r);
	xml_end(out, "row");
	xml_begin(out, "identifiers");
	xml_text(out, "header_from", r->author);
	xml_text(out, "envelope_from", r->envelope_from);
	xml_end(out, "identifiers");
	put_results(out, r);
	xml_end(out, "record");
}

/* ---- the whole ------------------------------------------------------------------ */

struct aggregate *aggregate_new(
    const struct period *p, const struct aggregate_from *from, size_t most)
{
	struct dmarc_record record;
	struct aggregate *a;

	if (dmarc_record_parse(p->record, &record) < 0)
		return NULL;
	a = NEW(struct aggregate);
	a->plain = buf_new(PLAIN_MAX);
	a->packed = buf_new(most);
	a->most = most;
	if (deflateInit2(&a->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, 8,
		Z_DEFAULT_STRATEGY) != Z_OK) {
		free(a);
		return NULL;
	}
	buf_add_text(&a->plain,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<feedback xmlns=\"" NAMESPACE "\">\n");
	xml_text(&a->plain, "version", STR("1.0"));
	put_metadata(a, p, from);
	put_policy(a, p, &record);
	(void)pack(a, Z_NO_FLUSH);
	return a;
}

void aggregate_free(struct aggregate **ap)
{
	struct aggregate *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	(void)deflateEnd(&a->z);
	buf_free(&a->plain);
	buf_free(&a->packed);
	free(a);
}

bool aggregate_add(struct aggregate *a, const struct counted_row *row)
{
	put_record(&a->plain, row);
	if (a->plain.overflow ||
	    a->packed.len + a->plain.len + HELD_BACK > a->most) {
		buf_clear(&a->plain);
		return false;
	}
	if (pack(a, Z_NO_FLUSH) < 0)
		return false;
	a->rows++;
	a->messages += row->count;
	return true;
}

struct str aggregate_end(struct aggregate *a)
{
	buf_add_text(&a->plain, "</feedback>\n");
	return pack(a, Z_FINISH) == 0 ? buf_str(&a->packed) : STR_EMPTY;
}

uint64_t aggregate_rows(const struct aggregate *a)
{
	return a->rows;
}

uint64_t aggregate_messages(const struct aggregate *a)
{
	return a->messages;
}
