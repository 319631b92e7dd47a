/* SPDX-License-Identifier: ISC */
/*
 * Evaluates SPF over a zone that stands on standard input, for the public
 * suite of RFC 7208 (tests/test_spf.py). Fields are separated by tabs, texts
 * are hexadecimal, names are in lower case:
 *
 *	record NAME TYPE VALUE      TYPE: A AAAA MX PTR CNAME TXT; of MX the host;
 *	                            TIMEOUT: what NAME does not have times out
 *	check CLIENT HELO SENDER RECEIVER
 *
 * and each check is answered by
 *
 *	RESULT TAB explanation in hexadecimal TAB problem
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "mailauth/spf.h"

#define CHAIN_MOST 10
#define SAME_MOST  64 /* records of one name and type */

struct zone_record {
	struct str name, value;
	char type[8];
	struct zone_record *next;
};

static struct arena memory;
static struct zone_record *zone;

static struct str from_hex(struct str s)
{
	char *out = arena_alloc(&memory, s.len / 2 + 1);

	for (size_t i = 0; i + 1 < s.len; i += 2) {
		char digits[3] = {s.p[i], s.p[i + 1], '\0'};
		out[i / 2] = (char)strtoul(digits, NULL, 16);
	}
	return str_of(out, s.len / 2);
}

static const char *type_name(enum dns_type type)
{
	return type == DNS_A   ? "A"
	    : type == DNS_AAAA ? "AAAA"
	    : type == DNS_MX   ? "MX"
	    : type == DNS_PTR  ? "PTR"
			       : "TXT";
}

static struct dns_record record_of(
    enum dns_type type, const struct zone_record *z)
{
	struct dns_record r = {
	    .type = type, .name = STR_EMPTY, .text = STR_EMPTY};

	if (type == DNS_A || type == DNS_AAAA)
		netaddr_parse(z->value, 0, &r.addr);
	else if (type == DNS_TXT)
		r.text = z->value;
	else
		r.name = z->value;
	return r;
}

static struct dns_reply look_up(struct str name, enum dns_type type)
{
	static struct dns_record found[SAME_MOST];
	struct dns_reply r = {.status = DNS_NO_NAME, .records = found};

	for (unsigned links = 0; links < CHAIN_MOST; links++) {
		const struct zone_record *alias = NULL;
		for (struct zone_record *z = zone; z != NULL; z = z->next) {
			if (!str_case_eq(z->name, name))
				continue;
			if (r.status == DNS_NO_NAME)
				r.status = DNS_NO_DATA;
			if (strcmp(z->type, "CNAME") == 0)
				alias = z;
			if (strcmp(z->type, "TIMEOUT") == 0 && r.count == 0)
				r.status = DNS_TEMPORARY;
			if (strcmp(z->type, type_name(type)) == 0 &&
			    r.count < SAME_MOST) {
				found[r.count++] = record_of(type, z);
				r.status = DNS_OK;
			}
		}
		if (alias == NULL || r.count > 0)
			break;
		name = alias->value;
		r.status = DNS_NO_NAME;
	}
	r.why = r.status == DNS_TEMPORARY ? "timeout" : "no such record";
	return r;
}

static void check(struct str rest)
{
	struct spf_request request = {.now = 1000000000};
	struct questions *q = questions_new(NULL);
	struct spf_verdict verdict;
	struct str name;
	enum dns_type type;
	unsigned rounds = 0;

	netaddr_parse(str_cut(&rest, '\t'), 0, &request.client);
	request.helo = from_hex(str_cut(&rest, '\t'));
	request.sender = from_hex(str_cut(&rest, '\t'));
	request.receiver = from_hex(rest);
	while (spf_check(q, &request, &memory, &verdict) == SPF_PENDING) {
		if (rounds++ > 100 || !questions_open(q, &name, &type)) {
			puts("pending for ever\t\t");
			questions_free(&q);
			return;
		}
		while (questions_open(q, &name, &type)) {
			struct dns_reply reply = look_up(name, type);
			questions_answer(q, name, type, &reply);
		}
	}
	printf("%s\t", spf_result_name(verdict.result));
	for (size_t i = 0; i < verdict.explanation.len; i++)
		printf("%02x", (unsigned)(uint8_t)verdict.explanation.p[i]);
	printf("\t%.*s\n", STR_FMT(verdict.problem));
	questions_free(&q);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	struct zone_record **last = &zone;

	memory = arena_new(64u << 20);
	while ((len = getline(&line, &size, stdin)) > 0) {
		struct str rest = str_trim(str_of(line, (size_t)len));
		struct str verb = str_cut(&rest, '\t');
		if (str_eq(verb, STR("check"))) {
			check(str_of(line + 6, (size_t)len - 7));
			continue;
		}
		struct zone_record *z = arena_alloc(&memory, sizeof(*z));
		z->name = from_hex(str_cut(&rest, '\t'));
		str_copy(z->type, sizeof(z->type), str_cut(&rest, '\t'));
		z->value = from_hex(rest);
		*last = z;
		last = &z->next;
	}
	free(line);
	arena_free(&memory);
	return 0;
}
