/* SPDX-License-Identifier: ISC */
#include "policyd/greylist_operator.h"

#include "core/clock.h"
#include "core/log.h"
#include "policyd/operator.h"

static int list(const struct greylist *g, struct wire *w,
    const struct policy_greylist_list *q)
{
	struct greylist_choice c = greylist_choose(g, q->key, true);
	const struct greylist_entry *at = NULL;
	struct policy_listed end = {0};
	struct policy_greylist_row row;
	int64_t now = clock_seconds();

	while (!end.cut && greylist_next(g, &c, now, &at, &row))
		if (end.count == OPERATOR_ROWS_MOST)
			end.cut = true;
		else if (wire_put(w, &policy_greylist_row, &row) == 0)
			end.count++;
	greylist_choice_free(&c);
	return wire_put(w, &policy_listed, &end);
}

static int allow(
    struct greylist *g, struct wire *w, const struct policy_greylist_allow *q)
{
	struct policy_listed end = {0};
	char name[256];

	end.count = greylist_allow(g, q->client, q->seconds, clock_seconds()) ==
	    0;
	log_name(name, sizeof(name), q->client);
	log_info("operator: greylist allow %s: %s", name,
	    end.count == 1 ? "done" : "there is no room");
	return wire_put(w, &policy_listed, &end);
}

static int forget(
    struct greylist *g, struct wire *w, const struct policy_greylist_forget *q)
{
	struct greylist_choice c = greylist_choose(
	    g, q->key, q->all || q->key.len > 0);
	struct policy_listed end = {.count = greylist_forget(g, &c)};
	char name[256];

	log_name(name, sizeof(name), q->key.len == 0 ? STR("ALL") : q->key);
	log_info("operator: greylist forget %s: %llu forgotten", name,
	    (unsigned long long)end.count);
	greylist_choice_free(&c);
	return wire_put(w, &policy_listed, &end);
}

int greylist_operator_asks(struct greylist *g, struct wire *w,
    const struct ipc_type *type, const void *msg)
{
	if (!operator_may(w))
		return -1;
	if (type == &policy_greylist_allow)
		return allow(g, w, msg);
	if (type == &policy_greylist_forget)
		return forget(g, w, msg);
	return list(g, w, msg);
}
