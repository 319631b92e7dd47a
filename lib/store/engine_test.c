/* SPDX-License-Identifier: ISC */
/* The engine of local files, below everything that knows mailboxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "store/engine_file.h"

#define ACCOUNT STR("user@example.org")

/* ---- a store in a directory of its own ---- */

static char root[64];
static struct engine *engine;
static struct engine_box *box;

static int unlink_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void open_engine(const struct engine_io *io)
{
	const char *why;

	engine = engine_file_open(root, io, &why);
	assert_non_null(engine);
	assert_int_equal(engine_box_open(engine, ACCOUNT, &box), ENGINE_OK);
}

static void close_engine(void)
{
	engine_box_close(&box);
	engine_close(&engine);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/engine_test.XXXXXX");
	assert_non_null(mkdtemp(root));
	open_engine(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_engine();
	return nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- a log of words ---- */

/* What was read so far: each frame's records, with a space behind. */
struct reader {
	struct engine_pos seen;
	char text[4096];
	unsigned frames;
	unsigned stop; /* before the how manieth frame; 0: never */
	/* Of the frame that is appended. */
	const char *word;
	const char *body;
	uint64_t body_at, generation;
	uint64_t modseq;
	bool frees, refuse;
};

static int on_frame(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	struct reader *r = arg;
	size_t len = strlen(r->text);

	(void)info;
	if (r->stop != 0 && r->frames + 1 == r->stop)
		return 3;
	r->frames++;
	snprintf(r->text + len, sizeof(r->text) - len, "%.*s ", STR_FMT(heads));
	return 0;
}

static int decide(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	struct reader *r = arg;
	static struct iovec body;
	union {
		const char *from;
		void *to;
	} base = {.from = r->body};

	(void)end;
	if (r->refuse)
		return -1;
	r->generation = frame->generation;
	r->body_at = frame->body_offset;
	frame->heads = str_from(r->word);
	frame->count = 1;
	frame->modseq = r->modseq;
	frame->may_use_reserve = r->frees;
	if (r->body != NULL) {
		body = (struct iovec){base.to, strlen(r->body)};
		frame->bodies = &body;
		frame->body_count = 1;
	}
	return 0;
}

static enum engine_status append(struct reader *r, const char *word)
{
	r->word = word;
	return engine_append(
	    box, &r->seen, on_frame, decide, r, deadline_in(1000));
}

static enum engine_status read_on(struct reader *r)
{
	return engine_read(box, &r->seen, on_frame, r);
}

#define assert_ok(e) assert_int_equal(e, ENGINE_OK)

/* What a reader that knows nothing finds. */
static void assert_log(const char *text)
{
	struct reader r = {0};

	assert_ok(read_on(&r));
	assert_string_equal(r.text, text);
}

/* ---- reading ---- */

static void a_reader_may_have_enough(void **state)
{
	struct reader w = {0}, r = {.stop = 3};
	struct engine_pos before;

	(void)state;
	append(&w, "a");
	append(&w, "b");
	before = w.seen;
	append(&w, "c");
	assert_ok(read_on(&r));
	assert_string_equal(r.text, "a b ");
	assert_memory_equal(&r.seen, &before, sizeof(before));
	assert_ok(read_on(&r)); /* and no further when asked again */
	assert_int_equal(r.frames, 2);
	assert_int_equal(append(&r, "d"), ENGINE_REFUSED);
	r.stop = 0;
	assert_ok(append(&r, "d"));
	assert_string_equal(r.text, "a b c d ");
	assert_log("a b c d ");
}

/* ---- what is there ---- */

static void generations_are_named(void **state)
{
	uint64_t oldest, first, newest;
	struct reader w = {0};

	(void)state;
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest + first + newest, 0);
	engine_set_seal(engine, 700, SEAL_BODIES);
	for (int i = 0; i < 6; i++)
		assert_ok(append(&w, "a"));
	assert_ok(engine_generations(box, &oldest, &first, &newest));
	assert_int_equal(oldest, 1);
	assert_int_equal(first, 1);
	assert_int_equal(newest, 3);
}

struct found_blobs {
	unsigned count;
	uint64_t octets;
	unsigned char id[16];
	int64_t modified;
};

static void found_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct found_blobs *f = arg;

	f->count++;
	f->octets += octets;
	memcpy(f->id, id, 16);
	f->modified = modified;
}

static void new_blob(const char *text, unsigned char id[16])
{
	int fd;

	assert_ok(engine_blob_new(box, id, &fd));
	assert_ok(engine_blob_write(box, fd, text, strlen(text), 0));
	assert_ok(engine_blob_sync(box, fd));
	close(fd);
}

static void blobs_are_found(void **state)
{
	struct found_blobs f = {0};
	unsigned char a[16], b[16];

	(void)state;
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 0);
	new_blob("four", a);
	new_blob("seven!!", b);
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 2);
	assert_int_equal(f.octets, 11);
	engine_blob_drop(box, a);
	memset(&f, 0, sizeof(f));
	assert_ok(engine_blobs(box, found_blob, &f));
	assert_int_equal(f.count, 1);
	assert_memory_equal(f.id, b, 16);
	assert_in_range(f.modified, clock_seconds() - 60, clock_seconds() + 60);
}

static void put_snapshot(uint64_t number, const char *text)
{
	union {
		const char *from;
		void *to;
	} base = {.from = text};
	struct iovec part = {base.to, strlen(text)};

	assert_ok(engine_snapshot_put(box, number, &part, 1));
}

static void a_box_has_a_size(void **state)
{
	struct reader w = {0};
	struct engine_size size;
	unsigned char id[16];

	(void)state;
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.files, 0);
	assert_ok(append(&w, "a"));
	new_blob("blob", id);
	put_snapshot(1, "snapshot");
	assert_ok(engine_box_size(box, &size));
	assert_int_equal(size.generations, 1);
	assert_int_equal(size.snapshots, 1);
	assert_int_equal(size.blobs, 1);
	assert_int_equal(size.files, 4); /* and the lock */
	/* Allocated: the hole between frames and bodies is none of it. */
	assert_in_range(size.octets, 4 * 512, 65536);
}

/* ---- accounts ---- */

struct found_accounts {
	unsigned count, stop;
	char text[2000];
};

static int found_account(void *arg, struct str account)
{
	struct found_accounts *f = arg;
	size_t len = strlen(f->text);

	snprintf(
	    f->text + len, sizeof(f->text) - len, "%.*s ", STR_FMT(account));
	return ++f->count == f->stop;
}

static void scan_all(struct found_accounts *f)
{
	for (unsigned i = 0; i < ENGINE_SHARDS; i++)
		assert_ok(engine_scan(engine, i, found_account, f));
}

static void make_account(struct str account)
{
	struct reader w = {0};

	engine_box_close(&box);
	assert_ok(engine_box_open(engine, account, &box));
	assert_ok(append(&w, "a"));
}

static void accounts_are_found(void **state)
{
	struct found_accounts f = {0};
	char path[400], name[512], *end;

	(void)state;
	scan_all(&f);
	assert_int_equal(f.count, 0);
	make_account(STR("user@example.org"));
	make_account(STR(".%41 \xc3\xa4/x@example.org")); /* and escapes */
	memset(name, 'x', sizeof(name));
	name[100] = ' ';
	make_account(str_of(name, 250));
	make_account(str_of(name, 500));
	memset(name, '%', sizeof(name));
	make_account(str_of(name, 300));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	assert_non_null(strstr(f.text, "user@example.org "));
	assert_non_null(strstr(f.text, ".%41 \xc3\xa4/x@example.org "));
	/* What only looks like an account is none. */
	engine_box_close(&box);
	assert_ok(engine_box_open(engine, ACCOUNT, &box));
	snprintf(path, sizeof(path), "%s/%s/Other%%20", root, box->shard);
	assert_int_equal(mkdir(path, 0700), 0);
	end = strrchr(path, '/') + 1;
	/* A removal that a crash interrupted is completed. */
	strcpy(end, ".removed.01ARZ3NDEKTSV4RRFFQ69G");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/b");
	assert_int_equal(mkdir(path, 0700), 0);
	memset(&f, 0, sizeof(f));
	scan_all(&f);
	assert_int_equal(f.count, 5);
	*strrchr(path, '/') = '\0';
	assert_int_equal(access(path, F_OK), -1);
	f = (struct found_accounts){.stop = 1};
	assert_ok(engine_scan(engine, (unsigned)strtoul(box->shard, NULL, 16),
	    found_account, &f));
	assert_int_equal(f.count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_reader_may_have_enough),
	    T(generations_are_named),
	    T(blobs_are_found),
	    T(a_box_has_a_size),
	    T(accounts_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
