/* SPDX-License-Identifier: ISC */
/*
 * The questions to DNS of one verdict.
 *
 * What decides (spf.h, and later DKIM, DMARC, ARC) is a function of answers:
 * it asks here, and where an answer is not there yet it ends with "pending"
 * and is run again from its beginning when more answers have come. So nothing
 * is nested in callbacks, all that one message needs is under way at once,
 * nothing is asked twice, one time budget covers the whole, and a test gives
 * the answers itself.
 *
 * The set belongs to its caller, for one message; names are compared without
 * case. Answers stay until questions_clear.
 */
#ifndef MAILAUTH_QUESTIONS_H
#define MAILAUTH_QUESTIONS_H

#include "mailauth/answer_cache.h"
#include "net/dns.h"

#define QUESTIONS_MOST 512 /* of one set; more are answered "temporary" */

struct questions;

/* dns: where to ask; NULL: questions_answer gives every answer. */
struct questions *questions_new(struct dns *dns);
void questions_free(struct questions **q);
/* Answers come from there first, and go there; it is the caller's. */
void questions_cache(struct questions *q, struct answer_cache *cache);
/* Forgets everything; the budget of the next verdict ends at deadline
 * (clock_ms). What is still under way is no longer waited for. */
void questions_clear(struct questions *q, int64_t deadline);
/* Another end of the budget; what came too late may then be asked again. */
void questions_deadline(struct questions *q, int64_t deadline);

/*
 * The answer, or NULL while it is on its way. A name that cannot be asked for
 * (dns_name_askable) is DNS_BAD. After the budget everything that is open or
 * new is DNS_TEMPORARY.
 */
const struct dns_reply *questions_ask(
    struct questions *q, struct str name, enum dns_type type);

/* For who lives on a loop: called behind each answer of DNS, from the loop;
 * the set may be changed in it, but not freed. */
void questions_on_answer(
    struct questions *q, void (*come)(void *arg), void *arg);
/* Turns loop until another answer has come or the budget has ended. False when
 * nothing is open: then whoever says "pending" is wrong. */
bool questions_wait(struct questions *q, struct loop *loop);

/* The oldest question that is open; false when there is none. */
bool questions_open(
    const struct questions *q, struct str *name, enum dns_type *type);
/* Gives the answer to a question that is open; reply is copied. */
void questions_answer(struct questions *q, struct str name, enum dns_type type,
    const struct dns_reply *reply);
/* Without DNS: questions_wait calls this to have what is open answered. */
void questions_answer_by(
    struct questions *q, void (*answer)(struct questions *q));
/* Whether more was asked, or answered, than a set holds: then some that is
 * "temporary" is no fault of DNS. */
bool questions_overdone(const struct questions *q);

/* Questions that have been asked, and those that have been answered. */
unsigned questions_count(const struct questions *q);
unsigned questions_answered(const struct questions *q);

#endif
