/* SPDX-License-Identifier: ISC */
/* posthouse penalty: what policyd remembers of addresses and users. */
#include <stdio.h>
#include <string.h>

#include "posthouse/ask_policyd.h"

static void put_row(struct policyd_answer *o, const void *row)
{
	const struct policy_row *r = row;

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

static int list(struct posthouse *p, const char *key, bool all)
{
	struct policyd_answer a = {
	    .command = "penalty", .json = p->json, .row = put_row};
	struct policy_list question = {str_from(key), all};
	char nothing[300];

	snprintf(nothing, sizeof(nothing), "no penalties%s%s",
	    key[0] != '\0' ? " for " : "", key);
	return policyd_list(p, &policy_list, &question, &a, nothing);
}

static int clear(struct posthouse *p, const char *key, bool all)
{
	bool every = strcmp(key, "ALL") == 0;
	struct policy_clear question = {every ? STR_EMPTY : str_from(key), all};
	struct policyd_answer a = {.command = "penalty", .json = p->json};
	int status = policyd_ask(p, &policy_clear, &question, &a);

	if (status == 0)
		policyd_told(&a, "forgotten");
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
