/* SPDX-License-Identifier: ISC */
/* What a client's first line says about the client; pure. */
#ifndef SCREEN_LINE_H
#define SCREEN_LINE_H

#include "core/str.h"

enum {
	LINE_WHOLE = 1,   /* there is a line end; without it nothing is said */
	LINE_FOREIGN = 2, /* its first word is no command of SMTP */
	LINE_BARE = 4,    /* it ends in LF without CR */
	LINE_BEHIND = 8   /* more came behind it (RFC 2920 section 3.1) */
};

/* input: all that has come. Returns bits of the above. */
unsigned line_judge(struct str input);

#endif
