/* SPDX-License-Identifier: ISC */
/*
 * Writes JSON (RFC 8259) into a buffer; the buffer's overflow flag tells
 * whether all of it fitted. Commas are put in by themselves.
 *
 *	struct json j = json_start(&out);
 *	json_object(&j, NULL);
 *	json_text(&j, "id", id);
 *	json_end(&j);
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include "core/buf.h"

struct json {
	struct buf *out;
	unsigned depth;     /* at most 32 */
	uint32_t is_array;  /* a bit for each level */
	uint32_t has_items; /* a bit for each level */
};

static inline struct json json_start(struct buf *out)
{
	return (struct json){out, 0, 0, 0};
}

/* name is NULL inside an array and at the top. */
void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_end(struct json *j); /* the innermost object or array */
/* Octets that are not UTF-8 become U+FFFD. */
void json_text(struct json *j, const char *name, struct str value);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_i64(struct json *j, const char *name, int64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

#endif
