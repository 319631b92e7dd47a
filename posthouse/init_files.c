/* SPDX-License-Identifier: ISC */
/* The texts that `posthouse init` writes; no file is touched here. */
#include "posthouse/init.h"

#include <stdio.h>
#include <unistd.h>

/*
 * The roles of a private instance of root run under numbers from here on, so
 * that no user has to be made. Debian gives out 1000 to 59999 and single
 * numbers from 61000 up, systemd takes 60001 to 60577 and 61184 to 65519;
 * 60578 to 61183 is nobody's, and still mapped in a container of 65536.
 */
#define ROLE_UID_BASE 60600

/* Never at --host: whoever connects is answered. */
#define METRICS "127.0.0.1:9825"

static const struct {
	const char *service;
	unsigned offset;
} ports[] = {{"lmtp", 24}, {"smtp", 25}, {"pop3", 110}, {"imap", 143},
    {METRICS, 100}, {"sieve", 419}, {"submissions", 465}, {"submission", 587},
    {"imaps", 993}, {"pop3s", 995}};

unsigned init_port(const struct init *in, struct str service)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		if (str_eq(str_from(ports[i].service), service))
			return in->port_base + ports[i].offset;
	return 0;
}

/* The value that --set gives to a name, or NULL; the last one counts. */
static const char *setting(const struct init *in, struct str name)
{
	const char *value = NULL;

	for (size_t i = 0; i < in->setting_count; i++) {
		struct str rest = str_from(in->settings[i]);

		if (str_eq(str_trim(str_cut(&rest, '=')), name))
			value = rest.p;
	}
	return value;
}

static void put(const struct init *in, struct buf *out, const char *name,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void put(const struct init *in, struct buf *out, const char *name,
    const char *format, ...)
{
	const char *other = setting(in, str_from(name));
	va_list args;

	buf_printf(out, "%s = ", name);
	va_start(args, format);
	if (other != NULL)
		buf_add(out, str_trim(str_from(other)));
	else
		buf_vprintf(out, format, args);
	va_end(args);
	buf_add_char(out, '\n');
}

/* The directory of this very program, when the daemons lie beside it or were
 * not installed. */
static void put_daemon_directory(const struct init *in, struct buf *out)
{
	char path[4096], master[4200];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len <= 0)
		return;
	path[len] = '\0';
	path[str_find_last(str_from(path), '/')] = '\0';
	snprintf(master, sizeof(master), "%s/master", path);
	if (access(master, X_OK) == 0 ||
	    access(POSTHOUSE_LIBEXECDIR "/master", X_OK) != 0 ||
	    setting(in, STR("daemon_directory")) != NULL)
		put(in, out, "daemon_directory", "%s", path);
}

static bool is_mentioned(const struct buf *text, struct str name)
{
	struct str rest = buf_str(text);

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		if (str_eq(str_trim(str_cut(&line, '=')), name))
			return true;
	}
	return false;
}

static void put_settings(const struct init *in, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < in->setting_count; i++) {
		struct str value = str_from(in->settings[i]);
		struct str name = str_trim(str_cut(&value, '='));
		char text[128];

		if (is_mentioned(out, name) ||
		    str_copy(text, sizeof(text), name) < 0)
			continue;
		if (first)
			buf_add_text(out, "\n# Given to init with --set.\n");
		first = false;
		put(in, out, text, "%s", "");
	}
}

void init_main_cf(const struct init *in, struct buf *out)
{
	const char *dir = in->directory;

	buf_add_text(out,
	    "# main.cf of a private instance, made by "
	    "\"posthouse init\". \"posthouse conf list\"\n# shows every "
	    "parameter, \"posthouse conf explain NAME\" what it means.\n\n");
	put(in, out, "myhostname", "%s", in->hostname);
	put(in, out, "mydomain", "%s", in->domain);
	put(in, out, "myorigin", "$mydomain");
	buf_add_text(out, "\n# Where everything lies.\n");
	put(in, out, "queue_directory", "%s/spool", dir);
	put(in, out, "mail_store_directory", "%s/store", dir);
	put(in, out, "dkim_key_directory", "%s/dkim", dir);
	put(in, out, "log_directory", "%s/log", dir);
	put(in, out, "report_directory", "%s/reports", dir);
	put(in, out, "feedback_directory", "%s/feedback", dir);
	put(in, out, "policy_directory", "%s/policy", dir);
	put(in, out, "run_directory", "%s/run", dir);
	put_daemon_directory(in, out);
	buf_add_text(out,
	    "\n# Who may connect, and who may relay without a "
	    "password.\n");
	put(in, out, "inet_interfaces", "%s", in->host);
	put(in, out, "mynetworks", "127.0.0.1/32 [::1]/128");
	buf_add_text(out,
	    "\n# The private key and its self-signed "
	    "certificate.\n");
	put(in, out, "smtpd_tls_chain_files", "%s/etc/chain.pem", dir);
	put(in, out, "login_tls_chain_files", "$smtpd_tls_chain_files");
	buf_add_text(out,
	    "\n# Resolvers (address:port); empty takes those of "
	    "resolv.conf.\n");
	put(in, out, "dns_servers", "%s", "");
	if (geteuid() == 0) {
		buf_printf(out,
		    "\n# Roles run under the numbers from %u on, "
		    "which no system gives to users, so\n# that none have to "
		    "be made.\n",
		    ROLE_UID_BASE);
		put(in, out, "role_uid_base", "%u", ROLE_UID_BASE);
	}
	put_settings(in, out);
}

/* "127.0.0.1:12025", as wide as the column where it fits. */
static void put_address(struct buf *out, const char *host, unsigned port)
{
	bool is_v6 = str_find(str_from(host), ':') < strlen(host);
	size_t start = out->len;

	buf_printf(out, is_v6 ? "[%s]:%u" : "%s:%u", host, port);
	do
		buf_add_char(out, ' ');
	while (out->len - start < 16 && !out->overflow);
}

void init_master_cf(const struct init *in, struct buf *out)
{
	for (const char *const *line = master_cf_lines; *line != NULL; line++) {
		struct str rest = str_from(*line);
		struct str name = str_word(&rest, " \t"), columns = rest;
		struct str type = str_word(&columns, " \t");
		unsigned port = init_port(in, name);

		if ((*line)[0] != '#' && str_eq(type, STR("inet")) &&
		    port != 0) {
			put_address(out,
			    str_eq(name, STR(METRICS)) ? "127.0.0.1" : in->host,
			    port);
			buf_add(out, str_trim(rest));
		} else {
			buf_add_text(out, *line);
		}
		buf_add_char(out, '\n');
	}
}

void init_users(const struct init *in, struct buf *out)
{
	buf_add_text(out, "# Mailboxes: address, then settings; domains(5).\n");
	for (unsigned i = 0; i < in->users; i++)
		buf_printf(out, "user%u@%s\n", i, in->domain);
}

void init_aliases(const struct init *in, struct buf *out)
{
	buf_add_text(out, "# Addresses that lead to others; domains(5).\n");
	if (in->users == 0)
		return;
	buf_printf(out, "postmaster@%s user0@%s\n", in->domain, in->domain);
	buf_printf(out, "abuse@%s user0@%s\n", in->domain, in->domain);
}

void init_passwords(const struct init *in, const char *hash, struct buf *out)
{
	buf_add_text(out,
	    "# Hashed passwords, read by auth alone; "
	    "domains(5).\n");
	for (unsigned i = 0; i < in->users; i++)
		buf_printf(out, "user%u@%s {CRYPT}%s\n", i, in->domain, hash);
}
