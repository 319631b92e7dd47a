/* SPDX-License-Identifier: ISC */
/*
 * The Sender Rewriting Scheme: an address of ours that stands for a foreign
 * one, so that forwarded mail leaves under a sender whose SPF record names us,
 * and what comes back for it finds its way. Pure: no clock, no file.
 *
 *	SRS0=HASH=TT=domain=local@ours           stands for local@domain
 *	SRS1=HASH=first==hash=tt=domain=local@ours   stands for the SRS0 address
 *	                                         of the first forwarder
 *
 * HASH is the beginning, in base 64, of an HMAC-SHA1 over what follows it, in
 * lower case; TT is the day, modulo 1024, in base 32. The two characters behind
 * SRS0 and SRS1 may be "=", "+" or "-", as others write them. Addresses are
 * those that libsrs2, postsrsd and Mail::SRS make with the same secret and the
 * same length.
 *
 * Such a local part is easily longer than the 64 octets that RFC 5321 section
 * 4.5.3.1.1 has every host take; the same section asks hosts to set no limit,
 * and those that speak SRS set none. It is therefore sent as it is; only a
 * mailbox beyond the 254 octets of a path (section 4.5.3.1.3) is not made.
 */
#ifndef MAIL_SRS_H
#define MAIL_SRS_H

#include "core/buf.h"

#define SRS_SECRETS_MAX 16
#define SRS_HASH_MAX    26 /* characters: what an HMAC-SHA1 gives */

struct srs {
	struct str secrets[SRS_SECRETS_MAX]; /* the first signs, all verify */
	size_t secret_count;                 /* at least 1 */
	size_t hash_length; /* of what is made, 1 to SRS_HASH_MAX */
	size_t hash_least;  /* of what is believed, at most hash_length */
	unsigned days;      /* for which an address is good; at most 1000 */
};

enum srs_result {
	SRS_OK,
	SRS_NONE,    /* forward: no mailbox; reverse: no SRS address */
	SRS_LONG,    /* the result is no path any more */
	SRS_FORGED,  /* the hash is none of ours, or parts are missing */
	SRS_EXPIRED, /* ours, and too old */
};
/* A phrase fit for an SMTP reply, "" for SRS_OK. */
const char *srs_words(enum srs_result result);

/* Whether the local part, quoted or not, begins as those of SRS do. */
bool srs_is(struct str local);

/*
 * Appends the address of `domain` that stands for sender: SRS1 when sender is
 * an SRS address itself (of another host), else SRS0. now: seconds since 1970.
 * SRS_OK, SRS_NONE or SRS_LONG.
 */
enum srs_result srs_forward(const struct srs *s, struct str sender,
    struct str domain, int64_t now, struct buf *out);

/*
 * Appends what the address stands for, whatever its domain. Upper and lower
 * case are the same everywhere but in the local part that comes out, for hosts
 * on the way change them. An address of tomorrow is one of today: clocks of
 * two hosts differ. All but SRS_LONG.
 */
enum srs_result srs_reverse(
    const struct srs *s, struct str address, int64_t now, struct buf *out);

#endif
