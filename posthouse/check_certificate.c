/* SPDX-License-Identifier: ISC */
#include "posthouse/check_certificate.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

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

int check_certificate(const char *path, struct buf *problems,
    struct buf *warnings, const char **why)
{
	FILE *f = fopen(path, "r");
	int count = 0;
	X509 *x;

	if (f == NULL) {
		*why = strerror(errno);
		return -1;
	}
	while ((x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		look(x, path, problems, warnings);
		X509_free(x);
		count++;
	}
	ERR_clear_error();
	fclose(f);
	*why = "no certificate in it";
	return count > 0 ? count : -1;
}
