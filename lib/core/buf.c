/* SPDX-License-Identifier: ISC */
#include "core/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

void buf_free(struct buf *b)
{
	free(b->p);
	*b = buf_new(b->most);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

/* One octet beyond the content is always there, for buf_text. */
static void grow(struct buf *b, size_t need)
{
	size_t capacity = b->capacity < 64 ? 64 : b->capacity;

	while (capacity < need + 1)
		capacity *= 2;
	if (capacity > b->most + 1)
		capacity = b->most + 1;
	b->p = mem_resize(b->p, capacity, 1);
	b->capacity = capacity;
}

char *buf_room(struct buf *b, size_t len)
{
	if (b->overflow || len > b->most - b->len) {
		b->overflow = true;
		return NULL;
	}
	if (b->len + len + 1 > b->capacity)
		grow(b, b->len + len);
	return b->p + b->len;
}

int buf_add_bytes(struct buf *b, const void *p, size_t len)
{
	char *room = buf_room(b, len);

	if (room == NULL)
		return -1;
	if (len > 0)
		memcpy(room, p, len);
	b->len += len;
	return 0;
}

int buf_add(struct buf *b, struct str s)
{
	return buf_add_bytes(b, s.p, s.len);
}

int buf_add_char(struct buf *b, char c)
{
	return buf_add_bytes(b, &c, 1);
}

int buf_add_text(struct buf *b, const char *text)
{
	return buf_add_bytes(b, text, strlen(text));
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	char *room = len < 0 ? NULL : buf_room(b, (size_t)len);
	if (room != NULL) {
		vsnprintf(room, (size_t)len + 1, format, again);
		b->len += (size_t)len;
	}
	va_end(again);
	return room == NULL ? -1 : 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = buf_vprintf(b, format, args);
	va_end(args);
	return result;
}

int buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return buf_add_bytes(b, digits + at, sizeof(digits) - at);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

const char *buf_text(struct buf *b)
{
	if (b->overflow)
		return "";
	if (b->p == NULL)
		grow(b, 0);
	b->p[b->len] = '\0';
	return b->p;
}
