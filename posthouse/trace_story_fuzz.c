/* SPDX-License-Identifier: ISC */
/*
 * Whatever events there are, in whatever order: a search for any key ends, and
 * what it found is printed, as text and as one JSON object.
 *
 * The data are the key, a zero octet, and events: kind, session, message,
 * octets of who, of where, seconds, then the two texts.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "posthouse/trace_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HOUR       490000
#define EVENTS_MAX 300

static char dir[40], path[80];

static void clean(void)
{
	unlink(path);
	rmdir(dir);
}

static void prepare(void)
{
	char name[TRACE_NAME_MAX];

	if (dir[0] != '\0')
		return;
	snprintf(dir, sizeof(dir), "/tmp/story-fuzz-XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	trace_file_name(HOUR, ".trace", name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	atexit(clean);
}

/* One of a few ids, or none. */
static struct id id_of(unsigned n)
{
	struct id id = {""};

	n %= 6;
	if (n > 0)
		snprintf(
		    id.text, sizeof(id.text), "00%u0000000000000000000", n);
	return id;
}

static size_t take_event(struct str *rest, struct trace_cell *out)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	struct trace_record r = {.daemon = "fuzz"};

	if (rest->len < 6)
		return 0;
	r.kind = p[0] % (TRACE_KINDS + 1);
	r.session = id_of(p[1]);
	r.message = id_of(p[2]);
	r.time_us = HOUR * 3600000000ull + p[5] * 1000000u;
	r.says.number = HOUR * 3600ull + p[5] * 7u;
	r.says.wait_ms = p[5] * 1000u;
	*rest = str_skip(*rest, 6);
	r.says.who = str_sub(*rest, 0, p[3] % 40);
	*rest = str_skip(*rest, r.says.who.len);
	r.says.where = str_sub(*rest, 0, p[4] % 40);
	*rest = str_skip(*rest, r.says.where.len);
	r.says.why = r.says.who;
	return trace_encode(&r, out);
}

static void write_events(struct str in)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct trace_cell cells[TRACE_CELLS_MAX];
	size_t n;

	if (fd < 0)
		abort();
	for (int i = 0; i < EVENTS_MAX && (n = take_event(&in, cells)) > 0; i++)
		if (file_write_full(fd, cells, n * sizeof(cells[0])) < 0)
			abort();
	file_close(&fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = str_of(data, len);
	struct buf out = buf_new(1u << 24);
	struct trace_query query = {
	    .key = str_cut(&in, '\0'), .until_us = UINT64_MAX, .most = 4};
	struct trace_search s;

	prepare();
	write_events(in);
	if (trace_search(&s, dir, &query) < 0)
		abort();
	trace_print_text(&s, HOUR * 3600000000ull, &out);
	buf_clear(&out);
	trace_print_json(&s, HOUR * 3600000000ull, &out);
	if (out.overflow || out.len < 2 || out.p[0] != '{' ||
	    out.p[out.len - 2] != '}')
		abort();
	(void)trace_search_more(&s);
	trace_search_free(&s);
	buf_free(&out);
	return 0;
}
