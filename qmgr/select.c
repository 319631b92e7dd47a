/* SPDX-License-Identifier: ISC */
#include "qmgr/select.h"

/* An address, or with "@" before it a domain. */
static bool address_matches(struct str want, struct str address)
{
	if (want.len == 0)
		return true;
	if (want.p[0] == '@')
		return str_case_ends(address, want);
	return str_case_eq(address, want);
}

static struct str domain_of(struct str address)
{
	size_t at = str_find_last(address, '@');

	return at == address.len ? STR_EMPTY : str_skip(address, at + 1);
}

/* "example.org" also means "[example.org]" and "example.org:26". */
static bool nexthop_matches(struct str want, struct str nexthop)
{
	if (want.len == 0 || str_case_eq(want, nexthop))
		return true;
	if (nexthop.len > 0 && nexthop.p[0] == '[')
		nexthop = str_sub(nexthop, 1, str_find(nexthop, ']') - 1);
	else
		nexthop = str_sub(nexthop, 0, str_find_last(nexthop, ':'));
	return str_case_eq(want, nexthop);
}

static bool contains(struct str s, struct str part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (str_case_eq(str_sub(s, i, part.len), part))
			return true;
	return false;
}

bool select_is_all(const struct queue_ask *ask)
{
	return ask->queue_id.len + ask->sender.len + ask->recipient.len +
		ask->domain.len + ask->nexthop.len + ask->site.len +
		ask->transport.len + ask->state.len + ask->reason.len ==
	    0 &&
	    ask->since == 0 && ask->before == 0 && ask->size_least == 0 &&
	    ask->size_most == 0;
}

bool select_message(const struct queue_ask *ask, const struct message *m)
{
	struct str sender = interned_str(m->sender);

	if (str_eq(ask->sender, STR("<>"))
		? sender.len > 0
		: !address_matches(ask->sender, sender))
		return false;
	if (ask->owner != 0 && m->owner != ask->owner - 1)
		return false;
	if (ask->since != 0 && m->arrived < ask->since)
		return false;
	if (ask->before != 0 && m->arrived > ask->before)
		return false;
	if (ask->size_most != 0 && m->size > ask->size_most)
		return false;
	return m->size >= ask->size_least;
}

bool select_recipient(const struct queue_ask *ask, const struct facts *f)
{
	struct str domain = domain_of(f->address);

	if (!address_matches(ask->recipient, f->address))
		return false;
	if (ask->domain.len > 0 && !str_case_eq(ask->domain, domain))
		return false;
	if (ask->site.len > 0 && !str_case_eq(ask->site, domain) &&
	    !nexthop_matches(ask->site, f->nexthop))
		return false;
	if (ask->state.len > 0 && !str_case_eq(ask->state, str_from(f->state)))
		return false;
	return select_hop(ask, f->transport, f->nexthop) &&
	    contains(f->reason, ask->reason);
}

bool select_hop(
    const struct queue_ask *ask, struct str transport, struct str nexthop)
{
	if (ask->transport.len > 0 && !str_case_eq(ask->transport, transport))
		return false;
	return nexthop_matches(ask->nexthop, nexthop);
}

const char *select_state(const struct recipient *r)
{
	if (r->phase != PHASE_IDLE)
		return "active";
	if (r->hold)
		return "hold";
	if (r->state != QUEUE_PENDING)
		return "bouncing"; /* its sender is being told */
	return r->attempts > 0 || r->next > 0 ? "deferred" : "incoming";
}
