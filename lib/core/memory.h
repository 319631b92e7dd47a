/* SPDX-License-Identifier: ISC */
/*
 * Heap memory that never fails to its caller: without memory the process
 * ends, and master starts another. What strangers may make large has a
 * maximum elsewhere (struct buf, struct arena); these are for our own sizes.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stddef.h>

/* Zeroed memory of at least one octet; freed with free(3). Never NULL. */
void *mem_alloc(size_t size);
/* Zeroed memory for count things of size octets; checks the product. */
void *mem_array(size_t count, size_t size);
/* realloc(3) for count things of size octets; new memory is not zeroed. */
void *mem_resize(void *p, size_t count, size_t size);
/* Like mem_array but not zeroed; large ones ask for large pages, which takes
 * most of the time out of their first use. For free() and mem_resize(). */
void *mem_large(size_t count, size_t size);

#define NEW(type) ((type *)mem_alloc(sizeof(type)))

/* Overwrites secrets; the compiler may not leave it out. */
void mem_wipe(void *p, size_t len);

#endif
