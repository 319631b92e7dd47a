/* SPDX-License-Identifier: ISC */
/*
 * Opening and checking a box whose g.1 has arbitrary bytes: a result, never an
 * accident. With a first octet of 1 the rest is the records of a frame that is
 * valid otherwise, so that folding meets them too; with 3 those of a snapshot;
 * else it is the file itself.
 *
 * Properties: what can be opened has counts that fit its messages, or the check
 * says so; where the check finds no damage all messages can be read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "store/box.h"
#include "store/engine_file.h"
#include "store/recovery.h"

#define ACCOUNT   STR("a@b")
#define INPUT_MAX 65536

/* Nothing here has to outlive the machine. */
static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

struct input {
	struct str records;
};

/* Stands where a decision should: these records, whatever they say. */
static int decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	const struct input *in = arg;

	(void)end;
	frame->heads = in->records;
	frame->count = 1000000;
	return 0;
}

static int ignore(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

static void write_frame(struct store *s, struct str records)
{
	struct input in = {records};
	struct engine_pos pos = {0};
	struct engine_box *b;

	if (engine_box_open(store_engine(s), ACCOUNT, &b) != ENGINE_OK ||
	    engine_append(b, &pos, ignore, decide, &in, DEADLINE_NEVER) !=
		ENGINE_OK)
		abort();
	engine_box_close(&b);
}

/* The file's bytes, with the header of a real one where asked for. */
static void write_file(struct store *s, const uint8_t *data, size_t len)
{
	struct engine_box *b;
	uint64_t at = 0;
	int fd;

	write_frame(s, STR_EMPTY);
	if (engine_box_open(store_engine(s), ACCOUNT, &b) != ENGINE_OK)
		abort();
	fd = openat(engine_box_directory(b), "g.1", O_RDWR);
	engine_box_close(&b);
	if (len > 0 && data[0] == 2) { /* behind the header */
		data++;
		len--;
		at = FRAMES_AT;
	}
	if (fd < 0 || pwrite(fd, data, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
}

/* A snapshot at the end of the log, whose summary is this. */
static void write_snapshot(struct store *s, struct str summary)
{
	unsigned char header[SNAPSHOT_HEADER];
	struct snapshot_header h = {.number = 1,
	    .summary_offset = SNAPSHOT_HEADER,
	    .summary_len = (uint32_t)summary.len,
	    .summary_crc = crc32c(0, summary.p, summary.len)};
	union {
		const char *from;
		void *to;
	} rest = {.from = summary.p};
	struct iovec parts[2] = {
	    {header, sizeof(header)}, {rest.to, summary.len}};
	struct engine_box *b;

	write_frame(s, STR_EMPTY);
	if (engine_box_open(store_engine(s), ACCOUNT, &b) != ENGINE_OK ||
	    engine_read(b, &h.at, ignore, NULL) != ENGINE_OK)
		abort();
	h.incarnation = engine_incarnation(b);
	snapshot_header_encode(&h, header);
	if (engine_snapshot_put(b, 1, parts, 2) != ENGINE_OK)
		abort();
	engine_box_close(&b);
}

/* The counts are those of the mailboxes. */
static bool fits(struct box *b)
{
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(b, &list);
	uint64_t messages = 0;

	for (size_t i = 0; i < count; i++) {
		messages += list[i]->messages;
		if (list[i]->unseen > list[i]->messages)
			return false;
	}
	return messages == box_usage(b).messages;
}

/* Whether all of a mailbox could be read. */
static bool read_all(struct box *b, uint32_t mailbox)
{
	struct arena arena = arena_new(1 << 20);
	struct buf text = buf_new(1 << 20);
	struct message_cache cache;
	bool good = true;
	struct view *v;

	if (view_open(b, mailbox, &v) != STORE_OK)
		return false;
	for (uint32_t k = 1; k <= view_count(v); k++) {
		good = view_read(v, k, 0, 1000, &text) == STORE_OK && good;
		view_cache(v, k, &arena, &cache);
	}
	view_close(&v);
	buf_free(&text);
	arena_free(&arena);
	return good;
}

static bool look_at(struct box *b)
{
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(b, &list);
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		if (list[i]->selectable)
			good = read_all(b, list[i]->id) && good;
		count = box_mailboxes(b, &list); /* it may have reloaded */
	}
	return good;
}

static void found(void *arg, const struct store_finding *f)
{
	bool *damage = arg;

	*damage = *damage || f->kind == FINDING_DAMAGE;
}

static char root[] = "/tmp/box_fuzz.XXXXXX";
static struct store *store;

static void end(void)
{
	char path[64];

	store_close(&store);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "%s/%02x", root, i);
		rmdir(path);
	}
	rmdir(root);
}

static void begin(void)
{
	static struct engine_io io;
	const char *why;

	io = engine_io_system;
	io.fsync = io.fdatasync = no_sync;
	if (mkdtemp(root) == NULL)
		abort();
	store = store_open_with(engine_file_open(root, &io, &why), NULL);
	if (store == NULL || atexit(end) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct check_result result;
	bool damage = false, good = false;
	enum store_result r;
	struct box *b;

	if (len > INPUT_MAX)
		return 0;
	if (store == NULL)
		begin();
	if (len > 0 && data[0] == 1)
		write_frame(store, str_of(data + 1, len - 1));
	else if (len > 0 && data[0] == 3)
		write_snapshot(store, str_of(data + 1, len - 1));
	else
		write_file(store, data, len);
	r = box_check(store, ACCOUNT, true, found, &damage, &result);
	if (box_open(store, ACCOUNT, DEADLINE_NEVER, &b) == STORE_OK) {
		/* What a whole snapshot says is believed, but not by the
		 * check. */
		if (!fits(b) && (data[0] != 3 || result.findings == 0))
			abort();
		good = look_at(b);
	}
	if (r == STORE_OK && !damage && !good)
		abort();
	box_close(&b);
	if (store_remove_account(store, ACCOUNT) != STORE_OK)
		abort();
	return 0;
}
