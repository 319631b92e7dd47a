/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "mailauth/arc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The header of the input is a chain or none; every key is good, so that what
 * remains is its structure and its signatures, which nobody can have made. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct dkim_policy policy = {.signatures_most = 5};
	struct dns_record record = {.type = DNS_TXT,
	    .name = STR_EMPTY,
	    .text = STR("v=DKIM1; k=ed25519; "
			"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")};
	struct dns_reply reply = {
	    .status = DNS_OK, .why = "", .count = 1, .records = &record};
	struct str message = str_of(data, len);
	struct str header = str_sub(message, 0, header_length(message));
	struct questions *q = questions_new(NULL);
	struct body_hashes bodies = {0};
	struct header_fields fields;
	enum arc_result result;
	enum dns_type type;
	struct str name;
	unsigned rounds = 0;

	header_fields_of(header, &fields);
	struct arc_chain *chain = arc_chain_new(
	    &fields, &policy, 1000, &bodies);
	body_hash_add(&bodies, str_skip(message, header.len));
	body_hash_end(&bodies);
	while ((result = arc_chain_check(chain, q)) == ARC_PENDING) {
		if (rounds++ > 2 * ARC_SETS_MOST)
			abort();
		while (questions_open(q, &name, &type))
			questions_answer(q, name, type, &reply);
	}
	if (result == ARC_PASS ||
	    (result == ARC_FAIL) != (arc_chain_why(chain)[0] != '\0') ||
	    arc_chain_length(chain) > ARC_SETS_MOST)
		abort();
	arc_chain_free(&chain);
	header_fields_free(&fields);
	body_hashes_free(&bodies);
	questions_free(&q);
	return 0;
}
