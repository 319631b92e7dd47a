/* SPDX-License-Identifier: ISC */
#include "core/id.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/checksum.h"
#include "core/clock.h"

#define TIME_LEN   9 /* 45 bits: until the year 3084 */
#define RANDOM_LEN 13

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void random_octets(void *p, size_t len)
{
	char *to = p;

	while (len > 0) {
		ssize_t n = getrandom(to, len, 0);

		if (n < 0)
			continue; /* interrupted by a signal */
		to += n;
		len -= (size_t)n;
	}
}

/* Random octets for many ids at once; a child must not repeat its parent's. */
static unsigned char pool[RANDOM_LEN * 32];
static size_t left;

static void forget_pool(void)
{
	left = 0;
}

static void fill_pool(void)
{
	static bool minds_forks;

	if (!minds_forks)
		minds_forks = pthread_atfork(NULL, NULL, forget_pool) == 0;
	random_octets(pool, sizeof(pool));
	left = sizeof(pool);
}

struct id id_new(void)
{
	struct id id;
	uint64_t ms = clock_us() / 1000;

	if (left < RANDOM_LEN)
		fill_pool();
	for (size_t i = 0; i < TIME_LEN; i++)
		id.text[i] = alphabet[(ms >> (5 * (TIME_LEN - 1 - i))) & 31];
	for (size_t i = 0; i < RANDOM_LEN; i++)
		id.text[TIME_LEN + i] = alphabet[pool[--left] & 31];
	id.text[ID_LEN] = '\0';
	return id;
}

struct id id_derive(const struct id *from, const char *label, uint64_t number)
{
	struct id id = *from;
	uint64_t low = hash64(number, from->text, ID_LEN);

	low = hash64(low, label, strlen(label));
	for (size_t i = 0; i < RANDOM_LEN; i++) {
		id.text[TIME_LEN + i] = alphabet[low & 31];
		low = i == 11 ? hash64(low + number, from->text, ID_LEN)
			      : low >> 5;
	}
	return id;
}

int id_parse(struct str s, struct id *out)
{
	if (s.len != ID_LEN)
		return -1;
	for (size_t i = 0; i < ID_LEN; i++)
		if (s.p[i] == '\0' || strchr(alphabet, s.p[i]) == NULL)
			return -1;
	memcpy(out->text, s.p, ID_LEN);
	out->text[ID_LEN] = '\0';
	return 0;
}

uint64_t id_time_ms(const struct id *id)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < TIME_LEN; i++) {
		const char *at = strchr(alphabet, id->text[i]);

		ms = ms << 5 |
		    (uint64_t)(at == NULL || *at == '\0' ? 0 : at - alphabet);
	}
	return ms;
}
