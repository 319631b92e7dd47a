/* SPDX-License-Identifier: ISC */
/*
 * Greylisting of what strangers say: lines "client TAB domain TAB sender TAB
 * recipient", each asked about, asked about again in time, stored, and read
 * back. A key that is taken apart must be what it was made of.
 */
#include <stdlib.h>

#include "policyd/greylist.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct policyd_conf conf = {.greylist_delay = 300 * 1000,
    .greylist_retry_window = 3600 * 1000,
    .greylist_lifetime = INT64_C(86400) * 1000,
    .greylist_client_passes = 3,
    .greylist_ipv4_prefix = 24,
    .greylist_ipv6_prefix = 64,
    .greylist_entries_max = 100};

static struct greylist loaded;

static void put(struct str key, struct str value)
{
	if (key.len > GREYLIST_KEY_MAX ||
	    greylist_load(&loaded, key, value, NOW + 300) < 0)
		abort(); /* what is stored can be read */
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

static void ask(struct greylist *g, struct str line)
{
	struct policy_greylist q = {.invited = true};
	struct policy_greylisted first = {0}, again = {0};

	q.client_address = str_sub(str_cut(&line, '\t'), 0, 256);
	q.domain = str_sub(str_cut(&line, '\t'), 0, 256);
	q.sender = str_sub(str_cut(&line, '\t'), 0, 1024);
	q.recipient = str_sub(line, 0, 1024);
	if (q.recipient.len == 0 || q.client_address.len == 0)
		return; /* the exchange does not let them through */
	greylist_ask(g, &q, NOW, &first);
	greylist_ask(g, &q, NOW + 300, &again);
	if (first.state == GREYLIST_STATE_NEW &&
	    again.state != GREYLIST_STATE_PASSED)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size);
	struct greylist g = greylist_new(&conf);
	struct greylist_choice all = greylist_choose(&g, STR_EMPTY, true);
	const struct greylist_entry *at = NULL;
	struct policy_greylist_row row;

	while (rest.len > 0)
		ask(&g, str_cut(&rest, '\n'));
	while (greylist_next(&g, &all, NOW + 300, &at, &row))
		if (has_control(row.client) || has_control(row.sender) ||
		    has_control(row.recipient))
			abort();
	if (g.by_key.count > (size_t)conf.greylist_entries_max)
		abort();
	loaded = greylist_new(&conf);
	g.put = put;
	greylist_put_all(&g);
	if (loaded.by_key.count != g.by_key.count)
		abort();
	greylist_free(&loaded);
	greylist_choice_free(&all);
	g.put = NULL;
	greylist_free(&g);
	return 0;
}
