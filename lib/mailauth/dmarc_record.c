/* SPDX-License-Identifier: ISC */
#include "mailauth/dmarc.h"

static int read_policy(struct str value, enum dmarc_policy *out)
{
	static const char *const names[] = {"none", "quarantine", "reject"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_case_eq(value, str_from(names[i]))) {
			*out = (enum dmarc_policy)i;
			return 0;
		}
	return -1;
}

/* Whether a list has a URI: a scheme, a colon and something behind it (RFC 3986
 * section 3); whether reports can go there is another question. */
static bool has_uri(struct str uris)
{
	while (uris.len > 0) {
		struct str uri = str_trim(str_cut(&uris, ','));
		size_t len = 0;
		while (len < uri.len &&
		    (ascii_alnum(uri.p[len]) || memchr("+-.", uri.p[len], 3)))
			len++;
		if (len > 0 && ascii_alpha(uri.p[0]) && len + 1 < uri.len &&
		    uri.p[len] == ':')
			return true;
	}
	return false;
}

/* One tag; what is malformed counts as absent. */
static void read_tag(
    struct str name, struct str value, struct dmarc_record *out, bool *wrong)
{
	char c = value.len == 1 ? ascii_lower(value.p[0]) : '\0';

	if (str_case_eq(name, STR("p"))) {
		out->has_policy = read_policy(value, &out->policy) == 0;
	} else if (str_case_eq(name, STR("sp"))) {
		out->has_subdomain_policy = read_policy(value,
						&out->subdomain_policy) == 0;
		*wrong = *wrong || !out->has_subdomain_policy;
	} else if (str_case_eq(name, STR("np"))) {
		out->has_absent_policy = read_policy(
					     value, &out->absent_policy) == 0;
		*wrong = *wrong || !out->has_absent_policy;
	} else if (str_case_eq(name, STR("psd"))) {
		out->psd = c == 'y' || c == 'n' ? c : 'u';
	} else if (str_case_eq(name, STR("t"))) {
		out->testing = c == 'y';
	} else if (str_case_eq(name, STR("adkim"))) {
		out->strict_dkim = c == 's';
	} else if (str_case_eq(name, STR("aspf"))) {
		out->strict_spf = c == 's';
	} else if (str_case_eq(name, STR("rua"))) {
		out->reports = value;
	} else if (str_case_eq(name, STR("ruf"))) {
		out->failures = value;
	} else if (str_case_eq(name, STR("fo"))) {
		out->options = value;
	}
}

bool dmarc_record_is(struct str text)
{
	struct str value = str_cut(&text, ';');
	struct str name = str_trim(str_cut(&value, '='));

	return str_case_eq(name, STR("v")) &&
	    str_eq(str_trim(value), STR("DMARC1"));
}

int dmarc_record_parse(struct str text, struct dmarc_record *out)
{
	bool wrong = false;

	*out = (struct dmarc_record){.psd = 'u',
	    .reports = STR_EMPTY,
	    .failures = STR_EMPTY,
	    .options = STR_EMPTY};
	if (!dmarc_record_is(text))
		return -1;
	str_cut(&text, ';');
	while (text.len > 0) {
		struct str value = str_cut(&text, ';');
		struct str name = str_trim(str_cut(&value, '='));
		value = str_trim(value);
		if (value.len > 0)
			read_tag(name, value, out, &wrong);
	}
	if (out->has_policy && !wrong)
		return 0;
	/* Section 4.10.1: who wants reports only is heard. */
	out->has_policy = true;
	out->policy = DMARC_POLICY_NONE;
	out->has_subdomain_policy = out->has_absent_policy = false;
	return has_uri(out->reports) ? 0 : -1;
}

const char *dmarc_policy_name(enum dmarc_policy policy)
{
	static const char *const names[] = {"none", "quarantine", "reject"};

	return (unsigned)policy < ARRAY_LEN(names) ? names[policy] : "unknown";
}

const char *dmarc_result_name(enum dmarc_result result)
{
	static const char *const names[] = {
	    "pending", "none", "pass", "fail", "temperror"};

	return (unsigned)result < ARRAY_LEN(names) ? names[result] : "unknown";
}
