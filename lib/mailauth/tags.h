/* SPDX-License-Identifier: ISC */
/* Lists of "tag=value;" (RFC 6376 section 3.2): signatures, keys, policies.
 * Pure; tags point into the text. */
#ifndef MAILAUTH_TAGS_H
#define MAILAUTH_TAGS_H

#include "core/buf.h"

#define TAGS_MOST 64

struct tag {
	struct str name;
	struct str value; /* blanks at both ends taken off, inner ones kept */
	struct str place; /* all between "=" and ";" */
};

struct tags {
	struct tag list[TAGS_MOST];
	size_t count;
};

/* -1 when the text is malformed, a tag stands twice or there are too many. */
int tags_parse(struct str text, struct tags *out);
/* NULL when there is none. Names of tags have a case. */
const struct tag *tags_find(const struct tags *tags, const char *name);
/* The value, or fallback. */
struct str tags_value(
    const struct tags *tags, const char *name, struct str fallback);
/* The next of a list that is separated by colons, without blanks around it;
 * false at its end. */
bool tags_item(struct str *list, struct str *item);
/* Whether a list has the item, without regard to case. */
bool tags_list_has(struct str list, struct str item);
/* base64 with blanks and line ends in it. -1 when malformed or too long. */
int tags_base64(struct str value, struct buf *out);

#endif
