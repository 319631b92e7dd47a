/* SPDX-License-Identifier: ISC */
#include "posthouse/check_certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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
		buf_printf(
		    warnings, "%s: %s expires in %d days\n", path, name, days);
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

int check_certificate(const char *path, const char *host, struct buf *problems,
    struct buf *warnings, const char **why)
{
	FILE *f = fopen(path, "r");
	int count = 0;
	X509 *x;

	if (f == NULL) {
		*why = strerror(errno);
		return -1;
	}
	look_at_key(f, path, problems);
	while ((x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		look(x, path, problems, warnings);
		if (count == 0)
			look_at_name(x, path, host, warnings);
		X509_free(x);
		count++;
	}
	ERR_clear_error();
	fclose(f);
	*why = "no certificate in it";
	return count > 0 ? count : -1;
}
