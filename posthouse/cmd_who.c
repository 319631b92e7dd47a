/* SPDX-License-Identifier: ISC */
/* posthouse who, posthouse kick: the sessions that are open now. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "posthouse/ask_master.h"
#include "posthouse/posthouse.h"

#define OUT_MAX (64u << 20)

struct who_out {
	bool json;
	struct buf text;
	struct json j;
	unsigned count, parked, login, screen;
};

static void put_age(struct buf *out, uint64_t since)
{
	int64_t s = clock_seconds() - (int64_t)since;
	char age[32];

	if (s < 0)
		s = 0;
	if (s < 3600)
		snprintf(
		    age, sizeof(age), "%d:%02d", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(age, sizeof(age), "%d:%02d:%02d", (int)(s / 3600),
		    (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(age, sizeof(age), "%lldd%02dh", (long long)(s / 86400),
		    (int)(s / 3600 % 24));
	buf_printf(out, "%9s", age);
}

static void one(const struct master_session *m, void *arg)
{
	struct who_out *w = arg;

	w->count++;
	w->parked += str_eq(m->state, STR("parked"));
	w->login += str_eq(m->state, STR("login"));
	w->screen += str_eq(m->state, STR("screen"));
	if (w->json) {
		json_object(&w->j, NULL);
		json_text(&w->j, "protocol", m->protocol);
		json_text(&w->j, "user", m->user);
		json_text(&w->j, "client", m->client);
		json_bool(&w->j, "tls", m->tls);
		json_text(&w->j, "state", m->state);
		json_u64(&w->j, "since", m->since);
		json_text(&w->j, "service", m->service);
		json_u64(&w->j, "pid", m->pid);
		json_end(&w->j);
		return;
	}
	buf_printf(&w->text, "%-10.*s %-28.*s %-22.*s %-3s %-6.*s ",
	    STR_FMT(m->protocol), STR_FMT(m->user.len > 0 ? m->user : STR("-")),
	    STR_FMT(m->client.len > 0 ? m->client : STR("-")),
	    m->tls ? "yes" : "no", STR_FMT(m->state));
	put_age(&w->text, m->since);
	buf_printf(&w->text, " %7llu\n", (unsigned long long)m->pid);
}

static bool is_protocol(const char *name)
{
	static const char *const names[] = {
	    "smtp", "submission", "lmtp", "imap", "pop3"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_case_eq(str_from(name), str_from(names[i])))
			return true;
	return false;
}

/* The filter that options give; -1: wrong usage. first: a word that is no
 * option, for kick. */
static int filter_of(
    int argc, char **argv, bool kicks, char *filter, size_t size)
{
	const char *user = "", *client = "", *protocol = "";
	int len;

	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--user") == 0 && more)
			user = argv[++i];
		else if (strcmp(argv[i], "--client") == 0 && more)
			client = argv[++i];
		else if (strcmp(argv[i], "--protocol") == 0 && more)
			protocol = argv[++i];
		else if (kicks && argv[i][0] != '-' && user[0] == '\0' &&
		    client[0] == '\0') {
			/* An address has digits and dots or colons only. */
			bool is_client = strspn(argv[i],
					     "0123456789abcdefABCDEF.:/[]") ==
				strlen(argv[i]) &&
			    strpbrk(argv[i], ".:") != NULL;

			*(is_client ? &client : &user) = argv[i];
		} else {
			return -1;
		}
	}
	if (kicks && user[0] == '\0' && client[0] == '\0')
		return -1;
	if (protocol[0] != '\0' && !is_protocol(protocol)) {
		posthouse_fail(argv[0],
		    "--protocol is smtp, submission, lmtp, imap or pop3, not "
		    "%s",
		    protocol);
		return -1;
	}
	if (strpbrk(user, "\n") != NULL || strpbrk(client, "\n") != NULL)
		return -1;
	len = snprintf(filter, size, "%s\n%s\n%s", user, client, protocol);
	return len < 0 || (size_t)len >= size ? -1 : 0;
}

/* "7 sessions, 2 of them parked; 1 client before its login" */
static void put_sum(struct who_out *w)
{
	unsigned sessions = w->count - w->login - w->screen;

	buf_printf(
	    &w->text, "%u session%s", sessions, sessions == 1 ? "" : "s");
	if (w->parked > 0)
		buf_printf(&w->text, ", %u of them parked", w->parked);
	if (w->login > 0)
		buf_printf(&w->text, "; %u client%s before %s login", w->login,
		    w->login == 1 ? "" : "s", w->login == 1 ? "its" : "their");
	if (w->screen > 0)
		buf_printf(&w->text, "; %u held by screen", w->screen);
	buf_add_char(&w->text, '\n');
}

int cmd_who(struct posthouse *p, int argc, char **argv)
{
	struct who_out w = {.json = p->json, .text = buf_new(OUT_MAX)};
	const struct ask_calls calls = {.session = one, .arg = &w};
	char filter[512];
	int status;

	w.j = json_start(&w.text);
	if (filter_of(argc, argv, false, filter, sizeof(filter)) < 0)
		return posthouse_usage("who");
	if (p->json)
		json_array(&w.j, NULL);
	else
		buf_printf(&w.text, "%-10s %-28s %-22s %-3s %-6s %9s %7s\n",
		    "protocol", "user", "client", "tls", "state", "for",
		    "process");
	status = ask_master_with(
	    p, "who", MASTER_WHO, "", filter, &calls, NULL);
	if (p->json) {
		json_end(&w.j);
	} else {
		put_sum(&w);
	}
	if (status == 0)
		fputs(buf_text(&w.text), stdout);
	buf_free(&w.text);
	return status;
}

static void counted(const struct master_end *m, void *arg)
{
	(void)str_copy(arg, 64, m->text);
}

int cmd_kick(struct posthouse *p, int argc, char **argv)
{
	char filter[512], count[64] = "";
	const struct ask_calls calls = {.end = counted, .arg = count};
	int status;

	if (filter_of(argc, argv, true, filter, sizeof(filter)) < 0)
		return posthouse_usage("kick");
	status = ask_master_with(
	    p, "kick", MASTER_KICK, "", filter, &calls, NULL);
	if (status == 0 && p->json)
		printf("{\"ended\":%s}\n", count);
	else if (status == 0)
		printf("%s %s being ended\n", count,
		    strcmp(count, "1") == 0 ? "session is" : "sessions are");
	return status;
}
