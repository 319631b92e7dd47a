/* SPDX-License-Identifier: ISC */
#include "auth/ticket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/memory.h"

struct ticket {
	char word[TICKET_LEN + 1];
	char *login, *service, *session;
	const void *owner;
	int64_t until;
	struct ticket_list *list;
	struct ticket *older, *newer;
};

struct tickets tickets_new(int64_t lifetime_ms, int64_t submission_ms)
{
	return (struct tickets){
	    .single.lifetime = lifetime_ms, .lasting.lifetime = submission_ms};
}

static void unlink_ticket(struct ticket *x)
{
	if (x->older != NULL)
		x->older->newer = x->newer;
	else
		x->list->oldest = x->newer;
	if (x->newer != NULL)
		x->newer->older = x->older;
	else
		x->list->newest = x->older;
}

/* Its time begins now. */
static void link_newest(struct ticket_list *l, struct ticket *x, int64_t now_ms)
{
	x->list = l;
	x->until = now_ms + l->lifetime;
	x->newer = NULL;
	x->older = l->newest;
	if (l->newest != NULL)
		l->newest->newer = x;
	else
		l->oldest = x;
	l->newest = x;
}

static void drop(struct tickets *t, struct ticket *x)
{
	unlink_ticket(x);
	table_remove(&t->by_word, str_from(x->word));
	mem_wipe(x->word, sizeof(x->word));
	free(x->login);
	free(x->service);
	free(x->session);
	free(x);
}

void tickets_clear(struct tickets *t)
{
	while (t->single.oldest != NULL)
		drop(t, t->single.oldest);
	while (t->lasting.oldest != NULL)
		drop(t, t->lasting.oldest);
	table_free(&t->by_word);
}

static void expire(struct tickets *t, struct ticket_list *l, int64_t now_ms)
{
	while (l->oldest != NULL && l->oldest->until <= now_ms)
		drop(t, l->oldest);
}

static void random_word(char word[TICKET_LEN + 1])
{
	unsigned char bits[TICKET_LEN / 2];

	while (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
		;
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(word + 2 * i, 3, "%02x", bits[i]);
	mem_wipe(bits, sizeof(bits));
}

void tickets_make(struct tickets *t, const void *owner, struct str login,
    struct str service, struct str session, int64_t now_ms,
    char word[TICKET_LEN + 1])
{
	bool lasts = str_eq(service, STR("submission"));
	struct ticket *x = NEW(struct ticket);

	expire(t, &t->single, now_ms);
	expire(t, &t->lasting, now_ms);
	random_word(x->word);
	x->login = str_dup(login);
	x->service = str_dup(service);
	x->session = str_dup(session);
	x->owner = owner;
	link_newest(lasts ? &t->lasting : &t->single, x, now_ms);
	table_put(&t->by_word, str_from(x->word), x);
	memcpy(word, x->word, sizeof(x->word));
}

bool tickets_redeem(struct tickets *t, struct str word, struct str service,
    struct str session, int64_t now_ms, char *login, size_t size)
{
	struct ticket *x = table_get(&t->by_word, word);

	if (x == NULL || x->until <= now_ms ||
	    !str_eq(service, str_from(x->service)) ||
	    !str_eq(session, str_from(x->session)) ||
	    str_copy(login, size, str_from(x->login)) < 0)
		return false;
	if (x->list == &t->single) {
		drop(t, x);
	} else {
		unlink_ticket(x);
		link_newest(&t->lasting, x, now_ms);
	}
	return true;
}

static void forget_in(
    struct tickets *t, struct ticket_list *l, const void *owner)
{
	for (struct ticket *x = l->oldest, *next; x != NULL; x = next) {
		next = x->newer;
		if (x->owner == owner)
			drop(t, x);
	}
}

void tickets_forget(struct tickets *t, const void *owner)
{
	forget_in(t, &t->single, owner);
	forget_in(t, &t->lasting, owner);
}
