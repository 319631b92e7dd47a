/* SPDX-License-Identifier: ISC */
/* posthouse conf import: the report, and with --write a new directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/file.h"
#include "core/json.h"
#include "posthouse/conf_command.h"
#include "posthouse/import.h"
#include "posthouse/posthouse.h"

#define REPORT_MAX (256u << 20)

/* Text of others' files, fit for a terminal. */
static void put_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_add_char(out,
		    (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void put_finding(struct buf *out, const struct import_finding *f)
{
	if (f->line > 0)
		buf_printf(out, "%s:%u: ", f->file, f->line);
	buf_printf(out, "%s: ", import_verdict_names[f->verdict]);
	put_text(out, f->what);
	if (f->to[0] != '\0') {
		buf_add_text(out, " -> ");
		put_text(out, f->to);
	}
	if (f->note[0] != '\0') {
		buf_add_text(out, "\n    ");
		put_text(out, f->note);
	}
	buf_add_char(out, '\n');
}

static void count(const struct import *im, size_t counts[IMPORT_VERDICTS])
{
	memset(counts, 0, IMPORT_VERDICTS * sizeof(counts[0]));
	for (size_t i = 0; i < im->finding_count; i++)
		counts[im->findings[i].verdict]++;
}

static void put_counts(const struct import *im, struct buf *out)
{
	size_t counts[IMPORT_VERDICTS];

	count(im, counts);
	buf_add_char(out, '\n');
	for (size_t i = 0; i < IMPORT_VERDICTS; i++)
		buf_printf(out, "%s%zu %s", i > 0 ? ", " : "", counts[i],
		    import_verdict_names[i]);
	buf_add_char(out, '\n');
}

static void put_json(const struct import *im, struct buf *out)
{
	struct json j = json_start(out);
	size_t counts[IMPORT_VERDICTS];

	count(im, counts);
	json_object(&j, NULL);
	json_array(&j, "findings");
	for (size_t i = 0; i < im->finding_count; i++) {
		const struct import_finding *f = &im->findings[i];

		json_object(&j, NULL);
		json_text(&j, "file", str_from(f->file));
		json_u64(&j, "line", f->line);
		json_text(
		    &j, "verdict", str_from(import_verdict_names[f->verdict]));
		json_text(&j, "what", str_from(f->what));
		json_text(&j, "to", str_from(f->to));
		json_text(&j, "note", str_from(f->note));
		json_end(&j);
	}
	json_end(&j);
	json_object(&j, "counts");
	for (size_t i = 0; i < IMPORT_VERDICTS; i++)
		json_u64(&j, import_verdict_names[i], counts[i]);
	json_end(&j);
	json_end(&j);
}

int conf_import(struct posthouse *p, int argc, char **argv)
{
	const char *directory = NULL, *target = NULL, *why = "";
	struct buf out = buf_new(REPORT_MAX);
	struct import im;
	int status = EX_OK;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--write") == 0 && i + 1 < argc)
			target = argv[++i];
		else if (argv[i][0] == '-' || directory != NULL)
			return posthouse_usage("conf");
		else
			directory = argv[i];
	}
	if (directory == NULL)
		directory = "/etc/postfix";
	if (import_open(&im, directory, file_read, &why) < 0) {
		posthouse_fail("conf import", "%s", why);
		import_close(&im);
		return EX_NOINPUT;
	}
	import_run(&im);
	if (p->json) {
		put_json(&im, &out);
	} else {
		for (size_t i = 0; i < im.finding_count; i++)
			put_finding(&out, &im.findings[i]);
		put_counts(&im, &out);
	}
	fputs(buf_text(&out), stdout);
	if (target != NULL && import_write(&im, target) < 0)
		status = EX_CANTCREAT;
	else if (target != NULL && !p->json)
		printf("written to %s; \"posthouse -c %s check\" looks it "
		       "over\n",
		    target, target);
	import_close(&im);
	buf_free(&out);
	return status;
}
