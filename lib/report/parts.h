/* SPDX-License-Identifier: ISC */
/* What the parsers of lib/report share. Each returns 0, or -1 with a reason
 * for the operator in why (REPORT_WHY_MAX octets). */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include <cjson/cJSON.h>

#include "report/report.h"

#define REPORT_WHY_MAX 300

struct report_reader {
	const struct report_limits *limits;
	struct arena *arena;
	char why[REPORT_WHY_MAX];
};

int report_fail(struct report_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A text as it may be shown and stored: blanks at its ends taken off, runs of
 * them and line ends made one blank, control characters and what is no UTF-8
 * replaced, cut at REPORT_TEXT_MAX. "" when the arena is full.
 */
struct str report_text(struct arena *arena, struct str in);

/* The same in lower case. */
struct str report_lower(struct arena *arena, struct str in);

/* The same of a header field's value, decoded (RFC 2047). */
struct str report_header(struct arena *arena, struct str value);

/* Room for one more in a list of the arena, zeroed; NULL past `most` or when
 * the arena is full. */
void *report_list_add(
    struct arena *arena, void **list, size_t *count, size_t size, size_t most);

/* Gives every text a pointer, so that it can be printed and compared. */
void report_fill(struct report *r);

/* A file in an archive: gzip (RFC 1952) or zip, by its first octets; anything
 * else is taken as it is. *out is a view into in or into space. */
int report_unpack(
    struct report_reader *r, struct str in, struct buf *space, struct str *out);

int report_read_dmarc(
    struct report_reader *r, struct str xml, struct report *out);
int report_read_tls(
    struct report_reader *r, struct str json, struct report *out);
/* fields: the part message/feedback-report; original: the message that it is
 * about, or its header. */
int report_read_arf(struct report_reader *r, struct str fields,
    struct str original, struct report *out);

/* JSON with the memory that it may take bounded; NULL with *why. For one
 * document at a time: the caller ends it with report_json_free. */
cJSON *report_json_load(struct str text, const char **why);
void report_json_free(cJSON *root);
/* A member of an object, or NULL. */
const cJSON *report_json_get(const cJSON *object, const char *name);
/* A number that is none, negative or not exact is 0. */
uint64_t report_json_number(const cJSON *value);
struct str report_json_text(struct arena *arena, const cJSON *value);

#endif
