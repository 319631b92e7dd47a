/* SPDX-License-Identifier: ISC */
/*
 * newaliases: compiles the tables of virtual_alias_maps and alias_maps, and
 * looks at those that need no compiling. The suite reads a text that is newer
 * than its compiled form, so nothing depends on it; scripts and packages call
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "sendmail/sendmail.h"

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

/* What is wrong with it stands in the log too, where nobody looks who has just
 * edited it. */
static int look_at(const struct sendmail *s, const char *spec)
{
	const char *why;
	struct map *m = map_open(spec, s->options.config_directory, &why);

	if (m == NULL)
		return complain(s, -1, "%s", why);
	map_close(&m);
	return 0;
}

static int one_table(const struct sendmail *s, struct str word)
{
	struct str name = word, type = str_cut(&name, ':');
	char *spec;
	int r = 0;

	if (str_eq(type, STR("hash")))
		return compile(s, "hash", name);
	if (str_eq(type, STR("btree")))
		return compile(s, "btree", name);
	if (str_eq(type, STR("aliases"))) {
		spec = str_dup(word);
		r = look_at(s, spec);
		free(spec);
	}
	return r;
}

static int one_parameter(struct sendmail *s, const char *parameter)
{
	const struct conf_param *row = conf_find(parameter, NULL);
	struct buf value = buf_new(65536), errors = buf_new(65536);
	int status = EX_OK;
	struct str rest, word;

	if (conf_value(s->conf, parameter, row != NULL ? row->fallback : "",
		&value, &errors) < 0)
		status = complain(s, EX_CONFIG, "%s", buf_text(&errors));
	rest = buf_str(&value);
	while ((word = str_word(&rest, ", \t")).len > 0)
		if (one_table(s, word) < 0)
			status = EX_UNAVAILABLE;
	buf_free(&value);
	buf_free(&errors);
	return status;
}

int aliases_mode(struct sendmail *s)
{
	int virtual = one_parameter(s, "virtual_alias_maps");
	int local = one_parameter(s, "alias_maps");

	return virtual != EX_OK ? virtual : local;
}
