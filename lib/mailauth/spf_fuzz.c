/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "mailauth/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * Every TXT answer is one of the lines of the input, in turn, every other
 * answer is an address or a name of its own: records, macros, explanations,
 * loops. A verdict comes after a bounded number of answers, and its texts are
 * ASCII unless a name was not.
 */
static struct dns_reply answer(
    struct str *lines, enum dns_type type, struct dns_record *record)
{
	struct dns_reply r = {
	    .status = DNS_OK, .why = "", .count = 1, .records = record};

	*record = (struct dns_record){
	    .type = type, .name = STR("mail.example.com"), .text = STR_EMPTY};
	if (type == DNS_TXT) {
		record->text = str_cut(lines, '\n');
		if (record->text.len == 0)
			r = (struct dns_reply){
			    .status = DNS_NO_DATA, .why = "no data"};
	} else if (type == DNS_A) {
		netaddr_parse(STR("192.0.2.1"), 0, &record->addr);
	} else if (type == DNS_AAAA) {
		netaddr_parse(STR("2001:db8::1"), 0, &record->addr);
	}
	return r;
}

static void run(const struct spf_request *request, struct str lines)
{
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(1u << 20);
	struct spf_verdict v;
	struct dns_record record;
	struct str name;
	enum dns_type type;
	unsigned rounds = 0;

	while (spf_check(q, request, &arena, &v) == SPF_PENDING) {
		if (rounds++ > 400 || !questions_open(q, &name, &type))
			abort();
		struct dns_reply r = answer(&lines, type, &record);
		questions_answer(q, name, type, &r);
	}
	if (v.result == SPF_PENDING || v.explanation.len > 500 ||
	    questions_count(q) > 400)
		abort();
	bool error = v.result == SPF_TEMPERROR || v.result == SPF_PERMERROR;
	if (error != (v.problem.len > 0))
		abort();
	arena_free(&arena);
	questions_free(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str lines = str_of(data, len);
	struct spf_request r = {.helo = STR("mx.example.org"),
	    .receiver = STR("here.example.net"),
	    .now = 1};

	netaddr_parse(STR("192.0.2.77"), 0, &r.client);
	r.sender = str_cut(&lines, '\n');
	run(&r, lines);
	netaddr_parse(STR("2001:db8::77"), 0, &r.client);
	run(&r, lines);
	return 0;
}
