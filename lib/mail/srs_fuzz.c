/* SPDX-License-Identifier: ISC */
/*
 * Whatever the address: what is made for it is a mailbox of no more than 254
 * octets that leads back to it (an SRS1 address to an SRS0 one), an octet of
 * its hash changed does not; nothing that was not made leads anywhere.
 */
#include <stdlib.h>

#include "mail/address.h"
#include "mail/srs.h"

#define NOW 1577836860

static const struct srs srs = {
    {STR_INIT("first"), STR_INIT("second")}, 2, 26, 26, 21};

static void forth_and_back(struct str in)
{
	struct buf out = buf_new(2000), back = buf_new(2000);
	struct buf plain = buf_new(2000);
	struct address a;
	const char *why;

	if (srs_forward(&srs, in, STR("ours.example"), NOW, &out) == SRS_OK) {
		if (out.len > 254 ||
		    address_split(buf_str(&out), true, &a, &why) < 0 ||
		    !srs_is(a.local) ||
		    srs_reverse(&srs, buf_str(&out), NOW, &back) != SRS_OK)
			abort();
		if (address_normalize(in, false, &plain) < 0)
			abort();
		if (!srs_is(buf_str(&plain)) &&
		    !str_eq(buf_str(&plain), buf_str(&back)))
			abort();
		buf_clear(&back);
		size_t at = out.p[0] == '"' ? 6 : 5;
		out.p[at] = out.p[at] == 'x' ? 'y' : 'x';
		if (srs_reverse(&srs, buf_str(&out), NOW, &back) == SRS_OK)
			out.p[at] = 'z'; /* it was X or Y: the same */
		if (srs_reverse(&srs, buf_str(&out), NOW, &back) == SRS_OK &&
		    out.p[at] == 'z')
			abort();
	}
	buf_free(&out);
	buf_free(&back);
	buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};
	struct buf out = buf_new(2000);

	forth_and_back(in);
	/* 156 bits are not guessed. */
	if (srs_reverse(&srs, in, NOW, &out) == SRS_OK)
		abort();
	buf_free(&out);
	return 0;
}
