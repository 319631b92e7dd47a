/* SPDX-License-Identifier: ISC */
#include "smtp/route.h"

#include <idn2.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "core/log.h"
#include "core/memory.h"
#include "mail/address.h"
#include "smtp/nexthop.h"

#define HOSTS_MAX     32 /* exchangers of one domain that are looked at */
#define ADDRESSES_MAX 16 /* of one host and family */

struct router {
	struct dns *dns;
	const struct smtp_conf *conf;
	const struct house_conf *house;
	struct netaddr *own;
	size_t own_count;
	struct explain *explain; /* NULL: nobody asks why */
};

/* One exchanger whose addresses are asked for. */
struct host {
	struct search *search;
	char name[256];
	uint16_t preference;
	struct netaddr found[2][ADDRESSES_MAX]; /* IPv4, IPv6 */
	size_t count[2];
};

/* One next hop that is being looked up. */
struct search {
	struct router *router;
	void (*done)(const struct route *route, void *arg);
	void *arg;
	char domain[256];
	uint16_t port;
	bool by_mx;
	bool temporary;   /* a question had no answer */
	const char *why;  /* of that question: "timeout", "SERVFAIL" */
	size_t questions; /* under way */
	size_t host_count;
	struct host *hosts;
};

/* ---- the end of a search ---- */

static void finish(struct search *s, struct route *r)
{
	r->by_mx = s->by_mx;
	s->done(r, s->arg);
	free(s->hosts);
	free(s);
}

static void fail(struct search *s, enum dsn_action action, const char *code,
    const char *format, const char *what)
{
	struct route r = {
	    .action = action, .whole_hop = action == DSN_DEFERRED};
	size_t used;

	snprintf(r.code, sizeof(r.code), "%s", code);
	/* Every format has at most one %s. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(r.text, sizeof(r.text), format, what);
#pragma GCC diagnostic pop
	used = strlen(r.text);
	if (action == DSN_DEFERRED && s->why != NULL)
		snprintf(r.text + used, sizeof(r.text) - used, " (%s)", s->why);
	finish(s, &r);
}

/* ---- addresses become targets ---- */

static bool is_own(const struct router *r, const struct netaddr *a)
{
	char text[NETADDR_TEXT_MAX], own[NETADDR_TEXT_MAX];

	if (netaddr_port(a) != 25)
		return false;
	netaddr_text(a, text);
	for (size_t i = 0; i < r->own_count; i++) {
		netaddr_text(&r->own[i], own);
		if (strcmp(own, text) == 0)
			return true;
	}
	return false;
}

static void add_target(
    struct route *out, const struct host *h, const struct netaddr *a)
{
	struct target *t = &out->targets[out->count];

	if (out->count == ROUTE_TARGETS_MAX)
		return;
	out->count++;
	t->addr = *a;
	t->preference = h->preference;
	memcpy(t->host, h->name, sizeof(t->host));
	netaddr_text(a, t->address);
}

static void add_host(
    const struct search *s, const struct host *h, struct route *out)
{
	int first = 0;

	if (s->router->conf->smtp_address_preference == PREFER_IPV6)
		first = 1;
	else if (s->router->conf->smtp_address_preference == PREFER_ANY)
		first = (int)(arc4random() & 1);
	for (int k = 0; k < 2; k++) {
		int family = k == 0 ? first : 1 - first;

		for (size_t i = 0; i < h->count[family]; i++)
			add_target(out, h, &h->found[family][i]);
	}
}

/* When one of our own addresses is an exchanger, what is not better than it
 * is not used. */
static bool drop_own(const struct search *s, struct route *out)
{
	uint32_t ours = UINT32_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < out->count; i++)
		if (is_own(s->router, &out->targets[i].addr) &&
		    out->targets[i].preference < ours)
			ours = out->targets[i].preference;
	for (size_t i = 0; i < out->count; i++)
		if (out->targets[i].preference < ours)
			out->targets[kept++] = out->targets[i];
	if (ours == UINT32_MAX)
		return false;
	out->count = kept;
	return kept == 0;
}

static void conclude(struct search *s)
{
	struct route r = {.action = DSN_DELIVERED};
	bool loop;

	r.targets = mem_array(ROUTE_TARGETS_MAX, sizeof(r.targets[0]));
	for (size_t i = 0; i < s->host_count; i++)
		add_host(s, &s->hosts[i], &r);
	loop = s->by_mx && drop_own(s, &r);
	if (r.count > 0) {
		if (r.count > (size_t)s->router->conf->smtp_mx_address_limit)
			r.count = (size_t)
				      s->router->conf->smtp_mx_address_limit;
		finish(s, &r);
		return;
	}
	free(r.targets);
	if (loop)
		fail(s, DSN_FAILED, "5.4.6",
		    "mail for %s loops back to "
		    "myself",
		    s->domain);
	else if (s->temporary)
		fail(s, DSN_DEFERRED, "4.4.3",
		    "Host or domain name not "
		    "found. Name service error for name=%s: try again",
		    s->domain);
	else
		fail(s, DSN_FAILED, "5.4.4",
		    "Host or domain name not found. "
		    "Name service error for name=%s: Host not found",
		    s->domain);
}

/* ---- what DNS says, for who asks why ---- */

static void add_record(const struct dns_record *rr, struct buf *text)
{
	char address[NETADDR_TEXT_MAX];

	if (text->len > 0)
		buf_add_text(text, ", ");
	switch (rr->type) {
	case DNS_MX:
		buf_printf(text, "%u %.*s", rr->preference,
		    STR_FMT(rr->name.len > 0 ? rr->name : STR(".")));
		break;
	case DNS_A:
	case DNS_AAAA:
		netaddr_text(&rr->addr, address);
		buf_add_text(text, address);
		break;
	case DNS_CNAME:
		buf_printf(text, "CNAME %.*s", STR_FMT(rr->name));
		break;
	default:
		buf_printf(text, "type %d", (int)rr->type);
		break;
	}
}

static void tell(const struct search *s, const char *name, const char *type,
    const struct dns_reply *reply)
{
	struct explain *x = s->router->explain;
	struct buf text = buf_new(EXPLAIN_TEXT_MAX);

	if (x == NULL)
		return;
	if (reply->status != DNS_OK)
		buf_add_text(&text, reply->why);
	for (size_t i = 0; reply->status == DNS_OK && i < reply->count; i++)
		add_record(&reply->records[i], &text);
	explain_tell(x,
	    &(struct explain_step){.kind = STEP_DNS,
		.about = str_from(s->domain),
		.table = str_from(type),
		.key = str_from(name),
		.result = reply->status == DNS_OK ? STR("found")
		    : reply->status == DNS_NO_DATA ||
			reply->status == DNS_NO_NAME
		    ? STR("none")
		    : STR("error"),
		.text = buf_str(&text)});
	buf_free(&text);
}

/* ---- A and AAAA ---- */

static void answered(const struct dns_reply *reply, void *arg)
{
	struct host *h = arg;
	struct search *s = h->search;

	tell(s, h->name, "A, AAAA", reply);
	if (reply->status == DNS_TEMPORARY || reply->status == DNS_BAD) {
		s->temporary = true;
		s->why = reply->why;
	}
	for (size_t i = 0; reply->status == DNS_OK && i < reply->count; i++) {
		const struct dns_record *rr = &reply->records[i];
		int family = rr->type == DNS_AAAA;
		struct netaddr a = rr->addr;

		if ((rr->type != DNS_A && rr->type != DNS_AAAA) ||
		    h->count[family] == ADDRESSES_MAX)
			continue;
		if (family == 0)
			a.u.in.sin_port = htons(s->port);
		else
			a.u.in6.sin6_port = htons(s->port);
		h->found[family][h->count[family]++] = a;
	}
	if (--s->questions == 0)
		conclude(s);
}

static void ask(struct search *s, struct str name, enum dns_type type,
    void (*done)(const struct dns_reply *reply, void *arg), void *arg)
{
	s->questions++;
	if (dns_ask(s->router->dns, name, type, done, arg) != NULL)
		return;
	s->questions--;
	s->temporary = true;
}

/* The addresses of all hosts; s may be gone afterwards. */
static void ask_addresses(struct search *s)
{
	s->questions++; /* until all are asked */
	for (size_t i = 0; i < s->host_count; i++) {
		struct host *h = &s->hosts[i];
		struct netaddr literal;

		h->search = s;
		if (netaddr_parse(str_from(h->name), s->port, &literal) == 0) {
			int family = literal.u.sa.sa_family == AF_INET6;

			h->found[family][h->count[family]++] = literal;
			continue;
		}
		ask(s, str_from(h->name), DNS_A, answered, h);
		ask(s, str_from(h->name), DNS_AAAA, answered, h);
	}
	if (--s->questions == 0)
		conclude(s);
}

static void only_host(struct search *s, struct str name)
{
	s->hosts = NEW(struct host);
	s->host_count = 1;
	str_copy(s->hosts[0].name, sizeof(s->hosts[0].name), name);
	ask_addresses(s);
}

/* ---- MX ---- */

static void use_exchangers(struct search *s, struct mx *list, size_t count)
{
	switch (
	    mx_choose(list, &count, str_from(s->router->house->myhostname))) {
	case MX_NULL:
		fail(s, DSN_FAILED, "5.1.10",
		    "Domain %s does not accept mail "
		    "(nullMX)",
		    s->domain);
		return;
	case MX_LOOP:
		fail(s, DSN_FAILED, "5.4.6",
		    "mail for %s loops back to "
		    "myself",
		    s->domain);
		return;
	case MX_OK:
		break;
	}
	s->hosts = mem_array(count, sizeof(s->hosts[0]));
	for (size_t i = 0; i < count; i++) {
		struct host *h = &s->hosts[s->host_count];

		if (str_copy(h->name, sizeof(h->name), list[i].name) < 0)
			continue;
		h->preference = list[i].preference;
		s->host_count++;
	}
	ask_addresses(s);
}

static void exchangers(const struct dns_reply *reply, void *arg)
{
	struct mx list[HOSTS_MAX];
	struct search *s = arg;
	size_t count = 0;

	s->questions--;
	tell(s, s->domain, "MX", reply);
	switch (reply->status) {
	case DNS_NO_DATA: /* the domain's own addresses */
		s->by_mx = false;
		only_host(s, str_from(s->domain));
		return;
	case DNS_NO_NAME:
		fail(s, DSN_FAILED, "5.4.4",
		    "Host or domain name not found. "
		    "Name service error for name=%s type=MX: Host not found",
		    s->domain);
		return;
	case DNS_TEMPORARY:
	case DNS_BAD:
		s->why = reply->why;
		fail(s, DSN_DEFERRED, "4.4.3",
		    "Host or domain name not "
		    "found. Name service error for name=%s type=MX: Host not "
		    "found, try again",
		    s->domain);
		return;
	case DNS_OK:
		break;
	}
	for (size_t i = 0; i < reply->count && count < HOSTS_MAX; i++)
		if (reply->records[i].type == DNS_MX)
			list[count++] = (struct mx){reply->records[i].name,
			    reply->records[i].preference, arc4random()};
	mx_sort(list, count);
	use_exchangers(s, list, count);
}

/* ---- the start ---- */

static void unix_target(struct search *s, struct str path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct route r = {.action = DSN_DELIVERED, .count = 1};

	if (str_copy(un.sun_path, sizeof(un.sun_path), path) < 0) {
		fail(s, DSN_DEFERRED, "4.3.5",
		    "the path of the socket is too "
		    "long",
		    "");
		return;
	}
	r.targets = NEW(struct target);
	memcpy(&r.targets[0].addr.u.space, &un, sizeof(un));
	r.targets[0].addr.len = sizeof(un);
	str_copy(r.targets[0].host, sizeof(r.targets[0].host), path);
	memcpy(r.targets[0].address, "unix", 5);
	finish(s, &r);
}

/* The name as DNS has it: U-labels (RFC 6531 section 3.2) become A-labels.
 * What cannot be converted stays, and is then no domain. */
static struct str to_ascii(struct str name, char *out, size_t size)
{
	char *ascii = NULL;

	str_copy(out, size, name);
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.p[i] < 128)
			continue;
		if (idn2_to_ascii_8z(out, &ascii,
			IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
			str_copy(out, size, str_from(ascii));
		idn2_free(ascii);
		break;
	}
	return str_from(out);
}

void route_find(struct router *r, struct str nexthop, bool lmtp,
    void (*done)(const struct route *route, void *arg), void *arg)
{
	struct search *s = NEW(struct search);
	struct netaddr literal;
	struct nexthop n;

	*s = (struct search){.router = r, .done = done, .arg = arg};
	if (nexthop_parse(nexthop, &n) < 0 || n.host.len > 255) {
		fail(s, DSN_DEFERRED, "4.3.5",
		    "a next hop that is none: "
		    "check transport and relay tables",
		    "");
		return;
	}
	s->port = n.port;
	if (s->port == 0)
		s->port = (uint16_t)(lmtp ? r->conf->lmtp_tcp_port
					  : r->conf->smtp_tcp_port);
	if (n.kind == NEXTHOP_UNIX) {
		unix_target(s, n.host);
		return;
	}
	n.host = to_ascii(n.host, s->domain, sizeof(s->domain));
	if (netaddr_parse(n.host, 0, &literal) < 0 &&
	    !address_is_domain(n.host, false)) {
		fail(s, DSN_FAILED, "5.1.2", "%s is not a domain name",
		    s->domain);
		return;
	}
	if (n.kind == NEXTHOP_HOST || lmtp) {
		only_host(s, n.host);
		return;
	}
	s->by_mx = true;
	ask(s, n.host, DNS_MX, exchangers, s);
	if (s->questions == 0)
		fail(s, DSN_DEFERRED, "4.4.3", "no name service for %s",
		    s->domain);
}

/* ---- the router ---- */

void router_explain(struct router *r, struct explain *explain)
{
	r->explain = explain;
}

static void find_own(struct router *r)
{
	struct ifaddrs *all, *i;

	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i != NULL; i = i->ifa_next) {
		int family = i->ifa_addr == NULL ? AF_UNSPEC
						 : i->ifa_addr->sa_family;
		size_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					       : sizeof(struct sockaddr_in6);

		if (family != AF_INET && family != AF_INET6)
			continue;
		r->own = mem_resize(
		    r->own, r->own_count + 1, sizeof(r->own[0]));
		memset(&r->own[r->own_count], 0, sizeof(r->own[0]));
		memcpy(&r->own[r->own_count].u, i->ifa_addr, len);
		r->own[r->own_count++].len = (socklen_t)len;
	}
	freeifaddrs(all);
}

struct router *router_open(struct loop *loop, const struct smtp_conf *conf,
    const struct house_conf *house)
{
	struct router *r = NEW(struct router);
	const char *why;

	r->conf = conf;
	r->house = house;
	r->dns = dns_open(loop, house->dns_servers, conf->smtp_dns_timeout,
	    conf->smtp_dns_tries, &why);
	if (r->dns == NULL) {
		log_error("dns_servers: %s", why);
		free(r);
		return NULL;
	}
	find_own(r);
	return r;
}
