/* SPDX-License-Identifier: ISC */
/*
 * Reports that others send about mail in our name: DMARC aggregate reports
 * (RFC 9990, and RFC 7489 appendix C), TLS reports (RFC 8460), complaints and
 * authentication failures in ARF (RFC 5965, RFC 6591). Pure: octets in,
 * structs out, no clock, no files.
 *
 * A stranger writes them, so everything has a bound, and what does not parse
 * is a result: kind REPORT_UNREADABLE with the reason in words. All texts are
 * valid UTF-8 without control characters, at most REPORT_TEXT_MAX octets
 * (longer ones are cut), and live in the arena.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "core/arena.h"
#include "core/json.h"

#define REPORT_TEXT_MAX   1024  /* octets of one text */
#define REPORT_ROWS_MAX   50000 /* of a DMARC report; TLS failures */
#define REPORT_LIST_MAX   100   /* signatures of a row, strings of a policy */
#define REPORT_NUMBER_MAX (UINT64_C(1) << 53) /* what JSON says exactly */
#define REPORT_ARENA_MAX  ((size_t)192 << 20)

enum report_kind { REPORT_DMARC, REPORT_TLS, REPORT_ARF, REPORT_UNREADABLE };
extern const char *const report_kind_names[]; /* "dmarc" ..., NULL */

/* A result of SPF or DKIM as the reporter saw it, whatever DMARC made of it. */
struct report_auth {
	struct str method; /* "dkim", "spf" */
	struct str domain, selector, scope, result, explanation;
};

/* DMARC: messages of one source with the same results. */
struct report_row {
	struct str source; /* address, as netaddr_text writes it */
	uint64_t count;
	struct str disposition;       /* "none", "quarantine", "reject" ... */
	struct str dkim, spf;         /* aligned: "pass", "fail"; "" */
	struct str override, comment; /* why another policy was applied */
	struct str header_from, envelope_from, envelope_to;
	struct report_auth *auth;
	size_t auth_count;
};

struct report_dmarc {
	struct str version, discovery_method, p, sp, np, adkim, aspf, fo, pct,
	    testing, generator, errors;
	struct report_row *rows;
	size_t row_count;
};

/* TLS: sessions that failed for one reason (RFC 8460 section 4.3). */
struct report_failure {
	struct str result; /* "starttls-not-supported" ... */
	struct str sending_address, receiving_host, receiving_helo,
	    receiving_address, information, code;
	uint64_t count;
};

struct report_policy {
	struct str type, domain; /* "sts", "tlsa", "no-policy-found" */
	struct str *strings;     /* of the policy */
	size_t string_count;
	struct str *hosts; /* mx patterns */
	size_t host_count;
	uint64_t passed, failed; /* sessions */
	struct report_failure *failures;
	size_t failure_count;
};

struct report_tls {
	struct report_policy *policies;
	size_t policy_count;
};

struct report_arf {
	struct str type; /* "abuse", "auth-failure" ... */
	struct str user_agent, version, source, sender, recipient, arrived,
	    reporting_mta, reported_domain, reported_uri, results;
	uint64_t incidents;
	struct str envelope_id; /* Original-Envelope-Id */
	/* RFC 6591, RFC 9991 */
	struct str identity_alignment, auth_failure, delivery_result,
	    dkim_domain, dkim_identity, dkim_selector, spf_dns;
	/* Of the message that it is about: */
	struct str message_id, from, subject, date;
	struct str queue_id; /* ours, of its Received lines; "" */
};

struct report {
	enum report_kind kind;
	struct str reporter; /* who made it: organisation, else From's domain */
	struct str contact;
	struct str id;
	struct str domain;   /* of ours that it is about */
	uint64_t begin, end; /* seconds since 1970; 0: not said */
	struct report_dmarc dmarc;
	struct report_tls tls;
	struct report_arf arf;
	struct str reason; /* unreadable */
	/* The mail that brought it. */
	struct str mail_from; /* address in From */
	struct str mail_subject, mail_id;
	/* "pass": it passed DMARC as its author's, as a field of this site
	 * says (RFC 9990 section 3.5.2); else anybody may have written it. */
	struct str mail_dmarc;
	/* Filled by who receives it. */
	struct str mail_queue_id, mail_recipient;
	uint64_t received; /* seconds since 1970 */
};

struct report_limits {
	size_t expanded; /* octets that an archive may become */
	unsigned ratio;  /* times its own size, beyond the first megabyte */
	struct str host; /* myhostname: whose Received lines are ours */
	struct str site; /* authserv_id: whose Authentication-Results are */
};

/*
 * Reads the report in a message. The first part that is one counts. Never
 * fails: what cannot be read comes out as REPORT_UNREADABLE with a reason.
 */
void report_read(struct str message, const struct report_limits *limits,
    struct arena *arena, struct report *out);

/*
 * The same report has the same key, whoever brought it how often: 32
 * hexadecimal digits of kind, reporter, domain and report id (RFC 9990 3.5.4);
 * of the mail itself, by its Message-ID and body, where there is no such id.
 */
#define REPORT_KEY_LEN 32
void report_key(
    const struct report *r, struct str message, char key[REPORT_KEY_LEN + 1]);

/* What a list shows of a report. */
struct report_head {
	enum report_kind kind;
	struct str reporter, id, domain;
	uint64_t begin, end, received;
	uint64_t total, failed; /* DMARC: messages; TLS: sessions; ARF: cases */
	struct str type;        /* ARF */
	struct str message_id;  /* ARF: of the message that it is about */
	struct str reason;      /* unreadable */
};

/* Octets of a stored head, with its LF. */
#define REPORT_HEAD_MAX 20000

/* A row of DMARC passes when either is aligned. */
bool report_row_passed(const struct report_row *r);

/* Views into the report. */
void report_head_of(const struct report *r, struct report_head *out);

/* The stored form: a line with the head, one with the report, JSON objects
 * both; out's overflow tells whether it fitted. */
void report_write(const struct report *r, struct buf *out);
/* The same inside a document, without and with its last end. */
void report_write_members(const struct report *r, struct json *j);
/* Reads it back. 0, or -1 and *why (a constant): it is no such document. */
int report_parse(
    struct str text, struct arena *arena, struct report *out, const char **why);
/* The same of its head alone; text need not go beyond it. */
int report_parse_head(struct str text, struct arena *arena,
    struct report_head *out, const char **why);

#endif
