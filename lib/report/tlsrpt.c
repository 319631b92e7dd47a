/* SPDX-License-Identifier: ISC */
/* The JSON of a TLS report (RFC 8460 section 4). */
#include <stdio.h>

#include "net/netaddr.h"
#include "report/budget.h"
#include "report/parts.h"

#define MEMORY_MAX ((size_t)96 << 20)

/* ---- JSON with a bound ---- */

cJSON *report_json_load(struct str text, const char **why)
{
	static cJSON_Hooks hooks = {budget_alloc, budget_free};
	cJSON *root;

	cJSON_InitHooks(&hooks);
	budget_begin(MEMORY_MAX);
	root = cJSON_ParseWithLengthOpts(text.p, text.len, NULL, false);
	if (root == NULL)
		*why = budget_passed() ? "the JSON takes too much memory"
				       : "it is no well-formed JSON";
	return root;
}

void report_json_free(cJSON *root)
{
	cJSON_Delete(root);
}

const cJSON *report_json_get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

uint64_t report_json_number(const cJSON *value)
{
	return cJSON_IsNumber(value) && value->valuedouble > 0 &&
		value->valuedouble <= (double)REPORT_NUMBER_MAX
	    ? (uint64_t)value->valuedouble
	    : 0;
}

struct str report_json_text(struct arena *arena, const cJSON *value)
{
	return cJSON_IsString(value)
	    ? report_text(arena, str_from(value->valuestring))
	    : STR_EMPTY;
}

/* ---- values ---- */

static struct str text_of(
    struct report_reader *r, const cJSON *object, const char *name)
{
	return report_json_text(r->arena, report_json_get(object, name));
}

/* Counts; some reporters write them as texts. */
static uint64_t count_of(const cJSON *object, const char *name)
{
	const cJSON *v = report_json_get(object, name);
	uint64_t n = 0;

	if (cJSON_IsString(v))
		str_to_u64(str_from(v->valuestring), REPORT_NUMBER_MAX, &n);
	return cJSON_IsNumber(v) ? report_json_number(v) : n;
}

static bool is_digits(struct str s, size_t from, size_t count)
{
	for (size_t i = from; i < from + count; i++)
		if (i >= s.len || !ascii_digit(s.p[i]))
			return false;
	return true;
}

static int64_t number_at(struct str s, size_t from, size_t count)
{
	uint64_t n = 0;

	str_to_u64(str_sub(s, from, count), UINT32_MAX, &n);
	return (int64_t)n;
}

/* Days since 1970 of a day of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day -
	    1;
	int64_t era = y / 400, in_era = y % 400;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	    of_year - 719468;
}

/* "2016-04-01T00:00:00Z", with an offset instead of Z (RFC 3339 5.6). */
static int read_time(struct str s, uint64_t *out)
{
	static const struct {
		size_t at, digits;
	} parts[] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};
	int64_t v[6], seconds, zone = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!is_digits(s, parts[i].at, parts[i].digits))
			return -1;
		v[i] = number_at(s, parts[i].at, parts[i].digits);
	}
	if (s.p[4] != '-' || s.p[7] != '-' || v[0] < 1970 || v[1] < 1 ||
	    v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 ||
	    v[5] > 60)
		return -1;
	s = str_skip(s, 19);
	if (s.len > 0 && s.p[0] == '.') {
		s = str_skip(s, 1);
		while (s.len > 0 && ascii_digit(s.p[0]))
			s = str_skip(s, 1);
	}
	if (s.len == 6 && (s.p[0] == '+' || s.p[0] == '-') &&
	    is_digits(s, 1, 2) && is_digits(s, 4, 2))
		zone = (number_at(s, 1, 2) * 60 + number_at(s, 4, 2)) * 60 *
		    (s.p[0] == '-' ? -1 : 1);
	seconds = days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 +
	    v[5] - zone;
	*out = seconds < 0 ? 0 : (uint64_t)seconds;
	return 0;
}

/* ---- a policy ---- */

static void take_strings(struct report_reader *r, const cJSON *value,
    struct str **out, size_t *count)
{
	const cJSON *v = cJSON_IsArray(value) ? value->child : value;
	void *list = NULL;

	for (; v != NULL; v = v == value ? NULL : v->next) {
		struct str *s;

		if (!cJSON_IsString(v))
			continue;
		s = report_list_add(
		    r->arena, &list, count, sizeof(*s), REPORT_LIST_MAX);
		if (s == NULL)
			break;
		*s = report_json_text(r->arena, v);
	}
	*out = list;
}

static struct str address_of(
    struct report_reader *r, const cJSON *object, const char *name)
{
	struct str text = text_of(r, object, name);
	char canonical[NETADDR_TEXT_MAX];
	struct netaddr a;

	if (netaddr_parse(text, 0, &a) < 0)
		return text;
	netaddr_text(&a, canonical);
	return report_text(r->arena, str_from(canonical));
}

static int take_failures(struct report_reader *r, const cJSON *details,
    struct report_policy *p, size_t *total)
{
	void *list = NULL;

	const cJSON *o;

	cJSON_ArrayForEach(o, details)
	{
		struct report_failure *f;

		if (!cJSON_IsObject(o))
			return report_fail(r, "a failure is no JSON object");
		f = ++*total > REPORT_ROWS_MAX
		    ? NULL
		    : report_list_add(r->arena, &list, &p->failure_count,
			  sizeof(*f), REPORT_ROWS_MAX);
		if (f == NULL)
			return report_fail(r, "there are too many failures");
		*f = (struct report_failure){
		    .result = text_of(r, o, "result-type"),
		    .sending_address = address_of(r, o, "sending-mta-ip"),
		    .receiving_host = text_of(r, o, "receiving-mx-hostname"),
		    .receiving_helo = text_of(r, o, "receiving-mx-helo"),
		    .receiving_address = address_of(r, o, "receiving-ip"),
		    .information = text_of(r, o, "additional-information"),
		    .code = text_of(r, o, "failure-reason-code"),
		    .count = count_of(o, "failed-session-count"),
		};
		if (f->information.len == 0) /* as RFC 8460's example has it */
			f->information = text_of(r, o, "additional-info-uri");
	}
	p->failures = list;
	return 0;
}

static int take_policy(struct report_reader *r, const cJSON *entry,
    struct report_policy *p, size_t *total)
{
	const cJSON *policy = report_json_get(entry, "policy");
	const cJSON *summary = report_json_get(entry, "summary");

	if (!cJSON_IsObject(policy))
		return report_fail(r, "an entry of policies has no policy");
	*p = (struct report_policy){
	    .type = text_of(r, policy, "policy-type"),
	    .domain = text_of(r, policy, "policy-domain"),
	    .passed = count_of(summary, "total-successful-session-count"),
	    .failed = count_of(summary, "total-failure-session-count"),
	};
	take_strings(r, report_json_get(policy, "policy-string"), &p->strings,
	    &p->string_count);
	take_strings(
	    r, report_json_get(policy, "mx-host"), &p->hosts, &p->host_count);
	if (p->host_count == 0)
		take_strings(r, report_json_get(policy, "mx-host-pattern"),
		    &p->hosts, &p->host_count);
	return take_failures(
	    r, report_json_get(entry, "failure-details"), p, total);
}

/* ---- the report ---- */

static int take_policies(
    struct report_reader *r, const cJSON *policies, struct report *out)
{
	void *list = NULL;
	size_t total = 0;
	const cJSON *entry;

	if (!cJSON_IsArray(policies))
		return report_fail(r, "the JSON has no list of policies");
	cJSON_ArrayForEach(entry, policies)
	{
		struct report_policy *p = report_list_add(r->arena, &list,
		    &out->tls.policy_count, sizeof(*p), 10 * REPORT_LIST_MAX);

		if (p == NULL)
			return report_fail(r, "there are too many policies");
		if (take_policy(r, entry, p, &total) < 0)
			return -1;
	}
	out->tls.policies = list;
	if (out->tls.policy_count > 0)
		out->domain = out->tls.policies[0].domain;
	return out->domain.len > 0
	    ? 0
	    : report_fail(r, "the report does not say for which domain");
}

int report_read_tls(
    struct report_reader *r, struct str json, struct report *out)
{
	const char *why;
	cJSON *root = report_json_load(json, &why);
	const cJSON *range;
	int result = -1;

	if (root == NULL)
		return report_fail(r, "%s", why);
	out->kind = REPORT_TLS;
	out->reporter = text_of(r, root, "organization-name");
	out->contact = text_of(r, root, "contact-info");
	out->id = text_of(r, root, "report-id");
	range = report_json_get(root, "date-range");
	if ((range != NULL &&
		(read_time(text_of(r, range, "start-datetime"), &out->begin) <
			0 ||
		    read_time(text_of(r, range, "end-datetime"), &out->end) <
			0)))
		report_fail(r, "date-range has no times");
	else
		result = take_policies(
		    r, report_json_get(root, "policies"), out);
	report_json_free(root);
	return result;
}
