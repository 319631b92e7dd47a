/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "mailauth/dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Lines: the author's domain, one that SPF and one that DKIM vouch for, then
 * what each look-up of a policy finds, in turn. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str lines = str_of(data, len);
	struct questions *q = questions_new(NULL);
	struct arena arena = arena_new(1u << 20);
	struct dmarc_request r = {.author = str_cut(&lines, '\n')};
	struct dmarc_verdict v;
	struct dmarc_record parsed;
	enum dns_type type;
	struct str name;
	unsigned rounds = 0;

	r.spf_domain = str_cut(&lines, '\n');
	struct str dkim = str_cut(&lines, '\n');
	r.dkim_domains = &dkim;
	r.dkim_count = 1;
	while (dmarc_check(q, &r, &arena, &v) == DMARC_PENDING) {
		if (rounds++ > 40 || !questions_open(q, &name, &type))
			abort();
		struct dns_record record = {.type = type,
		    .name = STR_EMPTY,
		    .text = str_cut(&lines, '\n')};
		struct dns_reply reply = {.status = DNS_NO_DATA, .why = ""};
		if (record.text.len > 0)
			reply = (struct dns_reply){.status = DNS_OK,
			    .why = "",
			    .count = 1,
			    .records = &record};
		questions_answer(q, name, type, &reply);
	}
	if (v.asked > v.published || questions_count(q) > 40 ||
	    (v.result == DMARC_PASS) != (v.spf_aligned || v.dkim_aligned) ||
	    (v.result == DMARC_TEMPERROR) != (v.problem[0] != '\0'))
		abort();
	if (v.record.len > 0 && dmarc_record_parse(v.record, &parsed) < 0)
		abort();
	arena_free(&arena);
	questions_free(&q);
	return 0;
}
