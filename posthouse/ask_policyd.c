/* SPDX-License-Identifier: ISC */
#include "posthouse/ask_policyd.h"

#include <stdio.h>

#define OUT_MAX (64u << 20)
#define WAIT_MS 30000

static void take(const struct ipc_type *type, const void *answer, void *arg)
{
	struct policyd_answer *a = arg;

	if (type == &policy_listed)
		a->end = *(const struct policy_listed *)answer;
	else if (a->row != NULL)
		a->row(a, answer);
}

int policyd_ask(struct posthouse *p, const struct ipc_type *type,
    const void *message, struct policyd_answer *a)
{
	return posthouse_ask(p,
	    &(struct posthouse_question){.command = a->command,
		.daemon = "policyd",
		.exchange = &policy_exchange,
		.type = type,
		.last = &policy_listed,
		.message = message,
		.wait_ms = WAIT_MS,
		.take = take,
		.arg = a});
}

int policyd_list(struct posthouse *p, const struct ipc_type *type,
    const void *message, struct policyd_answer *a, const char *nothing)
{
	int status;

	a->text = buf_new(OUT_MAX);
	a->j = json_start(&a->text);
	if (a->json)
		json_array(&a->j, NULL);
	status = policyd_ask(p, type, message, a);
	if (a->json)
		json_end(&a->j);
	else if (a->end.count == 0)
		buf_printf(&a->text, "%s\n", nothing);
	else if (a->end.cut)
		buf_printf(&a->text, "there is more than these %llu\n",
		    (unsigned long long)a->end.count);
	if (status == 0)
		fputs(buf_text(&a->text), stdout);
	buf_free(&a->text);
	return status;
}

void policyd_told(const struct policyd_answer *a, const char *done)
{
	unsigned long long count = a->end.count;

	if (a->json)
		printf("{\"%s\":%llu}\n", done, count);
	else
		printf("%llu %s\n", count, done);
}
