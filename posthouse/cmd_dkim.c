/* SPDX-License-Identifier: ISC */
/*
 * posthouse dkim: the keys that mail is signed with. A key is made (new), its
 * record is put into DNS (publish), looked at (test), then it signs (activate)
 * until another takes over (retire).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "mailauth/authors.h"
#include "posthouse/dkim.h"

#define BITS      2048
#define NAME_ROOM (253 - 12)  /* octets of a name beside "._domainkey." */
#define REPORT    (64u << 20) /* octets printed */
#define DATE_TEXT 40
#define OTHERS    07u /* of a file's mode */

struct order {
	struct posthouse *p;
	struct str domain, selector; /* "": not given */
	const char *file;            /* --file */
	bool rsa, ed25519, force;
	unsigned bits;
	struct buf out;   /* what is printed in the end */
	struct json json; /* an array of keys, with --json */
};

/* ---- printing ---- */

static const char *date_of(int64_t seconds, char out[DATE_TEXT])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, DATE_TEXT, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		out[0] = '\0';
	return out;
}

/* Until when mail that a retired key signed may still leave our queue; then
 * nobody here needs its record. 0: it is not retired. */
static int64_t needed_until(const struct order *o, const struct key_row *row)
{
	return row->state == KEY_RETIRED
	    ? row->since + o->p->house.maximal_queue_lifetime / 1000
	    : 0;
}

static bool is_on_its_way(const struct order *o, const struct key_row *row)
{
	return needed_until(o, row) > clock_seconds();
}

/* A key that others have seen may sign in our name elsewhere. */
static bool is_exposed(const struct key_row *row)
{
	return (row->mode & OTHERS) != 0;
}

static const char *type_of(const struct key_row *row)
{
	if (row->key == NULL)
		return "";
	return dkim_key_algorithm(row->key) == DKIM_RSA_SHA256 ? "rsa"
							       : "ed25519";
}

/* What both list and test say of a key; the object stays open. */
static void put_json(struct order *o, const struct key_row *row)
{
	struct json *j = &o->json;

	struct buf name = buf_new(1024), record = buf_new(16384);

	key_name(row->domain, row->selector, &name);
	json_object(j, NULL);
	json_text(j, "domain", row->domain);
	json_text(j, "selector", row->selector);
	json_text(j, "state", str_from(key_state_names[row->state]));
	json_i64(j, "since", row->since);
	if (needed_until(o, row) > 0)
		json_i64(j, "record_needed_until", needed_until(o, row));
	json_bool(j, "exposed", is_exposed(row));
	if (row->key != NULL) {
		dkim_key_record(row->key, &record);
		json_text(j, "type", str_from(type_of(row)));
		json_u64(j, "bits", dkim_key_bits(row->key));
		json_text(j, "name", str_sub(buf_str(&name), 0, name.len - 1));
		json_text(j, "record", buf_str(&record));
	} else {
		json_text(j, "error", str_from(row->why));
	}
	buf_free(&name);
	buf_free(&record);
}

static void put_line(struct buf *out, const struct key_row *row)
{
	char date[DATE_TEXT];

	buf_printf(out, "%-24.*s %-24.*s %-8s since %s  ", STR_FMT(row->domain),
	    STR_FMT(row->selector), key_state_names[row->state],
	    date_of(row->since, date));
	if (row->key != NULL)
		buf_printf(
		    out, "%s, %u bits", type_of(row), dkim_key_bits(row->key));
	else
		buf_printf(out, "cannot be used: %s", row->why);
	if (is_exposed(row))
		buf_printf(out, "; others may read it (mode %04o)", row->mode);
	buf_add_char(out, '\n');
}

/* ---- list ---- */

static int list(struct order *o, struct key_rows *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!o->p->json) {
			put_line(&o->out, &r->list[i]);
			continue;
		}
		put_json(o, &r->list[i]);
		json_end(&o->json);
	}
	if (!o->p->json && r->count == 0)
		buf_printf(&o->out,
		    "there are no keys: mail leaves unsigned; \"posthouse dkim "
		    "new %.*s\" makes some\n",
		    STR_FMT(o->domain.len > 0
			    ? o->domain
			    : str_from(o->p->house.mydomain)));
	return 0;
}

/* ---- publish ---- */

static bool is_meant(const struct order *o, const struct key_row *row)
{
	return o->selector.len > 0 ? str_eq(o->selector, row->selector)
				   : row->state != KEY_RETIRED;
}

static int no_such(const struct order *o)
{
	if (o->domain.len == 0)
		return posthouse_fail("dkim",
		    "there are no keys; \"posthouse dkim new %s\" makes some",
		    o->p->house.mydomain);
	if (o->selector.len > 0)
		return posthouse_fail("dkim", "%.*s has no key %.*s",
		    STR_FMT(o->domain), STR_FMT(o->selector));
	return posthouse_fail("dkim",
	    "%.*s has no key for that; \"posthouse dkim list\" shows what "
	    "there is",
	    STR_FMT(o->domain));
}

static int publish(struct order *o, struct key_rows *r)
{
	size_t shown = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct key_row *row = &r->list[i];

		if (!is_meant(o, row))
			continue;
		if (row->key == NULL)
			return posthouse_fail("dkim",
			    "%.*s/%.*s cannot be used: %s",
			    STR_FMT(row->domain), STR_FMT(row->selector),
			    row->why);
		shown++;
		if (!o->p->json) {
			key_zone(row, &o->out);
			continue;
		}
		put_json(o, row);
		json_end(&o->json);
	}
	return shown > 0 ? 0 : no_such(o);
}

/* ---- test ---- */

/* What a record of a retired key is still for. */
static void put_retired(struct order *o, const struct key_row *row, bool there)
{
	char date[DATE_TEXT];

	date_of(needed_until(o, row), date);
	if (!is_on_its_way(o, row))
		buf_printf(&o->out, "; not needed since %s%s", date,
		    there ? ", take it out" : "");
	else if (there)
		buf_printf(&o->out,
		    "; leave it until %s: mail that it signed is on its way",
		    date);
	else
		buf_printf(&o->out,
		    "; mail that it signed may be on its way until %s and is "
		    "taken for forged: put the record back (posthouse dkim "
		    "publish %.*s %.*s)",
		    date, STR_FMT(row->domain), STR_FMT(row->selector));
}

static void put_test(struct order *o, const struct key_row *row,
    enum publication found, const char *said)
{
	buf_printf(&o->out, "%.*s._domainkey.%.*s (%s): %s",
	    STR_FMT(row->selector), STR_FMT(row->domain),
	    key_state_names[row->state], said);
	if (row->state == KEY_RETIRED)
		put_retired(o, row, found == PUBLISHED);
	if (is_exposed(row))
		buf_printf(&o->out,
		    "; others may read its file (mode %04o), so it may be "
		    "known: take a new one",
		    row->mode);
	buf_add_char(&o->out, '\n');
}

/* Retired ones too, as long as mail of theirs is on its way. */
static bool is_to_test(const struct order *o, const struct key_row *row)
{
	return is_meant(o, row) ||
	    (o->selector.len == 0 && is_on_its_way(o, row));
}

static bool is_in_order(
    const struct order *o, const struct key_row *row, enum publication found)
{
	if (row->state == KEY_RETIRED && !is_on_its_way(o, row))
		return true;
	return found == PUBLISHED && !is_exposed(row);
}

static int test(struct order *o, struct key_rows *r)
{
	struct dns_view *v = dns_view_open(o->p, "dkim");
	size_t looked = 0, wrong = 0;
	const char *why;

	if (v == NULL)
		return 1;
	for (size_t i = 0; i < r->count; i++) {
		struct key_row *row = &r->list[i];

		if (!is_to_test(o, row))
			continue;
		enum publication found = dns_view_look(v, row, &why);
		looked++;
		wrong += !is_in_order(o, row, found);
		if (!o->p->json) {
			put_test(o, row, found, why);
			continue;
		}
		put_json(o, row);
		json_text(&o->json, "dns", str_from(publication_name(found)));
		json_text(&o->json, "says", str_from(why));
		json_end(&o->json);
	}
	dns_view_close(&v);
	return looked == 0 ? no_such(o) : wrong > 0;
}

/* ---- new ---- */

static const char *const suffixes[] = {"-rsa", "-ed25519"};

/* Whether a selector, or what is made of it, is taken. */
static bool is_taken(struct key_rows *r, const char *base)
{
	char name[2 * KEY_SELECTOR_MAX];
	bool taken = key_rows_find(r, str_from(base)) != NULL;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(name, sizeof(name), "%s%s", base, suffixes[i]);
		taken |= key_rows_find(r, str_from(name)) != NULL;
	}
	return taken;
}

/* The date, and a letter when there is one of today. */
static void invent(struct key_rows *r, char base[16])
{
	time_t now = (time_t)clock_seconds();
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(base, 16, "%Y%m%d", &tm);
	for (char c = 'b'; is_taken(r, base) && c <= 'z'; c++) {
		base[8] = c;
		base[9] = '\0';
	}
}

static int add(struct order *o, struct key_rows *r, const char *selector,
    struct dkim_key *key)
{
	struct key_row row = {
	    .domain = o->domain, .selector = str_from(selector), .key = key};
	int result;

	if (key == NULL)
		return posthouse_fail("dkim", "OpenSSL makes no such key");
	if (!key_selector_valid(row.selector))
		return posthouse_misused("dkim",
		    "%s is no selector: letters in lower case, digits and "
		    "hyphens, with dots between",
		    selector);
	if (o->domain.len + row.selector.len > NAME_ROOM)
		return posthouse_fail("dkim",
		    "%s._domainkey.%.*s is too long for DNS: take a shorter "
		    "selector",
		    selector, STR_FMT(o->domain));
	if (key_rows_find(r, row.selector) != NULL)
		return posthouse_fail("dkim",
		    "%.*s has a key %s already; selectors are not used twice",
		    STR_FMT(o->domain), selector);
	result = key_add(r, &o->p->house, o->domain, row.selector, key);
	if (result == 0 && o->p->json) {
		row.since = clock_seconds();
		put_json(o, &row);
		json_end(&o->json);
	} else if (result == 0) {
		key_zone(&row, &o->out);
	}
	return result;
}

static int add_made(struct order *o, struct key_rows *r, const char *base,
    enum dkim_algorithm algorithm)
{
	char name[2 * KEY_SELECTOR_MAX];
	struct dkim_key *key = dkim_key_new(algorithm, o->bits);
	bool both = o->rsa && o->ed25519;
	int result;

	snprintf(name, sizeof(name), "%s%s", base,
	    both || o->selector.len == 0 ? suffixes[algorithm] : "");
	result = add(o, r, name, key);
	dkim_key_free(&key);
	return result;
}

static int add_file(struct order *o, struct key_rows *r, const char *name)
{
	struct buf pem = buf_new(KEY_FILE_MAX);
	const char *why = "";
	struct dkim_key *key = NULL;
	int result;

	if (file_read(o->file, &pem) < 0)
		why = strerror(errno);
	else
		key = dkim_key_private(buf_str(&pem), &why);
	result = key == NULL ? posthouse_fail("dkim", "%s: %s", o->file, why)
			     : add(o, r, name, key);
	dkim_key_free(&key);
	mem_wipe(pem.p, pem.len);
	buf_free(&pem);
	return result;
}

static int make(struct order *o, struct key_rows *r)
{
	char base[KEY_SELECTOR_MAX + 16];
	int result = 0;

	if (o->selector.len > KEY_SELECTOR_MAX)
		return posthouse_fail("dkim", "the selector is too long");
	if (o->selector.len == 0)
		invent(r, base);
	else
		(void)str_copy(base, sizeof(base), o->selector);
	if (o->file != NULL)
		result = add_file(o, r, base);
	else if (o->rsa)
		result = add_made(o, r, base, DKIM_RSA_SHA256);
	if (result == 0 && o->file == NULL && o->ed25519)
		result = add_made(o, r, base, DKIM_ED25519_SHA256);
	if (result == 0 && !o->p->json)
		buf_printf(&o->out,
		    "\nNothing is signed with it yet. Put the record%s above "
		    "into the zone of %.*s, then:\n"
		    "\tposthouse dkim test %.*s\n"
		    "\tposthouse dkim activate %.*s\n",
		    o->file == NULL && o->rsa && o->ed25519 ? "s" : "",
		    STR_FMT(o->domain), STR_FMT(o->domain), STR_FMT(o->domain));
	return result;
}

/* ---- activate, retire, remove ---- */

static void say(struct order *o, const struct key_row *row, const char *text)
{
	if (o->p->json) {
		put_json(o, row);
		json_end(&o->json);
	} else {
		buf_printf(&o->out, "%.*s/%.*s %s\n", STR_FMT(row->domain),
		    STR_FMT(row->selector), text);
	}
}

/* The keys that an activation is about: the one that is named, or the new
 * ones. */
static bool is_to_activate(const struct order *o, const struct key_row *row)
{
	return o->selector.len > 0 ? str_eq(o->selector, row->selector)
				   : row->state == KEY_NEW;
}

/* Nothing is changed unless all of it can be. */
static int check_published(struct order *o, struct key_rows *r)
{
	struct dns_view *v = dns_view_open(o->p, "dkim");
	const char *why;
	int result = 0;

	if (v == NULL)
		return 1;
	for (size_t i = 0; i < r->count; i++) {
		struct key_row *row = &r->list[i];

		if (!is_to_activate(o, row))
			continue;
		enum publication found = dns_view_look(v, row, &why);
		if (is_exposed(row) && !o->force)
			result = posthouse_fail("dkim",
			    "%.*s/%.*s is not activated: others may read its "
			    "file (mode %04o), so it may be known; remove it "
			    "and make a new one, or --force",
			    STR_FMT(row->domain), STR_FMT(row->selector),
			    row->mode);
		if (found == PUBLISHED || found == PUBLISHED_TESTING ||
		    (o->force && found != UNREADABLE_KEY))
			continue;
		result = posthouse_fail("dkim",
		    "%.*s/%.*s is not activated: %s%s", STR_FMT(row->domain),
		    STR_FMT(row->selector), why,
		    found == UNREADABLE_KEY
			? ""
			: " (posthouse dkim publish shows the record; --force "
			  "activates it all the same)");
	}
	dns_view_close(&v);
	return result;
}

/* Those that signed before. */
static void tell_older(
    const struct order *o, const struct key_rows *r, struct buf *out)
{
	char date[DATE_TEXT];

	for (size_t i = 0; i < r->count; i++) {
		const struct key_row *row = &r->list[i];

		if (row->state == KEY_ACTIVE && !is_to_activate(o, row))
			buf_printf(out,
			    "%.*s/%.*s signs too, since %s; \"posthouse dkim "
			    "retire %.*s %.*s\" ends that\n",
			    STR_FMT(row->domain), STR_FMT(row->selector),
			    date_of(row->since, date), STR_FMT(row->domain),
			    STR_FMT(row->selector));
	}
}

static int activate(struct order *o, struct key_rows *r)
{
	struct buf older = buf_new(REPORT);
	size_t done = 0;
	int result = check_published(o, r);

	tell_older(o, r, &older);
	for (size_t i = 0; i < r->count && result == 0; i++) {
		struct key_row *row = &r->list[i];

		if (!is_to_activate(o, row))
			continue;
		if (row->state != KEY_ACTIVE)
			result = key_move(r, row, KEY_ACTIVE);
		if (result == 0)
			say(o, row, "signs from now on");
		done++;
	}
	if (result == 0 && done > 0 && !o->p->json)
		buf_add(&o->out, buf_str(&older));
	buf_free(&older);
	return result == 0 && done == 0 ? no_such(o) : result;
}

static bool is_last(const struct key_rows *r)
{
	size_t active = 0;

	for (size_t i = 0; i < r->count; i++)
		active += r->list[i].state == KEY_ACTIVE;
	return active <= 1;
}

static int retire(struct order *o, struct key_rows *r)
{
	struct key_row *row = key_rows_find(r, o->selector);
	char date[DATE_TEXT];
	int result;

	if (row == NULL)
		return no_such(o);
	if (row->state != KEY_ACTIVE)
		return posthouse_fail("dkim", "%.*s/%.*s is %s, not active",
		    STR_FMT(row->domain), STR_FMT(row->selector),
		    key_state_names[row->state]);
	if (is_last(r) && !o->force)
		return posthouse_fail("dkim",
		    "%.*s/%.*s is the last key of its domain: its mail would "
		    "leave unsigned; activate another first, or --force",
		    STR_FMT(row->domain), STR_FMT(row->selector));
	result = key_move(r, row, KEY_RETIRED);
	if (result == 0)
		say(o, row, "signs no more");
	if (result == 0 && !o->p->json)
		buf_printf(&o->out,
		    "Mail that it signed may be on its way until %s "
		    "(maximal_queue_lifetime): leave its record in DNS till "
		    "then, at least.\n",
		    date_of(needed_until(o, row), date));
	return result;
}

static int discard(struct order *o, struct key_rows *r)
{
	struct key_row *row = key_rows_find(r, o->selector), gone;
	char date[DATE_TEXT];
	int result;

	if (row == NULL)
		return no_such(o);
	if (row->state == KEY_ACTIVE)
		return posthouse_fail("dkim",
		    "%.*s/%.*s signs mail: retire it first",
		    STR_FMT(row->domain), STR_FMT(row->selector));
	gone = *row;
	gone.key = NULL;
	gone.why = "removed";
	result = key_remove(r, row);
	if (result == 0)
		say(o, &gone, "is removed");
	if (result == 0 && is_on_its_way(o, &gone) && !o->p->json)
		buf_printf(&o->out,
		    "Mail that it signed may be on its way until %s: leave "
		    "its record in DNS till then.\n",
		    date_of(needed_until(o, &gone), date));
	return result;
}

/* ---- the command ---- */

static const struct verb {
	const char *name;
	int (*run)(struct order *o, struct key_rows *r);
	int least, most; /* arguments */
	bool changes;
} verbs[] = {
    {"list", list, 0, 1, false},
    {"new", make, 1, 1, true},
    {"publish", publish, 1, 2, false},
    {"show", publish, 1, 2, false},
    {"test", test, 0, 2, false},
    {"activate", activate, 1, 2, true},
    {"retire", retire, 2, 2, true},
    {"remove", discard, 2, 2, true},
};

/* false: not understood. */
static bool take(struct order *o, int option)
{
	uint64_t bits;

	switch (option) {
	case 's':
		o->selector = str_from(optarg);
		return o->selector.len > 0;
	case 't':
		o->rsa = strcmp(optarg, "ed25519") != 0;
		o->ed25519 = strcmp(optarg, "rsa") != 0;
		return !o->rsa || !o->ed25519 || strcmp(optarg, "both") == 0;
	case 'b':
		if (str_to_u64(str_from(optarg), RSA_BITS_MOST, &bits) < 0 ||
		    bits < RSA_BITS_LEAST)
			return false;
		o->bits = (unsigned)bits;
		return true;
	case 'f':
		o->file = optarg;
		return true;
	case 'F':
		o->force = true;
		return true;
	default:
		return false;
	}
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int run(struct order *o, const struct verb *verb, char **args)
{
	struct arena names = arena_new(65536);
	struct key_rows rows = {.folder = -1};
	int result;

	if (args[0] != NULL) {
		o->domain = domain_to_ascii(str_from(args[0]), &names);
		if (!key_domain_valid(o->domain)) {
			arena_free(&names);
			return posthouse_misused(
			    "dkim", "%s is no domain", args[0]);
		}
		if (args[1] != NULL)
			o->selector = str_from(args[1]);
	}
	result = key_rows_open(&rows, o->p, o->domain, verb->changes);
	o->json = json_start(&o->out);
	if (o->p->json)
		json_array(&o->json, NULL);
	if (result == 0)
		result = verb->run(o, &rows);
	if (o->p->json)
		json_end(&o->json);
	fputs(buf_text(&o->out), stdout);
	buf_free(&o->out);
	key_rows_close(&rows);
	arena_free(&names);
	return result;
}

int cmd_dkim(struct posthouse *p, int argc, char **argv)
{
	static const struct option options[] = {
	    {"selector", required_argument, NULL, 's'},
	    {"type", required_argument, NULL, 't'},
	    {"bits", required_argument, NULL, 'b'},
	    {"file", required_argument, NULL, 'f'},
	    {"force", no_argument, NULL, 'F'},
	    {NULL, 0, NULL, 0},
	};
	struct order o = {.p = p,
	    .domain = STR_EMPTY,
	    .selector = STR_EMPTY,
	    .rsa = true,
	    .ed25519 = true,
	    .bits = BITS,
	    .out = buf_new(REPORT)};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take(&o, option))
			return posthouse_usage("dkim");
	const struct verb *verb = optind < argc ? find_verb(argv[optind])
						: NULL;
	int given = argc - optind - 1;
	if (verb == NULL || given < verb->least || given > verb->most)
		return posthouse_usage("dkim");
	return run(&o, verb, argv + optind + 1);
}
