/* SPDX-License-Identifier: ISC */
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_PAGE ((size_t)2 << 20)

static void *checked(void *p)
{
	static const char text[] = "out of memory\n";

	if (p == NULL) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(71);
		_exit(71); /* EX_OSERR */
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return checked(calloc(1, size == 0 ? 1 : size));
}

void *mem_array(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size));
}

void *mem_large(size_t count, size_t size)
{
	size_t octets;
	void *p;

	if (__builtin_mul_overflow(count, size, &octets) || octets < LARGE_PAGE)
		return mem_resize(NULL, count, size);
	octets = (octets + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	p = checked(aligned_alloc(LARGE_PAGE, octets));
	(void)madvise(p, octets, MADV_HUGEPAGE); /* a hint */
	return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
	return checked(reallocarray(p, count == 0 ? 1 : count, size));
}

void mem_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}
