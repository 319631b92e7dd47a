/* SPDX-License-Identifier: ISC */
/* posthouse conf diff: against the defaults, the generation that runs, or
 * another directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/registry.h"
#include "core/clock.h"
#include "core/file.h"
#include "ipc/master.h"
#include "posthouse/conf_command.h"

#define TEXT_MAX (1u << 20)
#define OUT_MAX  (16u << 20)
#define WAIT_MS  30000

struct diff {
	struct posthouse *p;
	const char *there; /* what the other side is called */
	struct conf *other;
	bool by_default; /* the other side is the defaults */
	struct buf out;
	struct json j;
	unsigned count;
};

static const char *raw_or_default(const struct conf *conf, const char *name)
{
	const char *raw = conf_raw(conf, name);
	const struct conf_param *row = conf_find(name, NULL);

	if (raw == NULL && row != NULL)
		raw = row->fallback;
	return raw;
}

static void put(
    struct diff *d, const char *name, const char *here, const char *there)
{
	struct buf origin = buf_new(65536);

	d->count++;
	conf_origin_text(d->p->conf, name, &origin);
	if (d->p->json) {
		json_object(&d->j, NULL);
		json_text(&d->j, "name", str_from(name));
		if (here != NULL)
			json_text(&d->j, "value", str_from(here));
		else
			json_null(&d->j, "value");
		json_text(&d->j, "origin", buf_str(&origin));
		if (there != NULL)
			json_text(&d->j, d->by_default ? "default" : "there",
			    str_from(there));
		else
			json_null(&d->j, "there");
		json_end(&d->j);
	} else {
		if (here != NULL)
			buf_printf(&d->out, "%s = %s\n", name, here);
		else
			buf_printf(&d->out, "%s is not set\n", name);
		buf_printf(&d->out, "    from %s; %s: %s\n", buf_text(&origin),
		    d->there,
		    there == NULL          ? "not set"
			: there[0] == '\0' ? "empty"
					   : there);
	}
	buf_free(&origin);
}

static void compare(struct diff *d, const char *name)
{
	const char *here = raw_or_default(d->p->conf, name);
	const char *there = raw_or_default(d->other, name);

	if (here == NULL || there == NULL ? here != there
					  : strcmp(here, there) != 0)
		put(d, name, here, there);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every name that either side sets, once, in order. */
static void all_names(struct diff *d)
{
	const struct conf *sides[] = {d->p->conf, d->other};
	const char **names = NULL;
	size_t count = 0;

	for (size_t i = 0; i < 2; i++) {
		const char *name;
		size_t at = 0;

		while (conf_next(sides[i], &at, &name, NULL, NULL)) {
			const char **more = realloc(
			    names, (count + 1) * sizeof(*names));

			if (more == NULL)
				break;
			names = more;
			names[count++] = name;
		}
	}
	if (count > 0)
		qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			compare(d, names[i]);
	free(names);
}

/* ---- the other side ---- */

/* The sealed snapshot that master's processes have. */
static int read_running(
    struct posthouse *p, struct buf *text, char *name, size_t size)
{
	struct master_ask ask = {MASTER_CONFIG, STR_EMPTY, STR_EMPTY};
	struct ipc *c = posthouse_connect(
	    p, "conf", "master", &master_exchange);
	const void *reply;
	int fd = -1;

	if (c == NULL)
		return -1;
	if (ipc_call(c, &master_ask, &ask, &master_end, &reply,
		deadline_in(WAIT_MS)) == IPC_OK) {
		const struct master_end *end = reply;

		snprintf(name, size, "running (generation %llu)",
		    (unsigned long long)end->generation);
		fd = ipc_take_fd(c);
	}
	ipc_close(&c);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    file_read_fd(fd, text) < 0) {
		posthouse_fail("conf", "master did not give its configuration");
		file_close(&fd);
		return -1;
	}
	file_close(&fd);
	return 0;
}

static int read_directory(const char *directory, struct buf *text)
{
	char *path;
	int result;

	if (asprintf(&path, "%s/main.cf", directory) < 0)
		return -1;
	result = file_read(path, text);
	if (result < 0)
		posthouse_fail("conf", "%s: %s", path, strerror(errno));
	free(path);
	return result;
}

int conf_diff(struct posthouse *p, int argc, char **argv)
{
	struct diff d = {.p = p,
	    .there = "default",
	    .by_default = argc == 0,
	    .out = buf_new(OUT_MAX)};
	struct buf text = buf_new(TEXT_MAX), ignored = buf_new(TEXT_MAX);
	char name[64];

	d.j = json_start(&d.out);
	if (posthouse_conf(p) < 0)
		return 1;
	if (argc == 1 && strcmp(argv[0], "--running") == 0) {
		d.there = name;
		if (read_running(p, &text, name, sizeof(name)) < 0)
			return 1;
	} else if (argc == 2 && strcmp(argv[0], "--against") == 0) {
		d.there = argv[1];
		if (read_directory(argv[1], &text) < 0)
			return 1;
	} else if (argc != 0) {
		return posthouse_usage("conf");
	}
	d.other = conf_parse(buf_str(&text), "main.cf", &ignored);
	if (p->json)
		json_array(&d.j, NULL);
	all_names(&d);
	if (p->json)
		json_end(&d.j);
	fputs(buf_text(&d.out), stdout);
	if (d.count == 0 && !p->json)
		printf("nothing differs\n");
	conf_free(&d.other);
	buf_free(&d.out);
	buf_free(&text);
	buf_free(&ignored);
	return 0;
}
