/* SPDX-License-Identifier: ISC */
/*
 * Owned, growable byte strings with a maximum given at birth.
 *
 * Passing the maximum is a result: the call that would pass it adds nothing,
 * returns -1 and sets `overflow`, which stays set until buf_clear, so that a
 * run of additions can be checked once at its end.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdarg.h>

#include "core/str.h"

struct buf {
	char *p; /* NULL until the first octet */
	size_t len;
	size_t capacity;
	size_t most; /* octets */
	bool overflow;
};

/* An empty buffer that may hold `most` octets; allocates nothing. */
static inline struct buf buf_new(size_t most)
{
	return (struct buf){NULL, 0, 0, most, false};
}

/* Frees the memory; the buffer is empty and usable again. */
void buf_free(struct buf *b);
/* Forgets the content and the overflow, keeps the memory. */
void buf_clear(struct buf *b);

int buf_add(struct buf *b, struct str s);
int buf_add_bytes(struct buf *b, const void *p, size_t len);
int buf_add_char(struct buf *b, char c);
int buf_add_text(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
int buf_add_u64(struct buf *b, uint64_t value); /* decimal */

/*
 * Room for len more octets, to be written by the caller and then declared
 * with buf_added. Returns NULL (and sets overflow) past the maximum.
 */
char *buf_room(struct buf *b, size_t len);
static inline void buf_added(struct buf *b, size_t len)
{
	b->len += len;
}

/* Removes n octets from the front (n <= len), moving the rest. */
void buf_drop(struct buf *b, size_t n);

/* A view of the content; ends with the next change of the buffer. */
static inline struct str buf_str(const struct buf *b)
{
	return b->p == NULL ? STR_EMPTY : str_of(b->p, b->len);
}

/* The content with a NUL behind it (not counted); "" on overflow. */
const char *buf_text(struct buf *b);

#endif
