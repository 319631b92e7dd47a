/* SPDX-License-Identifier: ISC */
#include "keeper/pace.h"

#include "core/str.h"

/* What was saved up while resting: a box or two may be looked at at once. */
#define SAVED_MS 1000

void pace_init(struct pace *p, uint64_t rate, uint64_t spent, int64_t now)
{
	*p = (struct pace){.rate = rate,
	    .since = now,
	    .spent = spent,
	    .measured_since = now,
	    .measured_spent = spent};
}

/* Octets in ms milliseconds; a rate has no bound, the time has. */
static int64_t earned(uint64_t rate, int64_t ms)
{
	double octets = (double)rate * (double)ms / 1000;

	return octets < 1e18 ? (int64_t)octets : INT64_C(1000000000000000000);
}

int64_t pace_wait(struct pace *p, uint64_t spent, int64_t now)
{
	int64_t most = earned(p->rate, SAVED_MS);
	int64_t passed = now - p->since;

	if (p->rate == 0)
		return 0;
	if (passed > 3600000) /* it owes no more than it can have spent */
		p->credit = most;
	else
		p->credit += earned(p->rate, passed);
	if (p->credit > most)
		p->credit = most;
	p->credit -= (int64_t)(spent - p->spent);
	p->since = now;
	p->spent = spent;
	if (p->credit >= 0)
		return 0;
	return 1 + (int64_t)((double)-p->credit * 1000 / (double)p->rate);
}

bool pace_measure(
    struct pace *p, uint64_t spent, int64_t now, uint64_t *per_second)
{
	int64_t passed = now - p->measured_since;

	if (passed < PACE_MEASURE_MS)
		return false;
	*per_second = (spent - p->measured_spent) * 1000 / (uint64_t)passed;
	p->measured_since = now;
	p->measured_spent = spent;
	return true;
}

uint64_t pace_parse(const char *text)
{
	struct str rest = str_from(text);
	uint64_t sum = 0, n;

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');
		struct str name = str_cut(&line, ':');

		if ((str_eq(name, STR("rchar")) ||
			str_eq(name, STR("wchar"))) &&
		    str_to_u64(str_trim(line), INT64_MAX, &n) == 0)
			sum += n;
	}
	return sum;
}
