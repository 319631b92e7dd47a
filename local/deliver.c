/* SPDX-License-Identifier: ISC */
/* One message into one mailbox. */
#include <stdio.h>

#include "core/log.h"
#include "ipc/limits.h"
#include "local/request.h"
#include "mail/header.h"

/* Octets of the lines added at the top; two addresses fit. */
#define LINES_MAX (2 * IPC_ADDRESS_MAX + 64)

bool loops(struct str header, struct str address)
{
	struct header_field field;
	int next;

	while ((next = header_next(&header, &field)) != 0)
		if (next == 1 && str_case_eq(field.name, STR("Delivered-To")) &&
		    str_case_eq(str_trim(field.value), address))
			return true;
	return false;
}

struct dsn deliver_result_of(
    enum store_result result, struct box *b, const struct local_conf *conf)
{
	const char *why = b != NULL ? store_why(b) : "cannot be opened";

	switch (result) {
	case STORE_OK:
		return dsn_make(DSN_DELIVERED, "2.1.5", "delivered to mailbox");
	case STORE_DUPLICATE:
		return dsn_make(
		    DSN_DELIVERED, "2.1.5", "delivered to mailbox before");
	case STORE_OVER_QUOTA:
		return conf->quota_full_tempfail
		    ? dsn_make(DSN_DEFERRED, "4.2.2", "mailbox full")
		    : dsn_make(DSN_FAILED, "5.2.2", "mailbox full");
	case STORE_BUSY:
		return dsn_make(DSN_DEFERRED, "4.2.0", "mailbox busy: %s", why);
	case STORE_NO_SPACE:
		return dsn_make(
		    DSN_DEFERRED, "4.3.1", "mail system full: %s", why);
	case STORE_CORRUPT:
		return dsn_make(
		    DSN_DEFERRED, "4.3.0", "mailbox damaged: %s", why);
	case STORE_BAD_NAME:
		return dsn_make(
		    DSN_FAILED, "5.1.1", "no mailbox can have this name");
	default:
		return dsn_make(DSN_DEFERRED, "4.3.0", "mailbox error: %s (%s)",
		    store_result_name(result), why);
	}
}

/* Return-Path (RFC 5321 4.4) and Delivered-To, the queue's header, its body.
 * What fails is remembered by the body. */
static void compose(const struct request *r, const struct deliver_to *to,
    struct store_body *body)
{
	char lines[LINES_MAX];
	int len = snprintf(lines, sizeof(lines),
	    "Return-Path: <%.*s>\r\nDelivered-To: %.*s\r\n",
	    STR_FMT(r->head.sender), STR_FMT(to->address));

	store_body_add(body, lines, (size_t)len);
	store_body_add(body, r->header.p, r->header.len);
	if (r->small)
		store_body_add(body, r->content.p, r->file.body.length);
	else
		store_body_add_file(
		    body, r->fd, r->file.body.offset, r->file.body.length);
}

struct str request_mailbox(const struct request *r)
{
	return r->head.junk ? STR("Junk") : STR("INBOX");
}

static enum store_result store(
    struct request *r, const struct deliver_to *to, struct box *b)
{
	struct deliver_item item = {.mailbox = request_mailbox(r),
	    .create = r->head.junk,
	    .use = r->head.junk ? USE_JUNK : USE_NONE};
	char id[ID_LEN + IPC_ORCPT_MAX + IPC_ADDRESS_MAX + 3];
	struct store_body *body;
	enum store_result result;
	int len = snprintf(id, sizeof(id), "%s\t%.*s\t%.*s", r->queue_id.text,
	    STR_FMT(to->original), STR_FMT(to->account));

	box_set_quota(b, to->quota_storage, to->quota_messages);
	body = store_body_new(b);
	compose(r, to, body);
	result = box_deliver(b, str_of(id, (size_t)len),
	    (int64_t)r->head.arrived, body, 0, &item, 1);
	store_body_free(&body);
	return result;
}

struct dsn deliver_one(struct request *r, const struct deliver_to *to,
    struct cache *boxes, const struct local_conf *conf)
{
	enum store_result result;
	struct dsn dsn;
	struct box *b;

	if (to->account.len == 0)
		return dsn_make(
		    DSN_FAILED, "5.1.1", "the recipient has no mailbox");
	if (r->why != NULL)
		return dsn_make(DSN_DEFERRED, "4.3.0", "%s", r->why);
	if (loops(r->header, to->address))
		return dsn_make(DSN_FAILED, "5.4.6",
		    "mail forwarding loop for %.*s", STR_FMT(to->address));
	b = cache_get(boxes, to->account, &result);
	if (b != NULL)
		result = store(r, to, b);
	dsn = deliver_result_of(result, b, conf);
	if (result == STORE_OK && r->head.junk)
		dsn = dsn_make(DSN_DELIVERED, "2.1.5", "delivered to Junk");
	/* In doubt the state is read anew. */
	if (b != NULL && result != STORE_OK && result != STORE_DUPLICATE &&
	    result != STORE_OVER_QUOTA && result != STORE_BUSY)
		cache_drop(boxes, b);
	return dsn;
}
