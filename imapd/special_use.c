/* SPDX-License-Identifier: ISC */
#include "imapd/special_use.h"

static const char *const names[] = {
    [USE_NONE] = NULL,
    [USE_ALL] = "\\All",
    [USE_ARCHIVE] = "\\Archive",
    [USE_DRAFTS] = "\\Drafts",
    [USE_FLAGGED] = "\\Flagged",
    [USE_JUNK] = "\\Junk",
    [USE_SENT] = "\\Sent",
    [USE_TRASH] = "\\Trash",
};

int special_use_find(struct str name)
{
	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		if (str_case_eq(name, str_from(names[i])))
			return (int)i;
	return USE_NONE;
}

const char *special_use_name(int use)
{
	return use > 0 && (size_t)use < ARRAY_LEN(names) ? names[use] : NULL;
}
