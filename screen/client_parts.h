/* SPDX-License-Identifier: ISC */
/*
 * What the parts of a client's life share: client.c has its states, and what
 * comes and goes; before_greeting.c what a stranger has to pass before it is greeted;
 * first_line.c its first command; client_words.c what the client, the log, the
 * trace and who rehearses are told.
 */
#ifndef SCREEN_CLIENT_PARTS_H
#define SCREEN_CLIENT_PARTS_H

#include "ipc/trace.h"
#include "screen/client.h"

#define FIRST_LINE_MAX 2048 /* octets, as line_length_limit has it */

/* ---- client.c ---- */

const struct screen_conf *clients_conf(void);
/* NULL: clients are real. */
struct rehearsal *clients_rehearsal(void);
/* So many are here that all is done in less time. */
bool clients_stressed(void);

/* Wakes when there is something to read. */
void client_watch(struct client *c);
/* The first lines that a client sends may come in pieces; the next wake-up is
 * for more than there is already. */
void client_wake_at(const struct client *c, size_t octets);
void client_greet(struct client *c);
/* It goes on to smtpd. */
void client_queue(struct client *c);
/* It converses with refuse.c, to its end, for c->failure. */
void client_refuse(struct client *c);
/* It is gone: frees it. */
void client_hung_up(struct client *c);
/* Behind a last reply: frees it. */
void client_close(struct client *c);

/* ---- before_greeting.c ---- */

/* What is known of it says which tests it is spared. */
void tests_begin(struct client *c, const struct known *known);
/* It sent something before its greeting. */
void tests_spoke_early(struct client *c, struct str input);
/* It has waited for its greeting, or the lists have been waited for. */
void tests_waited(struct client *c);
void tests_end(struct client *c);

/* ---- first_line.c ---- */

/* What has arrived, of which nothing is taken. */
void first_line_look(struct client *c, struct str input);

/* ---- client_words.c ---- */

struct peer_text {
	char text[NETADDR_TEXT_MAX + 16];
};

struct rule_text {
	char text[400];
};

/* "[192.0.2.1]:40001" */
struct peer_text client_peer(const struct client *c);
/* " rule=postscreen_dnsbl_sites (main.cf:7)" */
struct rule_text client_rule(const char *rule);
/* Since its connection. */
double client_seconds(const struct client *c);
/* kind: TRACE_SCREENED, or TRACE_REFUSED when it is sent away. */
void client_trace(
    const struct client *c, enum trace_kind kind, const char *why);
/* A reply, which always fits: nothing but a greeting was sent before. */
void client_say(const struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* To who rehearses: what a rule, named by its parameter, said. */
void client_tell(const char *rule, const char *result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * A test has failed; text is the reply behind its code. True when that was
 * the end of the client; else it may have been noted in c->failure.
 */
bool client_fails(struct client *c, const char *rule, int action,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 421, and a line about a limit; rule may be NULL. Frees it. */
void client_turn_away(
    struct client *c, const char *rule, const char *dsn, const char *why);

#endif
