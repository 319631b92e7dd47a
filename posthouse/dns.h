/* SPDX-License-Identifier: ISC */
/*
 * posthouse dns: the records that a domain of this house needs, and what of
 * them is published.
 *
 * dns_house.c finds out what the house has (addresses, services, certificates,
 * keys), dns_plan.c what follows from it for a domain, dns_look.c asks,
 * dns_check_host.c and dns_check_policy.c compare, dns_print.c prints.
 */
#ifndef POSTHOUSE_DNS_H
#define POSTHOUSE_DNS_H

#include "core/arena.h"
#include "daemon/config.h"
#include "mailauth/dkim_key.h"
#include "mailauth/questions.h"
#include "posthouse/posthouse.h"

#define RECORD_SETS_MOST   96
#define RECORD_VALUES_MOST 16 /* of one set that are shown */
#define OWN_MOST           16 /* addresses of the house */
#define SERVICES_MOST      6  /* that clients look for by SRV */
#define CERTIFICATES_MOST  4
#define DKIM_KEYS_MOST     16 /* of a domain */

/* From good to bad. */
enum finding {
	FINDING_RIGHT,
	FINDING_OPTIONAL, /* is not there, and need not be */
	FINDING_UNKNOWN,  /* DNS did not answer */
	FINDING_MISSING,
	FINDING_DIFFERENT, /* is there, but says something else */
	FINDING_HARMFUL,   /* does more harm than none would */
	FINDINGS
};

enum record_kind {
	RECORD_MX,
	RECORD_ADDRESS,
	RECORD_PTR,
	RECORD_SPF,
	RECORD_SPF_HELO,
	RECORD_DKIM,
	RECORD_DMARC,
	RECORD_DMARC_REPORT, /* who may report to another domain */
	RECORD_MTA_STS,
	RECORD_TLS_RPT,
	RECORD_SRV,
	RECORD_TLSA,
	RECORD_KINDS
};

struct house_key {
	struct str selector;
	bool retired; /* signs no more */
	bool active;
	struct dkim_key *key; /* NULL: it cannot be read */
};

/* Records of one name and type. */
struct record_set {
	enum record_kind kind;
	enum dns_type type;
	struct str owner; /* without final dot */
	/* What is to be there: of TXT the text itself, else as in a zone. */
	struct str want[RECORD_VALUES_MOST];
	size_t want_count;
	bool advice;                 /* not to be published as it is */
	const struct house_key *key; /* of DKIM; NULL: there is none yet */
	/* What the check found. */
	enum finding finding;
	struct str published[RECORD_VALUES_MOST];
	size_t published_count;
	struct buf problem, next; /* words: what is wrong, what to do */
	bool hidden;              /* nothing to say about it */
};

struct house_service {
	const char *name; /* "_imaps" */
	unsigned priority;
	uint16_t port; /* 0: is not configured */
	bool loopback; /* strangers do not reach it */
};

struct dns_house {
	struct posthouse *p;
	struct config *config;
	struct arena arena;
	struct str host; /* in lower case */
	struct netaddr own[OWN_MOST];
	size_t own_count;
	bool own_learned; /* from what DNS says of the host */
	struct house_service services[SERVICES_MOST];
	struct str tlsa[CERTIFICATES_MOST]; /* "3 1 1 ..." */
	size_t tlsa_count;
	struct str tlsa_problem; /* why there is none; "" */
	struct str recipients;   /* report_recipients */
};

struct dns_plan {
	struct dns_house *house;
	struct str domain;
	struct record_set list[RECORD_SETS_MOST];
	size_t count;
	struct house_key keys[DKIM_KEYS_MOST];
	size_t key_count;
	struct str keys_problem; /* why they cannot be looked at; "" */
	struct str reports;      /* the address that takes them; "" */
};

/* 0, or -1 after messages on stderr. given: --address, or NULL; what is no
 * address is passed over. */
int dns_house_open(
    struct dns_house *h, struct posthouse *p, const char *const *given);
void dns_house_close(struct dns_house *h);
/* A text in the house's memory. */
struct str dns_text(struct dns_house *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The keys that `posthouse dkim` has made for the domain. */
void dns_house_keys(struct dns_house *h, struct dns_plan *plan);

/* domain: in lower case, and stays. */
void dns_plan_make(
    struct dns_plan *plan, struct dns_house *h, struct str domain);
void dns_plan_free(struct dns_plan *plan);
/* Whether an address is one of report_recipients. */
bool dns_takes_reports(const struct dns_house *h, struct str address);
/* What the policy of MTA-STS would have to say. */
struct str dns_sts_policy(struct dns_house *h);

/* ---- asking ---- */

struct dns_look;

/* NULL after a message on stderr. */
struct dns_look *dns_look_open(struct posthouse *p);
void dns_look_close(struct dns_look **look);
/* Forgets all answers: another domain begins. */
void dns_look_begin(struct dns_look *look);
/* Waits for the answer; never NULL. */
const struct dns_reply *dns_look_up(
    struct dns_look *look, struct str name, enum dns_type type);
/* Only asks, so that it is there when it is looked up. */
void dns_look_ahead(struct dns_look *look, struct str name, enum dns_type type);
struct questions *dns_look_questions(struct dns_look *look);
bool dns_look_wait(struct dns_look *look);

/* The addresses of the host as DNS has them, where the house knows none. */
void dns_house_learn(struct dns_house *h, struct dns_look *look);

/* ---- comparing ---- */

void dns_check(struct dns_plan *plan, struct dns_look *look);

/* Used by the checks. What is worse stays; text is added to the problem, and
 * next (or NULL) to what to do. */
void dns_find(struct record_set *s, enum finding finding, const char *next,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Takes over what is published. False when DNS did not answer, which is then
 * the finding. */
bool dns_take(
    struct dns_house *h, struct record_set *s, const struct dns_reply *r);
void dns_show(struct record_set *s, struct str value);

typedef void dns_check_function(
    struct dns_plan *plan, struct record_set *s, struct dns_look *look);
dns_check_function dns_check_mx, dns_check_address, dns_check_ptr,
    dns_check_srv, dns_check_tlsa, dns_check_spf, dns_check_dkim,
    dns_check_dmarc, dns_check_dmarc_report, dns_check_mta_sts,
    dns_check_tls_rpt;

/* ---- printing ---- */

extern const char *const finding_names[FINDINGS];         /* "right" */
extern const char *const record_kind_names[RECORD_KINDS]; /* "mx" */

/* A value as it stands in a zone file. */
void dns_print_value(enum dns_type type, struct str value, struct buf *out);
void dns_print_zone(const struct dns_plan *plan, struct buf *out);
/* brief: only what is not right. */
void dns_print_plan(const struct dns_plan *plan, bool brief, struct buf *out);
void dns_print_line(const struct dns_plan *plan, struct buf *out);
void dns_print_json(const struct dns_plan *plan, bool whole, struct json *j);
enum finding dns_worst(const struct dns_plan *plan);

#endif
