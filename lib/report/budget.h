/* SPDX-License-Identifier: ISC */
/*
 * Memory for libraries that take an allocator but know no bound: past the
 * budget they get NULL, and give up what they read. One at a time, as there is
 * one thread.
 */
#ifndef REPORT_BUDGET_H
#define REPORT_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

void budget_begin(size_t most); /* octets, of what is allocated from now on */
bool budget_passed(void);       /* something was refused since */

void *budget_alloc(size_t size);
void *budget_resize(void *p, size_t size);
void budget_free(void *p);

#endif
