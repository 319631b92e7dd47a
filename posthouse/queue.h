/* SPDX-License-Identifier: ISC */
/*
 * posthouse queue: cmd_queue.c has the table of its verbs, each of which is a
 * file; here is what they share.
 *
 * queue_options.c  arguments, which become the filters of a question
 * queue_ask.c      the question, and the rows of its answer
 * queue_words.c    times and texts for people
 */
#ifndef POSTHOUSE_QUEUE_H
#define POSTHOUSE_QUEUE_H

#include <time.h>

#include "ipc/qmgr.h"
#include "posthouse/posthouse.h"

#define QUEUE_JSON_MAX (1u << 30) /* octets of one document */

struct queue_options {
	struct queue_ask ask; /* filters; texts are arguments */
	const char *name;     /* what no filter takes: an id, a domain */
	bool body;
};

/* ---- arguments ---- */

/* Behind the verb. 0, or 2 after a message. */
int queue_options(int argc, char **argv, struct queue_options *o);

/* Whether anything but ALL says which messages. */
bool queue_has_filter(const struct queue_ask *ask);

/* ---- asking ---- */

struct queue_calls {
	/* Each may be NULL. */
	void (*row)(const struct queue_row *r, void *arg);
	void (*why)(const struct queue_why *w, void *arg);
	void (*hop)(const struct queue_hop *h, void *arg);
	void (*end)(const struct queue_end *e, void *arg);
	void *arg;
};

/* The caller is neither root nor whose instance it is. */
bool queue_is_stranger(struct posthouse *p);
/* The queue manager, or for a user who may not speak to it pickup, which lets
 * him see his own mail. NULL after a message. */
struct ipc *queue_connect(struct posthouse *p);
/* Asks, and passes on what is answered. 0, or 1 after a message. */
int queue_question(struct ipc *c, const struct queue_ask *ask,
    const struct queue_calls *calls);
/* Both, and the end of the connection. */
int queue_ask_once(struct posthouse *p, const struct queue_ask *ask,
    const struct queue_calls *calls);

/* ---- the verbs ---- */

int queue_do_list(struct posthouse *p, const struct queue_options *o);
int queue_do_count(struct posthouse *p, const struct queue_options *o);
int queue_do_summary(struct posthouse *p, const struct queue_options *o);
int queue_do_show(struct posthouse *p, const struct queue_options *o);
int queue_do_why(struct posthouse *p, const struct queue_options *o);
/* why of a domain or next hop. */
int queue_do_why_site(struct posthouse *p, const char *site);
/* hold, release, delete, flush, bounce */
int queue_do_act(
    struct posthouse *p, const struct queue_options *o, enum queue_verb verb);

/* ---- words ---- */

#define QUEUE_WORDS 64

/* Begins an object with what a row says about its message. */
void queue_json_message(struct json *j, const struct queue_row *r);
/* "in 4m", "now". */
const char *queue_when(uint64_t at, char out[QUEUE_WORDS]);
/* "3m ago". */
const char *queue_ago(uint64_t at, char out[QUEUE_WORDS]);
/* "4m 10s", "2d 3h". */
const char *queue_duration(uint64_t seconds, char out[QUEUE_WORDS]);
/* "2026-11-22 05:10:00" */
const char *queue_date(uint64_t at, char out[QUEUE_WORDS]);
/* Control octets never reach the operator's terminal. */
void queue_print(struct str s);
/* "name=value (main.cf line 12)", or "(default)" in place of the line. */
void queue_parameter(struct posthouse *p, struct str name, struct buf *out);
/* Its value alone. */
void queue_value(struct posthouse *p, struct str name, struct buf *out);

#endif
