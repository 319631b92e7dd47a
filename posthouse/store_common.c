/* SPDX-License-Identifier: ISC */
#include "posthouse/store_command.h"

#include <stdarg.h>
#include <stdlib.h>

#include "core/clock.h"
#include "mail/address.h"

#define OPEN_MS   10000
#define NAMES_MAX ((size_t)1 << 30) /* of the accounts of one shard */

/* ---- what went wrong ---- */

void store_fail(struct store_command *c, int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "posthouse store %s: ", c->verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	c->status = status;
}

static int status_of(enum store_result r)
{
	switch (r) {
	case STORE_OK:
	case STORE_DUPLICATE:
		return EX_OK;
	case STORE_NO_MAILBOX:
	case STORE_GONE:
		return EX_NOINPUT;
	case STORE_BAD_NAME:
		return EX_USAGE;
	case STORE_BUSY:
		return EX_TEMPFAIL;
	case STORE_NO_SPACE:
		return EX_CANTCREAT;
	case STORE_CORRUPT:
		return EX_DATAERR;
	case STORE_UNKNOWN:
	case STORE_ERROR:
		return EX_IOERR;
	default:
		return EX_UNAVAILABLE;
	}
}

/* Why it cannot be opened, where that is what fails. */
static void ask_why(
    struct store_command *c, struct str account, char *out, size_t size)
{
	struct box *b = NULL;

	if (box_open(c->store, account, deadline_in(OPEN_MS), &b) != STORE_OK &&
	    b != NULL)
		snprintf(out, size, "%s", store_why(b));
	box_close(&b);
}

void store_fail_why(struct store_command *c, struct str account,
    const char *why, enum store_result r)
{
	const char *etc = c->p->config_directory;
	char name[600];

	if (why[0] == '\0')
		why = store_result_name(r);
	store_text(account, name, sizeof(name));
	if (r == STORE_CORRUPT)
		store_fail(c, status_of(r),
		    "%s: %s; \"posthouse -c %s store check %s\" says what is "
		    "damaged, \"store repair\" mends it",
		    name, why, etc, name);
	else if (r == STORE_BUSY)
		store_fail(c, status_of(r),
		    "%s: %s; another process is at it, try again", name, why);
	else
		store_fail(c, status_of(r), "%s: %s", name, why);
}

void store_fail_box(struct store_command *c, struct str account,
    const struct box *b, enum store_result r)
{
	char why[200] = "";

	if (b == NULL)
		ask_why(c, account, why, sizeof(why));
	store_fail_why(c, account, b != NULL ? store_why(b) : why, r);
}

/* ---- accounts ---- */

struct str store_account(const char *word, struct buf *space)
{
	buf_clear(space);
	if (address_normalize(str_from(word), true, space) < 0) {
		buf_clear(space);
		buf_add_text(space, word);
	}
	return buf_str(space);
}

static void say_absent(struct store_command *c, struct str account)
{
	char name[600];

	store_fail(c, EX_NOINPUT,
	    "%s has no mail in the store; \"posthouse -c %s store stat\" "
	    "shows who has",
	    store_text(account, name, sizeof(name)), c->p->config_directory);
}

struct box *store_box(
    struct store_command *c, struct store *s, struct str account)
{
	struct box *b = NULL;
	enum store_result r = box_open(s, account, deadline_in(OPEN_MS), &b);

	if (r == STORE_OK && box_directory(b) >= 0)
		return b;
	if (r != STORE_OK)
		store_fail_box(c, account, b, r);
	else
		say_absent(c, account);
	box_close(&b);
	return NULL;
}

bool store_exists(struct store_command *c, struct str account)
{
	struct box *b = NULL;
	enum store_result r = box_open(
	    c->store, account, deadline_in(OPEN_MS), &b);
	/* What cannot be opened is there, and damaged. */
	bool exists = r != STORE_OK || box_directory(b) >= 0;

	box_close(&b);
	if (!exists)
		say_absent(c, account);
	return exists;
}

static int collect(void *arg, struct str account)
{
	struct buf *names = arg;

	buf_add(names, account);
	return buf_add_char(names, '\0');
}

static int each_of_shard(struct store_command *c, unsigned shard,
    void (*visit)(struct store_command *c, struct str account))
{
	struct buf names = buf_new(NAMES_MAX);
	enum store_result r = store_scan(c->store, shard, collect, &names);
	struct str rest = buf_str(&names);

	if (r != STORE_OK || names.overflow)
		store_fail(c, EX_IOERR, "the accounts cannot be listed: %s",
		    r == STORE_OK ? "too many" : store_result_name(r));
	while (rest.len > 0)
		visit(c, str_cut(&rest, '\0'));
	buf_free(&names);
	return r == STORE_OK ? 0 : -1;
}

void store_each(struct store_command *c, int first,
    void (*visit)(struct store_command *c, struct str account))
{
	struct buf space = buf_new(4096);

	for (unsigned i = 0; c->given.all && i < STORE_SHARDS; i++)
		if (each_of_shard(c, i, visit) < 0)
			break;
	for (int i = first; !c->given.all && i < c->word_count; i++)
		visit(c, store_account(c->words[i], &space));
	buf_free(&space);
}

/* ---- words ---- */

const char *store_text(struct str s, char *out, size_t size)
{
	size_t len = s.len < size ? s.len : size - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?'
								       : s.p[i];
	out[len] = '\0';
	return out;
}

void store_flush(struct store_command *c)
{
	if (store_as_json(c))
		fwrite(c->out.p, 1, c->out.len, stdout);
	buf_clear(&c->out);
}

int store_time(
    struct store_command *c, const char *option, const char *text, int64_t *us)
{
	const char *why;

	if (time_point_parse(text, c->now, us, &why) == 0)
		return 0;
	store_fail(c, EX_USAGE, "%s %s: %s", option, text, why);
	return -1;
}

void store_json_time(struct store_command *c, const char *name, int64_t us)
{
	char text[TIME_POINT_TEXT];

	json_object(&c->json, name);
	json_text(&c->json, "text", str_from(time_point_text(us, text)));
	json_i64(&c->json, "seconds", us / 1000000);
	json_end(&c->json);
}
