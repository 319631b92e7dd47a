/* SPDX-License-Identifier: ISC */
/*
 * Services of type pass: the worker's side of ipc/pass.h. A worker keeps the
 * connection of a screen from one client to the next, so that a client costs
 * a message and no connection.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/observe.h"
#include "daemon/daemon_private.h"
#include "ipc/pass.h"

#define SCREEN_MS 5000 /* screen never waits before it speaks */

static bool hear(struct ipc *c, const struct ipc_type *want, const void **msg)
{
	const struct ipc_type *type;
	enum ipc_result r = ipc_wait(c, &type, msg, deadline_in(SCREEN_MS));

	if (r == IPC_OK && type == want)
		return true;
	if (r == IPC_OK)
		log_error("screen sent %s out of turn", type->name);
	else if (r != IPC_EOF)
		log_warning("screen: %s",
		    r == IPC_TIMEOUT ? "no word in time" : ipc_why(c));
	return false;
}

static bool say_ready(struct ipc *c, uint64_t served)
{
	struct pass_ready m = {served};

	return ipc_put(c, &pass_ready, &m) == 0 &&
	    ipc_flush(c, deadline_in(SCREEN_MS)) == IPC_OK;
}

/* The addresses that count: the socket's own, as the kernel says, or those of
 * a PROXY header, where the kernel says that a balancer we trust sent it. */
static bool place(struct conn *conn, const struct pass_client *m)
{
	struct str bad;

	conn->peer = netaddr_peer(conn->fd);
	conn->own = netaddr_own(conn->fd);
	if (m->client_address.len == 0 || conn->peer.len == 0)
		return conn->peer.len > 0;
	if (netaddr_in_list(&conn->peer,
		str_from(self.house.haproxy_trusted_networks), &bad) != 1) {
		log_error("screen believes a PROXY header from outside "
			  "haproxy_trusted_networks");
		return false;
	}
	return netaddr_parse(m->client_address, (uint16_t)m->client_port,
		   &conn->peer) == 0 &&
	    netaddr_parse(m->own_address, (uint16_t)m->own_port, &conn->own) ==
	    0;
}

static void serve(int fd, const struct pass_client *m)
{
	struct conn conn = {
	    .fd = fd, .service = self.service, .greeted = m->greeted};
	char found[64];

	if (str_copy(found, sizeof(found), m->found) < 0)
		found[0] = '\0';
	conn.found = found;
	if (id_parse(m->session, &conn.id) < 0)
		conn.id = id_new();
	daemon_feel_stress();
	int64_t began = observe_begin();
	if (place(&conn, m))
		self.daemon->serve(&conn);
	else
		close(fd); /* reset before we got it */
	observe_end("session", began);
	who_clear(&self.board->who[self.slot]);
	self.board->slots[self.slot].client = 0;
	board_served();
}

void pass_serve(int fd)
{
	struct ipc *c = ipc_server(fd, &pass_exchange);
	const struct board_slot *slot = &self.board->slots[self.slot];
	uint64_t before = slot->served;
	bool leaving = !hear(c, &pass_await, &(const void *){NULL});
	const void *msg;

	while (!leaving && say_ready(c, slot->served - before)) {
		/* From the shutdown on screen's sendmsg(2) fails; a client
		 * that came before is here, and is served. */
		if (daemon_idle(fd) == 0) {
			leaving = true;
			shutdown(fd, SHUT_RD);
		}
		if (!hear(c, &pass_client, &msg))
			break;
		int client = ipc_take_fd(c);
		if (client < 0) {
			log_error("screen passed no client");
			break;
		}
		serve(client, msg);
		leaving |= self.draining ||
		    slot->served - before >= (uint64_t)self.house.max_use;
	}
	ipc_close(&c);
}
