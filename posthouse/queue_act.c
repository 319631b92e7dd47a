/* SPDX-License-Identifier: ISC */
/* posthouse queue hold, release, delete, flush and bounce. */
#include <stdio.h>

#include "posthouse/queue.h"

struct act {
	struct posthouse *p;
	const struct queue_ask *ask;
};

static void tell(const struct queue_end *e, void *arg)
{
	const struct act *a = arg;
	const char *verb = queue_verb_names[a->ask->verb];
	struct buf out = buf_new(65536);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_text(&j, "verb", str_from(verb));
	json_bool(&j, "dry_run", a->ask->dry_run);
	json_u64(&j, "count", e->count);
	json_u64(&j, "recipients", e->recipients);
	json_text(&j, "text", e->text);
	json_end(&j);
	if (a->p->json)
		fputs(buf_text(&out), stdout);
	else
		printf("%s: %s%llu %s, %llu %s%s%.*s\n", verb,
		    a->ask->dry_run ? "would change " : "",
		    (unsigned long long)e->count,
		    e->count == 1 ? "message" : "messages",
		    (unsigned long long)e->recipients,
		    e->recipients == 1 ? "recipient" : "recipients",
		    e->text.len > 0 ? "; " : "", STR_FMT(e->text));
	buf_free(&out);
}

int queue_do_act(
    struct posthouse *p, const struct queue_options *o, enum queue_verb verb)
{
	struct queue_ask ask = o->ask;
	struct act act = {p, &ask};
	struct queue_calls calls = {.end = tell, .arg = &act};

	ask.verb = (int)verb;
	if (ask.all && queue_has_filter(&ask))
		return posthouse_misused(
		    "queue", "ALL and a filter: which of the two is meant?");
	if (!ask.all && !queue_has_filter(&ask) && verb == QUEUE_FLUSH)
		ask.all = true;
	if (!ask.all && !queue_has_filter(&ask))
		return posthouse_misused("queue",
		    "%s which messages? Give an id, a filter (--sender, "
		    "--recipient, --domain, --reason, --older ...), or ALL",
		    queue_verb_names[verb]);
	return queue_ask_once(p, &ask, &calls);
}
