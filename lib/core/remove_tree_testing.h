/* SPDX-License-Identifier: ISC */
/* For tests: a folder of their own is removed with all that is in it. */
#ifndef CORE_REMOVE_TREE_TESTING_H
#define CORE_REMOVE_TREE_TESTING_H

#include <ftw.h>
#include <stdio.h>

static int remove_entry(
    const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* 0, or -1 when something is left. */
static int remove_tree(const char *path)
{
	return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
