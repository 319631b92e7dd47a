/* SPDX-License-Identifier: ISC */
#include "cleanup/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/log.h"

void message_refuse(
    struct message *m, unsigned code, const char *dsn, const char *format, ...)
{
	va_list args;

	if (m->code != 0)
		return;
	m->code = code;
	snprintf(m->dsn, sizeof(m->dsn), "%s", dsn);
	va_start(args, format);
	vsnprintf(m->text, sizeof(m->text), format, args);
	va_end(args);
	for (char *p = m->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
}

void message_refuse_disk(struct message *m, const char *what)
{
	int saved = errno;

	if (m->code != 0)
		return;
	log_error("%s: %s", what, strerror(saved));
	if (saved == ENOSPC || saved == EDQUOT || saved == EFBIG)
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	else
		message_refuse(m, 452, "4.3.1", "Mail system storage failure");
}

bool message_add(struct message *m, struct queue_recipient **list,
    size_t *count, size_t *room, struct queue_recipient r)
{
	if (*count == *room) {
		size_t more = *room == 0 ? 8 : *room * 2;
		struct queue_recipient *larger = arena_alloc(
		    &m->arena, more * sizeof(*larger));

		if (larger == NULL) {
			message_refuse(m, 452, "4.5.3", "Too many recipients");
			return false;
		}
		if (*count > 0)
			memcpy(larger, *list, *count * sizeof(*larger));
		*list = larger;
		*room = more;
	}
	(*list)[(*count)++] = r;
	return true;
}
