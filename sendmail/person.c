/* SPDX-License-Identifier: ISC */
/* Who calls: the real uid, and what /etc/passwd says of it. */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buf.h"
#include "sendmail/sendmail.h"

/* A uid may have several names; the one the caller logged in with counts. */
static const struct passwd *person(void)
{
	static const char *const variables[] = {"LOGNAME", "USER"};
	uid_t uid = getuid();

	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const char *name = getenv(variables[i]);
		// cppcheck-suppress getpwnamCalled
		const struct passwd *pw = name != NULL ? getpwnam(name) : NULL;

		if (pw != NULL && pw->pw_uid == uid)
			return pw;
	}
	// cppcheck-suppress getpwuidCalled
	return getpwuid(uid);
}

/* The first part of the comment field, with the login name where & stands. */
static char *name_of(const struct passwd *pw)
{
	struct buf out = buf_new(4096);
	struct str gecos = str_from(pw->pw_gecos);
	char *result;

	gecos = str_cut(&gecos, ',');
	for (size_t i = 0; i < gecos.len; i++) {
		size_t at = out.len;

		if (gecos.p[i] != '&') {
			buf_add_char(&out, gecos.p[i]);
			continue;
		}
		buf_add_text(&out, pw->pw_name);
		if (out.len > at)
			out.p[at] = ascii_upper(out.p[at]);
	}
	result = str_dup(buf_str(&out));
	buf_free(&out);
	return result;
}

void person_find(struct sendmail *s)
{
	const struct passwd *pw = person();
	const char *said = s->options.full_name != NULL ? s->options.full_name
							: getenv("NAME");

	s->user = str_dup(str_from(pw != NULL ? pw->pw_name : ""));
	if (said != NULL)
		s->full_name = str_dup(str_from(said));
	else
		s->full_name = pw != NULL ? name_of(pw) : str_dup(STR_EMPTY);
}
