/* SPDX-License-Identifier: ISC */
/*
 * The IMAP server, a forker: one process for one user's session (imapd(8)).
 *
 *	admit.c      how a session comes in: login, auth, lookup, the box
 *	session.c    the loop: waiting, reading, resting
 *	park.c       a silent client goes back to login, and comes again;
 *	             park_state.c: what is known of it meanwhile
 *	input.c      octets become whole commands; literals
 *	parser.c     the words of a command; set.c: sequence sets
 *	command.c    the table of commands, their common arguments
 *	cmd_*.c      a file for each family of commands
 *	fetch_*.c    what FETCH asks for, and the sections it sends
 *	search_*.c   what SEARCH asks for, and who has it
 *	list_*.c     names and patterns of LIST; status.h: STATUS
 *	sync.c       what others changed; qresync.c: what happened meanwhile
 *	response.c   answers and their buffer; write.c: their octets
 *	message.c    the message that is looked into
 *	utf7.c       mailbox names of IMAP4rev1
 */
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "daemon/house_store.h"
#include "ipc/trace.h"

#include "imapd/admit.h"
#include "imapd/session.h"

static struct imapd_conf conf;
static struct store *store;
static char notify[4200];

/* OpenSSL looks for its ciphers when first asked: once, before any fork. */
static void warm_up(void)
{
	static const unsigned char key[SEAL_KEY];
	struct buf out = buf_new(64), back = buf_new(64);

	if (seal_close(key, STR("x"), &out) < 0 ||
	    seal_open(key, buf_str(&out), &back) < 0)
		log_warning("sealing does not work: no client is parked");
	buf_free(&out);
	buf_free(&back);
}

/* As vmail: what the store makes is vmail's. */
static int start(void)
{
	const char *why = "";
	const struct house_conf *house = daemon_house();

	snprintf(notify, sizeof(notify), "%s/notify", house->run_directory);
	store = house_store_open(house, true, &why);
	if (store == NULL) {
		log_error("cannot open the store %s: %s",
		    house->mail_store_directory, why);
		return -1;
	}
	warm_up();
	return 0;
}

static void serve(struct conn *conn)
{
	struct admitted a;
	const struct admit_by by = {.conf = &conf,
	    .store = store,
	    .store_dir = daemon_house()->mail_store_directory,
	    .notify_dir = notify,
	    .ipc_timeout = daemon_house()->ipc_timeout};

	if (admit(conn->fd, &by, &a) < 0)
		return;
	struct session *s = a.session;
	s->draining = daemon_hurried;
	s->kicked = daemon_kicked;
	s->works = daemon_session_works;
	daemon_session(s->login, a.client, a.tls);
	if (!s->resumed)
		log_info("%s: session start: user=<%s>, client=%s", s->id.text,
		    s->login, a.client);
	daemon_count(s->resumed ? "resumed" : "sessions", 1);
	session_run(s, str_from(a.tag));
	daemon_count("commands", s->commands - a.commands_before);
	if (s->parked) {
		daemon_count("parked", 1);
		session_free(&s);
		return;
	}
	log_info("%s: session end: user=<%s>, client=%s, commands=%u, "
		 "in=%llu, out=%llu, seconds=%lld (%s)",
	    s->id.text, s->login, a.client, s->commands,
	    (unsigned long long)s->octets_in, (unsigned long long)s->octets_out,
	    (long long)(clock_seconds() - s->began),
	    s->ended != NULL ? s->ended : "logout");
	trace_event(TRACE_SESSION_END, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->login),
		.where = STR("imap"),
		.why = str_from(s->ended != NULL ? s->ended : "logout"),
		.number = s->commands});
	session_free(&s);
}

int main(int argc, char **argv)
{
	static const struct daemon imapd = {
	    .name = "imapd",
	    .kind = DAEMON_FORKER,
	    .params = imapd_params,
	    .conf = &conf,
	    .start = start,
	    .serve = serve,
	};

	return daemon_main(&imapd, argc, argv);
}
