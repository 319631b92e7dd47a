/* SPDX-License-Identifier: ISC */
#include "auth/resume.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"
#include "ipc/lookup.h"

struct resume {
	struct house *house;
	resume_answer *answer;
	void *client;
	uint64_t request;
	char *service, *login, *session, *pass;
	uint64_t question; /* at lookup; 0: answered */
};

static struct pass_holder holder(const struct resume *r)
{
	return (struct pass_holder){
	    str_from(r->service), str_from(r->login), str_from(r->session)};
}

static void say(struct resume *r, const struct auth_resumed *m)
{
	r->answer(r->client, r, m);
	resume_free(r);
}

static void refuse(struct resume *r, bool temporary, const char *why)
{
	struct auth_resumed m = {.request = r->request, .temporary = temporary};
	char user[256];

	log_name(user, sizeof(user), str_from(r->login));
	log_info("session not resumed: user=<%s>, service=%s, reason=%s, "
		 "session=%s",
	    user, r->service, why, r->session);
	say(r, &m);
}

/* The account is there. */
static void compare(struct resume *r)
{
	struct house *h = r->house;
	struct auth_resumed m = {.request = r->request, .ok = true};
	struct buf stored = buf_new(STORED_MAX);
	char pass[PASS_MAX + 1], key[PASS_SEAL + 1];
	const struct pass_holder who = holder(r);
	enum map_result found = house_find_password(
	    h, str_from(r->login), &stored);
	int64_t now = clock_seconds();

	if (found == MAP_ERROR) {
		refuse(r, true, "the passwords cannot be read");
	} else if (!pass_is_good(&h->passes, &who, buf_str(&stored), now,
		       str_from(r->pass))) {
		refuse(r, false,
		    "the password was changed, or the pass is not good");
	} else {
		pass_make(&h->passes, &who, buf_str(&stored), now, pass);
		pass_seal_key(&h->passes, &who, key);
		m.pass = str_from(pass);
		m.key = str_from(key);
		say(r, &m);
		mem_wipe(key, sizeof(key));
	}
	if (stored.p != NULL)
		mem_wipe(stored.p, stored.capacity);
	buf_free(&stored);
}

static void lookup_said(const struct ipc_type *type, const void *msg, void *arg)
{
	struct resume *r = arg;
	const struct lookup_resolved *m = msg;

	r->question = 0;
	if (msg == NULL || type != &lookup_resolved ||
	    m->status == RESOLVE_TEMPORARY)
		refuse(r, true, "the directory is away");
	else if (m->status != RESOLVE_OK ||
	    !str_case_eq(m->account, str_from(r->login)))
		refuse(r, false, "there is no such account");
	else
		compare(r);
}

struct resume *resume_start(struct house *h, const struct auth_resume *m,
    resume_answer *answer, void *client)
{
	struct lookup_resolve q = {.address = m->login};
	struct resume *r = NEW(struct resume);

	r->house = h;
	r->answer = answer;
	r->client = client;
	r->request = m->request;
	r->service = str_dup(m->service);
	r->login = str_dup(m->login);
	r->session = str_dup(m->session);
	r->pass = str_dup(m->pass);
	r->question = peer_ask(h->lookup, &lookup_resolve, &q, lookup_said, r);
	if (r->question != 0)
		return r;
	resume_free(r);
	return NULL;
}

void resume_free(struct resume *r)
{
	if (r->question != 0)
		peer_cancel(r->house->lookup, r->question);
	free(r->service);
	free(r->login);
	free(r->session);
	free(r->pass);
	free(r);
}
