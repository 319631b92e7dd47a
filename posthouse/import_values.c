/* SPDX-License-Identifier: ISC */
/* Parameters of main.cf, and those behind an -o of master.cf. */
#include <stdio.h>
#include <stdlib.h>

#include "conf/registry.h"
#include "core/memory.h"
#include "posthouse/import.h"

#define FINDINGS_MAX 100000

void import_say(struct import *im, const struct import_place *at,
    enum import_verdict verdict, const char *what, const char *to,
    const char *note)
{
	if (im->finding_count == FINDINGS_MAX)
		return;
	if (im->finding_count == im->finding_room) {
		im->finding_room = im->finding_room * 2 + 64;
		im->findings = mem_resize(
		    im->findings, im->finding_room, sizeof(im->findings[0]));
	}
	im->findings[im->finding_count++] = (struct import_finding){
	    at->file, at->line, verdict, what, to, note};
	/* What is lost stands where it was lost. */
	if (verdict == IMPORT_UNSUPPORTED && at->options == NULL)
		buf_printf(&im->main_cf, "# not carried over (%s:%u): %s\n",
		    at->file + str_find_last(str_from(at->file), '/') + 1,
		    at->line, what);
}

void import_set(struct import *im, const struct import_place *at,
    const char *name, const char *value)
{
	if (at->options != NULL) {
		if (strchr(value, ' ') != NULL)
			buf_printf(
			    at->options, "\n    -o { %s=%s }", name, value);
		else
			buf_printf(at->options, "\n    -o %s=%s", name, value);
		return;
	}
	if (table_get(&im->settings, str_from(name)) != NULL)
		return;
	table_put(&im->settings, str_from(name), im);
	buf_printf(
	    &im->main_cf, "%s =%s%s\n", name, value[0] ? " " : "", value);
}

/* ---- values that stay as they are ---- */

struct references {
	struct import *im;
	bool plain; /* they mean here what they mean there */
};

static void refer(struct references *r, struct str name)
{
	static const struct str known[] = {STR_INIT("myhostname"),
	    STR_INIT("mydomain"), STR_INIT("myorigin"), STR_INIT("mynetworks")};
	struct import_name row;
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(name, known[i]))
			return;
	import_known(name, &row);
	if (row.name != NULL || str_copy(text, sizeof(text), name) < 0 ||
	    import_entry(r->im, text) == NULL)
		r->plain = false; /* else a macro, which is carried over */
}

/* Whether all $names of a value may stay; braces never do. */
static bool may_stay(struct import *im, struct str value)
{
	struct references r = {im, true};

	while (value.len > 0 && r.plain) {
		size_t end = 0;

		value = str_skip(value, str_find(value, '$'));
		if (value.len == 0)
			break;
		value = str_skip(value, 1);
		while (end < value.len &&
		    (ascii_alnum(value.p[end]) || value.p[end] == '_'))
			end++;
		refer(&r, str_sub(value, 0, end));
	}
	return r.plain;
}

/* The value with a unit behind a bare number. */
static const char *with_unit(
    struct import *im, enum import_form form, const char *value)
{
	uint64_t n;
	bool needed = form == IMPORT_DAYS || form == IMPORT_HOURS;

	if (!needed || str_to_u64(str_from(value), UINT64_MAX, &n) < 0)
		return value;
	return import_format(
	    im, "%s%c", value, form == IMPORT_DAYS ? 'd' : 'h');
}

/* "all" addresses, of one family: inet_protocols sets it. */
static bool is_narrowed(struct import *im, const char *name, const char *value)
{
	struct buf family = buf_new(IMPORT_VALUE_MAX);
	bool result;

	import_value(im, "inet_protocols", &family);
	result = strcmp(name, "inet_interfaces") == 0 &&
	    strcmp(value, "all") == 0 &&
	    (str_eq(buf_str(&family), STR("ipv4")) ||
		str_eq(buf_str(&family), STR("ipv6")));
	buf_free(&family);
	return result;
}

/* Says and sets name = value when we take that value. */
static void carry(struct import *im, const struct import_place *at,
    const char *what, const char *name, const char *raw, const char *value,
    const char *note)
{
	struct buf why = buf_new(8192);

	if (conf_check_value(im->known, name, value, &why) < 0) {
		struct str text = str_trim(buf_str(&why));

		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    import_format(im, "our %.*s", STR_FMT(text)));
	} else {
		bool same = note[0] == '\0';

		if (!is_narrowed(im, name, value))
			import_set(im, at, name, raw);
		import_say(im, at, same ? IMPORT_SAME : IMPORT_TRANSLATED, what,
		    same ? "" : import_format(im, "%s = %s", name, raw), note);
	}
	buf_free(&why);
}

/* ---- values of another form ---- */

static void translated(struct import *im, const struct import_place *at,
    const char *what, const char *name, const char *value, const char *note)
{
	import_set(im, at, name, value);
	import_say(im, at, IMPORT_TRANSLATED, what,
	    import_format(im, "%s = %s", name, value), note);
}

static void tls_level(struct import *im, const struct import_place *at,
    const char *what, const char *name, const char *value)
{
	if (at->is_submission && strcmp(value, "encrypt") == 0)
		import_say(im, at, IMPORT_BUILT_IN, what, "",
		    "submission always demands TLS");
	else if (value[0] == '\0')
		translated(im, at, what, name, "none", "");
	else if (strncmp(value, "dane", 4) == 0 &&
	    strcmp(value, "dane-only") != 0)
		translated(im, at, what, name, "may",
		    "DANE is not checked: without it TLS is as good as "
		    "offered");
	else if (strcmp(value, "verify") == 0 || strcmp(value, "secure") == 0 ||
	    strcmp(value, "fingerprint") == 0 ||
	    strcmp(value, "dane-only") == 0)
		translated(im, at, what, name, "encrypt",
		    "TLS is demanded, but the certificate's name is not "
		    "checked");
	else
		carry(im, at, what, name, value, value, "");
}

static void protocols(struct import *im, const struct import_place *at,
    const char *what, const char *name, struct str value)
{
	bool is_plain = str_eq(value, STR(">=TLSv1.2")) ||
	    str_eq(value, STR(">=TLSv1.3"));
	bool is_mandatory = strstr(name, "_mandatory_") != NULL;
	const char *to = name[4] == 'd' ? "smtpd_tls_protocols"
					: "smtp_tls_protocols";

	if (is_mandatory && import_entry(im, to) != NULL)
		import_say(im, at, IMPORT_IGNORED, what, "",
		    import_format(im, "%s counts, mandatory or not", to));
	else if (is_plain && !is_mandatory)
		carry(im, at, what, to, import_text(im, value),
		    import_text(im, value), "");
	else
		translated(im, at, what, to,
		    is_plain ? import_text(im, value) : ">=TLSv1.2",
		    "versions are a range; those before 1.2 are not spoken");
}

static void use_tls(struct import *im, const struct import_place *at,
    const char *what, const char *name, const char *value)
{
	const char *to = name[4] == 'd' ? "smtpd_tls_security_level"
					: "smtp_tls_security_level";
	const char *level = strstr(name, "_enforce_") != NULL ? "encrypt"
							      : "may";
	const struct import_entry *other = import_entry(im, to);

	if (other != NULL && other->value[0] != '\0')
		import_say(im, at, IMPORT_IGNORED, what, "",
		    import_format(im, "%s is set, which counts", to));
	else if (strcmp(value, "yes") != 0)
		import_say(im, at, IMPORT_IGNORED, what, "",
		    import_format(im, "%s says it", to));
	else
		translated(im, at, what, to, level, "");
}

static void certificate(struct import *im, const struct import_place *at,
    const char *what, const char *name, struct str value)
{
	static const char *const names[] = {"smtpd_tls_key_file",
	    "smtpd_tls_cert_file", "smtpd_tls_eckey_file",
	    "smtpd_tls_eccert_file"};
	const struct import_entry *chain = import_entry(
	    im, "smtpd_tls_chain_files");

	if (chain != NULL && chain->value[0] != '\0') {
		import_say(im, at, IMPORT_IGNORED, what, "",
		    "smtpd_tls_chain_files is set, which counts");
		return;
	}
	if (value.len == 0 || str_eq(value, STR("none"))) {
		import_say(
		    im, at, IMPORT_IGNORED, what, "", "it names no file");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			im->chain[i] = import_path(im, value);
	import_say(im, at, IMPORT_TRANSLATED, what, "smtpd_tls_chain_files",
	    "keys and certificates stand in one list, for login too");
}

static void networks(struct import *im, const struct import_place *at,
    const char *what, struct str value)
{
	struct buf list = buf_new(IMPORT_VALUE_MAX);
	struct str word;
	size_t from = 0, dropped = 0;

	while ((word = import_word(value, &from)).len > 0) {
		if (word.p[0] == '/' || str_find(word, ':') < word.len) {
			/* An IPv6 network is in brackets or has two colons. */
			bool is_v6 = word.p[0] == '[' ||
			    str_find(word, ':') != str_find_last(word, ':');

			if (!is_v6) {
				import_say(im, at, IMPORT_UNSUPPORTED,
				    import_format(
					im, "mynetworks: %.*s", STR_FMT(word)),
				    "", "list the networks themselves");
				dropped++;
				continue;
			}
		}
		buf_printf(
		    &list, "%s%.*s", list.len > 0 ? " " : "", STR_FMT(word));
	}
	if (dropped == 0)
		carry(im, at, what, "mynetworks", buf_text(&list),
		    buf_text(&list), "");
	else
		translated(im, at, what, "mynetworks", buf_text(&list), "");
	buf_free(&list);
}

static void family(struct import *im, const struct import_place *at,
    const char *what, struct str value)
{
	struct buf where = buf_new(IMPORT_VALUE_MAX);
	bool v4 = str_eq(value, STR("ipv4")), v6 = str_eq(value, STR("ipv6"));

	import_value(im, "inet_interfaces", &where);
	if (!v4 && !v6)
		import_say(im, at, IMPORT_BUILT_IN, what, "",
		    "both are used where the host has them");
	else if (!str_eq(str_trim(buf_str(&where)), STR("all")))
		translated(im, at, what, "smtp_address_preference",
		    v4 ? "ipv4" : "ipv6",
		    "inet_interfaces says where we listen");
	else
		translated(im, at, what, "inet_interfaces",
		    v4 ? "0.0.0.0" : "[::]",
		    "smtp may still connect by the other; see "
		    "smtp_address_preference");
	buf_free(&where);
}

static void always(struct import *im, const struct import_place *at,
    const char *what, const char *note, struct str value)
{
	if (str_eq(value, STR("yes")))
		import_say(im, at, IMPORT_BUILT_IN, what, "", note);
	else
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    import_format(im, "it is always so: %s", note));
}

static void size_limit(struct import *im, const struct import_place *at,
    const char *what, const char *value)
{
	if (strcmp(value, "0") == 0)
		translated(im, at, what, "message_size_limit", "1024G",
		    "there is no word for no limit");
	else
		carry(im, at, what, "message_size_limit", value, value, "");
}

static void transport(struct import *im, const struct import_place *at,
    const char *what, const char *name, struct str value)
{
	const char *note = "", *to = import_transport(im, value, &note);

	if (to == NULL)
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", note);
	else if (str_eq(value, str_from(to)))
		carry(im, at, what, name, to, to, "");
	else
		translated(im, at, what, name, to, note);
}

/* ---- lists of restrictions ---- */

/* One word of a list and, where it has one, the argument behind it. */
static void restrictions(struct import *im, const struct import_place *at,
    const struct import_entry *e, struct str value, const char *list,
    unsigned depth)
{
	struct import_place here = *at;
	bool only_warns = false;
	struct str word;
	size_t from = 0;

	while ((word = import_word(value, &from)).len > 0) {
		struct str argument = STR_EMPTY;
		struct buf text = buf_new(IMPORT_VALUE_MAX);

		if (e != NULL && e->spot_count > 0)
			here.line = import_line(e, from - word.len);
		if (word.p[0] == '$' && depth < 8) {
			import_expand(im, word, &text);
			restrictions(
			    im, &here, NULL, buf_str(&text), list, depth + 1);
			buf_free(&text);
			continue;
		}
		if (import_restriction_has_argument(word))
			argument = import_word(value, &from);
		import_expand(im, argument, &text);
		if (only_warns)
			import_say(im, &here, IMPORT_IGNORED,
			    import_format(im, "%s: %.*s %s", list,
				STR_FMT(word), buf_text(&text)),
			    "", "it only warned");
		else
			import_restriction(
			    im, &here, list, word, buf_str(&text));
		only_warns = str_case_eq(word, STR("warn_if_reject"));
		buf_free(&text);
	}
}

static bool is_class(struct import *im, struct str name)
{
	struct buf classes = buf_new(IMPORT_VALUE_MAX);
	struct str word;
	size_t from = 0;
	bool found = false;

	import_value(im, "smtpd_restriction_classes", &classes);
	while (!found && (word = import_word(buf_str(&classes), &from)).len > 0)
		found = str_eq(word, name);
	buf_free(&classes);
	return found;
}

/* ---- one parameter ---- */

/* postsrsd's tables for addresses: by its TCP ports, or as a socketmap. */
static bool is_postsrsd(const char *maps)
{
	static const char *const signs[] = {
	    ":10001", ":10002", "postsrsd", ":forward", ":reverse", "/srs"};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (strstr(maps, signs[i]) != NULL &&
		    (strstr(maps, "tcp:") != NULL ||
			strstr(maps, "socketmap:") != NULL))
			return true;
	return false;
}

static const char not_rewritten[] =
    "addresses are not rewritten: give users the address they send with, and "
    "aliases for what arrives";

static void senders(struct import *im, const struct import_place *at,
    const char *what, const char *maps)
{
	if (maps[0] == '\0')
		import_say(im, at, IMPORT_IGNORED, what, "", "it is empty");
	else if (is_postsrsd(maps) && import_postsrsd(im))
		import_say(im, at, IMPORT_BUILT_IN, what, "",
		    "senders of what aliases send on are rewritten by "
		    "lookup(8), as /etc/default/postsrsd has it; unset "
		    "srs_hash_minimum three weeks from now");
	else if (is_postsrsd(maps))
		import_say(im, at, IMPORT_BUILT_IN, what, "",
		    "senders of what aliases send on are rewritten by "
		    "lookup(8): put postsrsd's secrets into srs_secrets, set "
		    "srs_domain to its domain, and srs_hash_minimum to 4 for "
		    "three weeks");
	else
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", not_rewritten);
}

struct parameter {
	const struct import_entry *e; /* with spots that fit value */
	struct str value;             /* as written */
	const char *what, *expanded;
};

/* One parameter, as the function for its form sees it. */
struct use {
	struct import *im;
	const struct import_place *at;
	const struct import_name *known;
	const struct parameter *p;
	struct str value;        /* expanded, without blanks around it */
	const char *name, *note; /* ours; "" */
};

typedef void form(const struct use *u);

static void form_cert(const struct use *u)
{
	certificate(u->im, u->at, u->p->what, u->name, u->value);
}

static void form_use_tls(const struct use *u)
{
	use_tls(u->im, u->at, u->p->what, u->name, u->p->expanded);
}

static void form_tls_level(const struct use *u)
{
	tls_level(u->im, u->at, u->p->what, u->name, u->p->expanded);
}

static void form_protocols(const struct use *u)
{
	protocols(u->im, u->at, u->p->what, u->name, u->value);
}

static void form_domains(const struct use *u)
{
	static const char *const classes[][2] = {{"mydestination", "local"},
	    {"virtual_mailbox_domains", "mailbox"}, {"relay_domains", "relay"}};
	const char *class = "alias";

	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strcmp(u->name, classes[i][0]) == 0)
			class = classes[i][1];
	import_domains(u->im, u->at, u->p->e, class);
}

static void form_users(const struct use *u)
{
	import_users(u->im, u->at, u->p->e);
}

static void form_aliases(const struct use *u)
{
	import_aliases(u->im, u->at, u->p->e, true);
}

static void form_maps(const struct use *u)
{
	if (strcmp(u->name, "virtual_alias_maps") == 0)
		import_aliases(u->im, u->at, u->p->e, false);
	else
		import_maps(u->im, u->at, u->p->e, false);
}

static void form_transports(const struct use *u)
{
	import_maps(u->im, u->at, u->p->e, true);
}

static void form_transport(const struct use *u)
{
	transport(u->im, u->at, u->p->what, u->name, u->value);
}

static void form_protocol_family(const struct use *u)
{
	family(u->im, u->at, u->p->what, u->value);
}

static void form_networks(const struct use *u)
{
	networks(u->im, u->at, u->p->what, u->value);
}

static void say(
    const struct use *u, enum import_verdict verdict, const char *why)
{
	import_say(u->im, u->at, verdict, u->p->what, "", why);
}

static void form_recipients(const struct use *u)
{
	say(u, IMPORT_IGNORED,
	    "those in \"users\" and the users of the system are known");
}

static void form_networks_style(const struct use *u)
{
	if (import_entry(u->im, "mynetworks") != NULL)
		say(u, IMPORT_IGNORED, "mynetworks is set, which counts");
	else if (str_eq(u->value, STR("host")))
		say(u, IMPORT_IGNORED,
		    "mynetworks trusts this host alone by default");
	else
		say(u, IMPORT_UNSUPPORTED, "list the networks in mynetworks");
}

static void form_quota(const struct use *u)
{
	translated(u->im, u->at, u->p->what, "default_quota_storage",
	    u->p->expanded, "it limits all messages of a mailbox together");
}

static void form_size_limit(const struct use *u)
{
	size_limit(u->im, u->at, u->p->what, u->p->expanded);
}

static void form_extensions(const struct use *u)
{
	translated(u->im, u->at, u->p->what, u->name,
	    strstr(u->p->expanded, "virtual") != NULL ? "yes" : "no",
	    "it is about aliases alone");
}

/* The value as it is, where we know it; else why not. */
static void carry_if(const struct use *u, bool known, const char *why)
{
	if (known)
		carry(u->im, u->at, u->p->what, u->name, u->p->expanded,
		    u->p->expanded, "");
	else
		say(u, IMPORT_UNSUPPORTED, why);
}

static void form_bare(const struct use *u)
{
	if (str_eq(u->value, STR("normalize")) ||
	    str_eq(u->value, STR("reject")))
		carry_if(u, true, "");
	else
		translated(u->im, u->at, u->p->what, u->name, "normalize",
		    "nothing but CRLF.CRLF ever ends a message");
}

static void form_forbidden(const struct use *u)
{
	carry_if(
	    u, strchr(u->p->expanded, ':') == NULL, "words alone, no tables");
}

static void form_access(const struct use *u)
{
	carry_if(u, strstr(u->p->expanded, "hash:") == NULL,
	    "networks and cidr: tables alone");
}

static void form_yes(const struct use *u)
{
	always(u->im, u->at, u->p->what, u->note, u->value);
}

static void form_log(const struct use *u)
{
	say(u, IMPORT_IGNORED, "the log is below log_directory");
}

static void form_restrictions(const struct use *u)
{
	restrictions(
	    u->im, u->at, u->p->e, str_from(u->p->e->value), u->name, 0);
	if (u->value.len == 0)
		say(u, IMPORT_IGNORED, "it is empty");
}

static void form_senders(const struct use *u)
{
	senders(u->im, u->at, u->p->what, u->p->expanded);
}

static void form_sender_classes(const struct use *u)
{
	struct buf maps = buf_new(IMPORT_VALUE_MAX);

	import_value(u->im,
	    str_starts(str_from(u->name), STR("sender_"))
		? "sender_canonical_maps"
		: "recipient_canonical_maps",
	    &maps);
	if (is_postsrsd(buf_text(&maps)))
		say(u, IMPORT_BUILT_IN,
		    "only senders of envelopes are rewritten, and rewritten "
		    "ones brought back");
	else
		say(u, IMPORT_UNSUPPORTED, not_rewritten);
	buf_free(&maps);
}

static void form_classes(const struct use *u)
{
	say(u, IMPORT_UNSUPPORTED, "there are no restriction classes");
}

/* The same here, or under another name; or what its row says. */
static void form_as_it_is(const struct use *u)
{
	const struct import_name *known = u->known;

	if (known->to != NULL) {
		translated(
		    u->im, u->at, u->p->what, u->name, u->p->expanded, u->note);
	} else if (known->verdict == IMPORT_SAME) {
		const char *value = with_unit(
		    u->im, known->form, u->p->expanded);

		carry(u->im, u->at, u->p->what, u->name,
		    may_stay(u->im, str_from(u->p->e->value))
			? with_unit(u->im, known->form, u->p->e->value)
			: value,
		    value,
		    strcmp(value, u->p->expanded) != 0
			? "a bare number counts seconds here"
			: "");
	} else {
		say(u, known->verdict, u->note);
	}
}

static form *const forms[] = {
    [IMPORT_AS_IT_IS] = form_as_it_is,
    [IMPORT_CERT] = form_cert,
    [IMPORT_USE_TLS] = form_use_tls,
    [IMPORT_TLS_LEVEL] = form_tls_level,
    [IMPORT_PROTOCOLS] = form_protocols,
    [IMPORT_DOMAINS] = form_domains,
    [IMPORT_USERS] = form_users,
    [IMPORT_MAPS] = form_maps,
    [IMPORT_ALIASES] = form_aliases,
    [IMPORT_TRANSPORTS] = form_transports,
    [IMPORT_RECIPIENTS] = form_recipients,
    [IMPORT_TRANSPORT] = form_transport,
    [IMPORT_PROTOCOL_FAMILY] = form_protocol_family,
    [IMPORT_NETWORKS] = form_networks,
    [IMPORT_NETWORKS_STYLE] = form_networks_style,
    [IMPORT_QUOTA] = form_quota,
    [IMPORT_SIZE_LIMIT] = form_size_limit,
    [IMPORT_EXTENSIONS] = form_extensions,
    [IMPORT_BARE] = form_bare,
    [IMPORT_FORBIDDEN] = form_forbidden,
    [IMPORT_YES] = form_yes,
    [IMPORT_LOG] = form_log,
    [IMPORT_ACCESS] = form_access,
    [IMPORT_RESTRICTIONS] = form_restrictions,
    [IMPORT_CLASSES] = form_classes,
    [IMPORT_SENDERS] = form_senders,
    [IMPORT_SENDER_CLASSES] = form_sender_classes,
    [IMPORT_DAYS] = form_as_it_is,
    [IMPORT_HOURS] = form_as_it_is,
};

static void by_form(struct import *im, const struct import_place *at,
    const struct import_name *known, const struct parameter *p)
{
	const struct use u = {.im = im,
	    .at = at,
	    .known = known,
	    .p = p,
	    .value = str_trim(str_from(p->expanded)),
	    .name = known->to != NULL ? known->to : known->name,
	    .note = known->note != NULL ? known->note : ""};

	forms[known->form](&u);
}

/* Whether a text has $name, ${name or $(name. */
static bool refers(struct str text, struct str name)
{
	while (text.len > 0) {
		text = str_skip(text, str_find(text, '$'));
		while (text.len > 0 && strchr("${(", text.p[0]) != NULL)
			text = str_skip(text, 1);
		if (str_starts(text, name) &&
		    (text.len == name.len ||
			(!ascii_alnum(text.p[name.len]) &&
			    text.p[name.len] != '_')))
			return true;
	}
	return false;
}

/* A name that Postfix does not know: a class, a macro, or a slip. */
static void unknown(
    struct import *im, const struct import_place *at, const struct parameter *p)
{
	char near[128];
	bool referred = false;

	if (is_class(im, str_from(p->e->name))) {
		restrictions(im, at, p->e, str_from(p->e->value),
		    import_format(im, "class %s", p->e->name), 0);
		return;
	}
	for (int pass = 0; pass < 2 && !referred; pass++) {
		const struct import_file *f = pass == 0 ? &im->main
							: &im->master;

		for (size_t i = 0; i < f->count && !referred; i++)
			referred = refers(str_from(f->entries[i].value),
			    str_from(p->e->name));
	}
	if (referred && at->options == NULL) {
		import_say(im, at, IMPORT_MACRO, p->what, "",
		    "other values refer to it");
	} else if (strchr(p->e->name, '_') != NULL &&
	    str_ends(str_from(p->e->name), STR("_time_limit"))) {
		import_say(im, at, IMPORT_IGNORED, p->what, "",
		    "it is about commands of a transport");
	} else if (import_nearest(str_from(p->e->name), near, sizeof(near))) {
		import_say(im, at, IMPORT_UNKNOWN, p->what, "",
		    import_format(im,
			"Postfix 3.7 has no such parameter, and nothing refers "
			"to it; did you mean %s?",
			near));
	} else {
		import_say(im, at, IMPORT_UNKNOWN, p->what, "",
		    "Postfix 3.7 has no such parameter, and nothing refers to "
		    "it");
	}
}

void import_parameter(struct import *im, const struct import_place *at,
    const struct import_entry *e, struct str value, size_t offset)
{
	struct buf expanded = buf_new(IMPORT_VALUE_MAX);
	struct import_name known, target;
	struct parameter p = {e, value, NULL, NULL};

	(void)offset;
	import_expand(im, value, &expanded);
	p.expanded = import_text(im, buf_str(&expanded));
	p.what = at->service[0] != '\0'
	    ? import_format(im, "%s: -o %s=%s", at->service, e->name, e->value)
	    : import_format(
		  im, "%s =%s%s", e->name, e->value[0] ? " " : "", e->value);
	buf_free(&expanded);
	import_known(str_from(e->name), &known);
	if (e->overruled) {
		import_say(im, at, IMPORT_IGNORED, p.what, "",
		    "it is set again below, which counts");
		return;
	}
	if (known.name == NULL) {
		unknown(im, at, &p);
		return;
	}
	/* A former name stands for its new one. */
	if (known.to != NULL) {
		import_known(str_from(known.to), &target);
		if (target.name != NULL && target.verdict != IMPORT_SAME)
			known = target;
	} else if (known.form == IMPORT_AS_IT_IS) {
		known.name = e->name; /* TRANSPORT_... of a default_... */
	}
	by_form(im, at, &known, &p);
}

/* ---- what no line says ---- */

static void chain(struct import *im, const struct import_place *at)
{
	struct buf files = buf_new(IMPORT_VALUE_MAX);

	for (size_t i = 0; i < 4; i++)
		if (im->chain[i] != NULL &&
		    (i % 2 == 0 || im->chain[i - 1] == NULL ||
			strcmp(im->chain[i], im->chain[i - 1]) != 0))
			buf_printf(&files, "%s%s", files.len > 0 ? " " : "",
			    im->chain[i]);
	if (files.len > 0) {
		import_set(im, at, "smtpd_tls_chain_files", buf_text(&files));
		import_set(
		    im, at, "login_tls_chain_files", "$smtpd_tls_chain_files");
	}
	buf_free(&files);
}

/* Defaults that decide what is taken and where from: Postfix's go on. */
static bool is_carried(const char *name)
{
	return strcmp(name, "inet_interfaces") == 0 ||
	    strcmp(name, "recipient_delimiter") == 0 ||
	    strcmp(name, "message_size_limit") == 0;
}

static void defaults(struct import *im, const struct import_place *at)
{
	for (const struct import_name *n = import_names; n->name != NULL; n++) {
		const struct conf_param *row = conf_find(n->name, NULL);
		const char *theirs = n->fallback;

		if (n->verdict != IMPORT_SAME || row == NULL ||
		    theirs == NULL || import_entry(im, n->name) != NULL ||
		    strcmp(theirs, row->fallback) == 0 ||
		    (n->form != IMPORT_AS_IT_IS &&
			n->form != IMPORT_SIZE_LIMIT) ||
		    strchr(theirs, '$') != NULL ||
		    table_get(&im->settings, str_from(n->name)) != NULL)
			continue;
		const char *what = import_format(im,
		    "%s is not set: %s there, %s here", n->name,
		    theirs[0] != '\0' ? theirs : "empty",
		    row->fallback[0] != '\0' ? row->fallback : "empty");
		if (is_carried(n->name)) {
			import_set(im, at, n->name, theirs);
			import_say(im, at, IMPORT_DEFAULT, what,
			    import_format(im, "%s =%s%s", n->name,
				theirs[0] ? " " : "", theirs),
			    "");
		} else {
			import_say(im, at, IMPORT_DEFAULT, what, "", "");
		}
	}
}

/* A macro is of use only to a value that was carried over. */
static void macros(struct import *im, const struct import_place *at)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < im->main.count; i++) {
			const struct import_entry *e = &im->main.entries[i];
			struct str name = str_from(e->name);
			struct import_name known;

			import_known(name, &known);
			if (known.name != NULL || e->overruled ||
			    name.len == 0 ||
			    table_get(&im->settings, name) != NULL ||
			    (!refers(buf_str(&im->main_cf), name) &&
				!refers(buf_str(&im->services), name)))
				continue;
			import_set(im, at, e->name, e->value);
			more = true;
		}
	}
}

void import_finish(struct import *im)
{
	struct import_place at = {.file = "", .service = ""};

	buf_add_text(&im->main_cf,
	    "\n# What was gathered from several lines, and "
	    "what Postfix does by default.\n");
	if (im->main.count > 0) {
		struct buf value = buf_new(IMPORT_VALUE_MAX);

		import_value(im, "myhostname", &value);
		import_set(im, &at, "myhostname", buf_text(&value));
		buf_clear(&value);
		import_value(im, "mydomain", &value);
		import_set(im, &at, "mydomain", buf_text(&value));
		buf_free(&value);
	}
	chain(im, &at);
	if (im->dnsbl_sites.len > 0)
		import_set(im, &at, "postscreen_dnsbl_sites",
		    buf_text(&im->dnsbl_sites));
	if (im->alias_maps.len > 0)
		import_set(im, &at, "virtual_alias_maps",
		    import_format(
			im, "hash:aliases %s", buf_text(&im->alias_maps)));
	/* Unset, mydestination is this host. */
	if (import_entry(im, "mydestination") == NULL) {
		struct import_entry none = {.name = "mydestination",
		    .value = "$myhostname, localhost.$mydomain, localhost"};

		import_domains(im, &at, &none, "local");
	}
	defaults(im, &at);
	macros(im, &at);
}

void import_run(struct import *im)
{
	struct import_place at = {.file = im->main.path, .service = ""};
	size_t count = im->main.count;

	for (size_t i = 0; i < count; i++) {
		const struct import_entry *e = &im->main.entries[i];

		if (e->spot_count == 0)
			continue; /* no line: what Postfix finds out itself */
		at.line = e->spots[0].line;
		import_parameter(im, &at, e, str_from(e->value), 0);
	}
	import_services(im);
	import_finish(im);
}
