/* SPDX-License-Identifier: ISC */
/*
 * What stands before port 25, a front: it holds the clients that say nothing,
 * tests the strange ones, and hands the others with their first command to a
 * process of smtpd.
 *
 * client.c is a client from its connection to its end. access.c says who is
 * not tested, known.c what policyd knows, dnsbl.c what DNS lists say, count.c
 * how many a client has; line.c (a first line) and site.c (the parameter with
 * the lists) are pure. refuse.c talks with who is refused, and handover.c
 * keeps the connections to the processes of smtpd.
 */
#include "core/log.h"
#include "daemon/daemon.h"
#include "daemon/rehearsal.h"
#include "screen/access.h"
#include "screen/client.h"
#include "screen/dnsbl.h"
#include "screen/handover.h"
#include "screen/known.h"

#define DNS_TRIES 2

static struct screen_conf conf;
static struct sites sites;
static struct dns *dns; /* NULL: no lists */

static int check_proxies(const char *list)
{
	struct netaddr any = {.len = 0}; /* lies nowhere: all is read */
	struct str bad;

	if (netaddr_in_list(&any, str_from(list), &bad) >= 0)
		return 0;
	log_error("haproxy_trusted_networks: \"%.*s\" is not a network",
	    STR_FMT(bad));
	return -1;
}

/* Still privileged: tables and resolv.conf are read here. */
static int before_jail(void)
{
	const struct house_conf *house = daemon_house();
	const char *why;
	struct str bad;

	if (check_proxies(house->haproxy_trusted_networks) < 0)
		return -1;
	if (access_open(conf.postscreen_access_list, house->mynetworks,
		house->config_directory) < 0)
		return -1;
	if (sites_parse(str_from(conf.postscreen_dnsbl_sites), &sites, &bad,
		&why) < 0) {
		log_error(
		    "postscreen_dnsbl_sites: %.*s: %s", STR_FMT(bad), why);
		return -1;
	}
	if (sites.count == 0)
		return 0;
	dns = dns_open(daemon_loop(), house->dns_servers,
	    conf.postscreen_dnsbl_timeout / DNS_TRIES, DNS_TRIES, &why);
	if (dns != NULL)
		return 0;
	log_error("dns_servers: %s", why);
	return -1;
}

static int start(void)
{
	dnsbl_open(&conf, &sites, dns);
	known_open(&conf);
	handover_open();
	clients_open(&conf);
	return 0;
}

/* posthouse explain: what would be done with this client? */
static void explain(struct ipc *asker)
{
	struct rehearsal *r = rehearsal_new(asker, "screen", false);

	if (r != NULL)
		rehearsal_end(r, clients_rehearse(r));
}

int main(int argc, char **argv)
{
	static const struct daemon screen = {
	    .name = "screen",
	    .kind = DAEMON_FRONT,
	    .hands_over = true,
	    .params = screen_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = client_accept,
	    .drain = clients_drain,
	    .kick = clients_kick,
	    .explain = explain,
	};

	return daemon_main(&screen, argc, argv);
}
