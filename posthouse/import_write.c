/* SPDX-License-Identifier: ISC */
/* Writes a configuration directory from what was imported. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "posthouse/import.h"
#include "posthouse/init.h"
#include "posthouse/posthouse.h"

static int write_file(
    const char *directory, const char *name, struct str text, mode_t mode)
{
	char *path;
	int result;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return -1;
	result = file_replace(path, text, mode);
	if (result < 0)
		posthouse_fail("conf import", "%s: %s", path, strerror(errno));
	free(path);
	return result;
}

/* There and empty, or made. */
static int prepare(const char *directory)
{
	struct dirent *entry;
	DIR *dir;
	int count = 0;

	if (file_make_dirs(directory, 0755) < 0 ||
	    (dir = opendir(directory)) == NULL) {
		posthouse_fail(
		    "conf import", "%s: %s", directory, strerror(errno));
		return -1;
	}
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	if (count == 0)
		return 0;
	posthouse_fail("conf import",
	    "%s is not empty; what stands there is not written over",
	    directory);
	return -1;
}

/* Rows that listen come from the import, but those of retrieval, which
 * Postfix has none of. */
static bool is_replaced(struct str line)
{
	static const struct str names[] = {STR_INIT("smtp"),
	    STR_INIT("submission"), STR_INIT("submissions"), STR_INIT("lmtp")};
	struct str name = str_word(&line, " \t"), type = str_word(&line, " \t");

	if (!str_eq(type, STR("inet")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static void put_row(struct import *im, struct str line, struct buf *out)
{
	struct str rest = line;
	struct str name = str_word(&rest, " \t"), type = str_word(&rest, " \t");

	if (str_eq(name, STR("smtpd")) && str_eq(type, STR("pass")))
		buf_printf(out,
		    "smtpd           pass        y       -      y      -      "
		    "%-7s smtpd%.*s\n",
		    im->smtpd_limit != NULL ? im->smtpd_limit : "-",
		    STR_FMT(buf_str(&im->smtpd_options)));
	else
		buf_printf(out, "%.*s\n", STR_FMT(line));
}

static void master_cf(struct import *im, struct buf *out)
{
	bool skipping = false, put = false;

	for (const char *const *l = master_cf_lines; *l != NULL; l++) {
		struct str line = str_from(*l);
		bool more = line.len > 0 &&
		    (line.p[0] == ' ' || line.p[0] == '\t');

		if (!more)
			skipping = is_replaced(line);
		if (skipping && !put) {
			buf_add(out, buf_str(&im->services));
			put = true;
		}
		if (!skipping)
			put_row(im, line, out);
	}
}

static int write_main(struct import *im, const char *directory)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	int result;

	buf_printf(&text,
	    "# main.cf, made of %s by \"posthouse conf import\".\n"
	    "# \"posthouse -c %s check\" looks it over.\n\n",
	    im->main.path, directory);
	buf_add(&text, buf_str(&im->main_cf));
	result = write_file(directory, "main.cf", buf_str(&text), 0644);
	buf_free(&text);
	return result;
}

int import_write(struct import *im, const char *directory)
{
	struct buf text = buf_new(IMPORT_TEXT_MAX);
	int result = -1;

	if (prepare(directory) < 0)
		return -1;
	master_cf(im, &text);
	if (write_main(im, directory) == 0 &&
	    write_file(directory, "master.cf", buf_str(&text), 0644) == 0 &&
	    write_file(directory, "domains", buf_str(&im->domains), 0644) ==
		0 &&
	    write_file(directory, "users", buf_str(&im->users), 0644) == 0 &&
	    write_file(directory, "aliases", buf_str(&im->aliases), 0644) ==
		0 &&
	    write_file(directory, "passwords", STR_EMPTY, 0640) == 0)
		result = 0;
	for (size_t i = 0; i < im->copy_count && result == 0; i++)
		result = write_file(directory, im->copies[i].name,
		    buf_str(&im->copies[i].text),
		    im->copies[i].is_secret ? 0640 : 0644);
	buf_free(&text);
	return result;
}
