/* SPDX-License-Identifier: ISC */
/* The restrictions of smtpd's lists in Postfix, one by one. */
#include <string.h>

#include "posthouse/import.h"

static const char sender_checks[] =
    "senders are checked where a user logs in; for all others use DNS lists";
static const char names_checks[] =
    "what a client calls itself decides nothing here; DNS lists "
    "(postscreen_dnsbl_sites) and the greeting test do";
static const char table_checks[] =
    "tables of single clients, senders or recipients decide nothing in smtpd "
    "yet; for addresses of clients there is postscreen_access_list, for "
    "recipients transport_maps with error:";
static const char probes[] =
    "addresses are not probed: list them in relay_recipient_maps";
static const char certificates[] = "clients are not asked for certificates";

static const struct restriction {
	const char *name;
	bool argument;
	enum import_verdict verdict;
	const char *to, *note;
} restrictions[] = {
    {"permit_mynetworks", false, IMPORT_BUILT_IN, NULL,
	"clients in mynetworks may relay"},
    {"permit_sasl_authenticated", false, IMPORT_BUILT_IN, NULL,
	"who logs in on submission may relay"},
    {"reject_unauth_destination", false, IMPORT_BUILT_IN, NULL,
	"nobody else may relay: 554 5.7.1"},
    {"defer_unauth_destination", false, IMPORT_BUILT_IN, NULL,
	"nobody else may relay: 554 5.7.1"},
    {"reject_unlisted_recipient", false, IMPORT_BUILT_IN, NULL,
	"unknown recipients are refused with 550 5.1.1"},
    {"check_recipient_maps", false, IMPORT_BUILT_IN, NULL,
	"unknown recipients are refused with 550 5.1.1"},
    {"permit_auth_destination", false, IMPORT_BUILT_IN, NULL,
	"our own domains are always served"},
    {"reject_unauth_pipelining", false, IMPORT_BUILT_IN, NULL,
	"screen refuses who speaks out of turn (postscreen_greet_action, "
	"postscreen_pipelining_action)"},
    {"reject_sender_login_mismatch", false, IMPORT_BUILT_IN, NULL,
	"who logs in sends as himself, his aliases and "
	"smtpd_sender_login_maps"},
    {"reject_authenticated_sender_login_mismatch", false, IMPORT_BUILT_IN, NULL,
	"who logs in sends as himself, his aliases and "
	"smtpd_sender_login_maps"},
    {"reject_plaintext_session", false, IMPORT_TRANSLATED,
	"smtpd_tls_security_level = encrypt", NULL},
    {"reject_rbl_client", true, IMPORT_TRANSLATED, "postscreen_dnsbl_sites",
	NULL},
    {"permit_dnswl_client", true, IMPORT_TRANSLATED, "postscreen_dnsbl_sites",
	"as a list of good clients"},
    {"permit", false, IMPORT_IGNORED, NULL, "what nothing refuses is taken"},
    {"reject_unauthenticated_sender_login_mismatch", false, IMPORT_UNSUPPORTED,
	NULL, sender_checks},
    {"reject_known_sender_login_mismatch", false, IMPORT_UNSUPPORTED, NULL,
	sender_checks},
    {"reject_non_fqdn_sender", false, IMPORT_UNSUPPORTED, NULL, sender_checks},
    {"reject_unknown_sender_domain", false, IMPORT_UNSUPPORTED, NULL,
	sender_checks},
    {"reject_unlisted_sender", false, IMPORT_UNSUPPORTED, NULL, sender_checks},
    {"reject_rhsbl_sender", true, IMPORT_UNSUPPORTED, NULL, sender_checks},
    {"reject_rhsbl_client", true, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_rhsbl_reverse_client", true, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_rhsbl_helo", true, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_rhsbl_recipient", true, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"permit_rhswl_client", true, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_unknown_client_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_unknown_client", false, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_unknown_reverse_client_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_unknown_forward_client_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_invalid_helo_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_invalid_hostname", false, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_non_fqdn_helo_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_non_fqdn_hostname", false, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_unknown_helo_hostname", false, IMPORT_UNSUPPORTED, NULL,
	names_checks},
    {"reject_unknown_hostname", false, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"permit_naked_ip_address", false, IMPORT_UNSUPPORTED, NULL, names_checks},
    {"reject_non_fqdn_recipient", false, IMPORT_IGNORED, NULL,
	"a recipient without a domain is completed with $myorigin, and "
	"refused when unknown"},
    {"reject_unknown_recipient_domain", false, IMPORT_UNSUPPORTED, NULL,
	"mail of our own users to a domain without DNS comes back as a bounce"},
    {"reject_unverified_recipient", false, IMPORT_UNSUPPORTED, NULL, probes},
    {"reject_unverified_sender", false, IMPORT_UNSUPPORTED, NULL, probes},
    {"reject_multi_recipient_bounce", false, IMPORT_UNSUPPORTED, NULL,
	"a bounce may have several recipients"},
    {"check_client_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_reverse_client_hostname_access", true, IMPORT_UNSUPPORTED, NULL,
	table_checks},
    {"check_helo_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_sender_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_recipient_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_etrn_access", true, IMPORT_IGNORED, NULL, "there is no ETRN"},
    {"check_ccert_access", true, IMPORT_UNSUPPORTED, NULL, certificates},
    {"check_sasl_access", true, IMPORT_UNSUPPORTED, NULL,
	"give the user enabled=no in \"users\""},
    {"check_client_a_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_client_mx_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_client_ns_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_reverse_client_hostname_a_access", true, IMPORT_UNSUPPORTED, NULL,
	table_checks},
    {"check_reverse_client_hostname_mx_access", true, IMPORT_UNSUPPORTED, NULL,
	table_checks},
    {"check_reverse_client_hostname_ns_access", true, IMPORT_UNSUPPORTED, NULL,
	table_checks},
    {"check_helo_a_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_helo_mx_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_helo_ns_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_sender_a_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_sender_mx_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_sender_ns_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_recipient_a_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_recipient_mx_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_recipient_ns_access", true, IMPORT_UNSUPPORTED, NULL, table_checks},
    {"check_policy_service", true, IMPORT_UNSUPPORTED, NULL,
	"there are no policy servers; what they did is screen's and "
	"policyd's: for postgrey see smtpd_greylisting, for policyd-spf "
	"spf_fail_action"},
    {"permit_mx_backup", false, IMPORT_UNSUPPORTED, NULL,
	"list the domains in \"domains\" as relay"},
    {"permit_tls_clientcerts", false, IMPORT_UNSUPPORTED, NULL, certificates},
    {"permit_tls_all_clientcerts", false, IMPORT_UNSUPPORTED, NULL,
	certificates},
    {"permit_inet_interfaces", false, IMPORT_UNSUPPORTED, NULL,
	"add our own addresses to mynetworks"},
    {"reject", false, IMPORT_UNSUPPORTED, NULL,
	"stop the service instead, or let it listen on loopback alone"},
    {"defer", false, IMPORT_UNSUPPORTED, NULL, "stop the service instead"},
    {"defer_if_permit", false, IMPORT_UNSUPPORTED, NULL,
	"stop the service instead"},
    {"defer_if_reject", false, IMPORT_IGNORED, NULL,
	"a refusal stays a refusal"},
    {"warn_if_reject", false, IMPORT_IGNORED, NULL,
	"postscreen_*_action = ignore tries a test out"},
    {"sleep", true, IMPORT_IGNORED, NULL,
	"postscreen_greet_wait delays strangers"},
    {NULL, false, IMPORT_UNKNOWN, NULL, NULL},
};

static const struct restriction *find(struct str name)
{
	const struct restriction *r = restrictions;

	while (r->name != NULL && !str_case_eq(name, str_from(r->name)))
		r++;
	return r;
}

bool import_restriction_has_argument(struct str name)
{
	return find(name)->argument;
}

static bool is_class(struct import *im, struct str name)
{
	struct buf classes = buf_new(IMPORT_VALUE_MAX);
	struct str word;
	size_t at = 0;
	bool found = false;

	import_value(im, "smtpd_restriction_classes", &classes);
	while (!found && (word = import_word(buf_str(&classes), &at)).len > 0)
		found = str_eq(word, name);
	buf_free(&classes);
	return found;
}

static void add_dnsbl(struct import *im, struct str site, bool is_good)
{
	buf_printf(&im->dnsbl_sites, "%s%.*s%s",
	    im->dnsbl_sites.len > 0 ? " " : "", STR_FMT(site),
	    is_good ? "*-2" : "");
}

/* A restriction that has no row: a class, a table, a wrong word. */
static void other(struct import *im, const struct import_place *at,
    const char *what, struct str name)
{
	if (is_class(im, name))
		import_say(im, at, IMPORT_UNSUPPORTED, what, "",
		    "there are no restriction classes; what is in it is told "
		    "where it is set");
	else if (str_find(name, ':') < name.len)
		import_say(im, at, IMPORT_UNSUPPORTED, what, "", table_checks);
	else
		import_say(im, at, IMPORT_UNKNOWN, what, "",
		    "Postfix 3.7 has no such restriction");
}

void import_restriction(struct import *im, const struct import_place *at,
    const char *list, struct str name, struct str argument)
{
	const struct restriction *r = find(name);
	const char *what = import_format(im, "%s: %.*s%s%.*s", list,
	    STR_FMT(name), argument.len > 0 ? " " : "", STR_FMT(argument));

	if (r->name == NULL) {
		other(im, at, what, name);
	} else if (at->is_submission && str_case_eq(name, STR("reject"))) {
		import_say(im, at, IMPORT_BUILT_IN, what, "",
		    "submission takes mail from who logged in alone");
	} else if (strcmp(r->name, "reject_rbl_client") == 0 ||
	    strcmp(r->name, "permit_dnswl_client") == 0) {
		add_dnsbl(im, argument, r->name[0] == 'p');
		import_say(im, at, r->verdict, what,
		    import_format(im, "postscreen_dnsbl_sites = %.*s%s",
			STR_FMT(argument), r->name[0] == 'p' ? "*-2" : ""),
		    r->note != NULL ? r->note : "");
	} else {
		if (strcmp(r->name, "reject_plaintext_session") == 0)
			import_set(
			    im, at, "smtpd_tls_security_level", "encrypt");
		import_say(im, at, r->verdict, what, r->to != NULL ? r->to : "",
		    r->note != NULL ? r->note : "");
	}
}
