/* SPDX-License-Identifier: ISC */
/*
 * POP3 sessions: a warm parent forks a process for each connection of login,
 * which brings one user's client (ipc/session.h).
 *
 * session.c talks to the client, command.c holds the table of commands,
 * stuff.c is dot-stuffing. This file is what comes before: whose session it
 * is, and whether the mailbox can be had.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/confine.h"
#include "daemon/daemon.h"
#include "daemon/house_store.h"
#include "ipc/auth.h"
#include "ipc/limits.h"
#include "ipc/session.h"

#include "pop3d/session.h"

static struct pop3d_conf conf;
static struct store *store;
static char notify[4200];

/* What this session was started with. */
struct visit {
	struct ipc *control; /* of login */
	int fd;              /* the client; -1: the session has it */
	struct id id;
	char ticket[IPC_TICKET_MAX + 1];
	char login[IPC_ADDRESS_MAX + 1];
	char client[IPC_HOST_MAX + 1];
	bool tls;
	struct buf input;
};

static void refuse(struct visit *v, bool temporary, const char *text)
{
	struct session_no no = {temporary, str_from(text)};

	log_info("%s: session refused: user=<%s>, client=%s: %s", v->id.text,
	    v->login, v->client, text);
	ipc_put(v->control, &session_no, &no);
	ipc_flush(v->control, deadline_in(daemon_house()->ipc_timeout));
}

/* login says whose client it is, and hands it over. */
static int receive(struct visit *v)
{
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r = ipc_wait(
	    v->control, &type, &msg, deadline_in(daemon_house()->ipc_timeout));

	if (r == IPC_EOF)
		return -1; /* the client has left meanwhile */
	if (r != IPC_OK || type != &session_start) {
		log_warning("login: %s",
		    r == IPC_BROKEN ? ipc_why(v->control)
				    : "no session was started");
		return -1;
	}
	const struct session_start *m = msg;
	v->fd = ipc_take_fd(v->control);
	if (id_parse(m->session, &v->id) < 0)
		v->id = id_new();
	(void)str_copy(v->client, sizeof(v->client), m->client_address);
	v->tls = m->tls;
	buf_add(&v->input, m->input);
	if (v->fd < 0 ||
	    str_copy(v->ticket, sizeof(v->ticket), m->ticket) < 0) {
		log_warning("login sent no client");
		return -1;
	}
	return 0;
}

/* Asks auth, not login, who the user is. */
static int redeem(struct visit *v)
{
	int64_t deadline = deadline_in(daemon_house()->ipc_timeout);
	struct auth_redeem ask = {
	    1, str_from(v->ticket), STR("pop3"), id_str(&v->id)};
	const char *why = "";
	const void *reply;
	struct ipc *auth;
	enum ipc_result r = ipc_ask(&auth, "auth", &auth_exchange, &auth_redeem,
	    &ask, &auth_redeemed, &reply, deadline, &why);
	const struct auth_redeemed *answer = reply;
	bool ok = r == IPC_OK && answer->ok &&
	    str_copy(v->login, sizeof(v->login), answer->login) == 0;
	ipc_close(&auth);
	if (ok)
		return 0;
	if (r != IPC_OK)
		log_warning("auth: %s", why);
	refuse(v, true,
	    r == IPC_OK ? "the login has expired" : "auth does not answer");
	return -1;
}

/* Opens, locks and counts the mailbox (RFC 1939 section 4: the lock is
 * exclusive for the session). */
static int open_box(struct visit *v, struct box **box, struct view **view)
{
	enum store_result r = box_open(store, str_from(v->login),
	    deadline_in(conf.pop3_lock_timeout), box);

	if (r == STORE_OK)
		r = box_pop3_lock(*box);
	if (r == STORE_OK)
		r = view_open(*box, box_find(*box, STR("INBOX"))->id, view);
	if (r == STORE_OK)
		return 0;
	if (r == STORE_BUSY) {
		refuse(
		    v, true, "[IN-USE] Another POP3 session has the mailbox");
	} else {
		log_warning("%s: cannot open: %s", v->login,
		    *box != NULL ? store_why(*box) : store_result_name(r));
		refuse(v, true, "[SYS/TEMP] The mailbox cannot be opened now");
	}
	return -1;
}

/* From here on no other account's files can be opened. The store syncs the
 * directories above a new account's. */
static int confine(struct visit *v, struct box *box)
{
	const char *why = "";
	int directory = -1;

	if (box_prepare(box) == STORE_OK)
		directory = box_directory(box);
	if (directory < 0)
		why = store_why(box);
	else if (confine_to(directory, daemon_house()->mail_store_directory,
		     notify) < 0)
		why = strerror(errno);
	else
		return 0;
	log_warning("%s: cannot confine the session: %s", v->login, why);
	refuse(v, true, "[SYS/TEMP] The mailbox cannot be opened now");
	return -1;
}

/* login learns that the session begins before the client does: it must have
 * stopped looking at the socket. */
static int announce(struct visit *v)
{
	struct session_ready ready = {str_from(v->login)};

	ipc_put(v->control, &session_ready, &ready);
	return ipc_flush(v->control,
		   deadline_in(daemon_house()->ipc_timeout)) == IPC_OK
	    ? 0
	    : -1;
}

/* In a process of its own. */
static void serve(struct conn *conn)
{
	struct visit v = {.control = ipc_server(conn->fd, &session_exchange),
	    .fd = -1,
	    .input = buf_new(IPC_LINE_MAX)};
	struct box *box = NULL;
	struct view *view = NULL;

	if (receive(&v) == 0 && redeem(&v) == 0 &&
	    open_box(&v, &box, &view) == 0 && confine(&v, box) == 0 &&
	    announce(&v) == 0) {
		daemon_count("sessions", 1);
		daemon_session(v.login, v.client, v.tls);
		session_run(&conf, v.fd, box, view, v.login, v.client, &v.id,
		    buf_str(&v.input));
		v.fd = -1;
	}
	if (view != NULL)
		view_close(&view);
	if (box != NULL)
		box_close(&box);
	file_close(&v.fd);
	buf_free(&v.input);
	ipc_close(&v.control);
}

static int start(void)
{
	const char *why = "";
	const struct house_conf *house = daemon_house();

	snprintf(notify, sizeof(notify), "%s/notify", house->run_directory);
	store = house_store_open(house, true, &why);
	if (store == NULL) {
		log_error("%s: %s", house->mail_store_directory, why);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon pop3d = {
	    .name = "pop3d",
	    .kind = DAEMON_FORKER,
	    .params = pop3d_params,
	    .conf = &conf,
	    .start = start,
	    .serve = serve,
	};

	return daemon_main(&pop3d, argc, argv);
}
