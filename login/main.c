/* SPDX-License-Identifier: ISC */
/*
 * The front door of retrieval, a front: it speaks IMAP or POP3 up to the
 * login, and then hands the client on to imapd or pop3d.
 *
 * client.c is a client from its connection to its login: TLS, SASL, timers.
 * imap.c and pop3.c hold the tables of commands, imap_words.c what IMAP's
 * are made of. broker.c asks auth. session.c hands the client over and keeps
 * the session's control connection; proxy.c joins a TLS client to its
 * session, parked.c holds a silent one without any; wakeups.c hears of
 * changed accounts. limits.c counts connections by address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "daemon/daemon.h"
#include "net/tls.h"
#include "store/notify.h"

#include "login/broker.h"
#include "login/client.h"
#include "login/session.h"

static struct login_conf conf;
static struct tls_server *tls; /* NULL when TLS is off */
static int notify_fd = -1;
static struct notify_filter *filter; /* NULL: all is told */

static void check_networks(const char *name, const char *list)
{
	struct netaddr any = {.len = 0};
	struct str bad;

	netaddr_parse(STR("192.0.2.1"), 0, &any);
	if (netaddr_in_list(&any, str_from(list), &bad) < 0)
		log_fatal("%s: %.*s is no network", name, STR_FMT(bad));
}

/* Still privileged: the key, and the directory of wake-up sockets. */
static int before_jail(void)
{
	const char *why;
	char *dir;

	check_networks(
	    "login_plaintext_networks", conf.login_plaintext_networks);
	check_networks("login_client_limit_exceptions",
	    conf.login_client_limit_exceptions);
	check_networks("haproxy_trusted_networks",
	    daemon_house()->haproxy_trusted_networks);
	if (conf.login_tls_security_level != TLS_NONE &&
	    conf.login_tls_chain_files[0] != '\0') {
		tls = tls_server_open(
		    conf.login_tls_chain_files, conf.login_tls_protocols, &why);
		if (tls == NULL)
			log_fatal("login_tls_chain_files: %s", why);
	}
	if (tls == NULL &&
	    (conf.login_tls_wrappermode ||
		conf.login_tls_security_level == TLS_ENCRYPT))
		log_fatal("TLS is demanded, but login_tls_chain_files is "
			  "empty or login_tls_security_level is none");
	if (conf.login_protocol != LOGIN_IMAP)
		return 0; /* what POP3 shows does not change in a session */
	if (asprintf(&dir, "%s/notify", daemon_house()->run_directory) < 0)
		return -1;
	notify_fd = notify_listen(dir, "login", &filter);
	if (notify_fd < 0)
		log_warning(
		    "%s: %s; sessions are not woken", dir, strerror(errno));
	free(dir);
	return 0;
}

static int start(void)
{
	clients_open(&conf, tls);
	sessions_open(&conf, notify_fd, filter);
	broker_open();
	return 0;
}

/* No new clients; those that are about to log in, and sessions, go on. */
static void drain(void)
{
	if (clients_none() && sessions_none())
		daemon_done();
}

/* Who has not logged in need not stay, nor who is held without a session. */
static void hurry(void)
{
	clients_drain();
	sessions_end_parked();
	drain();
}

/* Parked sessions are of IMAP. */
static void kick(struct str user, struct str client, struct str protocol)
{
	clients_kick(user, client, protocol);
	if (protocol.len == 0 || str_case_eq(protocol, STR("imap")))
		sessions_kick(user, client);
}

int main(int argc, char **argv)
{
	static const struct daemon login = {
	    .name = "login",
	    .kind = DAEMON_FRONT,
	    .params = login_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = client_accept,
	    .drain = drain,
	    .hurry = hurry,
	    .kick = kick,
	};

	return daemon_main(&login, argc, argv);
}
