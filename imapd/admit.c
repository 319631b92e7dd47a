/* SPDX-License-Identifier: ISC */
#include "imapd/admit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/confine.h"
#include "ipc/auth.h"
#include "ipc/limits.h"
#include "ipc/lookup.h"
#include "ipc/session.h"

#include "imapd/park.h"

#define ACCOUNT_MAX 512

struct admission {
	struct ipc *control;
	int client_fd;
	struct id id;
	char ticket[IPC_TICKET_MAX + 1];
	char pass[IPC_PASS_MAX + 1], key[IPC_SEAL_MAX + 1];
	char account[ACCOUNT_MAX + 1];
	/* one that was parked */
	bool parked;
	struct buf sealed, plain;
	struct park_state state;
	struct view *view;
	struct session_resume resume; /* its numbers */
	uint64_t quota_octets, quota_messages;
	struct box *box;
	struct buf early;
	/* why not */
	const char *text; /* for the client */
	bool temporary;
	char reason[256]; /* for the log */
};

static int refuse(struct admission *a, bool temporary, const char *text,
    const char *reason, const char *detail)
{
	a->temporary = temporary;
	a->text = text;
	snprintf(a->reason, sizeof(a->reason), "%s%s%s", reason,
	    detail[0] != '\0' ? ": " : "", detail);
	return -1;
}

static void take_start(struct admission *a, const struct session_start *start,
    struct admitted *out)
{
	if (id_parse(start->session, &a->id) < 0)
		a->id = id_new();
	str_copy(a->ticket, sizeof(a->ticket), start->ticket);
	str_copy(out->tag, sizeof(out->tag), start->tag);
	str_copy(out->client, sizeof(out->client), start->client_address);
	out->tls = start->tls;
	a->early = buf_new(start->input.len + 1);
	buf_add(&a->early, start->input);
}

static void take_resume(struct admission *a,
    const struct session_resume *resume, struct admitted *out)
{
	a->parked = true;
	if (id_parse(resume->session, &a->id) < 0)
		a->id = id_new();
	str_copy(a->account, sizeof(a->account), resume->login);
	str_copy(a->pass, sizeof(a->pass), resume->pass);
	str_copy(out->client, sizeof(out->client), resume->client_address);
	out->tls = resume->tls;
	out->commands_before = (unsigned)resume->commands;
	a->sealed = buf_new(resume->state.len + 1);
	buf_add(&a->sealed, resume->state);
	a->early = buf_new(resume->input.len + 1);
	buf_add(&a->early, resume->input);
	a->resume = *resume; /* the views in it are not used any more */
}

/* login's message. What is refused here has no connection to answer on. */
static int hear(struct admission *a, int64_t deadline, struct admitted *out)
{
	const struct ipc_type *type;
	const void *msg;
	enum ipc_result r = ipc_wait(a->control, &type, &msg, deadline);

	if (r != IPC_OK || (type != &session_start && type != &session_resume))
		return refuse(a, true, "", "no word from login",
		    r == IPC_BROKEN ? ipc_why(a->control) : "");
	a->client_fd = ipc_take_fd(a->control);
	if (a->client_fd < 0)
		return refuse(
		    a, true, "Internal error", "login sent no descriptor", "");
	if (type == &session_start)
		take_start(a, msg, out);
	else
		take_resume(a, msg, out);
	return 0;
}

static int redeem(struct admission *a, int64_t deadline)
{
	const char *why = "", *reason = NULL;
	const void *reply;
	struct auth_redeem ask = {.request = 1,
	    .ticket = str_from(a->ticket),
	    .service = STR("imap"),
	    .session = id_str(&a->id)};
	struct ipc *auth;

	if (ipc_ask(&auth, "auth", &auth_exchange, &auth_redeem, &ask,
		&auth_redeemed, &reply, deadline, &why) != IPC_OK) {
		reason = "cannot ask auth";
	} else {
		const struct auth_redeemed *r = reply;

		if (!r->ok ||
		    str_copy(a->account, sizeof(a->account), r->login) < 0)
			reason = "auth does not know the ticket";
		str_copy(a->pass, sizeof(a->pass), r->pass);
		str_copy(a->key, sizeof(a->key), r->key);
	}
	ipc_close(&auth);
	return reason == NULL
	    ? 0
	    : refuse(a, true, "Authentication is away", reason, why);
}

/* Is the user still there, with the same password? */
static int show_pass(struct admission *a, int64_t deadline)
{
	const char *why = "", *reason = NULL;
	const void *reply;
	bool temporary = true;
	struct auth_resume ask = {.request = 1,
	    .login = str_from(a->account),
	    .service = STR("imap"),
	    .session = id_str(&a->id),
	    .pass = str_from(a->pass)};
	struct ipc *auth;

	if (ipc_ask(&auth, "auth", &auth_exchange, &auth_resume, &ask,
		&auth_resumed, &reply, deadline, &why) != IPC_OK) {
		reason = "cannot ask auth";
	} else {
		const struct auth_resumed *r = reply;

		temporary = r->temporary;
		if (!r->ok)
			reason = "auth does not let it come back";
		str_copy(a->pass, sizeof(a->pass), r->pass);
		str_copy(a->key, sizeof(a->key), r->key);
	}
	ipc_close(&auth);
	if (reason == NULL)
		return 0;
	return refuse(a, temporary,
	    temporary ? "Authentication is away"
		      : "The account or its password has changed",
	    reason, why);
}

static int unseal(struct admission *a)
{
	const char *why;

	a->plain = buf_new(SESSION_STATE_MAX);
	if (park_open(str_from(a->key), buf_str(&a->sealed), &a->plain,
		&a->state, &why) < 0)
		return refuse(a, false, "The session cannot go on",
		    "the parked state is not good", why);
	return 0;
}

static int find_quota(struct admission *a, int64_t deadline)
{
	const char *why = "", *reason = NULL;
	const void *reply;
	struct lookup_resolve ask = {
	    .request = 1, .address = str_from(a->account)};
	struct ipc *lookup;

	if (ipc_ask(&lookup, "lookup", &lookup_exchange, &lookup_resolve, &ask,
		&lookup_resolved, &reply, deadline, &why) != IPC_OK) {
		reason = "cannot ask lookup";
	} else {
		const struct lookup_resolved *r = reply;

		if (r->status == RESOLVE_TEMPORARY)
			reason = "lookup cannot say";
		a->quota_octets = r->quota_storage;
		a->quota_messages = r->quota_messages;
	}
	ipc_close(&lookup);
	return reason == NULL
	    ? 0
	    : refuse(a, true, "The directory is away", reason, why);
}

static int open_box(struct admission *a, struct store *store, int64_t deadline)
{
	enum store_result r = box_open(
	    store, str_from(a->account), deadline, &a->box);

	if (r != STORE_OK)
		return refuse(a, r != STORE_CORRUPT,
		    "The mailboxes cannot be opened", "store",
		    store_result_name(r));
	box_set_quota(a->box, a->quota_octets, a->quota_messages);
	return 0;
}

/* From here on no other account's files can be opened. The store syncs the
 * directories above a new account's. */
static int confine(struct admission *a, const struct admit_by *by)
{
	enum store_result r = box_prepare(a->box);
	int directory = r == STORE_OK ? box_directory(a->box) : -1;

	if (directory < 0)
		return refuse(a, true, "The mailboxes cannot be opened",
		    "store", store_why(a->box));
	if (confine_to(directory, by->store_dir, by->notify_dir) < 0)
		return refuse(a, true, "Internal error", "cannot confine",
		    strerror(errno));
	return 0;
}

/* The mailbox as the client knows it. */
static int reopen(struct admission *a)
{
	enum store_result r;

	if (!a->parked)
		return 0;
	r = park_view(a->box, &a->state, &a->view);
	if (r == STORE_OK)
		return 0;
	if (r == STORE_GONE || r == STORE_NO_MAILBOX)
		return refuse(a, false,
		    "The selected mailbox has changed too much", "view",
		    store_why(a->box));
	return refuse(a, r != STORE_CORRUPT, "The mailboxes cannot be opened",
	    "store", store_why(a->box));
}

static int answer(struct admission *a, int64_t deadline)
{
	struct session_ready ready = {.login = str_from(a->account)};

	if (ipc_put(a->control, &session_ready, &ready) < 0 ||
	    ipc_flush(a->control, deadline) != IPC_OK)
		return refuse(a, true, "", "login is gone", "");
	return 0;
}

static void say_no(struct admission *a, int64_t deadline)
{
	struct session_no no = {
	    .temporary = a->temporary, .text = str_from(a->text)};

	log_warning("%s: session refused: user=<%s>: %s",
	    a->id.text[0] != '\0' ? a->id.text : "NOSESSION", a->account,
	    a->reason);
	if (ipc_put(a->control, &session_no, &no) == 0)
		ipc_flush(a->control, deadline);
	if (a->view != NULL)
		view_close(&a->view);
	if (a->box != NULL)
		box_close(&a->box);
	file_close(&a->client_fd);
	ipc_close(&a->control);
}

static void forget(struct admission *a)
{
	buf_free(&a->early);
	buf_free(&a->sealed);
	buf_free(&a->plain);
	mem_wipe(a->key, sizeof(a->key));
}

/* Who it is, and what the account may hold. */
static int identify(struct admission *a, int64_t deadline)
{
	if (!a->parked)
		return redeem(a, deadline) < 0 ? -1 : find_quota(a, deadline);
	if (show_pass(a, deadline) < 0 || unseal(a) < 0)
		return -1;
	a->quota_octets = a->state.quota_octets;
	a->quota_messages = a->state.quota_messages;
	return 0;
}

static struct session *make(struct admission *a, const struct admit_by *by)
{
	struct session *s = session_new(by->conf, a->client_fd, a->control,
	    a->box, str_from(a->account), &a->id, buf_str(&a->early));

	s->quota_octets = a->quota_octets;
	s->quota_messages = a->quota_messages;
	park_admit(s, str_from(a->pass), str_from(a->key));
	if (!a->parked)
		return s;
	park_restore(s, &a->state, a->view);
	s->silence_left = (int64_t)a->resume.timeout;
	s->began = (int64_t)a->resume.began;
	s->commands = (unsigned)a->resume.commands;
	s->octets_in = a->resume.octets_in;
	s->octets_out = a->resume.octets_out;
	return s;
}

int admit(int control_fd, const struct admit_by *by, struct admitted *out)
{
	int64_t deadline = deadline_in(by->ipc_timeout);
	struct admission a = {.client_fd = -1, .text = ""};

	memset(out, 0, sizeof(*out));
	a.control = ipc_server(control_fd, &session_exchange);
	if (hear(&a, deadline, out) < 0 || identify(&a, deadline) < 0 ||
	    open_box(&a, by->store, deadline) < 0 || confine(&a, by) < 0 ||
	    reopen(&a) < 0 || answer(&a, deadline) < 0) {
		say_no(&a, deadline_in(1000));
		forget(&a);
		return -1;
	}
	out->session = make(&a, by);
	forget(&a);
	return 0;
}
