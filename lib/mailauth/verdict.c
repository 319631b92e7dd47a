/* SPDX-License-Identifier: ISC */
#include "mailauth/verdict.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"

#define MEMORY_MOST (1u << 20) /* octets of one message's results */

struct verdict {
	struct loop *loop;
	struct verdict_policy policy;
	struct questions *questions;
	/* DMARC's are apart: nothing that a stranger's records and signatures
	 * make us ask takes the room or the time of the author's policy. */
	struct questions *policies;
	int64_t left_ms; /* of the budget; time that is not waited is free */
	struct arena arena;
	struct spf_request helo, mail;
	struct spf_verdict spf_helo, spf_mail;
	bool helo_done, mail_done;
	struct header_fields fields;
	struct body_hashes bodies;
	struct dkim_verifier *dkim;
	struct arc_chain *arc;
	enum arc_result arc_result;
	struct author_domains authors;
	struct dmarc_verdict dmarc;
	struct str author;
};

struct verdict *verdict_new(
    struct dns *dns, struct loop *loop, const struct verdict_policy *policy)
{
	struct verdict *v = NEW(struct verdict);

	v->loop = loop;
	v->policy = *policy;
	v->questions = questions_new(dns);
	v->policies = questions_new(dns);
	questions_cache(v->questions, policy->cache);
	questions_cache(v->policies, policy->cache);
	v->arena = arena_new(MEMORY_MOST);
	return v;
}

static void forget_message(struct verdict *v)
{
	dkim_verifier_free(&v->dkim);
	arc_chain_free(&v->arc);
	body_hashes_free(&v->bodies);
	header_fields_free(&v->fields);
	v->arc_result = ARC_NONE;
	v->author = STR_EMPTY;
	v->authors = (struct author_domains){.count = 0};
	v->dmarc = (struct dmarc_verdict){.result = DMARC_NONE, .problem = ""};
}

void verdict_free(struct verdict **verdict)
{
	struct verdict *v = *verdict;

	if (v == NULL)
		return;
	*verdict = NULL;
	forget_message(v);
	questions_free(&v->questions);
	questions_free(&v->policies);
	arena_free(&v->arena);
	free(v);
}

struct questions *verdict_questions(struct verdict *v)
{
	return v->questions;
}

struct questions *verdict_policy_questions(struct verdict *v)
{
	return v->policies;
}

static struct str kept(struct verdict *v, struct str s)
{
	struct str copy = arena_copy(&v->arena, s);

	return copy.p != NULL ? copy : STR_EMPTY;
}

/* ---- SPF ---- */

static bool try_helo(struct verdict *v)
{
	v->helo_done = v->helo_done ||
	    spf_check(v->questions, &v->helo, &v->arena, &v->spf_helo) !=
		SPF_PENDING;
	return v->helo_done;
}

static bool try_mail(struct verdict *v)
{
	v->mail_done = v->mail_done || v->mail.sender.len == 0 ||
	    spf_check(v->questions, &v->mail, &v->arena, &v->spf_mail) !=
		SPF_PENDING;
	return v->mail_done;
}

void verdict_begin(
    struct verdict *v, const struct netaddr *client, struct str helo)
{
	forget_message(v);
	arena_clear(&v->arena);
	questions_clear(v->questions, DEADLINE_NEVER);
	questions_clear(v->policies, DEADLINE_NEVER);
	v->left_ms = v->policy.budget_ms;
	v->helo = (struct spf_request){.client = *client,
	    .helo = kept(v, helo),
	    .sender = STR_EMPTY,
	    .receiver = str_from(v->policy.receiver),
	    .now = clock_seconds()};
	v->mail = v->helo;
	v->helo_done = v->mail_done = false;
	try_helo(v);
}

void verdict_sender(struct verdict *v, struct str sender)
{
	v->mail.sender = kept(v, sender);
	v->mail_done = false;
	try_mail(v);
}

/* Waits, but leaves some of the budget for those behind. */
static void wait(struct verdict *v, struct questions *q,
    bool done(struct verdict *v), int64_t reserve_ms)
{
	int64_t began = clock_ms();
	int64_t most = v->left_ms > reserve_ms ? v->left_ms - reserve_ms : 0;

	if (done(v))
		return;
	questions_deadline(q, deadline_in(most));
	while (!done(v) && questions_wait(q, v->loop))
		;
	questions_deadline(q, DEADLINE_NEVER);
	v->left_ms -= clock_ms() - began;
}

static void wait_spf(struct verdict *v, bool done(struct verdict *v))
{
	wait(v, v->questions, done, v->policy.budget_ms / 3);
}

static void wait_keys(struct verdict *v, bool done(struct verdict *v))
{
	wait(v, v->questions, done, v->policy.budget_ms / 4);
}

const struct spf_verdict *verdict_spf_helo(struct verdict *v)
{
	wait_spf(v, try_helo);
	return &v->spf_helo;
}

const struct spf_verdict *verdict_spf_sender(struct verdict *v)
{
	if (v->mail.sender.len == 0)
		return NULL;
	wait_spf(v, try_mail);
	return &v->spf_mail;
}

const struct spf_verdict *verdict_spf(struct verdict *v)
{
	const struct spf_verdict *sender = verdict_spf_sender(v);

	return sender != NULL ? sender : verdict_spf_helo(v);
}

/* ---- the message ---- */

/* Asks for each author's policy, so that it is there when the body is. */
static void ask_policies(struct verdict *v)
{
	struct dmarc_verdict unused;

	for (size_t i = 0; i < v->authors.count; i++) {
		struct dmarc_request r = {.author = v->authors.list[i],
		    .spf_domain = STR_EMPTY,
		    .suffixes = v->policy.suffixes};
		dmarc_check(v->policies, &r, &v->arena, &unused);
	}
}

void verdict_header(struct verdict *v, struct str header)
{
	forget_message(v);
	header_fields_of(header, &v->fields);
	v->dkim = dkim_verifier_new(
	    &v->fields, &v->policy.dkim, v->helo.now, &v->bodies);
	v->arc = arc_chain_new(
	    &v->fields, &v->policy.dkim, v->helo.now, &v->bodies);
	author_domains(&v->fields, &v->arena, &v->authors);
	dkim_verifier_ask(v->dkim, v->questions);
	arc_chain_ask(v->arc, v->questions);
	ask_policies(v);
}

void verdict_go_on(struct verdict *v)
{
	unsigned spf = questions_answered(v->questions);
	unsigned policies = questions_answered(v->policies);

	if (v->loop != NULL)
		loop_turn(v->loop, 0);
	if (questions_answered(v->questions) != spf) {
		try_helo(v);
		try_mail(v);
	}
	if (questions_answered(v->policies) != policies)
		ask_policies(v);
}

void verdict_body(struct verdict *v, struct str octets)
{
	body_hash_add(&v->bodies, octets);
}

static bool try_dkim(struct verdict *v)
{
	return dkim_verifier_check(v->dkim, v->questions);
}

static bool try_arc(struct verdict *v)
{
	v->arc_result = arc_chain_check(v->arc, v->questions);
	return v->arc_result != ARC_PENDING;
}

/* ---- DMARC ---- */

/* The domain whose SPF ended so; "": it did not. */
static struct str spf_domain(const struct verdict *v, enum spf_result result)
{
	const struct spf_verdict *s = v->mail.sender.len > 0 ? &v->spf_mail
							     : &v->spf_helo;

	return s->result == result ? s->domain : STR_EMPTY;
}

static size_t dkim_domains(
    const struct verdict *v, enum dkim_result result, struct str *list)
{
	size_t count = 0;

	for (size_t i = 0; i < dkim_verifier_count(v->dkim); i++) {
		const struct dkim_verdict *d = dkim_verifier_verdict(
		    v->dkim, i);
		if (d->result == result)
			list[count++] = d->domain;
	}
	return count;
}

/* Whether a is worse for the message than b. */
static bool worse(const struct dmarc_verdict *a, const struct dmarc_verdict *b)
{
	static const int rank[] = {
	    [DMARC_PASS] = 0,
	    [DMARC_NONE] = 1,
	    [DMARC_TEMPERROR] = 2,
	    [DMARC_FAIL] = 3,
	};

	return rank[a->result] != rank[b->result]
	    ? rank[a->result] > rank[b->result]
	    : a->asked > b->asked;
}

static bool try_dmarc(struct verdict *v)
{
	size_t most = dkim_verifier_count(v->dkim) + 1;
	struct str *good = mem_array(most, sizeof(*good));
	struct str *unknown = mem_array(most, sizeof(*unknown));
	struct dmarc_request r = {.dkim_domains = good,
	    .dkim_unknown = unknown,
	    .spf_unknown = STR_EMPTY,
	    .suffixes = v->policy.suffixes};
	struct dmarc_verdict worst = {.result = DMARC_NONE, .problem = ""};
	bool done = true;

	r.spf_domain = spf_domain(v, SPF_PASS);
	r.dkim_count = dkim_domains(v, DKIM_PASS, good);
	/* Who makes us ask for more than mail needs leaves nothing open. */
	if (!questions_overdone(v->questions)) {
		r.spf_unknown = spf_domain(v, SPF_TEMPERROR);
		r.dkim_unknown_count = dkim_domains(v, DKIM_TEMPERROR, unknown);
	}
	v->author = STR_EMPTY;
	for (size_t i = 0; i < v->authors.count; i++) {
		struct dmarc_verdict one;
		r.author = v->authors.list[i];
		if (dmarc_check(v->policies, &r, &v->arena, &one) ==
		    DMARC_PENDING) {
			done = false;
		} else if (v->author.len == 0 || worse(&one, &worst)) {
			worst = one;
			v->author = r.author;
		}
	}
	v->dmarc = worst;
	free(good);
	free(unknown);
	return done;
}

void verdict_end(struct verdict *v)
{
	body_hash_end(&v->bodies);
	/* DMARC is about the sender's where there is one: a name that the client
	 * made up for HELO must not take its time. */
	wait_spf(v, try_mail);
	wait_spf(v, try_helo);
	wait_keys(v, try_dkim);
	wait_keys(v, try_arc);
	wait(v, v->policies, try_dmarc, 0);
}

size_t verdict_dkim_count(const struct verdict *v)
{
	return v->dkim == NULL ? 0 : dkim_verifier_count(v->dkim);
}

const struct dkim_verdict *verdict_dkim(const struct verdict *v, size_t i)
{
	return dkim_verifier_verdict(v->dkim, i);
}

enum arc_result verdict_arc(const struct verdict *v)
{
	return v->arc_result;
}

const struct arc_chain *verdict_arc_chain(const struct verdict *v)
{
	return v->arc;
}

const struct dmarc_verdict *verdict_dmarc(const struct verdict *v)
{
	return &v->dmarc;
}

struct str verdict_author(const struct verdict *v)
{
	return v->author;
}

bool verdict_doubtful(const struct verdict *v)
{
	return v->authors.doubtful;
}

bool verdict_unread(const struct verdict *v)
{
	return v->authors.cut || questions_overdone(v->policies);
}
