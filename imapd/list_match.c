/* SPDX-License-Identifier: ISC */
#include "imapd/list_match.h"

#include "store/mailbox.h"

#define NAME_BITS (MAILBOX_NAME_MAX + 2)

/*
 * The set of positions in the name that the pattern can have reached is moved
 * on, one character of the pattern after the other: no backtracking.
 */
bool list_match(struct str pattern, struct str name)
{
	static const struct str inbox = STR_INIT("INBOX");
	bool at[NAME_BITS] = {false};
	size_t folded = 0;

	if (name.len > MAILBOX_NAME_MAX)
		return false;
	if (str_case_starts(name, inbox) &&
	    (name.len == inbox.len || name.p[inbox.len] == '/'))
		folded = inbox.len;
	at[0] = true;
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.p[i];
		bool any = false;

		if (c == '*' || c == '%') {
			for (size_t k = 0; k < name.len; k++)
				if (at[k] && (c == '*' || name.p[k] != '/'))
					at[k + 1] = true;
			continue;
		}
		for (size_t k = name.len + 1; k > 0; k--) {
			bool same = k > 1 && at[k - 2] &&
			    (name.p[k - 2] == c ||
				(k - 2 < folded &&
				    ascii_lower(name.p[k - 2]) ==
					ascii_lower(c)));

			at[k - 1] = same;
			any |= same;
		}
		if (!any)
			return false;
	}
	return at[name.len];
}
