/* SPDX-License-Identifier: ISC */
/*
 * Where mail for an address would go, by asking the daemons that would decide
 * (explanation.h): what route shows, and explain behind its verdict.
 */
#ifndef POSTHOUSE_DESTINATION_H
#define POSTHOUSE_DESTINATION_H

#include "posthouse/explanation.h"

enum verdict { VERDICT_OK, VERDICT_REFUSED, VERDICT_TEMPORARY };

/* One address at the end of all aliases. */
struct destination {
	struct str address;
	struct lookup_resolved resolved;
	enum verdict verdict;
	struct str dsn, text; /* when it is not ok */
	bool local;           /* goes to a mailbox */
	bool forwarded;       /* an alias sends it to another host */
	struct explain_usage usage;
	struct explain_target *targets; /* of other hosts */
	size_t target_count;
	size_t from, to; /* its steps */
};

/* An address and all it leads to. */
struct destinations {
	struct str address;
	struct lookup_resolved resolved; /* of the address itself */
	size_t from, expanded, to;       /* steps: resolve, expand */
	enum verdict verdict; /* REFUSED when any is, else TEMPORARY */
	struct str dsn, text; /* of the expansion */
	/* What those who are forwarded see of a known sender; "": the same, or
	 * the sender is not known. */
	struct str sent_as;
	struct destination *all;
	size_t count;
};

/* size: of a message, for the quota. 0, or -1 after a message. */
int destinations_find(struct explanation *x, struct str address, uint64_t size,
    struct destinations *out);
void destinations_free(struct destinations *d);
void destinations_print(
    const struct explanation *x, const struct destinations *d);
/* Members of the object that is open. */
void destinations_json(
    const struct explanation *x, const struct destinations *d, struct json *j);

/* "accepted", "refused", "temporary" */
const char *verdict_name(enum verdict v);
/* As the command's exit status: 0, EX_UNAVAILABLE, EX_TEMPFAIL. */
int verdict_status(enum verdict v);

#endif
