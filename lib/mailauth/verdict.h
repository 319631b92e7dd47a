/* SPDX-License-Identifier: ISC */
/*
 * What is known of where a message comes from: SPF of the client's name and of
 * the sender, DKIM, ARC and DMARC, found out while the message arrives, once,
 * in one object.
 *
 *	verdict_begin     a client said HELO; its questions begin
 *	verdict_sender    MAIL; verdict_spf_sender waits for the answer, if anybody asks
 *	verdict_header    the header is whole: keys and policies are asked for
 *	verdict_body      the body, piece by piece
 *	verdict_end       waits for what is still open
 *
 * Nothing waits before verdict_spf_... or verdict_end, and only what is waited
 * counts for the budget, so that a slow client has no say in it. SPF takes at
 * most two thirds of it, the keys of signatures leave a quarter to DMARC. What DNS
 * does not answer within it is a temporary error, never a refusal.
 */
#ifndef MAILAUTH_VERDICT_H
#define MAILAUTH_VERDICT_H

#include "mailauth/arc.h"
#include "mailauth/authors.h"
#include "mailauth/dkim_verify.h"
#include "mailauth/dmarc.h"
#include "mailauth/spf.h"

struct verdict_policy {
	const char *receiver; /* our name, for SPF's macros */
	struct dkim_policy dkim;
	const struct public_suffixes *suffixes; /* NULL: RFC 9989's walk */
	int64_t budget_ms; /* that a message may wait for DNS, in all */
	struct answer_cache *cache; /* of the caller; NULL: none */
};

struct verdict;

/* dns and loop: NULL when a test answers the questions. Never NULL. */
struct verdict *verdict_new(
    struct dns *dns, struct loop *loop, const struct verdict_policy *policy);
void verdict_free(struct verdict **v);
/* The questions of SPF, DKIM and ARC, and those of DMARC, for a test that
 * answers them. */
struct questions *verdict_questions(struct verdict *v);
struct questions *verdict_policy_questions(struct verdict *v);

/* A message begins; helo is copied. The budget begins too. */
void verdict_begin(
    struct verdict *v, const struct netaddr *client, struct str helo);
/* sender: of MAIL; "": a notification. Copied. */
void verdict_sender(struct verdict *v, struct str sender);
/* The results of SPF for HELO and for the sender; waits for them. The second
 * is NULL where there is no sender. */
const struct spf_verdict *verdict_spf_helo(struct verdict *v);
const struct spf_verdict *verdict_spf_sender(struct verdict *v);
/* The one that counts for DMARC: the sender's, or without one that of HELO. */
const struct spf_verdict *verdict_spf(struct verdict *v);

/* Takes the answers that have come and asks what follows from them, without
 * waiting; for who is busy with the client meanwhile. */
void verdict_go_on(struct verdict *v);

/* The whole header, which must stay until verdict_end. */
void verdict_header(struct verdict *v, struct str header);
void verdict_body(struct verdict *v, struct str octets);
/* After the last octet; then the rest may be asked. */
void verdict_end(struct verdict *v);

size_t verdict_dkim_count(const struct verdict *v);
const struct dkim_verdict *verdict_dkim(const struct verdict *v, size_t i);
enum arc_result verdict_arc(const struct verdict *v);
const struct arc_chain *verdict_arc_chain(const struct verdict *v);
/*
 * DMARC of the author; of several authors (or a From in doubt, which
 * verdict_doubtful tells) the one with the worst result and the strictest
 * policy.
 */
const struct dmarc_verdict *verdict_dmarc(const struct verdict *v);
struct str verdict_author(const struct verdict *v); /* its domain; "" */
bool verdict_doubtful(const struct verdict *v);
/* Whether the header has more authors, or they more DNS, than anybody looks at:
 * the strictest policy of all may be theirs. */
bool verdict_unread(const struct verdict *v);

#endif
