/* SPDX-License-Identifier: ISC */
/* Which of the seeded bugs is switched on: store/seeded.h. */
#ifndef SEEDED_BUGS
#define SEEDED_BUGS
#endif
#include "store/seeded.h"

#include <stdlib.h>
#include <string.h>

bool seeded(const char *name)
{
	static const char *chosen;

	if (chosen == NULL) {
		chosen = getenv("SEEDED_BUG");
		if (chosen == NULL)
			chosen = "";
	}
	return strcmp(chosen, name) == 0;
}
