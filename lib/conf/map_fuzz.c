/* SPDX-License-Identifier: ISC */
/*
 * Tables of any content, asked for any key: the first octet chooses the type,
 * the first line is the key, the rest is the table. A text table gives for
 * each of its keys the value of the first line that has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/map.h"
#include "core/file.h"

static const char *const types[] = {
    "text", "cidr", "pcre", "inline", "aliases"};

struct check {
	struct map *map;
	struct buf *value;
};

static int check_row(struct str key, struct str value, unsigned line, void *arg)
{
	struct check *c = arg;

	(void)value;
	(void)line;
	buf_clear(c->value);
	if (map_find(c->map, key, c->value) != MAP_FOUND)
		abort();
	return 0;
}

static void try_table(const char *spec, const char *path, struct str key)
{
	struct buf value = buf_new(1 << 16), errors = buf_new(1 << 16);
	const char *why = NULL;
	struct map *m = map_open(spec, "/", &why);
	struct check c = {m, &value};

	if (m == NULL && (why == NULL || why[0] == '\0'))
		abort();
	if (m != NULL) {
		map_find(m, key, &value);
		if (path != NULL)
			map_each(path, check_row, &c, &errors);
		map_close(&m);
	}
	buf_free(&value);
	buf_free(&errors);
}

static void try_file(const char *type, struct str key, struct str text)
{
	char path[64], spec[80];
	int fd = memfd_create("table", MFD_CLOEXEC);

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(spec, sizeof(spec), "%s:%s", type, path);
	if (file_write_full(fd, text.p, text.len) == 0)
		try_table(spec, strcmp(type, "text") == 0 ? path : NULL, key);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str rest = str_of(data, len);
	struct buf spec = buf_new(1 << 20);
	const char *type;

	if (len == 0)
		return 0;
	type = types[data[0] % ARRAY_LEN(types)];
	rest = str_skip(rest, 1);
	struct str key = str_cut(&rest, '\n');
	if (strcmp(type, "inline") == 0) {
		buf_add_text(&spec, "inline:");
		buf_add(&spec, rest);
		try_table(buf_text(&spec), NULL, key);
	} else {
		try_file(type, key, rest);
	}
	buf_free(&spec);
	return 0;
}
