/* SPDX-License-Identifier: ISC */
/* Workers behind a load balancer that says who the client is. */
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon_private.h"
#include "net/proxy_protocol.h"

static bool is_trusted(const struct conn *conn)
{
	struct str bad;

	return netaddr_in_list(&conn->peer,
		   str_from(self.house.haproxy_trusted_networks), &bad) == 1;
}

bool daemon_take_proxy(struct conn *conn, int64_t timeout_ms)
{
	const char *why = "not in haproxy_trusted_networks";
	enum proxy_result r = PROXY_BAD;
	char peer[NETADDR_TEXT_MAX];
	struct proxy_header h = {0};

	if (is_trusted(conn))
		r = proxy_wait(conn->fd, deadline_in(timeout_ms), &h, &why);
	if (r == PROXY_OK) {
		if (!h.local) {
			conn->peer = h.from;
			conn->own = h.to;
		}
		return true;
	}
	netaddr_text(&conn->peer, peer);
	log_warning("PROXY header of [%s]:%u: %s", peer,
	    netaddr_port(&conn->peer),
	    r == PROXY_GONE ? "it did not come in time" : why);
	close(conn->fd);
	return false;
}
