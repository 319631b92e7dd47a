/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "posthouse/queue.h"

/* A filter that takes its text as it is. */
static struct str *text_of(struct queue_options *o, const char *name)
{
	static const char *const names[] = {"--sender", "--recipient",
	    "--domain", "--nexthop", "--transport", "--state", "--reason",
	    "--id"};
	struct str *const into[] = {&o->ask.sender, &o->ask.recipient,
	    &o->ask.domain, &o->ask.nexthop, &o->ask.transport, &o->ask.state,
	    &o->ask.reason, &o->ask.queue_id};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return into[i];
	return NULL;
}

static int wrong(const char *name, const char *value, const char *why)
{
	return posthouse_misused("queue", "%s %s: %s", name, value, why);
}

/* --older and --younger: an age, as main.cf writes times. */
static int take_age(const char *name, const char *value, uint64_t *into)
{
	const char *why = "";
	int64_t ms;

	if (conf_parse_time(value, &ms, &why) < 0)
		return wrong(name, value, why);
	*into = (uint64_t)(clock_seconds() - ms / 1000);
	return 0;
}

/* --size: at least, or with "-" before it at most so many octets. */
static int take_size(const char *value, struct queue_ask *ask)
{
	bool most = value[0] == '-';
	const char *why = "";
	uint64_t octets;

	if (conf_parse_size(value + most, &octets, &why) < 0)
		return wrong("--size", value, why);
	if (most)
		ask->size_most = octets > 0 ? octets : 1;
	else
		ask->size_least = octets;
	return 0;
}

static int take_filter(
    struct queue_options *o, const char *name, const char *value)
{
	static const char *const states[] = {
	    "incoming", "active", "deferred", "hold", "bouncing"};
	struct str *text = text_of(o, name);

	if (value[0] == '\0')
		return wrong(name, "\"\"", "an empty filter means everything");
	if (text != NULL)
		*text = str_from(value);
	if (text == &o->ask.state) {
		for (size_t i = 0; i < ARRAY_LEN(states); i++)
			if (strcmp(states[i], value) == 0)
				return 0;
		return wrong(name, value,
		    "a state is incoming, active, deferred, hold or bouncing");
	}
	if (text != NULL)
		return 0;
	if (strcmp(name, "--older") == 0)
		return take_age(name, value, &o->ask.before);
	if (strcmp(name, "--younger") == 0)
		return take_age(name, value, &o->ask.since);
	if (strcmp(name, "--size") == 0)
		return take_size(value, &o->ask);
	return posthouse_usage("queue");
}

int queue_options(int argc, char **argv, struct queue_options *o)
{
	for (int i = 0; i < argc; i++) {
		int status = 0;

		if (strcmp(argv[i], "--body") == 0)
			o->body = true;
		else if (strcmp(argv[i], "--dry-run") == 0)
			o->ask.dry_run = true;
		else if (strcmp(argv[i], "ALL") == 0)
			o->ask.all = true;
		else if (argv[i][0] != '-' && o->name == NULL)
			o->name = argv[i];
		else if (argv[i][0] != '-' || i + 1 == argc)
			return posthouse_usage("queue");
		else
			status = take_filter(o, argv[i], argv[i + 1]), i++;
		if (status != 0)
			return status;
	}
	return 0;
}

bool queue_has_filter(const struct queue_ask *a)
{
	return a->queue_id.len + a->sender.len + a->recipient.len +
		a->domain.len + a->nexthop.len + a->transport.len +
		a->state.len + a->reason.len >
	    0 ||
	    a->since + a->before + a->size_least + a->size_most > 0;
}
