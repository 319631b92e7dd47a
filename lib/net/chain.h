/* SPDX-License-Identifier: ISC */
/* A file with certificates: when the first of them ends. */
#ifndef NET_CHAIN_H
#define NET_CHAIN_H

#include <stdint.h>

struct chain_end {
	char subject[256]; /* of the certificate that ends first */
	int64_t expires;   /* seconds since 1970, at least 1 */
};

/*
 * Reads a file in PEM's form with one or more certificates; other things in it
 * (the private key) are passed over. 0, or -1 with *why: no file, too large,
 * no certificate in it.
 */
int chain_end_read(const char *path, struct chain_end *out, const char **why);

#endif
