/* SPDX-License-Identifier: ISC */
#include "reportd/aggregate_mail.h"

#include <time.h>

#include "mail/date.h"
#include "mail/encode.h"

static void put_header(const struct aggregate_mail *m, struct buf *out)
{
	const struct period *p = m->period;
	char date[DATE_TEXT_MAX];

	date_rfc5322(m->now, 0, date);
	buf_printf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_FMT(m->sender),
	    STR_FMT(m->to));
	buf_printf(out,
	    "Subject: Report Domain: %.*s\r\n"
	    "\tSubmitter: %s\r\n"
	    "\tReport-ID: <%.*s>\r\n",
	    STR_FMT(p->domain), m->receiver, STR_FMT(p->id));
	buf_printf(out,
	    "Date: %s\r\n"
	    "Message-ID: <%.*s@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=\"=_%.*s\"\r\n"
	    "\r\n"
	    "This is a MIME message; its first part is for people.\r\n",
	    date, STR_FMT(m->message_id), m->receiver, STR_FMT(p->id));
}

static void put_time(struct buf *out, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_add_text(out, text);
}

/* What one who opens it should know; ASCII, short lines. */
static void put_text(const struct aggregate_mail *m, struct buf *out)
{
	const struct period *p = m->period;
	uint64_t seen = p->messages + p->left_out;

	buf_printf(out,
	    "\r\n--=_%.*s\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "\r\n"
	    "This is a DMARC aggregate report (RFC 9990) of mail in the name "
	    "of\r\n%.*s\r\nthat %s received from\r\n",
	    STR_FMT(p->id), STR_FMT(p->domain), m->receiver);
	put_time(out, p->begin);
	buf_add_text(out, " to ");
	put_time(out, p->end - 1);
	buf_printf(out, ": %llu messages in %llu rows.\r\n",
	    (unsigned long long)m->messages, (unsigned long long)m->rows);
	if (seen > m->messages)
		buf_printf(out,
		    "%llu more messages are not in it: a limit of this host "
		    "was reached.\r\n",
		    (unsigned long long)(seen - m->messages));
	buf_printf(out,
	    "\r\nThe policy record of the domain asks for it (rua=). "
	    "Questions: %s\r\n",
	    m->contact);
}

static void put_file(const struct aggregate_mail *m, struct buf *out)
{
	const struct period *p = m->period;

	buf_printf(out,
	    "\r\n--=_%.*s\r\n"
	    "Content-Type: application/gzip\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment;\r\n"
	    "\tfilename=\"%s!%.*s!%llu!%llu!%.*s.xml.gz\"\r\n"
	    "\r\n",
	    STR_FMT(p->id), m->receiver, STR_FMT(p->domain),
	    (unsigned long long)p->begin, (unsigned long long)p->end - 1,
	    STR_FMT(p->id));
	base64_encode_mime(m->file, out);
	buf_printf(out, "\r\n--=_%.*s--\r\n", STR_FMT(p->id));
}

int aggregate_mail_write(const struct aggregate_mail *m, struct buf *out)
{
	put_header(m, out);
	put_text(m, out);
	put_file(m, out);
	return out->overflow ? -1 : 0;
}
