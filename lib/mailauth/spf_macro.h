/* SPDX-License-Identifier: ISC */
/* The macros of SPF (RFC 7208 section 7). Pure. */
#ifndef MAILAUTH_SPF_MACRO_H
#define MAILAUTH_SPF_MACRO_H

#include "core/buf.h"

struct spf_macros {
	struct str sender, local_part, sender_domain;
	struct str domain;
	struct str address;          /* dotted: 192.0.2.1, or the nibbles */
	struct str readable_address; /* for people */
	struct str family;           /* "in-addr", "ip6" */
	struct str helo, receiver;
	struct str validated; /* %{p}; set when spf_macro_uses says so */
	int64_t now;
};

#define SPF_EXPANDED_MOST 8192 /* octets that a domain may grow to */
#define SPF_TEMPLATE_MOST                                                      \
	1024 /* octets of it before: its macros are expanded
                                * with every answer that comes */

/* Where a text stands: a domain must end in a label or a macro, and has neither
 * %{c}, %{r} nor %{t}; the texts of explanations may have spaces. */
enum spf_text { SPF_DOMAIN, SPF_MODIFIER, SPF_EXPLANATION };

/* Whether text is well-formed. */
bool spf_macro_valid(struct str text, enum spf_text kind);
/* Whether a well-formed text has the macro letter, in either case. */
bool spf_macro_uses(struct str text, char letter);
/* Appends what the text stands for; -1 when it is malformed or too long. */
int spf_macro_expand(struct str text, enum spf_text kind,
    const struct spf_macros *macros, struct buf *out);
/* The same as a name to ask for: at most 253 octets, by leaving out labels at
 * its left, and no final dot. */
int spf_macro_domain(
    struct str text, const struct spf_macros *macros, struct buf *out);

#endif
