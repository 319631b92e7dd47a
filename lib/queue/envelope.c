/* SPDX-License-Identifier: ISC */
#include "queue/layout.h"

#define ENVELOPE_VERSION 1
#define RECORD           5     /* octets before a value: tag and length */
#define VALUE_MAX        65536 /* octets of one value that we write */

/* clang-format off */
enum tag {
	TAG_VERSION = 'V', TAG_ID = 'I', TAG_SESSION = 's', TAG_SENDER = 'S',
	TAG_ENVID = 'E', TAG_RET = 'T', TAG_BODY = 'B', TAG_SMTPUTF8 = 'U', TAG_JUNK = 'J',
	TAG_ORIGIN = 'o', TAG_CLIENT = 'c', TAG_LOGIN = 'l',
	TAG_MESSAGE_ID = 'm', TAG_FORWARD_SENDER = 'f',
	/* A recipient; what follows belongs to it. */
	TAG_RECIPIENT = 'R', TAG_ORIGINAL = 'O', TAG_NOTIFY = 'N',
	TAG_FORWARDED = 'a'
};
/* clang-format on */

/* ---- writing ---- */

static void add(struct buf *out, enum tag tag, struct str value)
{
	unsigned char head[RECORD] = {(unsigned char)tag};

	if (value.len > VALUE_MAX) {
		out->overflow = true;
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		head[1 + i] = (unsigned char)(value.len >> (8 * i));
	buf_add_bytes(out, head, sizeof(head));
	buf_add(out, value);
}

static void add_octet(struct buf *out, enum tag tag, uint8_t value)
{
	add(out, tag, str_of(&value, 1));
}

/* Left out when empty. */
static void add_some(struct buf *out, enum tag tag, struct str value)
{
	if (value.len > 0)
		add(out, tag, value);
}

static void add_recipient(struct buf *out, const struct queue_recipient *r)
{
	add(out, TAG_RECIPIENT, r->address);
	add_some(out, TAG_ORIGINAL, r->original);
	if (r->notify != 0)
		add_octet(out, TAG_NOTIFY, r->notify);
	if (r->forwarded)
		add_octet(out, TAG_FORWARDED, 1);
}

int queue_envelope_encode(const struct queue_envelope *e, struct buf *out)
{
	add_octet(out, TAG_VERSION, ENVELOPE_VERSION);
	add(out, TAG_ID, id_str(&e->id));
	add_some(out, TAG_SESSION, id_str(&e->session));
	add(out, TAG_SENDER, e->sender);
	add_some(out, TAG_FORWARD_SENDER, e->forward_sender);
	add_some(out, TAG_ENVID, e->envid);
	add_some(out, TAG_RET, e->ret);
	add_some(out, TAG_BODY, e->body);
	if (e->smtputf8)
		add_octet(out, TAG_SMTPUTF8, 1);
	if (e->junk)
		add_octet(out, TAG_JUNK, 1);
	add_some(out, TAG_ORIGIN, e->origin);
	add_some(out, TAG_CLIENT, e->client);
	add_some(out, TAG_LOGIN, e->login);
	add_some(out, TAG_MESSAGE_ID, e->message_id);
	for (size_t i = 0; i < e->recipient_count; i++)
		add_recipient(out, &e->recipients[i]);
	return out->overflow ? -1 : 0;
}

/* ---- reading ---- */

/* 1 and the next record, 0 at the end, -1 when it does not fit. */
static int cut(struct str *in, enum tag *tag, struct str *value)
{
	uint64_t len = 0;

	if (in->len == 0)
		return 0;
	if (in->len < RECORD)
		return -1;
	*tag = (enum tag)(unsigned char)in->p[0];
	for (unsigned i = 0; i < 4; i++)
		len |= (uint64_t)(unsigned char)in->p[1 + i] << (8 * i);
	*in = str_skip(*in, RECORD);
	if (len > in->len)
		return -1;
	*value = str_sub(*in, 0, (size_t)len);
	*in = str_skip(*in, (size_t)len);
	return 1;
}

static uint8_t octet(struct str value)
{
	return value.len == 1 ? (uint8_t)value.p[0] : 0;
}

/* The recipient that TAG_ORIGINAL and the like belong to, or NULL. */
static struct queue_recipient *latest(const struct queue_envelope *e)
{
	return e->recipient_count == 0 ? NULL
				       : &e->recipients[e->recipient_count - 1];
}

/* One record of the message. 1 when taken, 0 when the tag is none of these,
 * -1 when the value is bad. */
static int take_text(struct queue_envelope *e, enum tag tag, struct str value)
{
	struct str *to = NULL;

	switch (tag) {
	case TAG_SENDER:
		to = &e->sender;
		break;
	case TAG_FORWARD_SENDER:
		to = &e->forward_sender;
		break;
	case TAG_ENVID:
		to = &e->envid;
		break;
	case TAG_RET:
		to = &e->ret;
		break;
	case TAG_BODY:
		to = &e->body;
		break;
	case TAG_ORIGIN:
		to = &e->origin;
		break;
	case TAG_CLIENT:
		to = &e->client;
		break;
	case TAG_LOGIN:
		to = &e->login;
		break;
	case TAG_MESSAGE_ID:
		to = &e->message_id;
		break;
	case TAG_ID:
		return id_parse(value, &e->id) < 0 ? -1 : 1;
	case TAG_SESSION:
		return id_parse(value, &e->session) < 0 ? -1 : 1;
	case TAG_SMTPUTF8:
		e->smtputf8 = octet(value) != 0;
		return 1;
	case TAG_JUNK:
		e->junk = octet(value) != 0;
		return 1;
	case TAG_VERSION:
		return octet(value) == ENVELOPE_VERSION ? 1 : -1;
	default:
		return 0;
	}
	*to = value;
	return 1;
}

static int take(struct queue_envelope *e, size_t most, enum tag tag,
    struct str value, const char **why)
{
	int taken = take_text(e, tag, value);

	if (taken > 0)
		return 0;
	*why = "bad value in the envelope";
	if (taken < 0)
		return -1;
	if (tag == TAG_RECIPIENT) {
		if (e->recipient_count == most || value.len == 0) {
			*why = "wrong number of recipients in the envelope";
			return -1;
		}
		e->recipients[e->recipient_count++] = (struct queue_recipient){
		    value, STR_EMPTY, 0, false};
		return 0;
	}
	if (tag == TAG_ORIGINAL || tag == TAG_NOTIFY || tag == TAG_FORWARDED) {
		struct queue_recipient *r = latest(e);

		if (r == NULL)
			return -1;
		if (tag == TAG_ORIGINAL)
			r->original = value;
		else if (tag == TAG_NOTIFY)
			r->notify = octet(value);
		else
			r->forwarded = octet(value) != 0;
		return 0;
	}
	*why = "envelope of a later version";
	return tag >= 'a' && tag <= 'z' ? 0 : -1;
}

int queue_envelope_decode(struct str in, size_t recipient_count,
    struct arena *arena, struct queue_envelope *out, const char **why)
{
	enum tag tag;
	struct str value;
	int more;

	*out = (struct queue_envelope){.sender = STR_EMPTY,
	    .forward_sender = STR_EMPTY,
	    .envid = STR_EMPTY,
	    .ret = STR_EMPTY,
	    .body = STR_EMPTY,
	    .origin = STR_EMPTY,
	    .client = STR_EMPTY,
	    .login = STR_EMPTY,
	    .message_id = STR_EMPTY};
	/* Each recipient takes a record, so a count that cannot be true does
	 * not cost memory. */
	if (recipient_count > in.len / RECORD) {
		*why = "wrong number of recipients in the envelope";
		return -1;
	}
	out->recipients = arena_alloc(
	    arena, recipient_count * sizeof(*out->recipients));
	if (out->recipients == NULL) {
		*why = "envelope too large for the reader";
		return -1;
	}
	while ((more = cut(&in, &tag, &value)) > 0)
		if (take(out, recipient_count, tag, value, why) < 0)
			return -1;
	if (more < 0) {
		*why = "envelope is cut off";
		return -1;
	}
	if (out->recipient_count != recipient_count) {
		*why = "wrong number of recipients in the envelope";
		return -1;
	}
	return 0;
}
