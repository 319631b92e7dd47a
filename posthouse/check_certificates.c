/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/table.h"
#include "net/tls.h"
#include "posthouse/check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define SOON_DAYS 14

static void look(
    X509 *x, const char *path, struct buf *problems, struct buf *warnings)
{
	char name[256];
	int days, seconds;

	X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name));
	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		buf_printf(problems, "%s: %s is not valid yet\n", path, name);
	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) != 1)
		buf_printf(problems, "%s: %s has no end\n", path, name);
	else if (days < 0 || seconds < 0)
		buf_printf(problems, "%s: %s has expired\n", path, name);
	else if (days < SOON_DAYS)
		buf_printf(warnings, "%s: %s expires in %d day%s\n", path, name,
		    days, days == 1 ? "" : "s");
}

static void look_at_name(
    X509 *x, const char *path, const char *host, struct buf *warnings)
{
	if (X509_check_host(x, host, 0, 0, NULL) != 1)
		buf_printf(warnings,
		    "%s: the certificate is not for %s: who connects to that "
		    "name is warned\n",
		    path, host);
}

/* Whoever reads the key can pass for this host. */
static void look_at_key(FILE *f, const char *path, struct buf *problems)
{
	struct stat st;
	char line[256];
	bool key = false;

	while (fgets(line, sizeof(line), f) != NULL)
		key = key || strstr(line, "PRIVATE KEY-----") != NULL;
	rewind(f);
	if (key && fstat(fileno(f), &st) == 0 && (st.st_mode & 04) != 0)
		buf_printf(problems,
		    "%s: mode %04o lets everybody read the private key\n", path,
		    st.st_mode & 07777u);
}

/*
 * The certificates of a PEM file: each that has expired or is not yet valid,
 * each that expires soon, and whether the first, which is ours, names host.
 */
static void look_at_file(struct check *c, const char *path, const char *host)
{
	FILE *f = fopen(path, "re");
	int count = 0;
	X509 *x;

	if (f == NULL)
		return;
	look_at_key(f, path, &c->problems);
	while ((x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		look(x, path, &c->problems, &c->warnings);
		if (count++ == 0)
			look_at_name(x, path, host, &c->warnings);
		X509_free(x);
	}
	ERR_clear_error();
	fclose(f);
}

/* As a daemon will open it: key and certificate must be a pair. */
static void look_at_pair(
    struct check *c, const char *path, const char *name, const char *place)
{
	const char *why;
	struct tls_server *tls = tls_server_open(path, ">=TLSv1.2", &why);

	if (tls == NULL)
		buf_printf(&c->problems, "%s (%s, %s)\n", why, name, place);
	tls_server_close(&tls);
}

/* Once for each file, however many parameters name it. */
static void look_at_value(struct check *c, const struct conf_param *row,
    const char *value, const char *place, void *arg)
{
	struct str rest = str_from(value), word;
	struct table *seen = arg;

	if (!str_ends(str_from(row->name), STR("_tls_chain_files")))
		return;
	while ((word = str_word(&rest, " \t,")).len > 0) {
		char *path = str_dup(word);

		if (table_get(seen, word) == NULL) {
			table_put(seen, word, c);
			look_at_pair(c, path, row->name, place);
			look_at_file(c, path, c->config->house.myhostname);
		}
		free(path);
	}
}

void check_certificates(struct check *c)
{
	struct table seen = table_new();

	check_each_setting(c, look_at_value, &seen);
	table_free(&seen);
}
