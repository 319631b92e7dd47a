/* SPDX-License-Identifier: ISC */
/*
 * Questions go through c-ares, which knows about servers, repetition, EDNS
 * and TCP; answers are read by dns_answer.c, which keeps TTL and AD.
 */
#include "net/dns.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/observe.h"
#include "net/dns_answer.h"

#define EDNS_OCTETS 1232 /* fits an unfragmented packet */
#define PTR_NAMES   8    /* names of one client that are looked at */

/* A socket of c-ares and its watch. */
struct dns_socket {
	struct dns *dns;
	int fd;
	struct loop_watch *watch;
	struct dns_socket *next;
};

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct loop_timer *timer; /* c-ares' next repetition */
	struct dns_socket *sockets;
	bool trusted; /* all servers are on this host: AD means something */
	struct arena kept; /* the reply of dns_wait */
	struct dns_reply reply;
	bool waiting; /* for the reply of dns_wait */
};

struct dns_query {
	struct dns *dns;
	enum dns_type type;
	char name[DNS_NAME_TEXT_MAX];
	void (*done)(const struct dns_reply *reply, void *arg);
	void *arg;
	bool asking;    /* dns_ask has not returned yet */
	bool with_ares; /* its callback will still come */
	bool cancelled;
	int64_t began;          /* observe_begin */
	struct dns_reply early; /* failed while asking */
	struct loop_timer *later;
};

/* ---- c-ares on the loop ---- */

static void set_timer(struct dns *dns)
{
	struct timeval tv;

	if (ares_timeout(dns->channel, NULL, &tv) == NULL) {
		loop_timer_stop(dns->timer);
		return;
	}
	loop_timer_set(
	    dns->timer, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void socket_ready(unsigned what, void *arg)
{
	struct dns_socket *s = arg;
	struct dns *dns = s->dns;
	int fd = s->fd; /* s may end in the call */

	ares_process_fd(dns->channel, what & LOOP_READ ? fd : ARES_SOCKET_BAD,
	    what & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(dns);
}

static void timer_fired(void *arg)
{
	struct dns *dns = arg;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(dns);
}

/* c-ares says what to watch a socket for; neither: it will be closed. */
static void socket_state(void *arg, ares_socket_t fd, int reads, int writes)
{
	struct dns *dns = arg;
	struct dns_socket **at = &dns->sockets;
	unsigned what = (reads ? LOOP_READ : 0u) | (writes ? LOOP_WRITE : 0u);

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	struct dns_socket *s = *at;
	if (s != NULL && what != 0) {
		loop_watch_set(s->watch, what);
	} else if (s != NULL) {
		*at = s->next;
		loop_watch_free(&s->watch);
		free(s);
	} else if (what != 0) {
		s = NEW(struct dns_socket);
		s->dns = dns;
		s->fd = fd;
		s->next = dns->sockets;
		dns->sockets = s;
		s->watch = loop_watch_new(dns->loop, fd, what, socket_ready, s);
	}
}

/* ---- opening ---- */

/* "127.0.0.1:53", "[::1]:53", "192.0.2.1". */
static int parse_server(struct str word, struct netaddr *a)
{
	struct str host = word, port = STR("53");
	size_t colon = str_find_last(word, ':');
	uint64_t number;

	if (colon < word.len &&
	    (str_find(word, ':') == colon || word.p[colon - 1] == ']')) {
		host = str_sub(word, 0, colon);
		port = str_skip(word, colon + 1);
	}
	if (str_to_u64(port, 65535, &number) < 0 || number == 0)
		return -1;
	return netaddr_parse(host, (uint16_t)number, a);
}

bool dns_servers_valid(struct str servers, struct str *bad)
{
	struct netaddr a;

	while ((*bad = str_word(&servers, " ,\t\r\n")).len > 0)
		if (parse_server(*bad, &a) < 0)
			return false;
	return true;
}

/* As c-ares wants them; -1 when an entry is no address. */
static int servers_csv(struct str servers, struct buf *out, bool *loopback)
{
	struct str word;

	*loopback = true;
	while ((word = str_word(&servers, " ,\t\r\n")).len > 0) {
		struct netaddr a;
		char text[NETADDR_TEXT_MAX];

		if (parse_server(word, &a) < 0)
			return -1;
		netaddr_text(&a, text);
		*loopback = *loopback && netaddr_is_loopback(&a);
		buf_printf(out, strchr(text, ':') ? "%s[%s]:%u" : "%s%s:%u",
		    out->len > 0 ? "," : "", text, (unsigned)netaddr_port(&a));
	}
	return out->len > 0 && !out->overflow ? 0 : -1;
}

/* Whether all servers that c-ares took from resolv.conf are loopback. */
static bool only_loopback(ares_channel channel)
{
	struct ares_addr_port_node *list = NULL;
	bool all = true;

	if (ares_get_servers_ports(channel, &list) != ARES_SUCCESS)
		return false;
	for (struct ares_addr_port_node *n = list; n != NULL; n = n->next) {
		struct netaddr a = {.len = 0};
		a.u.sa.sa_family = (sa_family_t)n->family;
		if (n->family == AF_INET) {
			a.u.in.sin_addr = n->addr.addr4;
			a.len = sizeof(a.u.in);
		} else {
			memcpy(&a.u.in6.sin6_addr, &n->addr.addr6, 16);
			a.len = sizeof(a.u.in6);
		}
		all = all && netaddr_is_loopback(&a);
	}
	ares_free_data(list);
	return all;
}

static int set_servers(struct dns *dns, const char *servers, const char **why)
{
	struct buf csv = buf_new(8192);
	int result = 0;

	if (str_trim(str_from(servers)).len == 0) {
		dns->trusted = only_loopback(dns->channel);
		return 0;
	}
	if (servers_csv(str_from(servers), &csv, &dns->trusted) < 0) {
		*why = "dns_servers is not a list of addresses";
		result = -1;
	} else if (ares_set_servers_ports_csv(dns->channel, buf_text(&csv)) !=
	    ARES_SUCCESS) {
		*why = "c-ares does not take the servers";
		result = -1;
	}
	buf_free(&csv);
	return result;
}

struct dns *dns_open(struct loop *loop, const char *servers, int64_t timeout_ms,
    int tries, const char **why)
{
	static bool library;
	struct dns *dns = NEW(struct dns);
	char lookups[] = "b";
	struct ares_options options = {
	    .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
	    .ednspsz = EDNS_OCTETS,
	    .timeout = (int)timeout_ms,
	    .tries = tries,
	    .lookups = lookups,
	    .sock_state_cb = socket_state,
	    .sock_state_cb_data = dns,
	};

	dns->loop = loop;
	dns->kept = arena_new(DNS_ARENA_MAX);
	if (!library && ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		*why = "c-ares does not start";
		free(dns);
		return NULL;
	}
	library = true;
	int status = ares_init_options(&dns->channel, &options,
	    ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
		ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS) {
		*why = ares_strerror(status);
		free(dns);
		return NULL;
	}
	dns->timer = loop_timer_new(loop, timer_fired, dns);
	if (set_servers(dns, servers, why) < 0)
		dns_close(&dns);
	return dns;
}

void dns_close(struct dns **dns)
{
	struct dns *d = *dns;

	if (d == NULL)
		return;
	*dns = NULL;
	ares_destroy(d->channel); /* ends every query and socket */
	loop_timer_free(&d->timer);
	arena_free(&d->kept);
	free(d);
}

/* ---- asking ---- */

static void query_free(struct dns_query *q)
{
	loop_timer_free(&q->later);
	free(q);
}

static struct dns_reply status_reply(int status)
{
	struct dns_reply r = {.status = DNS_TEMPORARY};

	r.why = status == ARES_ETIMEOUT ? "timeout"
	    : status == ARES_ECONNREFUSED
	    ? "no name server has an answer: SERVFAIL, REFUSED or away"
	    : status == ARES_ESERVFAIL ? "SERVFAIL"
	    : status == ARES_EREFUSED  ? "REFUSED"
				       : "name server failure";
	return r;
}

static void tell(struct dns_query *q, const struct dns_reply *reply)
{
	void (*done)(const struct dns_reply *, void *) = q->done;
	void *arg = q->arg;

	query_free(q);
	done(reply, arg);
}

static void tell_early(void *arg)
{
	struct dns_query *q = arg;
	struct dns_reply reply = q->early;

	tell(q, &reply);
}

static void answered(
    void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct dns_query *q = arg;
	struct dns *dns = q->dns;

	(void)timeouts;
	q->with_ares = false;
	if (q->asking) {
		q->early = status_reply(status);
		return;
	}
	if (q->cancelled || status == ARES_EDESTRUCTION) {
		query_free(q);
		return;
	}
	observe_end("dns", q->began);
	struct arena arena = arena_new(DNS_ARENA_MAX);
	struct dns_reply reply = bytes == NULL || len <= 0
	    ? status_reply(status)
	    : dns_answer_parse(str_of(bytes, (size_t)len), str_from(q->name),
		  q->type, &arena);
	reply.authentic = reply.authentic && dns->trusted;
	/* dns_wait keeps the records. */
	bool keep = q->arg == dns && dns->waiting;
	tell(q, &reply);
	if (keep) {
		arena_free(&dns->kept);
		dns->kept = arena;
	} else {
		arena_free(&arena);
	}
}

/* To c-ares a backslash takes the meaning from what follows it. */
static void escape(const char *name, char out[2 * DNS_NAME_TEXT_MAX])
{
	for (; *name != '\0'; name++) {
		if (*name == '\\')
			*out++ = '\\';
		*out++ = *name;
	}
	*out = '\0';
}

static void send_query(struct dns_query *q)
{
	unsigned char *packet = NULL;
	int len = 0;
	unsigned short id = 0;

	char name[2 * DNS_NAME_TEXT_MAX];

	escape(q->name, name);
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id) ||
	    ares_create_query(name, 1, (int)q->type, id, 1, &packet, &len,
		EDNS_OCTETS) != ARES_SUCCESS) {
		q->early = (struct dns_reply){
		    .status = DNS_BAD, .why = "not a name"};
		return;
	}
	packet[3] |= 0x20; /* AD asks for AD, RFC 6840 section 5.7 */
	q->with_ares = true;
	ares_send(q->dns->channel, packet, len, answered, q);
	ares_free_string(packet);
	set_timer(q->dns);
}

struct dns_query *dns_ask(struct dns *dns, struct str name, enum dns_type type,
    void (*done)(const struct dns_reply *reply, void *arg), void *arg)
{
	struct dns_query *q = NEW(struct dns_query);

	q->dns = dns;
	q->type = type;
	q->done = done;
	q->arg = arg;
	q->asking = true;
	q->began = observe_begin();
	if (dns_name_askable(name) &&
	    str_copy(q->name, sizeof(q->name), name) == 0)
		send_query(q);
	else
		q->early = (struct dns_reply){
		    .status = DNS_BAD, .why = "not a name"};
	q->asking = false;
	if (!q->with_ares) {
		q->later = loop_timer_new(dns->loop, tell_early, q);
		loop_timer_set(q->later, 0);
	}
	return q;
}

void dns_cancel(struct dns_query **query)
{
	struct dns_query *q = *query;

	if (q == NULL)
		return;
	*query = NULL;
	q->cancelled = true;
	if (!q->with_ares)
		query_free(q); /* else its callback does */
}

/* ---- waiting ---- */

static void waited(const struct dns_reply *reply, void *arg)
{
	struct dns *dns = arg;

	dns->reply = *reply;
	dns->waiting = false;
}

const struct dns_reply *dns_wait(
    struct dns *dns, struct str name, enum dns_type type, int64_t deadline)
{
	dns->waiting = true;
	struct dns_query *q = dns_ask(dns, name, type, waited, dns);
	while (dns->waiting) {
		int left = deadline_left(deadline);
		if (left == 0) {
			dns_cancel(&q);
			dns->waiting = false;
			dns->reply = (struct dns_reply){
			    .status = DNS_TEMPORARY, .why = "timeout"};
			break;
		}
		loop_turn(dns->loop, left);
	}
	return &dns->reply;
}

/* Whether one of name's addresses is text. */
static enum dns_status leads_back(
    struct dns *dns, struct str name, const char *text, int64_t deadline)
{
	const struct dns_reply *r = dns_wait(
	    dns, name, strchr(text, ':') != NULL ? DNS_AAAA : DNS_A, deadline);
	char found[NETADDR_TEXT_MAX];

	if (r->status == DNS_TEMPORARY)
		return DNS_TEMPORARY;
	for (size_t i = 0; r->status == DNS_OK && i < r->count; i++) {
		netaddr_text(&r->records[i].addr, found);
		if (strcmp(found, text) == 0)
			return DNS_OK;
	}
	return DNS_NO_NAME;
}

enum dns_status dns_client_name(struct dns *dns, const struct netaddr *client,
    char out[256], int64_t deadline)
{
	char reverse[80], question[112], text[NETADDR_TEXT_MAX];
	char names[PTR_NAMES][256];
	size_t count = 0;
	enum dns_status result = DNS_NO_NAME;

	snprintf(out, 256, "unknown");
	netaddr_reverse(client, reverse);
	netaddr_text(client, text);
	if (reverse[0] == '\0')
		return DNS_NO_NAME;
	snprintf(question, sizeof(question), "%s.%s", reverse,
	    strchr(text, ':') != NULL ? "ip6.arpa" : "in-addr.arpa");
	const struct dns_reply *r = dns_wait(
	    dns, str_from(question), DNS_PTR, deadline);
	if (r->status == DNS_TEMPORARY)
		return DNS_TEMPORARY;
	for (size_t i = 0; r->status == DNS_OK && i < r->count; i++)
		if (count < PTR_NAMES && r->records[i].name.len > 0 &&
		    str_copy(names[count], 256, r->records[i].name) == 0)
			count++;
	if (count > 0)
		result = DNS_NO_DATA;
	for (size_t i = 0; i < count; i++) {
		enum dns_status found = leads_back(
		    dns, str_from(names[i]), text, deadline);
		if (found == DNS_OK) {
			snprintf(out, 256, "%s", names[i]);
			return DNS_OK;
		}
		if (found == DNS_TEMPORARY)
			result = DNS_TEMPORARY;
	}
	return result;
}
