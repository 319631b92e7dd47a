/* SPDX-License-Identifier: ISC */
/*
 * Ids that are unique for good: a time in milliseconds and 65 random bits,
 * no inode, no pid, no counter. Written in 22 characters of Crockford's
 * base 32 (digits and upper-case letters without I, L, O and U), which sort
 * by time. A queue id names its file; a session id is minted when a client
 * connects and follows the mail everywhere.
 */
#ifndef CORE_ID_H
#define CORE_ID_H

#include "core/str.h"

#define ID_LEN 22

struct id {
	char text[ID_LEN + 1]; /* NUL-terminated; "" is no id */
};

/* A new id. Never fails: without random bits the process ends. */
struct id id_new(void);

/*
 * The id that belongs to another one and a number: always the same for the
 * same input, so that who asks twice gets one answer. It keeps the time of
 * the first. label keeps apart different uses ("bounce").
 */
struct id id_derive(const struct id *from, const char *label, uint64_t number);

/* Returns 0, or -1 when s is not 22 characters of the alphabet. */
int id_parse(struct str s, struct id *out);

static inline struct str id_str(const struct id *id)
{
	return str_from(id->text);
}

/* Milliseconds since 1970 at which the id was made. */
uint64_t id_time_ms(const struct id *id);

#endif
