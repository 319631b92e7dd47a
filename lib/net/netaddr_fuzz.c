/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "net/netaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * First line an address, the rest a list. What is read can be written and
 * read again; an address lies in the network of itself; negation turns the
 * answer of a single entry.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str rest = str_of(data, len);
	struct str first = str_cut(&rest, '\n');
	struct netaddr a, again;
	struct str bad;
	char text[NETADDR_TEXT_MAX], reverse[80];

	if (netaddr_parse(first, 25, &a) < 0)
		return 0;
	netaddr_text(&a, text);
	netaddr_reverse(&a, reverse);
	if (netaddr_parse(str_from(text), 25, &again) < 0 ||
	    netaddr_in_list(&a, str_from(text), &bad) != 1)
		abort();
	int found = netaddr_in_list(&a, rest, &bad);
	if (found < -1 || found > 1)
		abort();
	if (found < 0 && (bad.p < rest.p || bad.len > rest.len))
		abort();
	return 0;
}
