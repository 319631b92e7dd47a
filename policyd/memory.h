/* SPDX-License-Identifier: ISC */
/*
 * What others found out about somebody and want to know again: values by name
 * and key, each for a time, at most so many; the one that was used least
 * recently makes room. Time is the caller's, in seconds since 1970.
 */
#ifndef POLICYD_MEMORY_H
#define POLICYD_MEMORY_H

#include "core/table.h"
#include "ipc/policy.h"

struct memory_entry;

struct memory {
	struct table by_key;
	struct memory_entry *newest, *oldest;
	size_t most;
};

struct memory memory_new(size_t most);
void memory_free(struct memory *m);

/* -1 when a text has a control character, which the file could not hold. */
int memory_remember(
    struct memory *m, const struct policy_remember *what, int64_t now);
/* *value is valid until the next call. */
bool memory_recall(struct memory *m, struct str name, struct str key,
    int64_t now, struct str *value);

/* The same without a change: for who only explains. */
bool memory_look(const struct memory *m, struct str name, struct str key,
    int64_t now, struct str *value);
/* Walks all, those used last first: start with *at NULL; false at the end. key
 * is "name SP key". */
bool memory_next(const struct memory *m, const struct memory_entry **at,
    struct str *key, struct str *value, int64_t *until);
/* Forgets those that take() says true to; how many. */
size_t memory_forget_if(
    struct memory *m, bool (*take)(struct str key, void *arg), void *arg);

/*
 * The file, a line for each: "until TAB name SP key TAB value", and a last line
 * "end". Writes over what was there; a crash meanwhile leaves lines of two
 * times. 0, or -1 with errno.
 */
int memory_save(const struct memory *m, int fd);
/* Takes in what is not over; lines that are none are passed over. */
void memory_load(struct memory *m, int fd, int64_t now);

#endif
