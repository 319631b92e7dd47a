/* SPDX-License-Identifier: ISC */
/*
 * Configurations of any content: main.cf, master.cf and what every table
 * has, parted by NULs. Each finding names a line that is there, and the
 * main.cf that is made can be read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "posthouse/import.h"

static struct str parts[3];

static int read_part(const char *path, struct buf *text)
{
	struct str name = str_from(path);

	if (str_ends(name, STR("/main.cf")))
		return buf_add(text, parts[0]);
	if (str_ends(name, STR("/master.cf")))
		return buf_add(text, parts[1]);
	if (str_ends(name, STR("missing"))) {
		errno = ENOENT;
		return -1;
	}
	return buf_add(text, parts[2]);
}

static size_t lines_in(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return n;
}

static void check(struct import *im)
{
	struct buf errors = buf_new(65536);
	struct conf *conf = conf_parse(
	    buf_str(&im->main_cf), "main.cf", &errors);

	for (size_t i = 0; i < im->finding_count; i++) {
		const struct import_finding *f = &im->findings[i];
		size_t most = 0;

		for (size_t p = 0; p < 3; p++)
			if (lines_in(parts[p]) > most)
				most = lines_in(parts[p]);
		if (f->line > most || f->what == NULL || f->to == NULL ||
		    f->note == NULL)
			abort();
	}
	if (errors.len > 0 && !im->main_cf.overflow) {
		fprintf(stderr, "%s", buf_text(&errors));
		abort();
	}
	conf_free(&conf);
	buf_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str rest = str_of(data, len);
	struct import im;
	const char *why;

	if (len > 16384)
		return 0;
	for (size_t i = 0; i < 3; i++)
		parts[i] = str_cut(&rest, '\0');
	if (import_open(&im, "/nowhere", read_part, &why) == 0) {
		import_run(&im);
		check(&im);
	}
	import_close(&im);
	return 0;
}
