/* SPDX-License-Identifier: ISC */
/* posthouse queue: the messages that wait (posthouse/queue.h). */
#include <string.h>

#include "core/id.h"
#include "posthouse/queue.h"

/* clang-format off */
static const struct verb {
	const char *name;
	int (*run)(struct posthouse *p, const struct queue_options *o);
	enum queue_verb act; /* run NULL */
	bool takes_name;     /* an argument that is no queue id */
} verbs[] = {
	{"list",    queue_do_list,    QUEUE_LIST,    false},
	{"count",   queue_do_count,   QUEUE_LIST,    false},
	{"summary", queue_do_summary, QUEUE_LIST,    false},
	{"show",    queue_do_show,    QUEUE_LIST,    true},
	{"why",     queue_do_why,     QUEUE_WHY,     true},
	{"hold",    NULL,             QUEUE_HOLD,    false},
	{"release", NULL,             QUEUE_RELEASE, false},
	{"delete",  NULL,             QUEUE_DELETE,  false},
	{"flush",   NULL,             QUEUE_FLUSH,   false},
	{"retry",   NULL,             QUEUE_FLUSH,   false},
	{"bounce",  NULL,             QUEUE_BOUNCE,  false},
	{"expire",  NULL,             QUEUE_BOUNCE,  false},
};
/* clang-format on */

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int cmd_queue(struct posthouse *p, int argc, char **argv)
{
	struct queue_options o = {.name = NULL};
	const struct verb *v = argc < 2 ? NULL : find(argv[1]);
	struct id id;
	int status;

	if (v == NULL)
		return posthouse_usage("queue");
	status = queue_options(argc - 2, argv + 2, &o);
	if (status != 0)
		return status;
	o.ask.verb = (int)v->act;
	if (!v->takes_name && o.name != NULL) {
		if (id_parse(str_from(o.name), &id) < 0)
			return posthouse_misused("queue",
			    "%s is not a queue id; addresses and domains are "
			    "given by --sender, --recipient and --domain",
			    o.name);
		o.ask.queue_id = str_from(o.name);
	}
	return v->run != NULL ? v->run(p, &o) : queue_do_act(p, &o, v->act);
}
