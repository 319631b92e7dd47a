/* SPDX-License-Identifier: ISC */
/* posthouse greylist: who has to come back, who has, and who need not. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "daemon/forms.h"
#include "posthouse/ask_policyd.h"
#include "posthouse/time_point.h"
#include "posthouse/trace_story.h"

struct greylist_out {
	struct policyd_answer a; /* first: its rows are given it */
	bool details;
	int64_t now;
};

/* ---- rows ---- */

static void json_row(struct json *j, const struct policy_greylist_row *r)
{
	json_object(j, NULL);
	json_text(j, "kind", str_from(greylist_row_names[r->kind]));
	json_text(j, "client", r->client);
	json_text(j, "sender", r->sender);
	json_text(j, "recipient", r->recipient);
	json_u64(j, "first", r->first);
	json_u64(j, "last", r->last);
	json_u64(j, "ready", r->ready);
	json_u64(j, "end", r->end);
	json_u64(j, "count", r->count);
	json_bool(j, "exempt", r->exempt);
	json_end(j);
}

/* "1 attempt", "3 attempts" */
static void put_number(struct buf *out, uint64_t n, const char *what)
{
	buf_printf(
	    out, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

static void put_left(const struct greylist_out *o, uint64_t at, struct buf *out)
{
	int64_t left = (int64_t)at - o->now;

	if (left < 60)
		buf_printf(out, "%lld s", left > 0 ? (long long)left : 0LL);
	else
		story_duration((uint64_t)left * 1000000, out);
}

/* What it comes to, in a line. */
static void put_state(
    struct greylist_out *o, const struct policy_greylist_row *r)
{
	struct buf *out = &o->a.text;

	switch ((enum greylist_row_kind)r->kind) {
	case GREYLIST_ROW_ALLOWED:
		buf_add_text(out, "allowed by the operator");
		if (r->end != 0) {
			buf_add_text(out, " for ");
			put_left(o, r->end, out);
		}
		break;
	case GREYLIST_ROW_CLIENT:
		put_number(out, r->count, "message");
		buf_add_text(out,
		    r->exempt ? " came back: it is asked no more"
			      : " came back");
		break;
	case GREYLIST_ROW_PASSED:
		buf_add_text(out, "came back, and passes");
		break;
	case GREYLIST_ROW_WAITS:
		put_number(out, r->count, "attempt");
		buf_add_text(out,
		    (int64_t)r->ready > o->now
			? "; passes when it comes back in "
			: "; passes when it comes back within ");
		put_left(
		    o, (int64_t)r->ready > o->now ? r->ready : r->end, out);
		break;
	}
}

static void put_time(struct buf *out, const char *name, uint64_t at)
{
	char text[TIME_POINT_TEXT];

	if (at != 0)
		buf_printf(out, "  %-10s %s\n", name,
		    time_point_text((int64_t)at * 1000000, text));
}

static void put_details(
    struct greylist_out *o, const struct policy_greylist_row *r)
{
	static const char *const last[] = {[GREYLIST_ROW_ALLOWED] = "since",
	    [GREYLIST_ROW_CLIENT] = "last used",
	    [GREYLIST_ROW_PASSED] = "last used",
	    [GREYLIST_ROW_WAITS] = "first try"};

	put_time(&o->a.text, last[r->kind],
	    r->kind == GREYLIST_ROW_WAITS ? r->first : r->last);
	put_time(&o->a.text, "passes at", r->ready);
	put_time(&o->a.text, "forgotten", r->end);
}

static void put_row(struct greylist_out *o, const struct policy_greylist_row *r)
{
	buf_printf(&o->a.text, "%-24.*s ", STR_FMT(r->client));
	if (r->recipient.len > 0)
		buf_printf(&o->a.text, "<%.*s> to <%.*s>: ", STR_FMT(r->sender),
		    STR_FMT(r->recipient));
	put_state(o, r);
	buf_add_char(&o->a.text, '\n');
	if (o->details)
		put_details(o, r);
}

static void put(struct policyd_answer *a, const void *row)
{
	if (a->json)
		json_row(&a->j, row);
	else
		put_row((struct greylist_out *)a, row);
}

/* ---- commands ---- */

static int list(struct posthouse *p, const char *key, bool details)
{
	struct greylist_out o = {
	    .a = {.command = "greylist", .json = p->json, .row = put},
	    .details = details,
	    .now = clock_seconds()};
	struct policy_greylist_list question = {str_from(key)};
	char nothing[500];

	snprintf(nothing, sizeof(nothing),
	    "nothing is remembered%s%s; \"posthouse explain\" says whether a "
	    "client would be greylisted, and why",
	    key[0] != '\0' ? " of " : "", key);
	return policyd_list(p, &policy_greylist_list, &question, &o.a, nothing);
}

static int allow(struct posthouse *p, const char *client, const char *time)
{
	struct policy_greylist_allow question = {.client = str_from(client)};
	struct policyd_answer a = {.command = "greylist", .json = p->json};
	struct buf wrong = buf_new(512);
	const char *why;
	int64_t ms = 0;
	int status;

	if (form_client(client, &wrong) < 0) {
		posthouse_misused("greylist", "%s", buf_text(&wrong));
		buf_free(&wrong);
		return EX_USAGE;
	}
	buf_free(&wrong);
	if (time != NULL &&
	    (conf_parse_time(time, &ms, &why) < 0 || ms < 1000 ||
		ms / 1000 > POLICY_ALLOW_SECONDS_MOST))
		return posthouse_misused("greylist",
		    "--for %s: a time is 90s, 15m, 2h, 3d or 1w, ten years at "
		    "most; without --for there is no end",
		    time);
	question.seconds = (uint64_t)(ms / 1000);
	status = policyd_ask(p, &policy_greylist_allow, &question, &a);
	if (status == 0 && a.end.count == 0) {
		posthouse_fail("greylist",
		    "%s: too many are allowed already; forget some, put "
		    "them into greylist_exempt_clients, or raise "
		    "greylist_entries_max",
		    client);
		return EX_UNAVAILABLE;
	}
	if (status == 0)
		policyd_told(&a, "allowed");
	return status;
}

static int forget(struct posthouse *p, const char *key, bool all)
{
	bool every = strcmp(key, "ALL") == 0;
	struct policy_greylist_forget question = {
	    every ? STR_EMPTY : str_from(key), all};
	struct policyd_answer a = {.command = "greylist", .json = p->json};
	int status = policyd_ask(p, &policy_greylist_forget, &question, &a);

	if (status == 0)
		policyd_told(&a, "forgotten");
	return status;
}

int cmd_greylist(struct posthouse *p, int argc, char **argv)
{
	const char *verb = argc >= 2 ? argv[1] : "", *key = NULL, *time = NULL;
	bool all = false;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0 &&
		    strcmp(verb, "forget") == 0)
			all = true;
		else if (strcmp(argv[i], "--for") == 0 && i + 1 < argc &&
		    strcmp(verb, "allow") == 0)
			time = argv[++i];
		else if (argv[i][0] != '-' && argv[i][0] != '\0' && key == NULL)
			key = argv[i];
		else
			return posthouse_usage("greylist");
	}
	if (strcmp(verb, "list") == 0)
		return list(p, key != NULL ? key : "", false);
	if (key == NULL)
		return posthouse_usage("greylist");
	if (strcmp(verb, "show") == 0)
		return list(p, key, true);
	if (strcmp(verb, "allow") == 0)
		return allow(p, key, time);
	if (strcmp(verb, "forget") == 0)
		return forget(p, key, all);
	return posthouse_usage("greylist");
}
