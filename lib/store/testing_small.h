/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the check share: a small box of which everything is known,
 * ways to damage it, and what the check must then say. Each includes it once.
 */
#ifndef STORE_TESTING_SMALL_H
#define STORE_TESTING_SMALL_H

#include "store/testing_steps.h"

#include "store/le.h"
#include "store/snapshot.h"

/* ---- what must be found ---- */

/* Any of them. -1 and 0: whatever. */
SHARED bool there_is(enum finding_kind kind, const char *file, int64_t offset,
    uint32_t uid, const char *text)
{
	for (size_t i = 0; i < found_count; i++)
		if (found[i].kind == kind && strcmp(found[i].file, file) == 0 &&
		    (offset == -1 || found[i].offset == (uint64_t)offset) &&
		    (uid == 0 || found[i].uid == uid) &&
		    strstr(found[i].text, text) != NULL)
			return true;
	return false;
}

/* The check says this, and nothing else where it is the only one. */
SHARED void assert_found(bool only, enum finding_kind kind, const char *file,
    int64_t offset, uint32_t uid, const char *text)
{
	enum store_result r = check(true);

	if (r == STORE_OK && (found_count == 1 || !only) &&
	    there_is(kind, file, offset, uid, text))
		return;
	print_findings();
	fail_msg("check: %s: %s; wanted: %s %s %lld uid %u: %s",
	    store_result_name(r), checked.why, kind_name(kind), file,
	    (long long)offset, uid, text);
}

/* ---- files ---- */

SHARED int directory(void)
{
	struct engine_box *b;
	int fd;

	assert_int_equal(
	    engine_box_open(store_engine(store), ACCOUNT, &b), ENGINE_OK);
	fd = dup(engine_box_directory(b));
	assert_true(fd >= 0);
	engine_box_close(&b);
	return fd;
}

SHARED void patch(const char *name, uint64_t at, const void *p, size_t len)
{
	int dir = directory(), fd = openat(dir, name, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, len, (off_t)at), (ssize_t)len);
	close(fd);
	close(dir);
}

SHARED void peek(const char *name, uint64_t at, void *p, size_t len)
{
	int dir = directory(), fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, p, len, (off_t)at), (ssize_t)len);
	close(fd);
	close(dir);
}

SHARED void flip(const char *name, uint64_t at)
{
	unsigned char byte;

	peek(name, at, &byte, 1);
	byte ^= 0x10;
	patch(name, at, &byte, 1);
}

SHARED void forget(const char *name)
{
	int dir = directory();

	assert_int_equal(unlinkat(dir, name, 0), 0);
	close(dir);
}

/* A header of 512 octets, changed, with a CRC that fits. */
SHARED void patch_header(
    const char *name, uint64_t at, const void *p, size_t len)
{
	unsigned char header[512];

	peek(name, 0, header, sizeof(header));
	memcpy(header + at, p, len);
	put_u32(header + 508, crc32c(0, header, 508));
	patch(name, 0, header, sizeof(header));
}

/* Makes a file look as if it were two hours old. */
SHARED void age(const char *name)
{
	struct timespec times[2] = {
	    {clock_seconds() - 7200, 0}, {clock_seconds() - 7200, 0}};
	int dir = directory();

	assert_int_equal(utimensat(dir, name, times, 0), 0);
	close(dir);
}

/* ---- a small box, of which everything is known ---- */

static struct {
	struct engine_pos after[12]; /* of each delivery's frame */
	struct message_place place[12];
	uint64_t large; /* uid of the one that is a blob */
	char blob[64];
} known;

SHARED const struct message_place *place_of_uid(struct box *b, uint32_t uid)
{
	struct folder *f;

	assert_int_equal(box_folder(b, 1, &f), STORE_OK);
	return folder_place(b, f, folder_search(f, uid));
}

SHARED void deliver_known(struct box *b, uint32_t uid)
{
	char *large = mem_alloc(INLINE_MAX * 2), id[16];

	snprintf(id, sizeof(id), "%u", uid);
	if (uid == 4) {
		memset(large, 'x', INLINE_MAX * 2);
		assert_int_equal(
		    deliver_text(b, id, large, INLINE_MAX * 2), STORE_OK);
	} else {
		assert_int_equal(deliver_id(b, id), STORE_OK);
	}
	known.place[uid] = *place_of_uid(b, uid);
	known.after[uid] = b->state.pos;
	free(large);
}

/* INBOX has the uids 1 to 9 without 6 and 7, of which 6 is in Trash, too, and
 * 7 nowhere; generations of three deliveries. */
SHARED struct box *small_box(void)
{
	uint32_t six = 6, seven = 7, uidvalidity;
	struct uid_set moved = {&six, 1}, gone = {&seven, 1}, a, c;
	struct arena arena = arena_new(1 << 20);
	struct box *b = opened_box();
	unsigned char id[16];

	memset(&known, 0, sizeof(known));
	for (uint32_t uid = 1; uid <= 9; uid++) {
		bool first = uid == 4 || uid == 7;

		engine_set_seal(store_engine(store),
		    first ? FRAMES_AT + 8 : SEAL_FRAMES, SEAL_BODIES);
		deliver_known(b, uid);
	}
	put_u64(id, known.place[4].a);
	put_u64(id + 8, known.place[4].b);
	snprintf(known.blob, sizeof(known.blob), "b/");
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(known.blob + 2 + 2 * i, 3, "%02x", id[i]);
	assert_int_equal(box_copy(b, 1, moved, STR("Trash"), true, &arena, &a,
			     &c, &uidvalidity),
	    STORE_OK);
	assert_int_equal(box_remove(b, 1, gone), STORE_OK);
	arena_free(&arena);
	return b;
}

SHARED void small(void)
{
	struct box *b = small_box();

	box_close(&b);
	assert_healthy(true);
	assert_int_equal(checked.messages, 8);
}

/* ---- frames that were never decided ---- */

SHARED int ignore(
    void *arg, struct str heads, const struct engine_frame_info *info)
{
	(void)arg, (void)heads, (void)info;
	return 0;
}

struct forgery {
	struct str heads;
	uint32_t count;
	uint64_t octets; /* of bodies */
};

SHARED int decide_forged(
    void *arg, const struct engine_pos *end, struct engine_frame *frame)
{
	static char zeroes[4096];
	static struct iovec body = {zeroes, 0};
	const struct forgery *f = arg;

	(void)end;
	frame->heads = f->heads;
	frame->count = f->count;
	body.iov_len = f->octets;
	frame->bodies = &body;
	frame->body_count = f->octets > 0;
	return 0;
}

/* Writes the records as a frame; where it stands. */
SHARED struct engine_pos forge_from(
    struct engine_pos pos, struct str heads, uint32_t count)
{
	struct forgery f = {heads, count, 100};
	struct engine_pos at;
	struct engine_box *e;

	engine_box_open(store_engine(store), ACCOUNT, &e);
	assert_int_equal(engine_read(e, &pos, ignore, NULL), ENGINE_OK);
	at = pos;
	assert_int_equal(
	    engine_append(e, &pos, ignore, decide_forged, &f, DEADLINE_NEVER),
	    ENGINE_OK);
	engine_box_close(&e);
	return at;
}

SHARED struct engine_pos forge(struct str heads, uint32_t count)
{
	return forge_from((struct engine_pos){0}, heads, count);
}

/* ---- for snapshots ---- */

/* A small box with a deleted mailbox, folded from the log alone, so that a
 * snapshot of it is written whole. */
SHARED struct box *box_to_snap(void)
{
	struct str work = STR("work");
	struct arena arena = arena_new(1 << 20);
	struct box *b = small_box();
	uint32_t one = 1, uidvalidity_of;
	struct uid_set set = {&one, 1}, from, to;
	struct folder *f;

	assert_int_equal(box_store(b, 1, set, FLAGS_ADD, FLAG_SEEN, &work, 1, 0,
			     NULL, NULL, NULL),
	    STORE_OK);
	assert_int_equal(box_create(b, STR("old"), USE_NONE), STORE_OK);
	assert_int_equal(box_copy(b, 1, set, STR("old"), false, &arena, &from,
			     &to, &uidvalidity_of),
	    STORE_OK);
	assert_int_equal(box_delete(b, STR("old")), STORE_OK);
	assert_int_equal(box_reload(b, true), STORE_OK);
	for (size_t i = 0; (f = check_folder(&b->state, i)) != NULL; i++)
		assert_int_equal(folder_load(b, f), STORE_OK);
	arena_free(&arena);
	return b;
}

#endif
