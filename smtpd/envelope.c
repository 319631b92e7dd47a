/* SPDX-License-Identifier: ISC */
#include "smtpd/envelope.h"

#include <stdio.h>

#include "mail/address.h"
#include "mail/encode.h"

#define SIZE_MOST INT64_MAX

enum param {
	PARAM_SIZE,
	PARAM_BODY,
	PARAM_RET,
	PARAM_ENVID,
	PARAM_AUTH,
	PARAM_NOTIFY,
	PARAM_ORCPT
};

/* clang-format off */
static const struct {
	const char *keyword;
	enum param param;
	bool for_rcpt;
	unsigned extension;
} params[] = {
	{"SIZE",   PARAM_SIZE,   false, EXT_SIZE},
	{"BODY",   PARAM_BODY,   false, EXT_8BITMIME},
	{"RET",    PARAM_RET,    false, EXT_DSN},
	{"ENVID",  PARAM_ENVID,  false, EXT_DSN},
	{"AUTH",   PARAM_AUTH,   false, EXT_AUTH},
	{"NOTIFY", PARAM_NOTIFY, true,  EXT_DSN},
	{"ORCPT",  PARAM_ORCPT,  true,  EXT_DSN},
};
/* clang-format on */

static int refuse(
    struct refusal *why, int code, const char *dsn, const char *text)
{
	*why = (struct refusal){code, dsn, text};
	return -1;
}

static int bad_value(struct refusal *why, const char *text)
{
	return refuse(why, 501, "5.5.4", text);
}

/* xtext that must decode to printable ASCII (RFC 3461 section 4). */
static int decode_xtext(struct str in, char *out, size_t size)
{
	struct buf decoded = buf_new(size);
	int result = xtext_decode(in, &decoded);

	if (result == 0)
		result = str_copy(out, size, buf_str(&decoded));
	for (size_t i = 0; result == 0 && out[i] != '\0'; i++)
		if (out[i] < ' ' || out[i] == 127)
			result = -1;
	if (result < 0)
		out[0] = '\0';
	buf_free(&decoded);
	return result;
}

/* The row of params, or -1. */
static int find(struct str keyword, bool for_rcpt, unsigned extensions)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (params[i].for_rcpt == for_rcpt &&
		    (params[i].extension & extensions) != 0 &&
		    str_case_eq(keyword, str_from(params[i].keyword)))
			return (int)i;
	return -1;
}

/* A word that must be one of a list; NULL when it is none of them. */
static const char *one_of(struct str value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (str_case_eq(value, str_from(*words)))
			return *words;
	return NULL;
}

/*
 * The next "keyword=value" of *args: its row in params, -2 at the end, -1
 * with *why. seen: the rows that came already.
 */
static int next_param(struct str *args, bool for_rcpt, unsigned extensions,
    unsigned *seen, struct str *value, struct refusal *why)
{
	struct str word = str_word(args, " \t");

	if (word.len == 0)
		return -2;
	*value = word;
	struct str keyword = str_cut(value, '=');
	int row = find(keyword, for_rcpt, extensions);
	if (row < 0)
		return refuse(why, 555, "5.5.4", "Unsupported option");
	for (size_t i = 0; i < value->len; i++)
		if (value->p[i] <= ' ' || value->p[i] == 127)
			return bad_value(why, "Bad octet in an option");
	if ((*seen & 1u << row) != 0)
		return bad_value(why, "Option given twice");
	*seen |= 1u << row;
	return row;
}

static int mail_param(enum param param, struct str value, struct mail_args *out,
    struct refusal *why)
{
	static const char *const bodies[] = {"7BIT", "8BITMIME", NULL};
	static const char *const rets[] = {"FULL", "HDRS", NULL};
	char ignored[ORCPT_MAX + 1];

	switch (param) {
	case PARAM_SIZE:
		if (str_to_u64(value, SIZE_MOST, &out->size) < 0)
			return bad_value(why, "Bad SIZE value");
		out->has_size = true;
		return 0;
	case PARAM_BODY:
		out->body = one_of(value, bodies);
		return out->body != NULL ? 0 : bad_value(why, "Bad BODY value");
	case PARAM_RET:
		out->ret = one_of(value, rets);
		return out->ret != NULL ? 0 : bad_value(why, "Bad RET value");
	case PARAM_ENVID:
		if (value.len == 0 || value.len > ENVID_MAX ||
		    decode_xtext(value, out->envid, sizeof(out->envid)) < 0)
			return bad_value(why, "Bad ENVID value");
		return 0;
	case PARAM_AUTH: /* RFC 4954 section 5: taken, and not trusted */
		if (value.len == 0 ||
		    decode_xtext(value, ignored, sizeof(ignored)) < 0)
			return bad_value(why, "Bad AUTH value");
		return 0;
	case PARAM_NOTIFY:
	case PARAM_ORCPT:
		break;
	}
	return bad_value(why, "Unsupported option");
}

/* "NEVER", or a list without it and without repetition (RFC 3461 4.1). */
static int read_notify(struct str value, char *out, size_t size)
{
	static const char *const words[] = {
	    "SUCCESS", "FAILURE", "DELAY", NULL};
	unsigned set = 0;

	if (str_case_eq(value, STR("NEVER"))) {
		snprintf(out, size, "NEVER");
		return 0;
	}
	if (value.len == 0 || value.p[value.len - 1] == ',')
		return -1;
	while (value.len > 0) {
		struct str word = str_cut(&value, ',');
		unsigned i = 0;
		while (
		    words[i] != NULL && !str_case_eq(word, str_from(words[i])))
			i++;
		if (words[i] == NULL || (set & 1u << i) != 0)
			return -1;
		set |= 1u << i;
	}
	snprintf(out, size, "%s%s%s%s%s", set & 1 ? words[0] : "",
	    (set & 3) == 3 ? "," : "", set & 2 ? words[1] : "",
	    set > 4 ? "," : "", set & 4 ? words[2] : "");
	return 0;
}

/* "addr-type;xtext" (RFC 3461 4.2) */
static int read_orcpt(struct str value, char *out, size_t size)
{
	struct str rest = value;
	struct str type = str_cut(&rest, ';');

	if (type.len == 0 || type.len == value.len || value.len > ORCPT_MAX ||
	    rest.len == 0)
		return -1;
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_alnum(type.p[i]) && type.p[i] != '-')
			return -1;
	int n = snprintf(out, size, "%.*s;", STR_FMT(type));
	return decode_xtext(rest, out + n, size - (size_t)n);
}

static int rcpt_param(enum param param, struct str value, struct rcpt_args *out,
    struct refusal *why)
{
	if (param == PARAM_NOTIFY) {
		if (read_notify(value, out->notify, sizeof(out->notify)) == 0)
			return 0;
		out->notify[0] = '\0';
		return bad_value(why, "Bad NOTIFY value");
	}
	if (read_orcpt(value, out->original, sizeof(out->original)) == 0)
		return 0;
	out->original[0] = '\0';
	return bad_value(why, "Bad ORCPT value");
}

/* "FROM:" or "TO:", then the path, then nothing or a blank. */
static int cut_path(struct str *args, struct str prefix, bool for_rcpt,
    struct str *mailbox, struct refusal *why)
{
	const char *dsn = for_rcpt ? "5.1.3" : "5.1.7";
	const char *text;

	*args = str_trim(*args);
	if (!str_case_starts(*args, prefix))
		return refuse(why, 501, "5.5.4",
		    for_rcpt ? "Syntax: RCPT TO:<address>"
			     : "Syntax: MAIL FROM:<address>");
	*args = str_skip(*args, prefix.len);
	if (address_cut_path(args, false, mailbox, &text) < 0)
		return refuse(why, 501, dsn, text);
	if (args->len > 0 && args->p[0] != ' ' && args->p[0] != '\t')
		return refuse(why, 501, "5.5.4", "Text behind the address");
	return 0;
}

int mail_args_parse(struct str args, unsigned extensions, struct mail_args *out,
    struct refusal *why)
{
	struct str value;
	unsigned seen = 0;
	int row;

	*out = (struct mail_args){.body = "", .ret = ""};
	if (cut_path(&args, STR("FROM:"), false, &out->sender, why) < 0)
		return -1;
	while ((row = next_param(
		    &args, false, extensions, &seen, &value, why)) >= 0)
		if (mail_param(params[row].param, value, out, why) < 0)
			return -1;
	if (row == -1)
		return -1;
	if (out->sender.len > 0 &&
	    str_find(out->sender, '@') == out->sender.len)
		return refuse(why, 501, "5.1.7", "no domain");
	return 0;
}

int rcpt_args_parse(struct str args, unsigned extensions, struct rcpt_args *out,
    struct refusal *why)
{
	struct str value;
	unsigned seen = 0;
	int row;

	*out = (struct rcpt_args){.notify = "", .original = ""};
	if (cut_path(&args, STR("TO:"), true, &out->recipient, why) < 0)
		return -1;
	if (out->recipient.len == 0)
		return refuse(why, 501, "5.1.3", "no address");
	while ((row = next_param(
		    &args, true, extensions, &seen, &value, why)) >= 0)
		if (rcpt_param(params[row].param, value, out, why) < 0)
			return -1;
	return row == -1 ? -1 : 0;
}
