/* SPDX-License-Identifier: ISC */
#include "mailauth/questions.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/table.h"
#include "net/dns_answer.h"

#define ANSWERS_MOST (4u << 20) /* octets of all answers */
#define KEY_MAX      (DNS_NAME_TEXT_MAX + 8)

struct question {
	struct questions *set;
	struct dns_query *query; /* NULL: answered, or nobody was asked */
	bool answered;
	enum dns_type type;
	struct str name;
	struct dns_reply reply;
	struct question *next; /* as they were asked */
};

struct questions {
	struct dns *dns;
	struct answer_cache *cache; /* NULL: none */
	struct arena arena;
	struct table table;
	struct question *first, **last;
	unsigned count, answers;
	bool overdone;
	int64_t deadline;
	void (*answer)(struct questions *q); /* in place of dns */
	void (*come)(void *arg);             /* an answer has */
	void *come_arg;
};

static const struct dns_reply bad_name = {
    .status = DNS_BAD, .why = "not a name"};
static const struct dns_reply too_many = {
    .status = DNS_TEMPORARY, .why = "too many questions"};
static const struct dns_reply too_late = {
    .status = DNS_TEMPORARY, .why = "timeout"};
static const struct dns_reply too_large = {
    .status = DNS_TEMPORARY, .why = "answers too large"};

struct questions *questions_new(struct dns *dns)
{
	struct questions *q = NEW(struct questions);

	q->dns = dns;
	q->arena = arena_new(ANSWERS_MOST);
	q->last = &q->first;
	q->deadline = DEADLINE_NEVER;
	return q;
}

void questions_cache(struct questions *q, struct answer_cache *cache)
{
	q->cache = cache;
}

void questions_clear(struct questions *q, int64_t deadline)
{
	for (struct question *one = q->first; one != NULL; one = one->next)
		dns_cancel(&one->query);
	table_free(&q->table);
	q->table = table_new();
	q->first = NULL;
	q->last = &q->first;
	q->count = 0;
	q->answers = 0;
	q->overdone = false;
	q->deadline = deadline;
	arena_clear(&q->arena);
}

void questions_deadline(struct questions *q, int64_t deadline)
{
	q->deadline = deadline;
}

void questions_free(struct questions **q)
{
	struct questions *set = *q;

	if (set == NULL)
		return;
	*q = NULL;
	questions_clear(set, 0);
	table_free(&set->table);
	arena_free(&set->arena);
	free(set);
}

/* The type and the name in lower case, without its final dot. */
static struct str key_of(char out[KEY_MAX], struct str name, enum dns_type type)
{
	int used = snprintf(out, KEY_MAX, "%u ", (unsigned)type);
	size_t at = used > 0 ? (size_t)used : 0;

	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	for (size_t i = 0; i < name.len && at < KEY_MAX; i++)
		out[at++] = ascii_lower(name.p[i]);
	return str_of(out, at);
}

static const struct dns_reply *overdo(
    struct questions *q, const struct dns_reply *reply)
{
	q->overdone = true;
	return reply;
}

/* A copy in the set's memory. */
static struct dns_reply keep(struct questions *q, const struct dns_reply *reply)
{
	struct dns_reply copy = *reply;
	struct dns_record *records = arena_alloc(
	    &q->arena, (reply->count + 1) * sizeof(*records));

	if (records == NULL)
		return *overdo(q, &too_large);
	for (size_t i = 0; i < reply->count; i++) {
		records[i] = reply->records[i];
		records[i].name = arena_copy(&q->arena, records[i].name);
		records[i].text = arena_copy(&q->arena, records[i].text);
		if (records[i].name.p == NULL || records[i].text.p == NULL)
			return *overdo(q, &too_large);
	}
	copy.records = records;
	return copy;
}

/* Names that cannot be asked for are not asked, so an answer that is bad is the
 * server's fault, and may be better the next time. */
static void hold(struct question *one, const struct dns_reply *reply)
{
	one->reply = keep(one->set, reply);
	if (one->reply.status == DNS_BAD)
		one->reply.status = DNS_TEMPORARY;
	one->answered = true;
	one->set->answers++;
}

static void take(struct question *one, const struct dns_reply *reply)
{
	if (one->set->cache != NULL) {
		char text[KEY_MAX];
		answer_cache_put(
		    one->set->cache, key_of(text, one->name, one->type), reply);
	}
	hold(one, reply);
}

static void answered(const struct dns_reply *reply, void *arg)
{
	struct question *one = arg;
	const struct questions *set = one->set;

	one->query = NULL;
	take(one, reply);
	if (set->come != NULL)
		set->come(set->come_arg);
}

void questions_on_answer(
    struct questions *q, void (*come)(void *arg), void *arg)
{
	q->come = come;
	q->come_arg = arg;
}

static const struct dns_reply *ask(
    struct questions *q, struct str key, struct str name, enum dns_type type)
{
	struct question *one = arena_alloc(&q->arena, sizeof(*one));

	if (one == NULL)
		return overdo(q, &too_large);
	one->set = q;
	one->type = type;
	one->name = arena_copy(&q->arena, name);
	if (one->name.p == NULL)
		return overdo(q, &too_large);
	table_put(&q->table, key, one);
	*q->last = one;
	q->last = &one->next;
	q->count++;
	const struct dns_reply *known = q->cache != NULL
	    ? answer_cache_get(q->cache, key)
	    : NULL;
	if (known != NULL) {
		hold(one, known);
		return &one->reply;
	}
	if (q->dns != NULL)
		one->query = dns_ask(q->dns, name, type, answered, one);
	return NULL;
}

const struct dns_reply *questions_ask(
    struct questions *q, struct str name, enum dns_type type)
{
	char text[KEY_MAX];

	if (!dns_name_askable(name))
		return &bad_name;
	struct str key = key_of(text, name, type);
	struct question *one = table_get(&q->table, key);
	if (one != NULL && one->answered)
		return &one->reply;
	if (deadline_left(q->deadline) == 0)
		return &too_late;
	if (one != NULL)
		return NULL;
	if (q->count >= QUESTIONS_MOST)
		return overdo(q, &too_many);
	return ask(q, key, name, type);
}

bool questions_open(
    const struct questions *q, struct str *name, enum dns_type *type)
{
	for (const struct question *one = q->first; one != NULL;
	     one = one->next) {
		if (one->answered)
			continue;
		*name = one->name;
		*type = one->type;
		return true;
	}
	return false;
}

bool questions_wait(struct questions *q, struct loop *loop)
{
	unsigned before = q->answers;
	struct str name;
	enum dns_type type;

	if (!questions_open(q, &name, &type))
		return false;
	if (q->dns == NULL && q->answer != NULL)
		q->answer(q);
	while (q->answers == before && q->dns != NULL) {
		int left = deadline_left(q->deadline);
		if (left == 0)
			break;
		loop_turn(loop, left);
	}
	return true;
}

void questions_answer(struct questions *q, struct str name, enum dns_type type,
    const struct dns_reply *reply)
{
	char text[KEY_MAX];
	struct question *one = table_get(&q->table, key_of(text, name, type));

	if (one == NULL || one->answered)
		return;
	dns_cancel(&one->query);
	take(one, reply);
}

void questions_answer_by(
    struct questions *q, void (*answer)(struct questions *q))
{
	q->answer = answer;
}

bool questions_overdone(const struct questions *q)
{
	return q->overdone;
}

unsigned questions_count(const struct questions *q)
{
	return q->count;
}

unsigned questions_answered(const struct questions *q)
{
	return q->answers;
}
