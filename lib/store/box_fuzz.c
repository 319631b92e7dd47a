/* SPDX-License-Identifier: ISC */
/*
 * Opening a box whose g.1 has arbitrary bytes: a result, never an accident.
 * With a first octet of 1 the rest is the records of a frame that is valid
 * otherwise, so that folding meets them too; else it is the file itself.
 *
 * Property: what can be opened has counts that fit its messages.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "store/box.h"
#include "store/engine_file.h"

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

static void check(struct box *b)
{
	const struct mailbox_info *const *list;
	size_t count = box_mailboxes(b, &list);
	uint64_t messages = 0;

	for (size_t i = 0; i < count; i++) {
		struct arena arena = arena_new(1 << 20);
		struct buf text = buf_new(1 << 20);
		struct message_cache cache;
		struct view *v;

		messages += list[i]->messages;
		if (list[i]->unseen > list[i]->messages)
			abort();
		if (view_open(b, list[i]->id, &v) == STORE_OK) {
			for (uint32_t k = 1; k <= view_count(v); k++) {
				view_read(v, k, 0, 1000, &text);
				view_cache(v, k, &arena, &cache);
			}
			view_close(&v);
		}
		count = box_mailboxes(b, &list); /* it may have reloaded */
		buf_free(&text);
		arena_free(&arena);
	}
	if (messages != box_usage(b).messages)
		abort();
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
	struct box *b;

	if (len > INPUT_MAX)
		return 0;
	if (store == NULL)
		begin();
	if (len > 0 && data[0] == 1)
		write_frame(store, str_of(data + 1, len - 1));
	else
		write_file(store, data, len);
	if (box_open(store, ACCOUNT, DEADLINE_NEVER, &b) == STORE_OK)
		check(b);
	box_close(&b);
	if (store_remove_account(store, ACCOUNT) != STORE_OK)
		abort();
	return 0;
}
