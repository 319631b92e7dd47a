/* SPDX-License-Identifier: ISC */
#include "bounce/report.h"

#include "mail/address.h"
#include "mail/date.h"
#include "mail/encode.h"
#include "mail/header.h"

#define COLUMNS 76 /* of the text for people */

/* What the parts have in common. */
struct writer {
	const struct report *r;
	struct buf *out;
	bool utf8;      /* addresses may be written in UTF-8 (RFC 6533) */
	bool text_8bit; /* the text for people has UTF-8 */
	bool original_8bit;
};

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

/* Words of strangers on one line: control octets become blanks, what is no
 * ASCII becomes "?" where it may not stand. */
static void put_words(struct buf *out, struct str s, bool utf8)
{
	bool keep = utf8 && utf8_valid(s);

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 127)
			c = ' ';
		else if (c > 127 && !keep)
			c = '?';
		buf_add_char(out, (char)c);
	}
}

static void put_date(const struct writer *w, const char *name, int64_t seconds)
{
	char date[DATE_TEXT_MAX];

	date_rfc5322(seconds, w->r->zone, date);
	buf_printf(w->out, "%s: %s\r\n", name, date);
}

/* ---- the header ---- */

static const char *subject(int kind)
{
	switch (kind) {
	case BOUNCE_DELAYED:
		return "Delayed Mail (still being retried)";
	case BOUNCE_DELIVERED:
		return "Successful Mail Delivery Report";
	default:
		return "Undelivered Mail Returned to Sender";
	}
}

/*
 * Our boundary cannot stand in the message: it is made of an id that was
 * random when the message was already here.
 */
static void put_boundary(const struct writer *w, const char *after)
{
	buf_printf(w->out, "--=_%s%s\r\n", w->r->id.text, after);
}

static void put_header(const struct writer *w)
{
	const struct report *r = w->r;
	bool eight = w->text_8bit || w->original_8bit || w->utf8;

	buf_printf(w->out, "From: MAILER-DAEMON@%s (Mail Delivery System)\r\n",
	    r->myorigin);
	buf_add(w->out, STR("To: "));
	put_words(w->out, r->what->sender, w->utf8);
	buf_printf(w->out, "\r\nSubject: %s\r\n", subject(r->what->kind));
	put_date(w, "Date", r->now);
	buf_printf(w->out,
	    "Message-ID: <%s@%s>\r\n"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=%s;\r\n"
	    "\tboundary=\"=_%s\"\r\n"
	    "Content-Transfer-Encoding: %s\r\n"
	    "\r\n"
	    "This is a MIME message; its first part is for people.\r\n\r\n",
	    r->id.text, r->myhostname,
	    /* RFC 6533 section 4: the report type stays. */
	    "delivery-status", r->id.text, eight ? "8bit" : "7bit");
}

/* ---- the text for people ---- */

static const char *opening(int kind)
{
	switch (kind) {
	case BOUNCE_DELAYED:
		return "This is only a warning: you do not need to send your "
		       "message again.\r\n\r\n"
		       "Your message has not been delivered yet to the "
		       "recipients named below.\r\nDelivery is still being "
		       "tried";
	case BOUNCE_DELIVERED:
		return "You asked to be told. Your message was delivered to "
		       "the recipients named\r\nbelow";
	default:
		return "I am sorry to have to tell you that your message "
		       "could not be delivered to\r\nthe recipients named "
		       "below. It will not be tried again";
	}
}

/* A paragraph of words, indented, in lines of COLUMNS where blanks allow. */
static void put_paragraph(struct buf *out, struct str text)
{
	size_t column = 0;

	while (text.len > 0) {
		struct str word = str_word(&text, " \t\r\n");

		if (word.len == 0)
			break;
		if (column > 0 && column + 1 + word.len > COLUMNS) {
			buf_add(out, STR("\r\n"));
			column = 0;
		}
		if (column == 0) {
			buf_add(out, STR("    "));
			column = 4;
		} else {
			buf_add_char(out, ' ');
			column++;
		}
		buf_add(out, word);
		column += word.len;
	}
	buf_add(out, STR("\r\n"));
}

/* "550 5.1.1 no such user"; the remote may have said the status itself. */
static void put_reply(struct buf *out, const struct bounce_for *f, bool utf8)
{
	if (f->code != 0) {
		buf_add_u64(out, f->code);
		buf_add_char(out, ' ');
		if (!str_starts(f->text, f->dsn)) {
			buf_add(out, f->dsn);
			buf_add_char(out, ' ');
		}
	}
	put_words(out, f->text, utf8);
}

/* ORCPT's address, when it is another one than the final address. */
static struct str named_first(const struct bounce_for *f)
{
	struct str address = f->original;

	if (str_find(address, ';') == address.len)
		return STR_EMPTY;
	str_cut(&address, ';');
	return str_case_eq(address, f->address) ? STR_EMPTY : address;
}

static void put_person(const struct writer *w, const struct bounce_for *f)
{
	struct buf words = buf_new(8192);
	struct str first = named_first(f);

	buf_add_char(w->out, '<');
	put_words(w->out, f->address, w->text_8bit);
	buf_add_char(w->out, '>');
	if (first.len > 0) {
		buf_add(w->out, STR(" (for <"));
		put_words(w->out, first, w->text_8bit);
		buf_add(w->out, STR(">)"));
	}
	buf_add(w->out, STR(":\r\n"));
	if (f->remote.len > 0) {
		put_words(&words, f->remote, w->text_8bit);
		buf_add_text(&words, f->code != 0 ? " said: " : ": ");
	}
	put_reply(&words, f, w->text_8bit);
	put_paragraph(w->out, buf_str(&words));
	buf_add(w->out, STR("\r\n"));
	buf_free(&words);
}

static void put_text(const struct writer *w)
{
	const struct report *r = w->r;

	put_boundary(w, "");
	buf_printf(w->out,
	    "Content-Description: Notification\r\n"
	    "Content-Type: text/plain; charset=%s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n"
	    "This is the mail system at host %s.\r\n\r\n%s",
	    w->text_8bit ? "utf-8" : "us-ascii", w->text_8bit ? "8bit" : "7bit",
	    r->myhostname, opening(r->what->kind));
	if (r->what->kind == BOUNCE_DELAYED && r->give_up > 0) {
		char date[DATE_TEXT_MAX];

		date_rfc5322(r->give_up, r->zone, date);
		buf_printf(w->out, " until\r\n%s", date);
	}
	buf_add(w->out, STR(".\r\n"));
	if (r->has_original)
		buf_printf(w->out, "%s is attached.\r\n",
		    r->whole ? "Your message" : "The header of your message");
	buf_add(w->out, STR("\r\n"));
	for (size_t i = 0; i < r->count; i++)
		put_person(w, &r->to[i]);
	buf_add(w->out,
	    STR("For help, please write to <postmaster> of your "
		"mail service and include this\r\nmessage.\r\n"
		"\r\n"));
}

/* ---- the status ---- */

static const char *action(int kind)
{
	static const char *const names[] = {"failed", "delayed", "delivered"};

	return names[kind];
}

/* RFC 3464 2.3.1, 2.3.2; RFC 6533 section 3 for UTF-8. The address type of
 * an original is the sender's. */
static void put_recipient_field(
    const struct writer *w, const char *name, struct str type, struct str a)
{
	if (!is_ascii(a) && str_case_eq(type, STR("rfc822")))
		type = STR("utf-8");
	buf_printf(w->out, "%s: ", name);
	put_words(w->out, type, false);
	buf_add(w->out, STR("; "));
	put_words(w->out, a, w->utf8);
	buf_add(w->out, STR("\r\n"));
}

/* The host of "mx.example.org[192.0.2.1]:25"; "" when it names none. */
static struct str host_of(struct str remote)
{
	struct str host = str_cut(&remote, '[');

	return address_is_domain(host, false) ? host : STR_EMPTY;
}

static void put_diagnostic(const struct writer *w, const struct bounce_for *f)
{
	struct buf words = buf_new(8192);

	buf_add_text(&words, f->code != 0 ? "smtp; " : "X-Posthouse; ");
	put_reply(&words, f, w->utf8);
	header_put(w->out, "Diagnostic-Code", buf_str(&words));
	buf_free(&words);
}

static void put_status_of(const struct writer *w, const struct bounce_for *f)
{
	struct str original = f->original, host = host_of(f->remote);

	buf_add(w->out, STR("\r\n"));
	if (str_find(original, ';') < original.len) {
		struct str type = str_cut(&original, ';');

		put_recipient_field(w, "Original-Recipient", type, original);
	}
	put_recipient_field(w, "Final-Recipient", STR("rfc822"), f->address);
	buf_printf(w->out, "Action: %s\r\nStatus: ", action(w->r->what->kind));
	put_words(w->out, f->dsn, false);
	buf_add(w->out, STR("\r\n"));
	if (host.len > 0)
		buf_printf(w->out, "Remote-MTA: dns; %.*s\r\n", STR_FMT(host));
	if (f->text.len > 0)
		put_diagnostic(w, f);
	if (f->last > 0)
		put_date(w, "Last-Attempt-Date", (int64_t)f->last);
	if (w->r->what->kind == BOUNCE_DELAYED && w->r->give_up > 0)
		put_date(w, "Will-Retry-Until", w->r->give_up);
}

static void put_status(const struct writer *w)
{
	const struct report *r = w->r;

	put_boundary(w, "");
	buf_printf(w->out,
	    "Content-Description: Delivery report\r\n"
	    "Content-Type: message/%sdelivery-status\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n"
	    "Reporting-MTA: dns; %s\r\n"
	    "X-Posthouse-Queue-ID: %.*s\r\n",
	    w->utf8 ? "global-" : "", w->utf8 ? "8bit" : "7bit", r->myhostname,
	    STR_FMT(r->what->queue_id));
	if (r->what->envid.len > 0) {
		buf_add(w->out, STR("Original-Envelope-Id: "));
		put_words(w->out, r->what->envid, false);
		buf_add(w->out, STR("\r\n"));
	}
	put_date(w, "Arrival-Date", (int64_t)r->what->arrived);
	for (size_t i = 0; i < r->count; i++)
		put_status_of(w, &r->to[i]);
	buf_add(w->out, STR("\r\n"));
}

/* ---- what is returned ---- */

static void put_original(const struct writer *w)
{
	const struct report *r = w->r;
	/* RFC 6533 section 5 names the types with UTF-8 in the header. */
	bool global = w->utf8 && !is_ascii(r->header);
	const char *type = r->whole
	    ? (global ? "message/global" : "message/rfc822")
	    : (global ? "message/global-headers" : "text/rfc822-headers");

	put_boundary(w, "");
	buf_printf(w->out,
	    "Content-Description: %s%s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    r->what->kind == BOUNCE_FAILED ? "Undelivered message" : "Message",
	    r->whole ? "" : " header", type,
	    w->original_8bit ? "8bit" : "7bit");
	buf_add(w->out, r->header);
	if (r->whole)
		buf_add(w->out, r->body);
	/* The line end before a boundary belongs to the boundary. */
	buf_add(w->out, STR("\r\n"));
}

/* ---- */

/* Whether the notification needs SMTPUTF8 on its way: the sender does, or
 * what must be said of an internationalised message does. */
static bool needs_utf8(const struct report *r)
{
	if (!is_ascii(r->what->sender))
		return true;
	if (!r->what->smtputf8)
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (!is_ascii(r->to[i].address) || !is_ascii(r->to[i].original))
			return true;
	return r->has_original && !is_ascii(r->header);
}

static bool text_has_utf8(const struct report *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (!is_ascii(r->to[i].address) || !is_ascii(r->to[i].text) ||
		    !is_ascii(r->to[i].original))
			return true;
	return false;
}

int report_build(
    const struct report *r, struct buf *out, bool *eight_bit, bool *utf8)
{
	struct writer w = {.r = r,
	    .out = out,
	    .utf8 = needs_utf8(r),
	    .text_8bit = text_has_utf8(r)};

	w.original_8bit = r->has_original &&
	    (!is_ascii(r->header) || (r->whole && !is_ascii(r->body)));
	put_header(&w);
	put_text(&w);
	put_status(&w);
	if (r->has_original)
		put_original(&w);
	put_boundary(&w, "--");
	*utf8 = w.utf8;
	*eight_bit = w.utf8 || w.text_8bit || w.original_8bit;
	return out->overflow ? -1 : 0;
}
