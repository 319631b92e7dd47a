/* SPDX-License-Identifier: ISC */
/* Accounts and their directories. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "store/engine_file.h"

#define NAME_WHOLE   200 /* longer escaped names end in a hash */
#define NAME_HASHED  (NAME_WHOLE + 2 + 32)
#define ACCOUNT_MOST 4096

static bool plain(char c)
{
	return ascii_alnum(c) || c == '@' || c == '.' || c == '_' || c == '+' ||
	    c == '-' || c == '=';
}

/* Unusual octets as %XX, long names cut and hashed. */
void engine_name(struct str account, char shard[3], char name[256])
{
	size_t len = 0;

	snprintf(shard, 3, "%02x",
	    (unsigned)(hash64(0, account.p, account.len) & 0xff));
	for (size_t i = 0; i < account.len && len < NAME_WHOLE; i++) {
		char c = account.p[i];

		if (plain(c) && !(c == '.' && i == 0))
			name[len++] = c;
		else
			len += (size_t)snprintf(name + len, 4, "%%%02X",
			    (unsigned)(unsigned char)c);
	}
	name[len] = '\0';
	if (len >= NAME_WHOLE)
		snprintf(name + NAME_WHOLE, 256 - NAME_WHOLE,
		    "%%%%%016llx%016llx",
		    (unsigned long long)hash64(1, account.p, account.len),
		    (unsigned long long)hash64(2, account.p, account.len));
}

static bool is_hashed(struct str name)
{
	return name.len == NAME_HASHED && name.p[NAME_WHOLE] == '%' &&
	    name.p[NAME_WHOLE + 1] == '%';
}

static int hex_digit(char c)
{
	return ascii_digit(c)      ? c - '0'
	    : c >= 'A' && c <= 'F' ? c - 'A' + 10
				   : -1;
}

static void unescape(struct str name, struct buf *out)
{
	while (name.len > 0) {
		int high = name.len > 2 ? hex_digit(name.p[1]) : -1;
		int low = name.len > 2 ? hex_digit(name.p[2]) : -1;

		if (name.p[0] == '%' && high >= 0 && low >= 0) {
			buf_add_char(out, (char)(high << 4 | low));
			name = str_skip(name, 3);
		} else {
			buf_add_char(out, name.p[0]);
			name = str_skip(name, 1);
		}
	}
}

int engine_name_account(
    int root, const char *shard, const char *name, struct buf *out)
{
	struct buf account = buf_new(ACCOUNT_MOST);
	char path[300], back_shard[3], back_name[256];
	int result = 0;

	if (is_hashed(str_from(name))) {
		snprintf(
		    path, sizeof(path), "%s/%s/" ACCOUNT_FILE, shard, name);
		result = file_read_at(root, path, &account);
	} else {
		unescape(str_from(name), &account);
	}
	/* A directory that somebody made by hand is no account. */
	engine_name(buf_str(&account), back_shard, back_name);
	if (result == 0 && account.len > 0 && strcmp(back_shard, shard) == 0 &&
	    strcmp(back_name, name) == 0)
		result = buf_add(out, buf_str(&account));
	else
		result = -1;
	buf_free(&account);
	return result;
}

int engine_name_write(struct engine_box *b)
{
	struct str account = str_from(b->account);
	int fd, result;

	if (!is_hashed(str_from(b->name)))
		return 0;
	fd = b->io->open(
	    b->dir, ACCOUNT_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	result = engine_io_write(b->io, fd, account.p, account.len, 0);
	if (result == 0)
		result = b->io->fsync(fd);
	file_close(&fd);
	return result;
}
