/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "mail/address.h"
#include "smtpd/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text == 127)
			abort();
}

static void a_mailbox(struct str s)
{
	struct address a;
	const char *why;

	if (address_split(s, false, &a, &why) < 0)
		abort();
}

/*
 * What is accepted has an address that is one, lies inside the input, and
 * texts that can stand in a header line; what is refused says why.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	struct str in = str_of(data + 1, len - 1);
	struct mail_args mail;
	struct rcpt_args rcpt;
	struct refusal why = {0};

	if (mail_args_parse(in, data[0] & 15, &mail, &why) == 0) {
		if (mail.sender.len > 0)
			a_mailbox(mail.sender);
		printable(mail.envid);
		if (mail.has_size && (data[0] & EXT_SIZE) == 0)
			abort();
	} else if (why.code < 500 || why.dsn == NULL || why.text == NULL) {
		abort();
	}
	why = (struct refusal){0};
	if (rcpt_args_parse(in, data[0] & 15, &rcpt, &why) == 0) {
		if (!str_eq(rcpt.recipient, STR("Postmaster")))
			a_mailbox(rcpt.recipient);
		printable(rcpt.notify);
		printable(rcpt.original);
	} else if (why.code < 500 || why.dsn == NULL || why.text == NULL) {
		abort();
	}
	return 0;
}
