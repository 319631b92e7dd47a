/* SPDX-License-Identifier: ISC */
#include "posthouse/report_own.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file.h"
#include "mailauth/key_folder.h"
#include "net/netaddr.h"

#define NETWORKS_MAX 65536

/* ---- opening ---- */

static int read_networks(struct report_own *own, struct posthouse *p)
{
	struct buf errors = buf_new(1000);
	struct netaddr any;
	struct str bad;
	int result = 0;

	if (conf_value(p->conf, "feedback_own_networks", "", &own->networks,
		&errors) < 0)
		buf_clear(&own->networks);
	buf_free(&errors);
	(void)netaddr_parse(STR("127.0.0.1"), 0, &any);
	if (netaddr_in_list(&any, buf_str(&own->networks), &bad) < 0) {
		posthouse_fail("report",
		    "feedback_own_networks: %.*s is no network", STR_FMT(bad));
		result = -1;
	}
	return result;
}

int report_own_open(struct report_own *own, struct posthouse *p)
{
	*own = (struct report_own){.networks = buf_new(NETWORKS_MAX),
	    .folder = open(p->house.dkim_key_directory,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (getifaddrs(&own->interfaces) < 0)
		own->interfaces = NULL;
	return read_networks(own, p);
}

void report_own_close(struct report_own *own)
{
	if (own->interfaces != NULL)
		freeifaddrs(own->interfaces);
	own->interfaces = NULL;
	buf_free(&own->networks);
	table_free(&own->domains);
	table_free(&own->keys);
	file_close(&own->folder);
}

/* ---- addresses ---- */

static bool is_interface(const struct report_own *own, struct str address)
{
	char text[NETADDR_TEXT_MAX];

	for (const struct ifaddrs *i = own->interfaces; i != NULL;
	     i = i->ifa_next) {
		struct netaddr a = {.len = 0};
		int family = i->ifa_addr == NULL ? AF_UNSPEC
						 : i->ifa_addr->sa_family;

		if (family == AF_INET)
			a.len = sizeof(a.u.in);
		else if (family == AF_INET6)
			a.len = sizeof(a.u.in6);
		else
			continue;
		memcpy(&a.u, i->ifa_addr, a.len);
		netaddr_text(&a, text);
		if (str_eq(str_from(text), address))
			return true;
	}
	return false;
}

bool report_own_address(const struct report_own *own, struct str address)
{
	struct netaddr a;
	struct str bad;

	if (netaddr_parse(address, 0, &a) < 0)
		return false;
	return is_interface(own, address) ||
	    netaddr_in_list(&a, buf_str(&own->networks), &bad) == 1;
}

/* ---- keys ---- */

/* Whether there is such a file; the names are valid ones of files. */
static bool is_key(
    const struct report_own *own, struct str domain, struct str selector)
{
	char path[KEY_PATH_MAX];

	for (int state = 0; state < KEY_STATES; state++) {
		key_path(domain, selector, (enum key_state)state, path);
		if (faccessat(own->folder, path, F_OK, 0) == 0)
			return true;
	}
	return false;
}

static bool has_keys(const struct report_own *own, struct str domain)
{
	char path[KEY_DOMAIN_MAX + 1];

	return str_copy(path, sizeof(path), domain) == 0 &&
	    faccessat(own->folder, path, F_OK, 0) == 0;
}

/* The same few keys stand in every row: each is looked for once. */
static enum own_key remembered(
    struct table *t, struct str name, const enum own_key **kept)
{
	*kept = table_get(t, name);
	return *kept == NULL ? OWN_KEY_UNKNOWN : **kept;
}

static void remember(struct table *t, struct str name, enum own_key what)
{
	static const enum own_key values[] = {
	    OWN_KEY_UNKNOWN, OWN_KEY_OURS, OWN_KEY_OTHER};

	/* Strangers choose the names: what they make up is not kept for ever.
	 */
	if (t->count < 100000)
		table_put(t, name, (void *)(uintptr_t)&values[what]);
}

enum own_key report_own_key(
    struct report_own *own, struct str domain, struct str selector)
{
	char name[KEY_DOMAIN_MAX + KEY_SELECTOR_MAX + 2];
	const enum own_key *kept;
	enum own_key found;
	struct str key;
	int len;

	if (own->folder < 0 || !key_domain_valid(domain))
		return OWN_KEY_UNKNOWN;
	found = remembered(&own->domains, domain, &kept);
	if (kept == NULL) {
		found = has_keys(own, domain) ? OWN_KEY_OTHER : OWN_KEY_UNKNOWN;
		remember(&own->domains, domain, found);
	}
	if (found == OWN_KEY_UNKNOWN || !key_selector_valid(selector))
		return found;
	len = snprintf(name, sizeof(name), "%.*s/%.*s", STR_FMT(domain),
	    STR_FMT(selector));
	key = str_of(name, (size_t)len);
	found = remembered(&own->keys, key, &kept);
	if (kept == NULL) {
		found = is_key(own, domain, selector) ? OWN_KEY_OURS
						      : OWN_KEY_OTHER;
		remember(&own->keys, key, found);
	}
	return found;
}

/* ---- a row ---- */

const char *const whose_names[WHOSE_COUNT] = {"ours", "changed", "others"};

enum whose report_own_row(struct report_own *own, const struct report_row *row)
{
	enum whose whose = WHOSE_OTHERS;

	if (report_own_address(own, row->source))
		return WHOSE_OURS;
	for (size_t i = 0; i < row->auth_count; i++) {
		const struct report_auth *a = &row->auth[i];

		if (!str_eq(a->method, STR("dkim")) ||
		    report_own_key(own, a->domain, a->selector) != OWN_KEY_OURS)
			continue;
		if (str_case_eq(a->result, STR("pass")))
			return WHOSE_OURS;
		whose = WHOSE_CHANGED;
	}
	return whose;
}
