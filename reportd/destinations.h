/* SPDX-License-Identifier: ISC */
/*
 * Who gets the reports of a domain: the addresses of rua=, and whether those
 * of other domains want them (RFC 9990 section 4).
 */
#ifndef REPORTD_DESTINATIONS_H
#define REPORTD_DESTINATIONS_H

#include "core/arena.h"
#include "mailauth/public_suffixes.h"
#include "mailauth/questions.h"

#define DESTINATIONS_MOST 100

enum destination_state {
	DESTINATION_PENDING, /* DNS is being asked */
	DESTINATION_ALLOWED,
	DESTINATION_REFUSED,
	DESTINATION_TEMPORARY /* DNS did not say */
};

struct destination {
	struct str address, domain; /* domain: a view into address */
	enum destination_state state;
	const char *why; /* REFUSED, TEMPORARY */
};

struct destinations {
	struct destination list[DESTINATIONS_MOST];
	size_t count;
};

/*
 * The addresses of a list of URIs (RFC 9989 section 4.8), each once, at most
 * `most`. What is malformed or no mailto: is ignored, and so is the obsolete
 * size behind "!". Texts belong to the arena.
 */
void destinations_parse(
    struct str rua, size_t most, struct arena *arena, struct destinations *out);

struct destination_rules {
	struct str policy_domain; /* where the record stands */
	size_t most;              /* addresses */
	/* How organizations are told apart; NULL: by the tree walk. */
	const struct public_suffixes *suffixes;
};

/*
 * Settles the state of each, from the answers that are there; false while
 * questions are open. An address may be replaced by those that its own domain
 * names.
 */
bool destinations_verify(struct destinations *d,
    const struct destination_rules *rules, struct questions *q,
    struct arena *arena);

#endif
