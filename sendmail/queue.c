/* SPDX-License-Identifier: ISC */
/* mailq and sendmail -q: pickup passes the question on to the queue manager. */
#include <stdio.h>
#include <time.h>

#include "core/clock.h"
#include "core/id.h"
#include "ipc/pickup.h"
#include "sendmail/submit.h"

#define ANSWER_MS 60000

static struct ipc *connect_pickup(const struct sendmail *s)
{
	const char *why = "";
	struct ipc *c = submit_connect(s, &why);

	if (c == NULL)
		complain(s, 0,
		    "the suite does not answer (%s/public/pickup: %s); mail "
		    "that was sent meanwhile waits in %s/drop",
		    s->house.run_directory, why, s->house.queue_directory);
	return c;
}

/* ---- the listing, in Postfix's columns ---- */

struct listing {
	char last[ID_LEN + 1];   /* the message of the row before */
	char reason[1024];       /* said last */
	uint64_t messages, size; /* octets */
};

/* Control octets never reach the terminal. */
static void print_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		putchar((unsigned char)s.p[i] < ' ' || s.p[i] == 127 ? '?'
								     : s.p[i]);
}

static void print_message(struct listing *l, const struct queue_row *r)
{
	char date[32] = "-";
	time_t t = (time_t)r->arrived;
	struct tm tm;

	if (l->messages++ == 0)
		printf("%-23s --Size-- ----Arrival Time---- "
		       "-Sender/Recipient-------\n",
		    "-Queue ID-");
	else
		putchar('\n');
	l->size += r->size;
	l->reason[0] = '\0';
	if (localtime_r(&t, &tm) != NULL)
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S", &tm);
	printf("%.*s%c %8llu %-20s ", STR_FMT(r->queue_id),
	    str_eq(r->state, STR("active"))     ? '*'
		: str_eq(r->state, STR("hold")) ? '!'
						: ' ',
	    (unsigned long long)r->size, date);
	print_text(r->sender.len > 0 ? r->sender : STR("MAILER-DAEMON"));
	putchar('\n');
}

static void print_row(struct listing *l, const struct queue_row *r)
{
	if (!str_eq(r->queue_id, str_from(l->last))) {
		(void)str_copy(l->last, sizeof(l->last), r->queue_id);
		print_message(l, r);
	}
	if (r->reason.len > 0 && !str_eq(r->reason, str_from(l->reason))) {
		(void)str_copy(l->reason, sizeof(l->reason), r->reason);
		printf("%28s(", "");
		print_text(r->reason);
		puts(")");
	}
	printf("%55s", "");
	print_text(r->recipient);
	putchar('\n');
}

static int take_rows(const struct sendmail *s, struct ipc *c)
{
	struct listing l = {.last = ""};
	const struct ipc_type *type;
	const struct queue_end *end;
	const void *msg;

	for (;;) {
		if (ipc_wait(c, &type, &msg, deadline_in(ANSWER_MS)) != IPC_OK)
			return complain(
			    s, EX_TEMPFAIL, "the suite does not answer");
		if (type == &queue_end)
			break;
		if (type == &queue_row)
			print_row(&l, msg);
	}
	end = msg;
	if (!end->ok)
		return complain(s, EX_TEMPFAIL, "%.*s", STR_FMT(end->text));
	if (l.messages == 0)
		puts("Mail queue is empty");
	else
		printf("\n-- %llu Kbytes in %llu Request%s.\n",
		    (unsigned long long)(l.size + 1023) / 1024,
		    (unsigned long long)l.messages, l.messages == 1 ? "" : "s");
	return EX_OK;
}

int queue_mode(struct sendmail *s)
{
	struct queue_ask ask = {.verb = QUEUE_LIST};
	struct ipc *c = connect_pickup(s);
	int status;

	if (c == NULL)
		return EX_TEMPFAIL;
	if (ipc_put(c, &queue_ask, &ask) < 0 ||
	    ipc_flush(c, deadline_in(ANSWER_MS)) != IPC_OK)
		status = complain(s, EX_TEMPFAIL, "the suite does not listen");
	else
		status = take_rows(s, c);
	ipc_close(&c);
	return status;
}

/* ---- flush ---- */

int flush_mode(struct sendmail *s)
{
	const struct options *o = &s->options;
	struct queue_ask ask = {
	    .verb = QUEUE_FLUSH, .queue_id = str_from(o->flush_id)};
	struct buf site = buf_new(1024);
	const struct queue_end *end;
	struct ipc *c = connect_pickup(s);
	const void *reply;
	int status = EX_OK;

	if (c == NULL)
		return EX_TEMPFAIL;
	if (o->flush_site[0] != '\0') {
		buf_printf(&site, "%s%s",
		    strchr(o->flush_site, '@') == NULL ? "@" : "",
		    o->flush_site);
		ask.recipient = buf_str(&site);
	} else if (o->flush_id[0] == '\0') {
		ask.all = true;
	}
	if (ipc_call(c, &queue_ask, &ask, &queue_end, &reply,
		deadline_in(ANSWER_MS)) != IPC_OK) {
		status = complain(s, EX_TEMPFAIL, "the suite does not answer");
	} else {
		end = reply;
		if (!end->ok)
			status = complain(s, EX_NOPERM,
			    "%.*s (authorized_flush_users)",
			    STR_FMT(end->text));
	}
	ipc_close(&c);
	buf_free(&site);
	return status;
}
