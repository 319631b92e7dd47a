/* SPDX-License-Identifier: ISC */
/* posthouse penalty: what policyd remembers of addresses and users. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "ipc/policy.h"
#include "posthouse/posthouse.h"

#define OUT_MAX (64u << 20)
#define WAIT_MS 30000

struct list_out {
	struct policy_listed end;
	bool json;
	struct buf text;
	struct json j;
};

static void put_row(struct list_out *o, const struct policy_row *r)
{
	if (o->json) {
		json_object(&o->j, NULL);
		json_text(&o->j, "kind", str_from(policy_kind_names[r->kind]));
		json_text(&o->j, "name", r->name);
		json_text(&o->j, "key", r->key);
		json_u64(&o->j, "count", r->count);
		json_u64(&o->j, "delay_ms", r->delay_ms);
		json_bool(&o->j, "blocked", r->blocked);
		json_text(&o->j, "value", r->value);
		json_u64(&o->j, "left_seconds", r->left_seconds);
		json_end(&o->j);
		return;
	}
	buf_printf(&o->text, "%-32.*s ", STR_FMT(r->key));
	switch ((enum policy_kind)r->kind) {
	case POLICY_LOGIN_ADDRESS:
	case POLICY_LOGIN_ACCOUNT:
		buf_printf(&o->text, "%llu failed logins; %s%.1f s; ",
		    (unsigned long long)r->count,
		    r->blocked ? "refused, and a failure waits "
			       : "the next failure waits ",
		    (double)r->delay_ms / 1000);
		break;
	case POLICY_RATE:
		buf_printf(&o->text, "%.*s: %llu; ", STR_FMT(r->name),
		    (unsigned long long)r->count);
		break;
	case POLICY_MEMORY:
		buf_printf(&o->text, "%.*s remembers \"%.*s\"; ",
		    STR_FMT(r->name), STR_FMT(r->value));
		break;
	}
	buf_printf(
	    &o->text, "over in %llu s\n", (unsigned long long)r->left_seconds);
}

static void take(const struct ipc_type *type, const void *answer, void *arg)
{
	struct list_out *o = arg;

	if (type == &policy_row)
		put_row(o, answer);
	else if (type == &policy_listed)
		o->end = *(const struct policy_listed *)answer;
}

static int ask(struct posthouse *p, const struct ipc_type *type,
    const void *message, struct list_out *o)
{
	return posthouse_ask(p,
	    &(struct posthouse_question){.command = "penalty",
		.daemon = "policyd",
		.exchange = &policy_exchange,
		.type = type,
		.last = &policy_listed,
		.message = message,
		.wait_ms = WAIT_MS,
		.take = take,
		.arg = o});
}

static int list(struct posthouse *p, const char *key, bool all)
{
	struct list_out o = {.json = p->json, .text = buf_new(OUT_MAX)};
	struct policy_list question = {str_from(key), all};
	int status;

	o.j = json_start(&o.text);
	if (p->json)
		json_array(&o.j, NULL);
	status = ask(p, &policy_list, &question, &o);
	if (p->json) {
		json_end(&o.j);
	} else if (o.end.count == 0) {
		buf_printf(&o.text, "no penalties%s%s\n",
		    key[0] != '\0' ? " for " : "", key);
	} else if (o.end.cut) {
		buf_printf(&o.text,
		    "there is more; these %llu were used last\n",
		    (unsigned long long)o.end.count);
	}
	if (status == 0)
		fputs(buf_text(&o.text), stdout);
	buf_free(&o.text);
	return status;
}

static int clear(struct posthouse *p, const char *key, bool all)
{
	bool every = strcmp(key, "ALL") == 0;
	struct policy_clear question = {every ? STR_EMPTY : str_from(key), all};
	struct list_out o = {.json = p->json};
	int status = ask(p, &policy_clear, &question, &o);

	if (status == 0)
		printf(p->json ? "{\"forgotten\":%llu}\n" : "%llu forgotten\n",
		    (unsigned long long)o.end.count);
	return status;
}

int cmd_penalty(struct posthouse *p, int argc, char **argv)
{
	const char *key = NULL;
	bool all = false;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			all = true;
		else if (argv[i][0] != '-' && key == NULL)
			key = argv[i];
		else
			return posthouse_usage("penalty");
	}
	if (argc >= 2 && strcmp(argv[1], "list") == 0)
		return list(p, key != NULL ? key : "", all);
	if (argc >= 2 && strcmp(argv[1], "clear") == 0 && key != NULL)
		return clear(p, key, all);
	return posthouse_usage("penalty");
}
