/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "net/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * The first octet chooses the type asked for; the rest is the answer to a
 * question for a.example. Every record given out is of that type and
 * complete, and its names can be asked for again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum dns_type types[] = {DNS_A, DNS_NS, DNS_CNAME, DNS_PTR,
	    DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA};
	struct arena arena = arena_new(DNS_ARENA_MAX);

	if (len < 1)
		return 0;
	enum dns_type type = types[data[0] % ARRAY_LEN(types)];
	struct dns_reply r = dns_answer_parse(
	    str_of(data + 1, len - 1), STR("a.example"), type, &arena);
	if ((r.status == DNS_OK) != (r.count > 0) || r.why == NULL ||
	    r.count > DNS_RECORDS_MAX)
		abort();
	for (size_t i = 0; i < r.count; i++) {
		const struct dns_record *d = &r.records[i];
		if (d->type != type || d->ttl > 0x7fffffff)
			abort();
		if ((type == DNS_A || type == DNS_AAAA) != (d->addr.len > 0))
			abort();
		if (d->name.len > 0 && !dns_name_valid(d->name))
			abort();
		if (d->text.len > len)
			abort();
	}
	arena_free(&arena);
	return 0;
}
