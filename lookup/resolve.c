/* SPDX-License-Identifier: ISC */
/* How a recipient would be delivered, and whose a sender address is. */
#include <errno.h>
#include <pwd.h>

#include "core/dsn.h"
#include "core/log.h"
#include "lookup/directory.h"
#include "lookup/rewriting.h"

static void answer(struct lookup_resolved *out, const char *rule, int status,
    unsigned code, const char *dsn, const char *text)
{
	out->rule = str_from(rule);
	out->status = status;
	out->code = code;
	out->dsn = str_from(dsn);
	out->text = str_from(text);
}

static void unknown(struct lookup_resolved *out)
{
	answer(out, "reject_unlisted_recipient", RESOLVE_UNKNOWN, 550, "5.1.1",
	    "User unknown");
}

static void away(struct lookup_resolved *out)
{
	answer(out, "", RESOLVE_TEMPORARY, 451, "4.3.0",
	    "The directory is away, try again later");
}

/* ---- transport and next hop ---- */

/* "transport:nexthop"; an empty part leaves what is there. */
static void take_route(struct str route, struct lookup_resolved *out)
{
	struct str transport = str_trim(str_cut(&route, ':'));

	if (transport.len > 0)
		out->transport = transport;
	if (str_trim(route).len > 0)
		out->nexthop = str_trim(route);
}

/* error:5.1.1 words, error:words */
static void take_error(struct lookup_resolved *out)
{
	char code[DSN_CODE_MAX];
	struct str text = out->nexthop;
	bool temporary = false;

	out->dsn = STR("5.0.0");
	if (dsn_cut_code(&text, code) == 0) {
		out->dsn = str_sub(out->nexthop, 0, strlen(code));
		temporary = code[0] == '4';
	}
	out->status = temporary ? RESOLVE_TEMPORARY : RESOLVE_REFUSED;
	out->code = temporary ? 450 : 550;
	out->text = text.len > 0 ? text : STR("Mail is not accepted here");
	if (out->text.len > 500)
		out->text.len = 500;
}

/* transport_maps: the address, without detail, the domain, .parents, *. */
static enum map_result find_route(
    struct directory *d, const struct who *w, struct str *value)
{
	struct str parent = w->domain;
	enum map_result r = MAP_NONE;

	if (d->conf->transport_maps[0] == '\0')
		return MAP_NONE;
	r = directory_find(d, MAPS(d, transport_maps), w->address, value);
	if (r == MAP_NONE && w->detail.len > 0)
		r = directory_find(d, MAPS(d, transport_maps), w->plain, value);
	if (r == MAP_NONE)
		r = directory_find(
		    d, MAPS(d, transport_maps), w->domain, value);
	while (r == MAP_NONE && str_find(parent, '.') < parent.len) {
		str_cut(&parent, '.');
		/* parent is a view into the address: the dot is before it */
		r = directory_find(d, MAPS(d, transport_maps),
		    str_of(parent.p - 1, parent.len + 1), value);
	}
	if (r == MAP_NONE)
		r = directory_find(d, MAPS(d, transport_maps), STR("*"), value);
	return r;
}

/* A parameter, or an entry, that says where it goes. */
static void choose(struct directory *d, const char *rule, struct str route,
    struct lookup_resolved *out)
{
	if (route.len == 0)
		return;
	take_route(route, out);
	d->routed_by = rule;
	directory_tell(d, rule, "route", "%.*s", STR_FMT(route));
}

#define CHOOSE(parameter)                                                      \
	choose(d, #parameter, str_from(d->conf->parameter), out)

void directory_route(struct directory *d, const struct who *w, struct str relay,
    struct lookup_resolved *out)
{
	struct str value;

	out->nexthop = w->domain;
	switch (out->domain) {
	case CLASS_MAILBOX:
	case CLASS_ALIAS:
		CHOOSE(virtual_transport);
		break;
	case CLASS_LOCAL:
		CHOOSE(local_transport);
		break;
	case CLASS_RELAY:
		CHOOSE(relay_transport);
		choose(d, "mail_domain_maps", relay, out);
		break;
	default:
		CHOOSE(default_transport);
		if (d->conf->relayhost[0] == '\0')
			break;
		out->nexthop = str_from(d->conf->relayhost);
		directory_tell(
		    d, "relayhost", "route", ":%s", d->conf->relayhost);
		break;
	}
	switch (find_route(d, w, &value)) {
	case MAP_FOUND:
		choose(d, "transport_maps", value, out);
		break;
	case MAP_NONE:
		break;
	case MAP_ERROR:
		away(out);
		return;
	}
	if (!str_eq(out->transport, STR("error")))
		return;
	take_error(out);
	out->rule = str_from(d->routed_by);
	directory_tell(d, d->routed_by, "reject",
	    "the transport is error: mail is refused with these words");
}

/* ---- is there somebody? ---- */

/* A user of the system; MAP_ERROR when that cannot be known now. */
static enum map_result system_user(const struct who *w)
{
	struct passwd *pw;
	char name[64];

	if (str_copy(name, sizeof(name), w->base) < 0)
		return MAP_NONE;
	errno = 0;
	/* cppcheck-suppress getpwnamCalled ; there is one thread */
	pw = getpwnam(name);
	if (pw != NULL)
		return MAP_FOUND;
	return errno == 0 || errno == ENOENT ? MAP_NONE : MAP_ERROR;
}

static enum map_result known_to_system(struct directory *d, const struct who *w)
{
	enum map_result r = system_user(w);

	directory_tell(d, "local_recipient_maps",
	    r == MAP_FOUND ? "permit" : "dunno",
	    r == MAP_FOUND ? "%.*s is a user of the system"
		: r == MAP_NONE
		? "%.*s is no user of the system"
		: "whether %.*s is a user of the system cannot be known now",
	    STR_FMT(w->base));
	return r;
}

static enum map_result listed(struct directory *d, const char *parameter,
    const char *maps, const struct who *w)
{
	struct str value;
	enum map_result r = directory_find(
	    d, parameter, maps, w->address, &value);

	if (r == MAP_NONE && w->detail.len > 0)
		r = directory_find(d, parameter, maps, w->plain, &value);
	if (r == MAP_NONE)
		r = directory_find(d, parameter, maps,
		    str_skip(w->address, w->local.len), &value);
	return r;
}

/* A mailbox of ours; sets account and quota, or refuses. */
static enum map_result check_mailbox(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	struct settings s;
	struct str account;
	enum map_result r = directory_user(d, w, &account, &s);

	if (r != MAP_FOUND)
		return r;
	out->account = account;
	out->quota_storage = s.quota_storage;
	out->quota_messages = s.quota_messages;
	directory_tell(d,
	    s.has_storage ? "virtual_mailbox_maps" : "default_quota_storage",
	    "quota", "%llu octets", (unsigned long long)s.quota_storage);
	directory_tell(d,
	    s.has_messages ? "virtual_mailbox_maps" : "default_quota_messages",
	    "quota", "%llu messages", (unsigned long long)s.quota_messages);
	if (!s.enabled)
		directory_tell(d, "virtual_mailbox_maps", "reject",
		    "the mailbox is disabled: enabled=no");
	if (!s.enabled)
		answer(out, "virtual_mailbox_maps", RESOLVE_REFUSED, 550,
		    "5.2.1", "Mailbox disabled, not accepting messages");
	return MAP_FOUND;
}

/* Whether the domain has this recipient, aliases aside. */
static enum map_result check_recipient(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	enum map_result r = MAP_NONE;

	switch (out->domain) {
	case CLASS_MAILBOX:
		return check_mailbox(d, w, out);
	case CLASS_LOCAL:
		r = check_mailbox(d, w, out);
		if (r == MAP_NONE && d->conf->local_recipient_maps[0] != '\0')
			r = listed(d, MAPS(d, local_recipient_maps), w);
		else if (r == MAP_NONE)
			r = known_to_system(d, w);
		return r;
	case CLASS_RELAY:
		return d->conf->relay_recipient_maps[0] == '\0'
		    ? MAP_FOUND
		    : listed(d, MAPS(d, relay_recipient_maps), w);
	case CLASS_REMOTE:
		return MAP_FOUND;
	default:
		return MAP_NONE; /* alias domains have nothing else */
	}
}

/* An address that takes reports: the whole of it, or "name@". */
static bool takes_reports(struct directory *d, const struct who *w)
{
	struct str list = str_from(d->conf->report_recipients), entry;

	while ((entry = str_word(&list, ", \t\r\n")).len > 0)
		if (str_case_eq(entry, w->address) ||
		    str_case_eq(entry, w->plain) ||
		    (str_ends(entry, STR("@")) &&
			str_case_eq(str_sub(entry, 0, entry.len - 1), w->base)))
			return true;
	return false;
}

static void route_to_reports(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	out->transport = STR("report");
	out->nexthop = w->domain;
	d->routed_by = "report_recipients";
	directory_tell(d, "report_recipients", "route",
	    "%.*s takes reports: transport report", STR_FMT(w->address));
}

/* Domain, recipient and route, without aliases. */
static void resolve_plain(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	enum domain_class class;
	struct str relay;

	if (directory_domain(d, w->domain, &class, &relay) == MAP_ERROR) {
		away(out);
		return;
	}
	out->domain = (int)class;
	directory_tell(d, "mail_domain_maps", domain_class_names[class],
	    class == CLASS_REMOTE ? "%.*s is none of our domains"
				  : "%.*s is ours",
	    STR_FMT(w->domain));
	if (class != CLASS_REMOTE && takes_reports(d, w)) {
		route_to_reports(d, w, out);
		return;
	}
	switch (check_recipient(d, w, out)) {
	case MAP_FOUND:
		break;
	case MAP_NONE:
		unknown(out);
		directory_tell(d, "reject_unlisted_recipient", "reject",
		    "%.*s has no mailbox and stands in no list of recipients",
		    STR_FMT(w->address));
		break;
	case MAP_ERROR:
		away(out);
		break;
	}
	if (out->status == RESOLVE_OK || out->status == RESOLVE_UNKNOWN) {
		int status = out->status;

		directory_route(d, w, relay, out);
		if (status == RESOLVE_UNKNOWN && out->status == RESOLVE_OK)
			out->status = status;
	}
}

/* The target of an alias, which is what is told about meanwhile. */
static void resolve_target(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	struct str about = d->about;

	d->about = w->address;
	resolve_plain(d, w, out);
	d->about = about;
}

static void clear(struct lookup_resolved *out)
{
	uint64_t request = out->request;

	*out = (struct lookup_resolved){.request = request,
	    .status = RESOLVE_OK,
	    .domain = CLASS_REMOTE,
	    .transport = STR_EMPTY,
	    .nexthop = STR_EMPTY,
	    .account = STR_EMPTY,
	    .dsn = STR_EMPTY,
	    .text = STR_EMPTY,
	    .rule = STR_EMPTY};
}

/*
 * An address that is an alias only: it is accepted when one of its targets
 * is, else what the last one says is what the sender hears.
 */
static void resolve_alias(
    struct directory *d, const struct who *w, struct lookup_resolved *out)
{
	struct lookup_resolved target = {0};
	struct expansion e;

	directory_expand_within(d, w->address, &e);
	if (e.status != RESOLVE_OK) {
		if (e.status == RESOLVE_TEMPORARY)
			away(out);
		else
			answer(out, "virtual_alias_maps", RESOLVE_REFUSED, 550,
			    "5.4.6", e.text);
		return;
	}
	for (size_t i = 0; i < e.count; i++) {
		struct who t;

		clear(&target);
		if (directory_who(d, e.address[i], &t) < 0)
			answer(&target, "virtual_alias_maps", RESOLVE_REFUSED,
			    550, "5.1.3", "This alias leads to a bad address");
		else
			resolve_target(d, &t, &target);
		if (target.status == RESOLVE_OK) {
			answer(out, "", RESOLVE_OK, 0, "", "");
			return;
		}
	}
	answer(out, "", target.status, (unsigned)target.code, "", "");
	out->dsn = target.dsn;
	out->text = target.text;
	out->rule = target.rule;
}

static void warn_postmaster(
    const struct who *w, const struct lookup_resolved *r)
{
	if (r->status == RESOLVE_UNKNOWN && str_eq(w->base, STR("postmaster")))
		log_warning(
		    "%.*s is nobody, but every domain has to take "
		    "mail for its postmaster (RFC 5321 section 4.5.1): add an "
		    "alias, or set postmaster_recipient",
		    STR_FMT(w->address));
}

void directory_resolve(
    struct directory *d, struct str address, struct lookup_resolved *out)
{
	arena_clear(&d->arena);
	d->about = STR_EMPTY;
	directory_resolve_within(d, address, out);
}

/*
 * A sender that was rewritten here: mail for it goes to whom it stands for,
 * wherever that is, so the domain is not "remote": our hash is the permission.
 */
static void resolve_rewritten(
    struct directory *d, struct str address, struct lookup_resolved *out)
{
	struct rewriting_refusal why;
	enum domain_class class;
	struct str original, relay;
	int status = rewriting_reverse(d, address, &original, &why);

	if (status == RESOLVE_OK)
		directory_resolve_within(d, original, out);
	else
		answer(out, "srs_domain", status, why.code, why.dsn, why.text);
	if (directory_domain(
		d, str_from(d->conf->srs_domain), &class, &relay) != MAP_FOUND)
		class = CLASS_ALIAS; /* ours for this alone */
	out->domain = (int)class;
	out->is_alias = true;
}

void directory_resolve_within(
    struct directory *d, struct str address, struct lookup_resolved *out)
{
	enum alias_match match;
	struct str targets;
	struct who w;
	enum map_result alias;

	clear(out);
	if (directory_who(d, address, &w) < 0) {
		answer(out, "reject_unlisted_recipient", RESOLVE_REFUSED, 553,
		    "5.1.3", "Bad recipient address syntax");
		return;
	}
	d->about = w.address;
	if (rewriting_is_ours(d, &w)) {
		resolve_rewritten(d, address, out);
		return;
	}
	resolve_plain(d, &w, out);
	alias = directory_alias(d, &w, &targets, &match);
	if (alias == MAP_ERROR) {
		away(out);
		return;
	}
	out->is_alias = alias == MAP_FOUND ||
	    (out->status == RESOLVE_UNKNOWN &&
		str_eq(w.base, STR("postmaster")) &&
		d->conf->postmaster_recipient[0] != '\0');
	if (out->is_alias && out->domain != CLASS_REMOTE &&
	    out->status != RESOLVE_TEMPORARY &&
	    (out->account.len == 0 || out->status != RESOLVE_OK))
		resolve_alias(d, &w, out);
	if (d->explain == NULL)
		warn_postmaster(&w, out);
}

/* ---- whose address is it? ---- */

static bool lists(struct str logins, struct str login)
{
	struct str word;

	while ((word = str_word(&logins, ", \t")).len > 0)
		if (str_case_eq(word, login))
			return true;
	return false;
}

/* Every key that stands for the address; not only the first that is there. */
static int owns_by_maps(
    struct directory *d, struct str login, const struct who *w)
{
	const struct str keys[] = {w->address, w->plain, w->domain,
	    str_skip(w->address, w->local.len)};

	if (d->conf->smtpd_sender_login_maps[0] == '\0')
		return RESOLVE_REFUSED;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct str value;
		enum map_result r = directory_find(
		    d, MAPS(d, smtpd_sender_login_maps), keys[i], &value);

		if (r == MAP_ERROR)
			return RESOLVE_TEMPORARY;
		if (r == MAP_FOUND && lists(value, login))
			return RESOLVE_OK;
	}
	return RESOLVE_REFUSED;
}

static int owns_by_alias(
    struct directory *d, struct str login, const struct who *w)
{
	struct expansion e;

	directory_expand_within(d, w->address, &e);
	if (e.status != RESOLVE_OK)
		return e.status;
	for (size_t i = 0; i < e.count; i++) {
		struct who t;

		if (directory_who(d, e.address[i], &t) == 0 &&
		    (str_eq(t.address, login) || str_eq(t.plain, login)))
			return RESOLVE_OK;
	}
	return RESOLVE_REFUSED;
}

int directory_owns(struct directory *d, struct str login, struct str address)
{
	struct who l, w;
	int result;

	arena_clear(&d->arena);
	d->about = address;
	if (address.len == 0)
		return d->conf->smtpd_sender_login_null ? RESOLVE_OK
							: RESOLVE_REFUSED;
	if (directory_who(d, login, &l) < 0 ||
	    directory_who(d, address, &w) < 0)
		return RESOLVE_REFUSED;
	d->about = w.address;
	if (str_eq(w.address, l.address) || str_eq(w.plain, l.address)) {
		directory_tell(d, "reject_sender_login_mismatch", "permit",
		    "the address is the login's own");
		return RESOLVE_OK;
	}
	result = owns_by_maps(d, l.address, &w);
	if (result == RESOLVE_REFUSED)
		result = owns_by_alias(d, l.address, &w);
	directory_tell(d, "reject_sender_login_mismatch",
	    result == RESOLVE_OK ? "permit" : "reject",
	    result == RESOLVE_OK
		? "%.*s may send as this address"
		: "neither smtpd_sender_login_maps nor an alias lets %.*s send "
		  "as this address",
	    STR_FMT(l.address));
	return result;
}
