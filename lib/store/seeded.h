/* SPDX-License-Identifier: ISC */
/*
 * Bugs on purpose, for the test of the tests: each rule of doc/store.md has a
 * place where `if (seeded("name"))` breaks it. Only the objects that
 * seeded_test links are built with SEEDED_BUGS; anywhere else it is false and
 * costs nothing. The environment variable SEEDED_BUG names the one that is
 * switched on.
 */
#ifndef STORE_SEEDED_H
#define STORE_SEEDED_H

#include <stdbool.h>

#ifdef SEEDED_BUGS
bool seeded(const char *name);
#else
#define seeded(name) false
#endif

#endif
