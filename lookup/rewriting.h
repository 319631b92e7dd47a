/* SPDX-License-Identifier: ISC */
/*
 * Senders of mail that aliases send on (SRS, mail/srs.h): which are rewritten,
 * and whom a rewritten one stands for. lookup alone reads the secrets: it knows
 * whose a sender's domain is, and who may get mail under such an address, so
 * those who ask need no secret.
 */
#ifndef LOOKUP_REWRITING_H
#define LOOKUP_REWRITING_H

#include <sys/stat.h>

#include "lookup/directory.h"
#include "mail/srs.h"

struct rewriting {
	char *path; /* of the secrets */
	struct buf text;
	struct srs srs; /* views into text; no secret: it is off */
	struct stat seen;
	int64_t next_look; /* clock_ms */
	int trouble;       /* errno of the last look that failed */
};

/* secrets: srs_secrets_file; a relative name is in base. */
struct rewriting rewriting_new(const char *secrets, const char *base);
void rewriting_free(struct rewriting *r);

/*
 * The sender that those shall see to whom the mail is sent on: *out, in the
 * arena; "" when it stays what it is. enum resolve_status: ok or temporary.
 */
int rewriting_forward(struct directory *d, struct str sender, struct str *out);

/* Whether the address is of those that srs_domain makes. */
bool rewriting_is_ours(const struct directory *d, const struct who *w);

/*
 * Whom such an address stands for, in the arena. enum resolve_status; when it
 * is not ok, code, dsn and text of *why say what the sender of the mail hears.
 */
struct rewriting_refusal {
	unsigned code;
	const char *dsn, *text;
};
int rewriting_reverse(struct directory *d, struct str address, struct str *out,
    struct rewriting_refusal *why);

#endif
