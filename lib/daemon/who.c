/* SPDX-License-Identifier: ISC */
#include "daemon/who.h"

#include <string.h>

#include "net/netaddr.h"

#define TRIES 100 /* of a reader, while a row is written */

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

void who_write(struct who_row *row, uint32_t pid, const char *user,
    const char *client, bool tls, int64_t since)
{
	atomic_fetch_or(&row->turn, 1);
	copy_text(row->user, sizeof(row->user), user);
	copy_text(row->client, sizeof(row->client), client);
	row->tls = tls;
	row->since = since;
	row->kicked = 0;
	row->pid = pid;
	atomic_fetch_add(&row->turn, 1);
}

void who_clear(struct who_row *row)
{
	row->pid = 0;
	row->kicked = 0;
}

struct who_row *who_take(struct who_table *t, uint32_t pid,
    enum who_protocol protocol, enum who_state state)
{
	for (uint32_t tried = 0; tried < WHO_ROWS; tried++) {
		uint32_t at = t->next++ % WHO_ROWS, nobody = 0;

		/* Rows in use stay together at the beginning. */
		if (tried == 0 && at > t->end)
			t->next = at = 0;
		if (!atomic_compare_exchange_strong(
			&t->rows[at].pid, &nobody, pid))
			continue;
		if (at >= t->end)
			t->end = at + 1;
		t->rows[at].state = state;
		t->rows[at].protocol = protocol;
		return &t->rows[at];
	}
	return NULL;
}

static void show_text(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size - 1);

	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f
		    ? '?'
		    : from[i];
	to[len] = '\0';
}

bool who_read(const struct who_row *row, struct who *out)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t turn = row->turn, state = row->state;

		if (turn % 2 != 0)
			continue;
		*out = (struct who){.pid = row->pid,
		    .state = state < WHO_STATES ? state : WHO_IDLE,
		    .protocol = row->protocol < WHO_PROTOCOLS ? row->protocol
							      : WHO_IMAP,
		    .since = row->since,
		    .tls = row->tls != 0};
		show_text(out->user, row->user, sizeof(out->user));
		show_text(out->client, row->client, sizeof(out->client));
		if (row->turn == turn)
			return out->pid != 0;
	}
	return false;
}

bool who_is_meant(struct str want_user, struct str want_client,
    const char *user, const char *client)
{
	struct str have = str_from(user), bad;
	struct netaddr a = {.len = 0};

	if (want_user.len > 0 && str_find(want_user, '@') == want_user.len)
		have = str_sub(have, 0, str_find(have, '@'));
	if (want_user.len > 0 && !str_case_eq(want_user, have))
		return false;
	return want_client.len == 0 ||
	    (netaddr_parse(str_from(client), 0, &a) == 0 &&
		netaddr_in_list(&a, want_client, &bad) > 0);
}
