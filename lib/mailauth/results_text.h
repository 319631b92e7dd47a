/* SPDX-License-Identifier: ISC */
/* The words of Authentication-Results and Received-SPF. */
#ifndef MAILAUTH_RESULTS_TEXT_H
#define MAILAUTH_RESULTS_TEXT_H

#include <stdbool.h>
#include <string.h>

/* What ends a token (RFC 2045 section 5.1): its tspecials, blanks, controls. */
static inline bool results_special(char c)
{
	return ((unsigned char)c <= ' ' || c == 0x7f) ||
	    strchr("()<>@,;:\\\"/[]?=", c) != NULL;
}

#endif
