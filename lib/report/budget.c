/* SPDX-License-Identifier: ISC */
#include "report/budget.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of each piece; as large as the strictest alignment. */
union head {
	size_t size;
	max_align_t align;
};

static size_t left;
static bool passed;

void budget_begin(size_t most)
{
	left = most;
	passed = false;
}

bool budget_passed(void)
{
	return passed;
}

void *budget_alloc(size_t size)
{
	union head *h = NULL;

	if (size <= left && size < SIZE_MAX - sizeof(*h))
		h = malloc(sizeof(*h) + size);
	if (h == NULL) {
		passed = true;
		return NULL;
	}
	h->size = size;
	left -= size;
	return h + 1;
}

void *budget_resize(void *p, size_t size)
{
	union head *h = p == NULL ? NULL : (union head *)p - 1;
	void *larger;

	if (h != NULL && size <= h->size)
		return p;
	larger = budget_alloc(size);
	if (larger == NULL)
		return NULL;
	if (h != NULL) {
		memcpy(larger, p, h->size);
		budget_free(p);
	}
	return larger;
}

void budget_free(void *p)
{
	union head *h;

	if (p == NULL)
		return;
	h = (union head *)p - 1;
	left += h->size;
	free(h);
}
