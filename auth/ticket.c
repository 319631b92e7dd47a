/* SPDX-License-Identifier: ISC */
#include "auth/ticket.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "core/id.h"
#include "core/memory.h"
#include "ipc/limits.h"

#define MEMORY_MAGIC 0x31434954u /* "TIC1" */
#define LOCK_S       2           /* the other holds it for microseconds */
#define SWEEP        8           /* slots that each new ticket looks at */

struct ticket {
	int64_t until; /* clock_ms */
	bool lasts;
	char word[TICKET_LEN + 1];
	char service[TICKETS_SERVICE];
	char session[ID_LEN + 1];
	char login[IPC_ADDRESS_MAX + 1];
	char pass[PASS_MAX + 1];
};

/* Tags and owners stand by themselves, so that looking for one touches little
 * memory. */
struct ticket_memory {
	uint32_t magic;
	uint32_t size; /* of a struct ticket */
	pthread_mutex_t lock;
	uint32_t used;               /* no slot from here on was ever used */
	uint32_t sweep;              /* the next slot to look at */
	uint64_t tags[TICKETS_MOST]; /* of words; 0: free */
	uint64_t owners[TICKETS_MOST];
	struct ticket tickets[TICKETS_MOST];
};

size_t tickets_size(void)
{
	return sizeof(struct ticket_memory);
}

static int make_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t a;
	int r;

	if (pthread_mutexattr_init(&a) != 0)
		return -1;
	r = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	if (r == 0)
		r = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (r == 0)
		r = pthread_mutex_init(lock, &a);
	pthread_mutexattr_destroy(&a);
	return r == 0 ? 0 : -1;
}

int tickets_open(struct tickets *t, void *memory, size_t limit,
    int64_t lifetime_ms, int64_t submission_ms)
{
	struct ticket_memory *m = memory;

	*t = (struct tickets){m, limit < TICKETS_MOST ? limit : TICKETS_MOST,
	    lifetime_ms, submission_ms};
	if (m->magic == 0) {
		if (make_lock(&m->lock) < 0)
			return -1;
		m->size = sizeof(struct ticket);
		m->magic = MEMORY_MAGIC;
	}
	return m->magic == MEMORY_MAGIC && m->size == sizeof(struct ticket)
	    ? 0
	    : -1;
}

/* A holder that died has left at worst a ticket that is not whole, which no
 * word is equal to, or one too many. */
static bool take_lock(struct ticket_memory *m)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOCK_S;
	r = pthread_mutex_timedlock(&m->lock, &until);
	if (r == EOWNERDEAD)
		r = pthread_mutex_consistent(&m->lock);
	return r == 0;
}

static void give_lock(struct ticket_memory *m)
{
	pthread_mutex_unlock(&m->lock);
}

static int random_bits(void *bits, size_t len)
{
	ssize_t n;

	do {
		n = getrandom(bits, len, 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -1;
}

/* The word and its tag, which is a part of it and never 0. */
static int random_word(char word[TICKET_LEN + 1], uint64_t *tag)
{
	unsigned char bits[TICKET_LEN / 2];

	if (random_bits(bits, sizeof(bits)) < 0)
		return -1;
	bits[0] |= 1;
	memcpy(tag, bits, sizeof(*tag));
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(word + 2 * i, 3, "%02x", bits[i]);
	mem_wipe(bits, sizeof(bits));
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'a' && c <= 'f'  ? c - 'a' + 10
				    : -1;
}

/* 0: no ticket has this word. */
static uint64_t tag_of(struct str word)
{
	unsigned char bits[sizeof(uint64_t)];
	uint64_t tag;

	if (word.len != TICKET_LEN)
		return 0;
	for (size_t i = 0; i < sizeof(bits); i++) {
		int high = digit(word.p[2 * i]), low = digit(word.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return 0;
		bits[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(&tag, bits, sizeof(tag));
	return tag;
}

/* Tags are secrets too, but each is a quarter of a word at most; the rest is
 * compared in constant time. */
static bool same_word(const char *a, struct str b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < TICKET_LEN; i++)
		differ |= (unsigned char)(a[i] ^ b.p[i]);
	return differ == 0;
}

static size_t count_used(const struct ticket_memory *m)
{
	return m->used < TICKETS_MOST ? m->used : TICKETS_MOST;
}

static struct ticket *find(struct ticket_memory *m, struct str word, size_t *at)
{
	uint64_t tag = tag_of(word);
	size_t used = count_used(m);

	for (size_t i = 0; tag != 0 && i < used; i++) {
		if (m->tags[i] == tag && same_word(m->tickets[i].word, word)) {
			*at = i;
			return &m->tickets[i];
		}
	}
	return NULL;
}

static void drop(struct ticket_memory *m, size_t i)
{
	mem_wipe(&m->tickets[i], sizeof(m->tickets[i]));
	m->owners[i] = 0;
	m->tags[i] = 0;
}

/* Those whose time is over go little by little. */
static void sweep(struct ticket_memory *m, int64_t now_ms)
{
	size_t used = count_used(m);

	for (size_t n = 0; n < SWEEP && n < used; n++) {
		size_t i = m->sweep++ % used;

		if (m->tags[i] != 0 && m->tickets[i].until <= now_ms)
			drop(m, i);
	}
}

/* A free slot, or that of the ticket that would end first. */
static size_t make_room(struct ticket_memory *m, size_t limit)
{
	size_t used = count_used(m), first = 0;

	for (size_t i = 0; i < used && i < limit; i++)
		if (m->tags[i] == 0)
			return i;
	if (used < limit) {
		m->used = (uint32_t)used + 1;
		return used;
	}
	for (size_t i = 1; i < limit; i++)
		if (m->tickets[i].until < m->tickets[first].until)
			first = i;
	drop(m, first);
	return first;
}

int tickets_make(struct tickets *t, uint64_t owner, struct str login,
    struct str service, struct str session, struct str pass, int64_t now_ms,
    char word[TICKET_LEN + 1])
{
	struct ticket x = {.lasts = str_eq(service, STR("submission"))};
	uint64_t tag;
	size_t i;

	x.until = now_ms + (x.lasts ? t->lasting_ms : t->single_ms);
	if (str_copy(x.login, sizeof(x.login), login) < 0 ||
	    str_copy(x.service, sizeof(x.service), service) < 0 ||
	    str_copy(x.session, sizeof(x.session), session) < 0 ||
	    str_copy(x.pass, sizeof(x.pass), pass) < 0 ||
	    random_word(x.word, &tag) < 0 || !take_lock(t->memory))
		return -1;
	sweep(t->memory, now_ms);
	i = make_room(t->memory, t->limit);
	t->memory->tickets[i] = x;
	t->memory->owners[i] = owner;
	t->memory->tags[i] = tag;
	give_lock(t->memory);
	memcpy(word, x.word, sizeof(x.word));
	mem_wipe(&x, sizeof(x));
	return 0;
}

bool tickets_redeem(struct tickets *t, struct str word, struct str service,
    struct str session, int64_t now_ms, char *login, size_t size,
    char pass[PASS_MAX + 1])
{
	struct ticket *x;
	bool ok;
	size_t at;

	if (!take_lock(t->memory))
		return false;
	x = find(t->memory, word, &at);
	ok = x != NULL && x->until > now_ms &&
	    str_eq(service, str_from(x->service)) &&
	    str_eq(session, str_from(x->session)) &&
	    str_copy(login, size, str_from(x->login)) == 0 &&
	    str_copy(pass, PASS_MAX + 1, str_from(x->pass)) == 0;
	if (ok && x->lasts)
		x->until = now_ms + t->lasting_ms;
	else if (ok)
		drop(t->memory, at);
	give_lock(t->memory);
	return ok;
}

void tickets_forget(struct tickets *t, uint64_t owner)
{
	struct ticket_memory *m = t->memory;

	if (owner == 0 || !take_lock(m))
		return;
	for (size_t i = 0, used = count_used(m); i < used; i++)
		if (m->owners[i] == owner)
			drop(m, i);
	give_lock(m);
}
