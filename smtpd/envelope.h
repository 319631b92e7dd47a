/* SPDX-License-Identifier: ISC */
/* The arguments of MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3). Pure. */
#ifndef SMTPD_ENVELOPE_H
#define SMTPD_ENVELOPE_H

#include "core/buf.h"

/* Extensions whose parameters are known (offered in EHLO). */
#define EXT_SIZE     1u /* RFC 1870 */
#define EXT_8BITMIME 2u /* RFC 6152 */
#define EXT_DSN      4u /* RFC 3461 */
#define EXT_AUTH     8u /* RFC 4954 */

#define ENVID_MAX 100 /* octets, RFC 3461 4.4 */
#define ORCPT_MAX 500 /* octets, RFC 3461 4.2 */

/* Why arguments are refused. */
struct refusal {
	int code;         /* 501, 555 ... */
	const char *dsn;  /* "5.5.4" */
	const char *text; /* constant */
};

struct mail_args {
	struct str sender; /* view; empty: the null reverse-path */
	bool has_size;
	uint64_t size;
	const char *body;          /* "7BIT", "8BITMIME" or "" */
	const char *ret;           /* "FULL", "HDRS" or "" */
	char envid[ENVID_MAX + 1]; /* decoded, printable; "" */
};

/* args: what follows "MAIL ". Returns 0, or -1 and *why. */
int mail_args_parse(struct str args, unsigned extensions, struct mail_args *out,
    struct refusal *why);

struct rcpt_args {
	struct str recipient; /* view; "Postmaster" may lack a domain */
	char notify[32];      /* "NEVER", or of "SUCCESS,FAILURE,DELAY"; "" */
	char original[ORCPT_MAX + 1]; /* "rfc822;user@example.org", decoded */
};

/* args: what follows "RCPT ". */
int rcpt_args_parse(struct str args, unsigned extensions, struct rcpt_args *out,
    struct refusal *why);

#endif
