/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "screen/line.h"
#include "screen/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * What a first line says does not depend on what stands behind it, but that
 * something does; before its end nothing is said. The same bytes as a list of
 * sites: what is read has weights, and views into the text.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sites sites;
	struct str input = str_of(data, len), bad;
	size_t end = str_find(input, '\n');
	unsigned said = line_judge(input);
	const char *why;

	if ((said == 0) != (end == len))
		abort();
	if (said != 0 &&
	    (line_judge(str_sub(input, 0, end)) != 0 ||
		line_judge(str_sub(input, 0, end + 1)) !=
		    (said & ~(unsigned)LINE_BEHIND)))
		abort();
	if (sites_parse(input, &sites, &bad, &why) < 0)
		return bad.len > 0 && why != NULL ? 0 : (abort(), 0);
	for (size_t i = 0; i < sites.count; i++)
		if (sites.site[i].weight == 0 ||
		    sites.site[i].domain.p < input.p ||
		    sites.site[i].domain.p >= input.p + len)
			abort();
	return 0;
}
