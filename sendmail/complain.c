/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>

#include "sendmail/sendmail.h"

int complain(const struct sendmail *s, int status, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", s->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}
