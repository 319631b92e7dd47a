/* SPDX-License-Identifier: ISC */
/*
 * One authentication, from auth_begin to auth_ok or auth_no:
 *
 *	SASL      challenges and responses, until there are credentials
 *	ASKING    policyd: is this address refused? lookup: who is that?
 *	HASHING   a thread compares the password, unless the cache knows it
 *	COUNTING  policyd counts a failure and says how long to wait
 *	DELAY     the answer waits for its time
 */
#ifndef AUTH_EXCHANGE_H
#define AUTH_EXCHANGE_H

#include "auth/auth_conf.h"
#include "auth/cache.h"
#include "auth/pass.h"
#include "auth/peer.h"
#include "auth/pool.h"
#include "auth/sasl.h"
#include "auth/ticket.h"
#include "conf/map.h"
#include "ipc/auth.h"

/* What all exchanges use. */
struct house {
	const struct auth_conf *conf;
	const char *config_directory;
	struct loop *loop;
	struct sasl *sasl;
	struct peer *lookup, *policyd;
	struct pool *pool;
	struct cache cache;
	struct tickets tickets;
	struct passes passes;
	struct map *passwords; /* NULL: not yet to be opened */
	int64_t next_open;     /* clock_ms */
	char dummy[400];       /* scheme_verify's for nobody */
};

#define STORED_MAX 1024 /* octets of an entry of the passwords file */

/* The entry of a login, appended to stored; failures are logged. */
enum map_result house_find_password(
    struct house *h, struct str login, struct buf *stored);

struct exchange;

/* What an exchange tells its connection. After ok and no it is over: the
 * callee forgets x, which then frees itself. */
struct exchange_calls {
	void (*challenge)(void *client, const struct auth_challenge *m);
	void (*ok)(void *client, struct exchange *x, const struct auth_ok *m);
	void (*no)(void *client, struct exchange *x, const struct auth_no *m);
};

/* owner: of the ticket, for tickets_forget. */
struct exchange *exchange_new(struct house *h, const struct auth_begin *m,
    const struct exchange_calls *calls, void *client, uint64_t owner);
/* The first step; answers may come before it returns, and x be gone. */
void exchange_start(struct exchange *x, const struct auth_begin *m);
void exchange_respond(struct exchange *x, struct str data);
/* Nothing comes of this one: no ticket, no count, no delay. ok then has no
 * ticket. Before exchange_start. */
void exchange_only_tests(struct exchange *x);
/* What policyd said of a test's address and login. */
void exchange_penalty(
    const struct exchange *x, bool *blocked, uint64_t *delay_ms);
/* Ends it without an answer. */
void exchange_free(struct exchange *x);
uint64_t exchange_request(const struct exchange *x);

#endif
