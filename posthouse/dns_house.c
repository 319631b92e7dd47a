/* SPDX-License-Identifier: ISC */
/* What this house has that DNS has to tell. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "conf/registry.h"
#include "core/file.h"
#include "mailauth/key_folder.h"
#include "posthouse/dns.h"

#define MEMORY_MOST (64u << 20)
#define CHAIN_MOST  (1u << 20) /* octets of a file of certificates */
#define SMTP_PORT   25

/* Addresses that nobody else can reach. */
#define NOT_PUBLIC                                                             \
	"0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 "       \
	"172.16.0.0/12 192.168.0.0/16 224.0.0.0/3 [::]/127 [fc00::]/7 "        \
	"[fe80::]/10 [ff00::]/8"

struct str dns_text(struct dns_house *h, const char *format, ...)
{
	struct buf text = buf_new(MEMORY_MOST);
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	struct str kept = arena_copy(&h->arena, buf_str(&text));
	buf_free(&text);
	return kept.p != NULL ? kept : STR_EMPTY;
}

static struct str lower(struct dns_house *h, const char *text)
{
	struct str s = dns_text(h, "%s", text);

	for (size_t i = 0; i < s.len; i++)
		((char *)(uintptr_t)s.p)[i] = ascii_lower(s.p[i]);
	return s;
}

/* ---- addresses ---- */

static void add_own(struct dns_house *h, const struct netaddr *a)
{
	char text[NETADDR_TEXT_MAX], other[NETADDR_TEXT_MAX];

	netaddr_text(a, text);
	for (size_t i = 0; i < h->own_count; i++) {
		netaddr_text(&h->own[i], other);
		if (strcmp(text, other) == 0)
			return;
	}
	if (h->own_count < OWN_MOST)
		h->own[h->own_count++] = *a;
}

static bool is_public(const struct netaddr *a)
{
	struct str bad;

	return netaddr_in_list(a, STR(NOT_PUBLIC), &bad) == 0;
}

/* What the SMTP server listens on, where addresses are named. */
static void own_of_services(struct dns_house *h)
{
	const struct config *c = h->config;

	for (size_t i = 0; i < c->mastercf->count; i++)
		for (size_t k = 0; k < c->services[i].address_count; k++) {
			const struct netaddr *a = &c->services[i].addresses[k];
			if (netaddr_port(a) == SMTP_PORT && is_public(a))
				add_own(h, a);
		}
}

static void own_of_interfaces(struct dns_house *h)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct netaddr a = {.len = 0};
		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a.len = sizeof(a.u.in);
		else if (i->ifa_addr->sa_family == AF_INET6)
			a.len = sizeof(a.u.in6);
		else
			continue;
		memcpy(&a.u, i->ifa_addr, a.len);
		if (is_public(&a))
			add_own(h, &a);
	}
	freeifaddrs(list);
}

static void find_own(struct dns_house *h, const char *const *given)
{
	struct netaddr a;

	for (; given != NULL && *given != NULL; given++)
		if (netaddr_parse(str_from(*given), 0, &a) == 0)
			add_own(h, &a);
	if (h->own_count == 0)
		own_of_services(h);
	if (h->own_count == 0)
		own_of_interfaces(h);
}

void dns_house_learn(struct dns_house *h, struct dns_look *look)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};

	if (h->own_count > 0)
		return;
	h->own_learned = true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct dns_reply *r = dns_look_up(
		    look, h->host, types[i]);
		for (size_t k = 0; k < r->count; k++)
			add_own(h, &r->records[k].addr);
	}
}

/* ---- services ---- */

/* A parameter as main.cf has it; "" when it is wrong, which others tell. */
static struct str parameter(struct dns_house *h, const char *name)
{
	const struct conf_param *param = conf_find(name, NULL);
	struct buf value = buf_new(8192), ignored = buf_new(8192);
	struct str found = STR_EMPTY;

	if (param != NULL &&
	    conf_value(
		h->config->conf, name, param->fallback, &value, &ignored) == 0)
		found = dns_text(h, "%s", buf_text(&value));
	buf_free(&value);
	buf_free(&ignored);
	return found;
}

/* The same as a row of master.cf has it. */
static struct str option(
    struct dns_house *h, const struct service *row, const char *name)
{
	struct str found = parameter(h, name);

	for (char *const *a = row->args; a != NULL && *a != NULL; a++) {
		struct str setting = str_from(*a);
		struct str key = str_trim(str_cut(&setting, '='));
		if (str_eq(key, str_from(name)))
			found = str_trim(setting);
	}
	return found;
}

static bool is_yes(struct str value)
{
	return str_case_eq(value, STR("yes")) || str_eq(value, STR("1"));
}

/* The name that clients look a service up by; NULL when they do not. */
static const char *service_name(
    struct dns_house *h, const struct config_service *s)
{
	bool login = strcmp(s->row->command, "login") == 0;
	bool imap = str_eq(option(h, s->row, "login_protocol"), STR("imap"));
	bool inside = is_yes(option(h, s->row,
	    login ? "login_tls_wrappermode" : "smtpd_tls_wrappermode"));

	if (login)
		return imap ? (inside ? "_imaps" : "_imap")
			    : (inside ? "_pop3s" : "_pop3");
	if (strcmp(s->role->name, "submission") == 0)
		return inside ? "_submissions" : "_submission";
	return NULL;
}

static void find_services(struct dns_house *h)
{
	/* TLS from the first octet is preferred, RFC 8314 section 3. */
	static const struct house_service all[SERVICES_MOST] = {
	    {"_submissions", 0, 0, false}, {"_submission", 10, 0, false},
	    {"_imaps", 0, 0, false}, {"_imap", 10, 0, false},
	    {"_pop3s", 20, 0, false}, {"_pop3", 30, 0, false}};
	const struct config *c = h->config;

	memcpy(h->services, all, sizeof(all));
	for (size_t i = 0; i < c->mastercf->count; i++) {
		const struct config_service *s = &c->services[i];
		const char *name = s->address_count > 0 ? service_name(h, s)
							: NULL;
		for (size_t k = 0; name != NULL && k < SERVICES_MOST; k++) {
			struct house_service *one = &h->services[k];
			if (strcmp(one->name, name) != 0 ||
			    (one->port != 0 && !one->loopback))
				continue;
			one->port = netaddr_port(&s->addresses[0]);
			one->loopback = true;
			for (size_t n = 0; n < s->address_count; n++)
				one->loopback = one->loopback &&
				    netaddr_is_loopback(&s->addresses[n]);
		}
	}
}

/* ---- certificates ---- */

/* The digest of the public key: DANE-EE, SPKI, SHA-256 (RFC 7672 section
 * 3.1.1), which stays when the certificate is renewed with its key. */
static void add_tlsa(struct dns_house *h, X509 *x)
{
	unsigned char *der = NULL, digest[32];
	unsigned digest_len = 0;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	struct buf text = buf_new(128);

	if (len > 0 && h->tlsa_count < CERTIFICATES_MOST &&
	    EVP_Digest(der, (size_t)len, digest, &digest_len, EVP_sha256(),
		NULL) == 1) {
		buf_add_text(&text, "3 1 1 ");
		for (unsigned i = 0; i < digest_len; i++)
			buf_printf(&text, "%02x", digest[i]);
		h->tlsa[h->tlsa_count++] = dns_text(h, "%s", buf_text(&text));
	}
	OPENSSL_free(der);
	buf_free(&text);
}

/* The certificates that stand behind a private key, or first. */
static void read_chain(struct dns_house *h, struct str pem, bool *key)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	unsigned char *data = NULL;
	char *name = NULL, *header = NULL;
	long len = 0;

	while (bio != NULL &&
	    PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		const unsigned char *p = data;
		if (strstr(name, "PRIVATE KEY") != NULL) {
			*key = true;
		} else if (*key && strcmp(name, "CERTIFICATE") == 0) {
			X509 *x = d2i_X509(NULL, &p, len);
			if (x != NULL)
				add_tlsa(h, x);
			X509_free(x);
			*key = false;
		}
		OPENSSL_clear_free(data, (size_t)len);
		OPENSSL_free(name);
		OPENSSL_free(header);
	}
	ERR_clear_error();
	BIO_free(bio);
}

static void find_certificates(struct dns_house *h)
{
	struct str rest = parameter(h, "smtpd_tls_chain_files"), word;
	bool key = true; /* one that stands first needs none in front */

	while ((word = str_word(&rest, " \t,")).len > 0) {
		struct buf pem = buf_new(CHAIN_MOST);
		struct str path = dns_text(h, "%.*s", STR_FMT(word));
		if (file_read(path.p, &pem) < 0)
			h->tlsa_problem = dns_text(
			    h, "%s cannot be read; run this as root", path.p);
		else
			read_chain(h, buf_str(&pem), &key);
		OPENSSL_cleanse(pem.p, pem.len);
		buf_free(&pem);
	}
	if (h->tlsa_count == 0 && h->tlsa_problem.len == 0)
		h->tlsa_problem = STR("smtpd_tls_chain_files has no "
				      "certificate");
}

/* ---- all of it ---- */

struct key_search {
	struct dns_house *house;
	struct dns_plan *plan;
	int folder;
};

static int found_key(struct str selector, enum key_state state, void *arg)
{
	struct key_search *search = arg;
	struct dns_plan *plan = search->plan;
	const char *why;

	if (plan->key_count == DKIM_KEYS_MOST)
		return 1;
	plan->keys[plan->key_count++] = (struct house_key){
	    .selector = dns_text(search->house, "%.*s", STR_FMT(selector)),
	    .retired = state == KEY_RETIRED,
	    .active = state == KEY_ACTIVE,
	    .key = key_folder_read(
		search->folder, plan->domain, selector, state, &why)};
	return 0;
}

void dns_house_keys(struct dns_house *h, struct dns_plan *plan)
{
	const char *path = h->config->house.dkim_key_directory;
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct key_search search = {.house = h, .plan = plan, .folder = folder};

	plan->key_count = 0;
	plan->keys_problem = STR_EMPTY;
	if (folder < 0 && errno == ENOENT)
		return; /* no keys were made */
	if (folder < 0 ||
	    key_folder_each(folder, plan->domain, found_key, &search) < 0)
		plan->keys_problem = dns_text(h, "%s: %s", path,
		    errno == EACCES ? "only root may look at the keys"
				    : strerror(errno));
	file_close(&folder);
}

int dns_house_open(
    struct dns_house *h, struct posthouse *p, const char *const *given)
{
	struct buf errors = buf_new(1u << 20);

	*h = (struct dns_house){.p = p,
	    .arena = arena_new(MEMORY_MOST),
	    .tlsa_problem = STR_EMPTY,
	    .recipients = STR_EMPTY};
	h->config = config_read(p->config_directory, &errors);
	if (h->config == NULL)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	if (h->config == NULL)
		return -1;
	find_own(h, given);
	h->host = lower(h, h->config->house.myhostname);
	find_services(h);
	find_certificates(h);
	h->recipients = parameter(h, "report_recipients");
	return 0;
}

void dns_house_close(struct dns_house *h)
{
	config_free(&h->config);
	arena_free(&h->arena);
}
