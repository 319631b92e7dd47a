/* SPDX-License-Identifier: ISC */
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void *mem_resize(void *p, size_t count, size_t size)
{
	return checked(reallocarray(p, count == 0 ? 1 : count, size));
}

void mem_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}
