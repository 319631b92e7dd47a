/* SPDX-License-Identifier: ISC */
/*
 * Counters of sliding windows, in memory, at most so many: the one that was
 * used least recently makes room for a new one. Time is the caller's, so that
 * tests need no clock.
 */
#ifndef POLICYD_WINDOW_H
#define POLICYD_WINDOW_H

#include "core/table.h"

/* A window moves in steps of an eighth of it. */
#define WINDOW_STEPS 8

struct window;

struct windows {
	struct table by_key;
	struct window *newest, *oldest;
	size_t most;
};

struct windows windows_new(size_t most);
void windows_free(struct windows *w);

/* Adds amount and returns what the window holds then, at most UINT32_MAX. */
uint64_t windows_add(struct windows *w, struct str key, uint64_t amount,
    int64_t window_ms, int64_t now_ms);
/* What the window holds; makes no counter. */
uint64_t windows_get(
    const struct windows *w, struct str key, int64_t window_ms, int64_t now_ms);
/* Takes amount away again, the newest first, down to nothing. */
void windows_take(struct windows *w, struct str key, uint64_t amount,
    int64_t window_ms, int64_t now_ms);
void windows_forget(struct windows *w, struct str key);
/* Walks all of them, those used last first: start with *at NULL; false at the
 * end. What was returned may be forgotten when the next one was asked for. */
bool windows_next(
    const struct windows *w, const struct window **at, struct str *key);
/* For how long (ms) something of it is left. */
int64_t windows_left(
    const struct windows *w, struct str key, int64_t window_ms, int64_t now_ms);

#endif
