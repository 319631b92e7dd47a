/* SPDX-License-Identifier: ISC */
#include "screen/line.h"

/* Those of RFC 5321 and of the extensions that an honest client may try. */
static const char *const verbs[] = {"EHLO", "HELO", "MAIL", "RCPT", "DATA",
    "RSET", "NOOP", "QUIT", "HELP", "VRFY", "EXPN", "STARTTLS", "AUTH", "BDAT",
    "ETRN", "XCLIENT", "XFORWARD", "LHLO"};

static bool is_command(struct str line)
{
	struct str verb = str_word(&line, " \t");

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (str_case_eq(verb, str_from(verbs[i])))
			return true;
	return false;
}

unsigned line_judge(struct str input)
{
	size_t end = str_find(input, '\n');
	struct str line = str_sub(input, 0, end);
	unsigned said = LINE_WHOLE;

	if (end == input.len)
		return 0;
	if (end + 1 < input.len)
		said |= LINE_BEHIND;
	if (str_ends(line, STR("\r")))
		line.len--;
	else
		said |= LINE_BARE;
	if (!is_command(line))
		said |= LINE_FOREIGN;
	return said;
}
