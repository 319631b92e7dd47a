/* SPDX-License-Identifier: ISC */
/*
 * The stored form of a report: its head and itself, a JSON object each, written
 * and read by the same tables, so that what is written is what is read.
 */
#include <stdio.h>

#include "core/checksum.h"
#include "mail/header.h"
#include "report/parts.h"

enum form { TEXT, NUMBER, TEXTS, LIST, PART };

struct shape;

struct member {
	const char *name;
	enum form form;
	size_t offset;
	size_t count;           /* TEXTS, LIST: offset of how many */
	size_t most;            /* LIST */
	const struct shape *of; /* LIST, PART */
};

struct shape {
	size_t size;
	const struct member *members; /* ends with name NULL */
};

#define T(type, member)                                                        \
	{                                                                      \
#member, TEXT, offsetof(struct type, member), 0, 0, NULL       \
	}
#define N(type, member)                                                        \
	{                                                                      \
#member, NUMBER, offsetof(struct type, member), 0, 0, NULL     \
	}
#define S(type, member, number)                                                \
	{                                                                      \
#member, TEXTS, offsetof(struct type, member),                 \
		    offsetof(struct type, number), REPORT_LIST_MAX, NULL       \
	}
#define L(type, member, number, most, shape)                                   \
	{                                                                      \
#member, LIST, offsetof(struct type, member),                  \
		    offsetof(struct type, number), most, shape                 \
	}
#define P(type, member, shape)                                                 \
	{                                                                      \
#member, PART, offsetof(struct type, member), 0, 0, shape      \
	}
#define END                                                                    \
	{                                                                      \
		NULL, TEXT, 0, 0, 0, NULL                                      \
	}

/* clang-format off */
static const struct member auth_members[] = {
	T(report_auth, method), T(report_auth, domain),
	T(report_auth, selector), T(report_auth, scope),
	T(report_auth, result), T(report_auth, explanation), END,
};
static const struct shape auth = {sizeof(struct report_auth), auth_members};

static const struct member row_members[] = {
	T(report_row, source), N(report_row, count),
	T(report_row, disposition), T(report_row, dkim), T(report_row, spf),
	T(report_row, override), T(report_row, comment),
	T(report_row, header_from), T(report_row, envelope_from),
	T(report_row, envelope_to),
	L(report_row, auth, auth_count, REPORT_LIST_MAX, &auth), END,
};
static const struct shape row = {sizeof(struct report_row), row_members};

static const struct member dmarc_members[] = {
	T(report_dmarc, version), T(report_dmarc, discovery_method),
	T(report_dmarc, p), T(report_dmarc, sp), T(report_dmarc, np),
	T(report_dmarc, adkim), T(report_dmarc, aspf), T(report_dmarc, fo),
	T(report_dmarc, pct), T(report_dmarc, testing),
	T(report_dmarc, generator), T(report_dmarc, errors),
	L(report_dmarc, rows, row_count, REPORT_ROWS_MAX, &row), END,
};
static const struct shape dmarc = {sizeof(struct report_dmarc), dmarc_members};

static const struct member failure_members[] = {
	T(report_failure, result), T(report_failure, sending_address),
	T(report_failure, receiving_host), T(report_failure, receiving_helo),
	T(report_failure, receiving_address), T(report_failure, information),
	T(report_failure, code), N(report_failure, count), END,
};
static const struct shape failure = {
	sizeof(struct report_failure), failure_members};

static const struct member policy_members[] = {
	T(report_policy, type), T(report_policy, domain),
	S(report_policy, strings, string_count),
	S(report_policy, hosts, host_count),
	N(report_policy, passed), N(report_policy, failed),
	L(report_policy, failures, failure_count, REPORT_ROWS_MAX, &failure),
	END,
};
static const struct shape policy = {
	sizeof(struct report_policy), policy_members};

static const struct member tls_members[] = {
	L(report_tls, policies, policy_count, 10 * REPORT_LIST_MAX, &policy),
	END,
};
static const struct shape tls = {sizeof(struct report_tls), tls_members};

static const struct member arf_members[] = {
	T(report_arf, type), T(report_arf, user_agent),
	T(report_arf, version), T(report_arf, source), T(report_arf, sender),
	T(report_arf, recipient), T(report_arf, arrived),
	T(report_arf, reporting_mta), T(report_arf, reported_domain),
	T(report_arf, reported_uri), T(report_arf, results),
	N(report_arf, incidents), T(report_arf, auth_failure),
	T(report_arf, delivery_result), T(report_arf, dkim_domain),
	T(report_arf, dkim_identity), T(report_arf, dkim_selector),
	T(report_arf, envelope_id), T(report_arf, identity_alignment),
	T(report_arf, spf_dns), T(report_arf, message_id),
	T(report_arf, from), T(report_arf, subject), T(report_arf, date),
	T(report_arf, queue_id), END,
};
static const struct shape arf = {sizeof(struct report_arf), arf_members};

/* Of every kind. */
static const struct member common_members[] = {
	T(report, reporter), T(report, contact), T(report, id),
	T(report, domain), N(report, begin), N(report, end),
	N(report, received), T(report, reason), T(report, mail_from),
	T(report, mail_subject), T(report, mail_id), T(report, mail_dmarc),
	T(report, mail_queue_id), T(report, mail_recipient), END,
};
static const struct shape common = {sizeof(struct report), common_members};

static const struct member head_members[] = {
	T(report_head, reporter), T(report_head, id), T(report_head, domain),
	N(report_head, begin), N(report_head, end), N(report_head, received),
	N(report_head, total), N(report_head, failed), T(report_head, type),
	T(report_head, message_id), T(report_head, reason), END,
};
static const struct shape head = {sizeof(struct report_head), head_members};

/* Of one kind; of unreadable ones nothing. */
static const struct member kind_members[][2] = {
	[REPORT_DMARC] = {P(report, dmarc, &dmarc), END},
	[REPORT_TLS] = {P(report, tls, &tls), END},
	[REPORT_ARF] = {P(report, arf, &arf), END},
	[REPORT_UNREADABLE] = {END, END},
};
static const struct shape kinds[] = {
	[REPORT_DMARC] = {sizeof(struct report), kind_members[REPORT_DMARC]},
	[REPORT_TLS] = {sizeof(struct report), kind_members[REPORT_TLS]},
	[REPORT_ARF] = {sizeof(struct report), kind_members[REPORT_ARF]},
	[REPORT_UNREADABLE] = {sizeof(struct report),
	    kind_members[REPORT_UNREADABLE]},
};
/* clang-format on */

#define AT(type, thing, offset) ((type *)(void *)((char *)(thing) + (offset)))

static const char *list_of(const void *thing, const struct member *m)
{
	const char *list;

	memcpy(&list, (const char *)thing + m->offset, sizeof(list));
	return list;
}

static size_t count_of(const void *thing, const struct member *m)
{
	size_t count;

	memcpy(&count, (const char *)thing + m->count, sizeof(count));
	return count;
}

/* ---- every text has a pointer ---- */

static void fill(const struct shape *s, void *thing)
{
	for (const struct member *m = s->members; m->name != NULL; m++) {
		struct str *text = AT(struct str, thing, m->offset);

		if (m->form == TEXT && text->p == NULL)
			*text = STR_EMPTY;
		else if (m->form == PART)
			fill(m->of, AT(char, thing, m->offset));
		for (size_t i = 0; m->form == LIST && i < count_of(thing, m);
		     i++)
			fill(m->of,
			    *AT(char *, thing, m->offset) + i * m->of->size);
	}
}

void report_fill(struct report *r)
{
	fill(&common, r);
	fill(&kinds[REPORT_DMARC], r);
	fill(&kinds[REPORT_TLS], r);
	fill(&kinds[REPORT_ARF], r);
}

/* ---- the head ---- */

bool report_row_passed(const struct report_row *r)
{
	return str_eq(r->dkim, STR("pass")) || str_eq(r->spf, STR("pass"));
}

/* A sum of what strangers wrote is at most what JSON says exactly. */
static void add_to(uint64_t *sum, uint64_t count)
{
	*sum += count;
	if (*sum > REPORT_NUMBER_MAX)
		*sum = REPORT_NUMBER_MAX;
}

static void add_up_dmarc(const struct report *r, struct report_head *out)
{
	for (size_t i = 0; i < r->dmarc.row_count; i++) {
		const struct report_row *one = &r->dmarc.rows[i];

		add_to(&out->total, one->count);
		if (!report_row_passed(one))
			add_to(&out->failed, one->count);
	}
}

static void add_up_tls(const struct report *r, struct report_head *out)
{
	for (size_t i = 0; i < r->tls.policy_count; i++) {
		const struct report_policy *p = &r->tls.policies[i];

		add_to(&out->total, p->passed);
		add_to(&out->total, p->failed);
		add_to(&out->failed, p->failed);
	}
}

void report_head_of(const struct report *r, struct report_head *out)
{
	*out = (struct report_head){.kind = r->kind,
	    .reporter = r->reporter,
	    .id = r->id,
	    .domain = r->domain,
	    .begin = r->begin,
	    .end = r->end,
	    .received = r->received,
	    .type = r->arf.type,
	    .message_id = r->arf.message_id,
	    .reason = r->reason};
	if (r->kind == REPORT_DMARC)
		add_up_dmarc(r, out);
	else if (r->kind == REPORT_TLS)
		add_up_tls(r, out);
	else if (r->kind == REPORT_ARF)
		out->total = r->arf.incidents;
	fill(&head, out);
}

/* ---- writing ---- */

static void write_members(
    struct json *j, const struct shape *s, const void *thing);

static void write_list(
    struct json *j, const struct member *m, const void *thing)
{
	const char *list = list_of(thing, m);

	json_array(j, m->name);
	for (size_t i = 0; i < count_of(thing, m); i++) {
		if (m->form == TEXTS) {
			json_text(j, NULL,
			    ((const struct str *)(const void *)list)[i]);
			continue;
		}
		json_object(j, NULL);
		write_members(j, m->of, list + i * m->of->size);
		json_end(j);
	}
	json_end(j);
}

static void write_members(
    struct json *j, const struct shape *s, const void *thing)
{
	for (const struct member *m = s->members; m->name != NULL; m++) {
		const char *at = (const char *)thing + m->offset;

		switch (m->form) {
		case TEXT:
			json_text(
			    j, m->name, *(const struct str *)(const void *)at);
			break;
		case NUMBER:
			json_u64(
			    j, m->name, *(const uint64_t *)(const void *)at);
			break;
		case TEXTS:
		case LIST:
			write_list(j, m, thing);
			break;
		case PART:
			json_object(j, m->name);
			write_members(j, m->of, at);
			json_end(j);
		}
	}
}

void report_write_members(const struct report *r, struct json *j)
{
	json_text(j, "kind", str_from(report_kind_names[r->kind]));
	write_members(j, &common, r);
	write_members(j, &kinds[r->kind], r);
}

void report_write(const struct report *r, struct buf *out)
{
	struct json j = json_start(out);
	struct report_head h;

	report_head_of(r, &h);
	json_object(&j, NULL);
	json_text(&j, "kind", str_from(report_kind_names[r->kind]));
	write_members(&j, &head, &h);
	json_end(&j);
	j = json_start(out);
	json_object(&j, NULL);
	report_write_members(r, &j);
	json_end(&j);
}

/* ---- reading ---- */

static int read_members(struct arena *arena, const struct shape *s,
    const cJSON *object, void *thing);

static int read_list(struct arena *arena, const struct member *m,
    const cJSON *value, void *thing)
{
	size_t size = m->form == TEXTS ? sizeof(struct str) : m->of->size;
	size_t count = (size_t)cJSON_GetArraySize(value), i = 0;
	const cJSON *item;
	char *list;

	if (count > m->most)
		return -1;
	list = arena_alloc(arena, count == 0 ? 1 : count * size);
	if (list == NULL)
		return -1;
	cJSON_ArrayForEach(item, value)
	{
		if (m->form == TEXTS)
			((struct str *)(void *)list)[i] = report_json_text(
			    arena, item);
		else if (read_members(arena, m->of, item, list + i * size) < 0)
			return -1;
		i++;
	}
	memcpy((char *)thing + m->offset, &list, sizeof(list));
	memcpy((char *)thing + m->count, &count, sizeof(count));
	return 0;
}

/* What is missing stays empty: reports of an earlier version. */
static int read_members(struct arena *arena, const struct shape *s,
    const cJSON *object, void *thing)
{
	for (const struct member *m = s->members; m->name != NULL; m++) {
		const cJSON *value = report_json_get(object, m->name);

		switch (m->form) {
		case TEXT:
			*AT(struct str, thing, m->offset) = report_json_text(
			    arena, value);
			break;
		case NUMBER:
			*AT(uint64_t, thing, m->offset) = report_json_number(
			    value);
			break;
		case TEXTS:
		case LIST:
			if (read_list(arena, m, value, thing) < 0)
				return -1;
			break;
		case PART:
			if (read_members(arena, m->of, value,
				AT(char, thing, m->offset)) < 0)
				return -1;
		}
	}
	return 0;
}

static int kind_of(const cJSON *value)
{
	for (int i = 0; report_kind_names[i] != NULL; i++)
		if (cJSON_IsString(value) &&
		    strcmp(value->valuestring, report_kind_names[i]) == 0)
			return i;
	return -1;
}

/* The JSON object of a line, and the kind that it says; NULL with *why. */
static cJSON *load(struct str line, enum report_kind *kind, const char **why)
{
	cJSON *root = report_json_load(line, why);
	int named;

	if (root == NULL)
		return NULL;
	named = kind_of(report_json_get(root, "kind"));
	if (named >= 0) {
		*kind = (enum report_kind)named;
		return root;
	}
	*why = "it does not say what kind of report it is";
	report_json_free(root);
	return NULL;
}

int report_parse(
    struct str text, struct arena *arena, struct report *out, const char **why)
{
	enum report_kind kind;
	cJSON *root;
	int result = -1;

	(void)str_cut(&text, '\n');
	root = load(text, &kind, why);
	if (root == NULL)
		return -1;
	*out = (struct report){.kind = kind};
	*why = "it has too many entries";
	if (read_members(arena, &common, root, out) == 0 &&
	    read_members(arena, &kinds[kind], root, out) == 0)
		result = 0;
	report_json_free(root);
	report_fill(out);
	return result;
}

int report_parse_head(struct str text, struct arena *arena,
    struct report_head *out, const char **why)
{
	struct str line = str_cut(&text, '\n');
	enum report_kind kind;
	cJSON *root = load(line, &kind, why);

	if (root == NULL)
		return -1;
	*out = (struct report_head){.kind = kind};
	(void)read_members(arena, &head, root, out); /* it has no lists */
	report_json_free(root);
	fill(&head, out);
	return 0;
}

/* ---- the same report ---- */

void report_key(
    const struct report *r, struct str message, char key[REPORT_KEY_LEN + 1])
{
	const char *kind = report_kind_names[r->kind];
	struct str parts[] = {
	    str_from(kind), r->reporter, r->domain, r->id, STR_EMPTY};
	uint64_t a = 1, b = 2;

	if (r->id.len == 0) {
		parts[3] = r->mail_id;
		parts[4] = str_skip(message, header_length(message));
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		/* each part's length too, so that they cannot run together */
		a = hash64(a + parts[i].len, parts[i].p, parts[i].len);
		b = hash64(b ^ parts[i].len, parts[i].p, parts[i].len);
	}
	snprintf(key, REPORT_KEY_LEN + 1, "%016llx%016llx",
	    (unsigned long long)a, (unsigned long long)b);
}
