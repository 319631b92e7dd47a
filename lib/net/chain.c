/* SPDX-License-Identifier: ISC */
#include "net/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "core/file.h"
#include "core/memory.h"

#define FILE_MAX (1u << 20)

static int64_t end_of(const X509 *x)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int64_t end = 1;
	int days, seconds;

	if (epoch != NULL &&
	    ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(x)) == 1)
		end = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	return end < 1 ? 1 : end;
}

static void name_of(const X509 *x, char *out, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n = 0;

	if (b != NULL &&
	    X509_NAME_print_ex(b, X509_get_subject_name(x), 0,
		XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_read(b, out, (int)size - 1);
	BIO_free(b);
	out[n > 0 ? n : 0] = '\0';
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

static int read_all(struct str text, struct chain_end *out)
{
	BIO *b = BIO_new_mem_buf(text.p, (int)text.len);
	int found = 0;
	X509 *x;

	while (
	    b != NULL && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		int64_t end = end_of(x);

		if (found++ == 0 || end < out->expires) {
			out->expires = end;
			name_of(x, out->subject, sizeof(out->subject));
		}
		X509_free(x);
	}
	BIO_free(b);
	ERR_clear_error();
	return found > 0 ? 0 : -1;
}

/* Never waits, whatever stands there instead of a file. */
static int open_file(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		*why = strerror(errno);
		file_close(&fd);
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		*why = "not a file of at most 1 MiB";
		file_close(&fd);
	}
	return fd;
}

int chain_end_read(const char *path, struct chain_end *out, const char **why)
{
	struct buf text = buf_new(FILE_MAX + 1);
	int fd = open_file(path, why), result = -1;

	if (fd < 0)
		return -1;
	if (file_read_fd(fd, &text) < 0)
		*why = strerror(errno);
	else if ((result = read_all(buf_str(&text), out)) < 0)
		*why = "no certificate in it";
	/* Its private key was in it. */
	if (text.p != NULL)
		mem_wipe(text.p, text.len);
	buf_free(&text);
	file_close(&fd);
	return result;
}
