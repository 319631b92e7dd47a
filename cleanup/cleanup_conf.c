/* SPDX-License-Identifier: ISC */
#include "cleanup/cleanup_conf.h"

#include "daemon/forms.h"

#define P(kind, name, ...) CONF_##kind(struct cleanup_conf, name, __VA_ARGS__)

/* As enum canonical, enum sign_sendmail and enum failure_action count. */
static const char *const forms[] = {"simple", "relaxed", NULL};
static const char *const senders[] = {"none", "own", "all", NULL};
static const char *const actions[] = {"accept", "tempfail", NULL};

/* clang-format off */
const struct conf_param cleanup_params[] = {
	P(INT,  hopcount_limit, "50", 1, 1000,
	  "Received fields above which a message is taken for looping and "
	  "refused with 554 5.4.6."),
	P(INT,  submission_header_fields_limit, "1000", 100, 1000,
	  "Header fields above which a submission is refused with 550 5.6.0. "
	  "Who verifies signatures looks at 1024, those that are added on the "
	  "way among them; a signature under more could be extended, so other "
	  "mail of ours with more is not signed."),
	P(INT,  cleanup_recipient_limit, "10000", 1, 50000,
	  "Recipients of one message after the expansion of aliases."),
	P(SIZE, queue_minfree, "16M", 0, INT64_MAX,
	  "Free space in the queue's file system below which mail is refused "
	  "with 452 4.3.1; what the client says with SIZE must fit above it. "
	  "Notifications and forwarded mail may use three quarters of it."),
	P(INT,  queue_minfree_inodes, "256", 0, 1000000000,
	  "The same for free inodes."),
	P(TIME, in_flow_delay, "1s", 0, 10,
	  "How long each new message from outside waits while "
	  "qmgr_message_active_limit messages are being delivered and more "
	  "wait for a place; 0: never."),
	P(INT,  queue_unclaimed_limit, "10000", 1, 100000000,
	  "Messages that each cleanup service accepts while qmgr does not "
	  "answer. More are refused with 451 4.3.2 until it does."),
	P(BOOL, always_add_missing_headers, "no",
	  "Add a missing Date and Message-ID to mail from other hosts too, not "
	  "just to submissions."),
	P(BOOL, smtpd_sasl_authenticated_header, "no",
	  "Name the authenticated account in the Received field."),
	P(TIME, cleanup_ticket_reuse, "2s", 0, 60,
	  "How long a login that auth has confirmed holds for further messages "
	  "of the same connection."),
	P(TIME, cut_through_timeout, "5s", 0, 30,
	  "How long a message may take that is delivered while its client "
	  "waits for the answer; one that takes longer is queued. 0: every "
	  "message is queued."),
	P(INT,  cut_through_recipient_limit, "20", 1, 1000,
	  "Recipients above which a message is always queued."),
	P(FORM, dkim_sign_networks, form_networks, "", 0, 65536,
	  "Clients without a login whose mail is signed, with the keys of any "
	  "domain here: networks, blanks or commas between them. Whoever can "
	  "send from there makes every From of ours true: a filter that gives "
	  "mail from outside back, or a second MX, must not be among them. "
	  "Empty: who does not log in does not sign, in mynetworks either."),
	P(CHOICE, dkim_sign_sendmail, "own", senders,
	  "Whose mail by sendmail(1) is signed: own, that of any local user "
	  "with a From of $myorigin or $mydomain or below, and all of root's "
	  "and the suite's own; all, that of every local user, with the keys "
	  "of any domain here; none, nobody's. An entry uid:NUMBER of "
	  "dkim_signing_table gives a user keys of his own."),
	P(BOOL, dkim_sign_owned_domains, "yes",
	  "Sign a submission with the keys of a domain in its From only when "
	  "its login or its envelope sender is of it, or of the one above it "
	  "whose keys these are, or the login may send as the address in From "
	  "(smtpd_sender_login_maps, aliases); no: whoever has logged in. What "
	  "dkim_signing_table says holds besides."),
	P(BOOL, dkim_sign_subdomains, "yes",
	  "Sign mail of a domain without keys with those of the nearest "
	  "domain above it that has some."),
	P(FORM, dkim_sign_headers, form_signed_fields, "Sender Resent-From Resent-Sender "
	  "Resent-To Resent-Cc Resent-Date Resent-Message-ID List-Id "
	  "List-Help List-Unsubscribe List-Unsubscribe-Post List-Subscribe "
	  "List-Post List-Owner List-Archive Feedback-ID Auto-Submitted", 0,
	  4096, "Header fields that are signed as often as they are there."),
	P(FORM, dkim_oversign_headers, form_oversigned_fields, "From Reply-To Subject Date To Cc "
	  "Message-ID In-Reply-To References MIME-Version Content-Type "
	  "Content-Transfer-Encoding", 4, 4096,
	  "Header fields that are signed once more than they are there, so "
	  "that nobody can add one. From is signed in any case."),
	P(CHOICE, dkim_header_canonicalization, "relaxed", forms,
	  "Which changes of the header a signature survives: relaxed, those "
	  "of blanks, folding and case; simple, none."),
	P(CHOICE, dkim_body_canonicalization, "relaxed", forms,
	  "The same for the body: relaxed, those of blanks; simple, none. "
	  "Empty lines at the end never count."),
	P(TIME, dkim_signature_lifetime, "0", 0, 31536000,
	  "How long a signature is valid; 0: without end."),
	P(CHOICE, dkim_failure_action, "accept", actions,
	  "What becomes of mail that should be signed when its key cannot be "
	  "used: accept sends it unsigned, with an error in the log; tempfail "
	  "answers 451 4.7.5."),
	P(INT,  dkim_key_cache_limit, "500", 10, 100000,
	  "Domains whose keys each process of cleanup keeps in memory, those "
	  "without keys included."),
	P(BOOL, dkim_sign_7bit, "no",
	  "Bring mail that is signed to 7 bits and to lines of 998 octets "
	  "first, so that a relay on its way has no reason to change it and "
	  "break the signature: its parts become quoted-printable or base64. "
	  "Signed and encrypted parts stay as they are."),
	P(SIZE, dkim_sign_7bit_look, "256K", 4096, 67108864,
	  "How much of a part that claims to be of 7 bits is looked at, in "
	  "memory, for octets and lines that are not; what comes behind it "
	  "stays as it is."),
	P(FORM, arc_sealing_domain, form_domain, "$mydomain", 0, 253,
	  "Mail from outside that an alias sends on to another host is sealed "
	  "(ARC) with a key of this domain, if it has an active one. Empty: "
	  "none is."),
	CONF_END
};
/* clang-format on */
