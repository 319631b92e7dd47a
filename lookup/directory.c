/* SPDX-License-Identifier: ISC */
/* The parts of an address, and its domain, mailbox and alias. */
#include "lookup/directory.h"

#include <stdio.h>

#include "conf/conf.h"
#include "mail/address.h"

#define VALUE_MAX (1024u * 1024u) /* octets of one table entry */

struct str directory_text(struct directory *d, const char *format, ...)
{
	struct buf text = buf_new(8192);
	va_list args;
	struct str copy;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	copy = arena_copy(&d->arena, buf_str(&text));
	buf_free(&text);
	return copy.p == NULL ? STR_EMPTY : copy;
}

void directory_tell(struct directory *d, const char *rule, const char *result,
    const char *format, ...)
{
	struct buf text = buf_new(8192);
	va_list args;

	if (d->explain == NULL)
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	explain_tell(d->explain,
	    &(struct explain_step){.kind = STEP_RULE,
		.about = d->about,
		.rule = str_from(rule),
		.result = str_from(result),
		.text = buf_str(&text)});
	buf_free(&text);
}

static void tell_found(struct directory *d, struct str parameter,
    struct str spec, struct str key, enum map_result result, struct str text)
{
	static const char *const words[] = {
	    [MAP_FOUND] = "found", [MAP_NONE] = "none", [MAP_ERROR] = "error"};

	explain_tell(d->explain,
	    &(struct explain_step){.kind = STEP_LOOKUP,
		.about = d->about,
		.rule = parameter,
		.table = spec,
		.key = key,
		.result = str_from(words[result]),
		.text = text});
}

enum map_result directory_look(struct directory *d, struct str parameter,
    struct str spec, struct str key, struct buf *out, const char **why)
{
	enum map_result r = tables_find(d->tables, spec, key, out, why);

	tell_found(d, parameter, spec, key, r,
	    r == MAP_ERROR ? str_from(*why) : buf_str(out));
	return r;
}

/* The first of the tables that has the key. */
static enum map_result find_any(struct directory *d, const char *parameter,
    const char *maps, struct str key, struct buf *out)
{
	struct str rest = str_from(maps), spec;

	while ((spec = map_cut_spec(&rest)).len > 0) {
		const char *why = "";
		enum map_result r = directory_look(
		    d, str_from(parameter), spec, key, out, &why);

		if (r != MAP_NONE)
			return r;
	}
	return MAP_NONE;
}

enum map_result directory_find(struct directory *d, const char *parameter,
    const char *maps, struct str key, struct str *value)
{
	struct buf out = buf_new(VALUE_MAX);
	enum map_result result;

	*value = STR_EMPTY;
	result = find_any(d, parameter, maps, key, &out);
	if (result == MAP_FOUND) {
		*value = arena_copy(&d->arena, buf_str(&out));
		if (value->p == NULL)
			result = MAP_ERROR;
	}
	buf_free(&out);
	return result;
}

/* Where the detail begins: a delimiter that is not the first character. */
static size_t detail_at(const struct directory *d, struct str local)
{
	if (local.len == 0 || local.p[0] == '"')
		return local.len;
	for (size_t i = 1; i < local.len; i++)
		if (strchr(d->conf->recipient_delimiter, local.p[i]) != NULL)
			return i;
	return local.len;
}

int directory_who(struct directory *d, struct str address, struct who *w)
{
	struct buf text = buf_new(IPC_STRUCT_MAX), whole = buf_new(4096);
	int result;

	buf_add(&whole, address);
	if (str_find(address, '@') == address.len)
		buf_printf(&whole, "@%s", d->myorigin);
	result = address_normalize(buf_str(&whole), true, &text);
	w->address = arena_copy(&d->arena, buf_str(&text));
	buf_free(&text);
	buf_free(&whole);
	if (result < 0 || w->address.p == NULL)
		return -1;
	size_t at = str_find_last(w->address, '@');
	w->local = str_sub(w->address, 0, at);
	w->domain = str_skip(w->address, at + 1);
	size_t split = detail_at(d, w->local);
	w->base = str_sub(w->local, 0, split);
	w->detail = str_skip(w->local, split);
	w->plain = w->detail.len == 0
	    ? w->address
	    : directory_text(
		  d, "%.*s@%.*s", STR_FMT(w->base), STR_FMT(w->domain));
	return 0;
}

/* ---- the domain ---- */

static int class_of(struct str word)
{
	for (int i = 0; i < CLASS_REMOTE; i++)
		if (str_case_eq(word, str_from(domain_class_names[i])))
			return i;
	return -1;
}

enum map_result directory_domain(struct directory *d, struct str domain,
    enum domain_class *class, struct str *relay)
{
	struct str value, word;
	enum map_result result = directory_find(
	    d, MAPS(d, mail_domain_maps), domain, &value);

	*class = CLASS_REMOTE;
	*relay = STR_EMPTY;
	if (result != MAP_FOUND)
		return result;
	word = str_word(&value, " \t");
	int found = word.len == 0 ? CLASS_MAILBOX : class_of(word);
	if (found < 0)
		return MAP_ERROR; /* not "remote": it is ours somehow */
	*class = (enum domain_class)found;
	*relay = str_trim(value);
	return MAP_FOUND;
}

/* ---- the mailbox ---- */

static int take_setting(struct str word, struct settings *s)
{
	struct str value = word;
	struct str name = str_cut(&value, '=');
	char text[64];
	const char *why;

	if (str_copy(text, sizeof(text), value) < 0)
		return -1;
	if (str_case_eq(name, STR("enabled")))
		return conf_parse_bool(text, &s->enabled, &why);
	if (str_case_eq(name, STR("quota"))) {
		s->has_storage = true;
		return conf_parse_size(text, &s->quota_storage, &why);
	}
	if (str_case_eq(name, STR("messages"))) {
		s->has_messages = true;
		return str_to_u64(value, INT64_MAX, &s->quota_messages);
	}
	return 0; /* others may be other daemons' */
}

int directory_settings(
    const struct directory *d, struct str text, struct settings *s)
{
	struct str word;
	int result = 0;

	*s = (struct settings){true, d->conf->default_quota_storage,
	    (uint64_t)d->conf->default_quota_messages, false, false};
	while ((word = str_word(&text, ", \t")).len > 0) {
		if (take_setting(word, s) < 0) {
			result = -1;
			/* An unreadable "enabled" must not let mail in. */
			if (str_case_starts(word, STR("enabled")))
				s->enabled = false;
		}
	}
	return result;
}

enum map_result directory_user(struct directory *d, const struct who *w,
    struct str *account, struct settings *s)
{
	struct str value;
	enum map_result result = directory_find(
	    d, MAPS(d, virtual_mailbox_maps), w->address, &value);

	*account = w->address;
	if (result == MAP_NONE && w->detail.len > 0) {
		*account = w->plain;
		result = directory_find(
		    d, MAPS(d, virtual_mailbox_maps), w->plain, &value);
	}
	if (result == MAP_FOUND && directory_settings(d, value, s) < 0)
		directory_tell(d, "virtual_mailbox_maps", "dunno",
		    "a setting of this account cannot be read: %.*s",
		    STR_FMT(value));
	return result;
}

/* ---- the alias ---- */

/* A name in a local domain, of alias_maps. */
static enum map_result name_alias(struct directory *d, const struct who *w,
    struct str *targets, enum alias_match *match)
{
	enum domain_class class = CLASS_MAILBOX;
	struct str relay;
	enum map_result result = MAP_NONE;

	if (d->conf->alias_maps[0] != '\0')
		result = directory_domain(d, w->domain, &class, &relay);
	if (result != MAP_FOUND || class != CLASS_LOCAL)
		return result == MAP_FOUND ? MAP_NONE : result;
	d->aliased_by = "alias_maps";
	*match = ALIAS_EXACT;
	result = directory_find(d, MAPS(d, alias_maps), w->local, targets);
	if (result != MAP_NONE || w->detail.len == 0)
		return result;
	*match = ALIAS_BASE;
	return directory_find(d, MAPS(d, alias_maps), w->base, targets);
}

enum map_result directory_alias(struct directory *d, const struct who *w,
    struct str *targets, enum alias_match *match)
{
	struct str account;
	struct settings s;
	enum map_result result = directory_find(
	    d, MAPS(d, virtual_alias_maps), w->address, targets);

	d->aliased_by = "virtual_alias_maps";
	*match = ALIAS_EXACT;
	if (result != MAP_NONE)
		return result;
	*match = ALIAS_BASE;
	if (w->detail.len > 0)
		result = directory_find(
		    d, MAPS(d, virtual_alias_maps), w->plain, targets);
	if (result == MAP_NONE)
		result = name_alias(d, w, targets, match);
	if (result != MAP_NONE)
		return result;
	d->aliased_by = "virtual_alias_maps";
	*match = ALIAS_CATCHALL;
	result = directory_find(d, MAPS(d, virtual_alias_maps),
	    str_skip(w->address, w->local.len), targets);
	if (result != MAP_FOUND)
		return result;
	result = directory_user(d, w, &account, &s);
	directory_tell(d, "virtual_alias_maps",
	    result == MAP_NONE ? "catch-all" : "dunno",
	    result == MAP_NONE
		? "nobody else has this address: the catch-all @%.*s does"
		: "there is a mailbox: the catch-all @%.*s does not count",
	    STR_FMT(w->domain));
	return result == MAP_FOUND ? MAP_NONE
	    : result == MAP_NONE   ? MAP_FOUND
				   : result;
}
