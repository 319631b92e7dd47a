/* SPDX-License-Identifier: ISC */
/*
 * The SMTP server, a worker: it serves one client at a time, as MX (role
 * smtpd), for submission or for LMTP.
 *
 * session.c is the conversation, command.c holds the table of commands.
 * transaction.c takes a message from MAIL to the reply to its final dot and
 * streams it to cleanup while it arrives; recipient.c decides about RCPT,
 * auth.c about logins. envelope.c (arguments of MAIL and RCPT) and data.c
 * (the decoder of DATA) are pure. peer.c keeps the connections to the daemons
 * that are asked, question.c asks lookup, and rule.c names the rules by which
 * mail is refused. verification.c finds out where a message comes from while it
 * arrives, disposition.c what is to become of it for that, spared.c who is
 * spared, findings.c tells the log and the trace, report_row.c tells reportd. What posthouse explain says comes from here too: it plays a
 * client (daemon/rehearsal.h), and every rule tells what it decided.
 */
#include "core/log.h"
#include "daemon/daemon.h"
#include "ipc/auth.h"
#include "ipc/cleanup.h"
#include "ipc/lookup.h"
#include "ipc/policy.h"
#include "ipc/report.h"
#include "net/dns.h"
#include "net/tls.h"
#include "smtpd/session.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/verification.h"

#define DNS_TIMEOUT_MS 2000
#define DNS_TRIES      2

static struct smtpd_conf conf;
static struct server server = {
    .conf = &conf,
    .cleanup = {.socket = "cleanup", .exchange = &cleanup_exchange},
    .lookup = {.socket = "lookup", .exchange = &lookup_exchange},
    .auth = {.socket = "auth", .exchange = &auth_exchange},
    .policy = {.socket = "policyd", .exchange = &policy_exchange},
    .reportd = {.socket = "reportd", .exchange = &report_exchange},
};

static int open_tls(void)
{
	const char *why = "";

	if (conf.smtpd_tls_chain_files[0] == '\0') {
		if (server.role == ROLE_SUBMISSION ||
		    conf.smtpd_tls_wrappermode ||
		    conf.smtpd_tls_security_level == TLS_ENCRYPT)
			log_warning("smtpd_tls_chain_files is empty: without "
				    "TLS nobody can send through %s",
			    daemon_service());
		return 0;
	}
	if (conf.smtpd_tls_security_level == TLS_NONE &&
	    server.role != ROLE_SUBMISSION && !conf.smtpd_tls_wrappermode)
		return 0;
	server.tls = tls_server_open(
	    conf.smtpd_tls_chain_files, conf.smtpd_tls_protocols, &why);
	if (server.tls != NULL)
		return 0;
	log_error("smtpd_tls_chain_files: %s", why);
	return -1;
}

/* Still privileged: keys and resolv.conf are read here. */
static int before_jail(void)
{
	const char *why = "";

	server.house = daemon_house();
	if (strcmp(daemon_role(), "submission") == 0) {
		server.role = ROLE_SUBMISSION;
		server.cleanup.socket = "cleanup-submit";
	} else if (strcmp(daemon_role(), "lmtpd") == 0) {
		server.role = ROLE_LMTP;
	}
	if (open_tls() < 0 || verification_open(&server) < 0)
		return -1;
	if (!conf.smtpd_peername_lookup && server.verification == NULL)
		return 0;
	server.dns = dns_open(daemon_loop(), server.house->dns_servers,
	    DNS_TIMEOUT_MS, DNS_TRIES, &why);
	if (server.dns != NULL)
		return 0;
	log_error("dns_servers: %s", why);
	return -1;
}

/* Returns when the client is gone. */
static void serve(struct conn *conn)
{
	/* Of clients that come from screen it has taken the header. */
	if (conf.smtpd_upstream_proxy_protocol != 0 && !conn->greeted &&
	    !daemon_take_proxy(conn, conf.smtpd_upstream_proxy_timeout))
		return;
	session_run(&server, conn);
}

/* posthouse explain: the session of one client, as it would be. */
static void explain(struct ipc *asker)
{
	struct conn conn;

	server.rehearsal = rehearsal_new(
	    asker, "smtpd", server.role == ROLE_LMTP);
	if (server.rehearsal == NULL)
		return;
	conn = rehearsal_connect(server.rehearsal);
	rehearsal_speak(server.rehearsal);
	session_run(&server, &conn);
	rehearsal_end(server.rehearsal, false);
}

int main(int argc, char **argv)
{
	static const struct daemon smtpd = {
	    .name = "smtpd",
	    .kind = DAEMON_WORKER,
	    .params = smtpd_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .serve = serve,
	    .explain = explain,
	};

	return daemon_main(&smtpd, argc, argv);
}
