/* SPDX-License-Identifier: ISC */
#include "policyd/window.h"

#include <stdlib.h>

#include "core/memory.h"

struct window {
	char *key;
	size_t key_len;
	struct window *newer, *older;
	int64_t step; /* the number of the step that count[0] stands for */
	uint32_t count[WINDOW_STEPS]; /* newest first */
};

struct windows windows_new(size_t most)
{
	return (struct windows){.by_key = table_new(), .most = most};
}

static void unlink_window(struct windows *w, struct window *x)
{
	if (x->newer != NULL)
		x->newer->older = x->older;
	else
		w->newest = x->older;
	if (x->older != NULL)
		x->older->newer = x->newer;
	else
		w->oldest = x->newer;
}

static void link_newest(struct windows *w, struct window *x)
{
	x->newer = NULL;
	x->older = w->newest;
	if (w->newest != NULL)
		w->newest->newer = x;
	else
		w->oldest = x;
	w->newest = x;
}

static void drop(struct windows *w, struct window *x)
{
	unlink_window(w, x);
	table_remove(&w->by_key, str_of(x->key, x->key_len));
	free(x->key);
	free(x);
}

void windows_free(struct windows *w)
{
	while (w->oldest != NULL)
		drop(w, w->oldest);
	table_free(&w->by_key);
}

static int64_t step_of(int64_t window_ms, int64_t now_ms)
{
	int64_t step_ms = window_ms / WINDOW_STEPS;

	return now_ms / (step_ms < 1 ? 1 : step_ms);
}

/* Shifts out what has left the window. */
static void advance(struct window *x, int64_t step)
{
	int64_t by = step - x->step;

	if (by <= 0)
		return;
	x->step = step;
	for (int i = WINDOW_STEPS - 1; i >= 0; i--)
		x->count[i] = i >= by ? x->count[i - by] : 0;
}

static uint64_t sum(const struct window *x)
{
	uint64_t total = 0;

	for (size_t i = 0; i < WINDOW_STEPS; i++)
		total += x->count[i];
	return total > UINT32_MAX ? UINT32_MAX : total;
}

static struct window *make(struct windows *w, struct str key, int64_t step)
{
	struct window *x = NEW(struct window);

	while (w->by_key.count >= w->most && w->oldest != NULL)
		drop(w, w->oldest);
	x->key = str_dup(key);
	x->key_len = key.len;
	x->step = step;
	table_put(&w->by_key, key, x);
	link_newest(w, x);
	return x;
}

uint64_t windows_add(struct windows *w, struct str key, uint64_t amount,
    int64_t window_ms, int64_t now_ms)
{
	struct window *x = table_get(&w->by_key, key);
	int64_t step = step_of(window_ms, now_ms);

	if (x == NULL) {
		x = make(w, key, step);
	} else {
		unlink_window(w, x);
		link_newest(w, x);
	}
	advance(x, step);
	if (amount > UINT32_MAX - x->count[0])
		x->count[0] = UINT32_MAX;
	else
		x->count[0] += (uint32_t)amount;
	return sum(x);
}

uint64_t windows_get(
    const struct windows *w, struct str key, int64_t window_ms, int64_t now_ms)
{
	struct window *x = table_get(&w->by_key, key);

	if (x == NULL)
		return 0;
	advance(x, step_of(window_ms, now_ms));
	return sum(x);
}

void windows_take(struct windows *w, struct str key, uint64_t amount,
    int64_t window_ms, int64_t now_ms)
{
	struct window *x = table_get(&w->by_key, key);

	if (x == NULL)
		return;
	advance(x, step_of(window_ms, now_ms));
	for (size_t i = 0; i < WINDOW_STEPS && amount > 0; i++) {
		uint32_t part = amount < x->count[i] ? (uint32_t)amount
						     : x->count[i];
		x->count[i] -= part;
		amount -= part;
	}
	if (sum(x) == 0)
		drop(w, x);
}

void windows_forget(struct windows *w, struct str key)
{
	struct window *x = table_get(&w->by_key, key);

	if (x != NULL)
		drop(w, x);
}

bool windows_next(
    const struct windows *w, const struct window **at, struct str *key)
{
	*at = *at == NULL ? w->newest : (*at)->older;
	if (*at != NULL)
		*key = str_of((*at)->key, (*at)->key_len);
	return *at != NULL;
}

int64_t windows_left(
    const struct windows *w, struct str key, int64_t window_ms, int64_t now_ms)
{
	struct window *x = table_get(&w->by_key, key);
	int64_t step_ms = window_ms / WINDOW_STEPS;

	if (x == NULL)
		return 0;
	if (step_ms < 1)
		step_ms = 1;
	advance(x, step_of(window_ms, now_ms));
	for (int i = 0; i < WINDOW_STEPS; i++)
		if (x->count[i] > 0)
			return (x->step - i + WINDOW_STEPS) * step_ms - now_ms;
	return 0;
}
