/* SPDX-License-Identifier: ISC */
/*
 * cidr: and pcre:, files of rules; the first that matches decides.
 *
 *	192.0.2.0/24   value        /pattern/flags   value with $1
 *	!192.0.2.0/24  value        !/pattern/       value
 *	if 10.0.0.0/8               if /pattern/
 *	endif                       endif
 */
#include "conf/map_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "conf/lines.h"
#include "core/file.h"
#include "core/memory.h"

#define FILE_SIZE_MAX (16u * 1024u * 1024u)
#define IF_DEPTH_MAX  16
#define GROUPS_MAX    32
/* Steps of one match; what needs more is an error, not a wait. */
#define MATCH_LIMIT   200000
#define HEAP_LIMIT_KB 4096

enum rule_kind { RULE_VALUE, RULE_IF, RULE_ENDIF };

struct rule {
	enum rule_kind kind;
	bool negate;
	size_t endif; /* IF: position of its endif */
	char *value;
	unsigned line; /* in the file */
	/* cidr */
	int family;
	unsigned bits;
	unsigned char address[16];
	/* pcre */
	pcre2_code *code;
	uint32_t groups;
};

struct rules {
	struct rule *rule;
	size_t count;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

/* Reads the condition at the start of *text and cuts it off. NULL, or what
 * is wrong with it. */
typedef const char *parse_condition(struct str *text, struct rule *r);

/* ---- cidr ---- */

static const char *parse_address(struct str word, struct rule *r)
{
	char text[64];

	if (word.len > 1 && word.p[0] == '[' && word.p[word.len - 1] == ']')
		word = str_sub(word, 1, word.len - 2);
	if (str_copy(text, sizeof(text), word) < 0)
		return "this is not an address";
	r->family = str_find(word, ':') < word.len ? AF_INET6 : AF_INET;
	if (inet_pton(r->family, text, r->address) != 1)
		return "this is not an address";
	return NULL;
}

/* The bits behind the network's must be 0. */
static bool is_network(const struct rule *r)
{
	unsigned size = r->family == AF_INET ? 32 : 128;

	for (unsigned bit = r->bits; bit < size; bit++)
		if (r->address[bit / 8] & (0x80u >> bit % 8))
			return false;
	return true;
}

static const char *parse_network(struct str *text, struct rule *r)
{
	struct str word = str_word(text, " \t");
	struct str address = str_cut(&word, '/');
	const char *why = parse_address(address, r);
	uint64_t bits = r->family == AF_INET ? 32 : 128;

	if (why != NULL)
		return why;
	if (word.len > 0 && str_to_u64(word, bits, &bits) < 0)
		return "what follows the slash is not a number of bits";
	r->bits = (unsigned)bits;
	if (!is_network(r))
		return "there are bits set behind the network's";
	return NULL;
}

static bool cidr_matches(const struct rule *r, const struct rule *key)
{
	unsigned whole = r->bits / 8, part = r->bits % 8;

	if (r->family != key->family ||
	    memcmp(r->address, key->address, whole) != 0)
		return false;
	return part == 0 ||
	    ((r->address[whole] ^ key->address[whole]) >> (8 - part)) == 0;
}

/* ---- pcre ---- */

static const char *parse_flags(struct str flags, uint32_t *options)
{
	static const struct {
		char letter;
		uint32_t option;
	} known[] = {{'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE},
	    {'s', PCRE2_DOTALL}, {'x', PCRE2_EXTENDED}, {'A', PCRE2_ANCHORED},
	    {'E', PCRE2_DOLLAR_ENDONLY}, {'U', PCRE2_UNGREEDY}};

	for (size_t i = 0; i < flags.len; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(known) && known[k].letter != flags.p[i])
			k++;
		if (k == ARRAY_LEN(known))
			return "a flag behind the pattern is none of i m s x "
			       "A E U";
		*options ^= known[k].option;
	}
	return NULL;
}

/* Position of the delimiter that ends the pattern, or s.len. */
static size_t pattern_end(struct str s, char delimiter)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == delimiter)
			return i;
	}
	return s.len;
}

/* Valid until the next call. */
static const char *pattern_reason(int error, PCRE2_SIZE at)
{
	static char reason[256];
	char words[160];

	pcre2_get_error_message(error, (PCRE2_UCHAR *)words, sizeof(words));
	snprintf(reason, sizeof(reason),
	    "the pattern is not a regular expression (%s, at octet %zu)", words,
	    (size_t)at);
	return reason;
}

static const char *parse_pattern(struct str *text, struct rule *r)
{
	uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;
	char delimiter = text->len > 0 ? text->p[0] : '\0';
	struct str pattern = str_skip(*text, 1);
	const char *why;
	PCRE2_SIZE at;
	int error;

	if (delimiter == '\0' || delimiter == '\\' || ascii_alnum(delimiter))
		return "a pattern stands between two slashes";
	size_t end = pattern_end(pattern, delimiter);
	if (end == pattern.len)
		return "the pattern has no end";
	*text = str_skip(pattern, end + 1);
	pattern.len = end;
	struct str flags = *text;
	size_t n = 0;
	while (n < flags.len && flags.p[n] != ' ' && flags.p[n] != '\t')
		n++;
	flags.len = n;
	*text = str_skip(*text, n);
	why = parse_flags(flags, &options);
	if (why != NULL)
		return why;
	r->code = pcre2_compile(
	    (PCRE2_SPTR)pattern.p, pattern.len, options, &error, &at, NULL);
	if (r->code == NULL)
		return pattern_reason(error, at);
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
	pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* slower without */
	return NULL;
}

/* $1, ${1} or $(1) at the start of s: its number, or -1; *len octets. */
static int group_at(struct str s, size_t *len)
{
	bool braced = s.len > 1 && (s.p[1] == '{' || s.p[1] == '(');
	size_t at = braced ? 2 : 1;
	int number = 0;

	while (at < s.len && ascii_digit(s.p[at]) && number < GROUPS_MAX)
		number = number * 10 + (s.p[at++] - '0');
	if (braced) {
		if (at >= s.len || s.p[at] != (s.p[1] == '{' ? '}' : ')'))
			return -1;
		at++;
	}
	*len = at;
	return number > 0 && number < GROUPS_MAX ? number : -1;
}

static const char *check_value(const struct rule *r)
{
	struct str s = str_from(r->value);

	while ((s = str_skip(s, str_find(s, '$'))).len > 0) {
		size_t len = 2;

		if (s.len < 2 || s.p[1] != '$') {
			int group = group_at(s, &len);

			if (group < 0)
				return "$ in a value is followed by the number "
				       "of a group, or by $";
			if (r->negate || (uint32_t)group > r->groups)
				return "the pattern has no group of this "
				       "number";
		}
		s = str_skip(s, len);
	}
	return NULL;
}

static void substitute(const struct rule *r, const struct rules *rules,
    struct str key, struct buf *out)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(rules->match);
	uint32_t groups = pcre2_get_ovector_count(rules->match);
	struct str s = str_from(r->value);

	while (s.len > 0) {
		size_t dollar = str_find(s, '$'), len = 2;

		buf_add(out, str_sub(s, 0, dollar));
		s = str_skip(s, dollar);
		if (s.len == 0)
			return;
		if (s.p[1] == '$') {
			buf_add_char(out, '$');
		} else {
			int g = group_at(s, &len);

			if (g > 0 && (uint32_t)g < groups &&
			    at[2 * g] != PCRE2_UNSET)
				buf_add(out,
				    str_sub(key, at[2 * g],
					at[2 * g + 1] - at[2 * g]));
		}
		s = str_skip(s, len);
	}
}

/* ---- both ---- */

static bool cut_word(struct str *s, struct str word)
{
	struct str rest = *s;

	if (!str_case_eq(str_word(&rest, " \t"), word))
		return false;
	*s = str_trim(rest);
	return true;
}

static const char *parse_rule(
    struct str text, parse_condition *condition, struct rule *r)
{
	const char *why;

	r->kind = RULE_VALUE;
	if (cut_word(&text, STR("endif"))) {
		r->kind = RULE_ENDIF;
		return NULL;
	}
	if (cut_word(&text, STR("if")))
		r->kind = RULE_IF;
	if (text.len > 0 && text.p[0] == '!') {
		r->negate = true;
		text = str_trim(str_skip(text, 1));
	}
	why = condition(&text, r);
	if (why != NULL)
		/* cppcheck-suppress returnDanglingLifetime ; a constant */
		return why;
	text = str_trim(text);
	if (r->kind == RULE_IF)
		return text.len == 0 ? NULL : "an if has no value";
	r->value = str_dup(text);
	return r->code == NULL ? NULL : check_value(r);
}

static void rule_clear(struct rule *r)
{
	free(r->value);
	pcre2_code_free(r->code);
}

static void rules_unload(void *data)
{
	struct rules *rules = data;

	for (size_t i = 0; i < rules->count; i++)
		rule_clear(&rules->rule[i]);
	free(rules->rule);
	pcre2_match_data_free(rules->match);
	pcre2_match_context_free(rules->limits);
	free(rules);
}

/* Pairs if and endif. NULL, or what is wrong in *line. */
static const char *pair_up(struct rules *rules, unsigned *line)
{
	size_t open[IF_DEPTH_MAX], depth = 0;

	for (size_t i = 0; i < rules->count; i++) {
		*line = rules->rule[i].line;
		if (rules->rule[i].kind == RULE_IF) {
			if (depth == IF_DEPTH_MAX)
				return "too many ifs within each other";
			open[depth++] = i;
		} else if (rules->rule[i].kind == RULE_ENDIF) {
			if (depth == 0)
				return "an endif has no if";
			rules->rule[open[--depth]].endif = i;
		}
	}
	if (depth == 0)
		return NULL;
	*line = rules->rule[open[depth - 1]].line;
	return "an if has no endif";
}

static const char *add_rule(struct rules *rules, struct str text, unsigned line,
    parse_condition *condition)
{
	struct rule r = {.line = line};
	const char *why = parse_rule(text, condition, &r);

	if (why != NULL) {
		rule_clear(&r);
		return why;
	}
	rules->rule = mem_resize(rules->rule, rules->count + 1, sizeof(r));
	rules->rule[rules->count++] = r;
	return NULL;
}

/* Rules from the text of a file; NULL with a line for each that is wrong. */
static struct rules *parse(struct str text, const char *name,
    parse_condition *condition, struct buf *errors)
{
	struct rules *rules = NEW(struct rules);
	struct lines l = lines_start(text);
	const char *reason;
	unsigned line;
	bool wrong = false;

	while (lines_next(&l)) {
		reason = l.why;
		if (reason == NULL)
			reason = add_rule(
			    rules, buf_str(&l.text), l.first, condition);
		if (reason == NULL)
			continue;
		buf_printf(errors, "%s:%u: %s\n", name, l.first, reason);
		wrong = true;
	}
	/* A wrong line may be the if or the endif that is missed. */
	if (!wrong && (reason = pair_up(rules, &line)) != NULL) {
		buf_printf(errors, "%s:%u: %s\n", name, line, reason);
		wrong = true;
	}
	if (wrong) {
		rules_unload(rules);
		rules = NULL;
	}
	lines_end(&l);
	return rules;
}

static struct rules *read_rules(
    const char *where, parse_condition *condition, struct buf *errors)
{
	struct buf text = buf_new(FILE_SIZE_MAX);
	struct rules *rules = NULL;

	if (file_read(where, &text) < 0)
		buf_printf(errors, "%s: %s\n", where, strerror(errno));
	else
		rules = parse(buf_str(&text), where, condition, errors);
	buf_free(&text);
	return rules;
}

/* A daemon tells the first that is wrong. */
static struct rules *load(
    const char *where, parse_condition *condition, struct buf *why)
{
	struct buf errors = buf_new(65536);
	struct rules *rules = read_rules(where, condition, &errors);
	struct str all = buf_str(&errors);

	if (rules == NULL)
		buf_add(why, str_cut(&all, '\n'));
	buf_free(&errors);
	return rules;
}

static int check(
    const char *where, parse_condition *condition, struct buf *errors)
{
	struct rules *rules = read_rules(where, condition, errors);

	if (rules == NULL)
		return -1;
	rules_unload(rules);
	return 0;
}

static int cidr_check(const char *where, struct buf *errors)
{
	return check(where, parse_network, errors);
}

static int pcre_check(const char *where, struct buf *errors)
{
	return check(where, parse_pattern, errors);
}

static void *cidr_load(const char *where, struct buf *why)
{
	return load(where, parse_network, why);
}

static void *pcre_load(const char *where, struct buf *why)
{
	struct rules *rules = load(where, parse_pattern, why);

	if (rules == NULL)
		return NULL;
	rules->match = pcre2_match_data_create(GROUPS_MAX, NULL);
	rules->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(rules->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(rules->limits, HEAP_LIMIT_KB);
	return rules;
}

/* The rule that decides, NULL when none does. */
static const struct rule *cidr_rule(const struct rules *rules, struct str key)
{
	struct rule address = {0};

	if (parse_address(key, &address) != NULL)
		return NULL;
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *r = &rules->rule[i];

		if (r->kind == RULE_ENDIF)
			continue;
		bool matches = cidr_matches(r, &address) != r->negate;
		if (r->kind == RULE_IF && !matches)
			i = r->endif;
		if (r->kind == RULE_VALUE && matches)
			return r;
	}
	return NULL;
}

static enum map_result cidr_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	const struct rule *r = cidr_rule(data, key);

	(void)why;
	if (r == NULL)
		return MAP_NONE;
	buf_add_text(out, r->value);
	return MAP_FOUND;
}

static unsigned cidr_line(
    void *data, const char *where, struct str key, struct buf *value)
{
	const struct rule *r = cidr_rule(data, key);

	(void)where;
	if (r != NULL)
		buf_add_text(value, r->value);
	return r == NULL ? 0 : r->line;
}

/* The rule that decides: its groups are in rules->match then. */
static enum map_result pcre_rule(const struct rules *rules, struct str key,
    const struct rule **found, struct buf *why)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *r = &rules->rule[i];

		if (r->kind == RULE_ENDIF)
			continue;
		int n = pcre2_match(r->code, (PCRE2_SPTR)key.p, key.len, 0, 0,
		    rules->match, rules->limits);
		if (n < 0 && n != PCRE2_ERROR_NOMATCH) {
			buf_printf(why,
			    "rule %zu: matching took too long or "
			    "failed (%d)",
			    i + 1, n);
			return MAP_ERROR;
		}
		bool matches = (n != PCRE2_ERROR_NOMATCH) != r->negate;
		if (r->kind == RULE_IF && !matches)
			i = r->endif;
		if (r->kind == RULE_VALUE && matches) {
			*found = r;
			return MAP_FOUND;
		}
	}
	return MAP_NONE;
}

static enum map_result pcre_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	const struct rule *r = NULL;
	enum map_result result = pcre_rule(data, key, &r, why);

	if (result == MAP_FOUND)
		substitute(r, data, key, out);
	return result;
}

static unsigned pcre_line(
    void *data, const char *where, struct str key, struct buf *value)
{
	struct buf why = buf_new(1024);
	const struct rule *r = NULL;
	bool found = pcre_rule(data, key, &r, &why) == MAP_FOUND;

	(void)where;
	buf_free(&why);
	if (found)
		substitute(r, data, key, value);
	return found ? r->line : 0;
}

const struct map_kind map_cidr = {
    "cidr", true, cidr_load, cidr_find, rules_unload, cidr_check, cidr_line};
const struct map_kind map_pcre = {
    "pcre", true, pcre_load, pcre_find, rules_unload, pcre_check, pcre_line};
