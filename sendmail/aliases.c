/* SPDX-License-Identifier: ISC */
/*
 * newaliases: compiles the tables of virtual_alias_maps. The suite reads a
 * text that is newer than its compiled form, so nothing depends on it; scripts
 * and packages call it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "sendmail/sendmail.h"

#define PARAMETER "virtual_alias_maps"

/* -1 after a message. */
static int compile(const struct sendmail *s, const char *type, struct str name)
{
	struct buf errors = buf_new(65536);
	const char *base = s->options.config_directory;
	char *path;
	int r;

	if (name.len > 0 && name.p[0] == '/')
		base = "";
	if (asprintf(&path, "%s%s%.*s", base, base[0] != '\0' ? "/" : "",
		STR_FMT(name)) < 0)
		return -1;
	r = map_compile(type, path, &errors);
	if (r < 0)
		complain(s, 0, "%s: %s", path,
		    errors.len > 0 ? buf_text(&errors) : strerror(errno));
	buf_free(&errors);
	free(path);
	return r;
}

int aliases_mode(struct sendmail *s)
{
	const struct conf_param *row = conf_find(PARAMETER, NULL);
	struct buf value = buf_new(65536), errors = buf_new(65536);
	int status = EX_OK;
	struct str rest, word;

	if (conf_value(s->conf, PARAMETER, row != NULL ? row->fallback : "",
		&value, &errors) < 0)
		status = complain(s, EX_CONFIG, "%s", buf_text(&errors));
	rest = buf_str(&value);
	while ((word = str_word(&rest, ", \t")).len > 0) {
		struct str name = word, type = str_cut(&name, ':');

		if (str_eq(type, STR("hash")) && compile(s, "hash", name) < 0)
			status = EX_UNAVAILABLE;
		if (str_eq(type, STR("btree")) && compile(s, "btree", name) < 0)
			status = EX_UNAVAILABLE;
	}
	buf_free(&value);
	buf_free(&errors);
	return status;
}
