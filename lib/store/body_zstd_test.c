/* SPDX-License-Identifier: ISC */
/* Compressed messages: what went in comes out, whole and in parts. */
#include "store/testing.h"

#include "core/memory.h"
#include "store/body_zstd.h"

/* Text that compresses, never the same twice. */
static char *text_of(size_t len, bool random)
{
	char *text = mem_resize(NULL, len + 1, 1);
	unsigned seed = 7;

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		text[i] = random ? (char)(seed >> 16)
				 : (char)('a' + (seed >> 16) % 4);
	}
	memcpy(text, "Subject: x\r\n\r\n", len < 14 ? len : 14);
	return text;
}

static struct view *deliver_and_open(
    struct box **b, const char *text, size_t len)
{
	struct view *v;

	assert_int_equal(open_box(b), STORE_OK);
	assert_int_equal(deliver_text(*b, "id", text, len), STORE_OK);
	assert_int_equal(
	    view_open(*b, box_find(*b, STR("INBOX"))->id, &v), STORE_OK);
	return v;
}

static void assert_part(struct view *v, const char *text, size_t size,
    uint64_t offset, uint64_t len)
{
	struct buf out = buf_new(len + 1);
	uint64_t expected = offset >= size ? 0
	    : len > size - offset          ? size - offset
					   : len;

	assert_int_equal(view_read(v, 1, offset, len, &out), STORE_OK);
	assert_int_equal(out.len, expected);
	if (expected > 0)
		assert_memory_equal(out.p, text + offset, expected);
	buf_free(&out);
}

static uint64_t stored_octets(struct box *b)
{
	struct folder *f;

	assert_int_equal(
	    box_folder(b, box_find(b, STR("INBOX"))->id, &f), STORE_OK);
	return folder_place(b, f, 0)->stored;
}

static void sizes(void **state)
{
	static const size_t rows[] = {14, 100, 4096, ZSTD_CHUNK - 1, ZSTD_CHUNK,
	    ZSTD_CHUNK + 1, 3 * ZSTD_CHUNK, 20 * ZSTD_CHUNK + 77};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t size = rows[i];
		char *text = text_of(size, false);
		struct box *b;
		struct view *v;

		store_set_compression(store, 50);
		v = deliver_and_open(&b, text, size);
		if (size < 50)
			assert_int_equal(stored_octets(b), size);
		else if (size > 1000)
			if (stored_octets(b) > size * 2 / 3)
				fail_msg("%zu: %llu", size,
				    (unsigned long long)stored_octets(b));
		assert_part(v, text, size, 0, size);
		assert_part(v, text, size, 0, 10);
		assert_part(v, text, size, size - 3, 10);
		assert_part(v, text, size, size, 10);
		assert_part(v, text, size, ZSTD_CHUNK - 5, 10);
		assert_part(v, text, size, ZSTD_CHUNK - 5, ZSTD_CHUNK + 10);
		view_close(&v);
		box_close(&b);
		free(text);
		teardown(state);
		setup(state);
	}
}

/* What does not shrink stays as it is, and can be sent from its file. */
static void random_octets(void **state)
{
	char *text = text_of(20000, true);
	struct box *b;
	struct view *v;
	uint64_t offset;
	int fd;

	(void)state;
	store_set_compression(store, 1);
	v = deliver_and_open(&b, text, 20000);
	assert_int_equal(stored_octets(b), 20000);
	assert_part(v, text, 20000, 0, 20000);
	assert_int_equal(view_file(v, 1, &fd, &offset), STORE_OK);
	view_close(&v);
	box_close(&b);
	free(text);
}

/* A compressed one has no file; its copy shares its octets. */
static void copies_share(void **state)
{
	char *text = text_of(20000, false);
	uint32_t uid = 1, uidvalidity;
	struct uid_set set = {&uid, 1};
	struct box *b;
	struct view *v, *copy;
	struct arena arena = arena_new(65536);
	uint64_t offset;
	int fd;

	(void)state;
	store_set_compression(store, 1);
	v = deliver_and_open(&b, text, 20000);
	assert_int_equal(view_file(v, 1, &fd, &offset), STORE_ERROR);
	assert_int_equal(box_copy(b, view_mailbox(v), set, STR("Trash"), false,
			     &arena, NULL, NULL, &uidvalidity),
	    STORE_OK);
	assert_int_equal(
	    view_open(b, box_find(b, STR("Trash"))->id, &copy), STORE_OK);
	assert_part(copy, text, 20000, 0, 20000);
	assert_int_equal(box_usage(b).octets, 40000);
	arena_free(&arena);
	view_close(&copy);
	view_close(&v);
	box_close(&b);
	free(text);
}

/* A bit flipped anywhere in what is stored is noticed. */
static void flipped_bits(void **state)
{
	size_t size = 3 * ZSTD_CHUNK + 5;
	char *text = text_of(size, false);
	struct message_place place;
	struct box *b;
	struct view *v;
	struct folder *f;
	char path[300];
	int fd;

	(void)state;
	store_set_compression(store, 1);
	v = deliver_and_open(&b, text, size);
	assert_int_equal(box_folder(b, view_mailbox(v), &f), STORE_OK);
	place = *folder_place(b, f, 0);
	assert_int_equal(place.kind, PLACE_ZSTD); /* small enough inline */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/g.%llu",
	    box_directory(b), (unsigned long long)place.a);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	view_close(&v);
	for (uint64_t at = 0; at < place.stored; at += place.stored / 97) {
		struct buf out = buf_new(size);
		enum store_result r;
		char c;

		assert_int_equal(pread(fd, &c, 1, (off_t)(place.b + at)), 1);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)(place.b + at)), 1);
		assert_int_equal(view_open(b, f->info.id, &v), STORE_OK);
		r = view_read(v, 1, 0, size, &out);
		assert_true(r == STORE_CORRUPT);
		view_close(&v);
		buf_free(&out);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)(place.b + at)), 1);
	}
	close(fd);
	box_close(&b);
	free(text);
}

/* A large one whose compressed form is still large is a blob. */
static void blobs(void **state)
{
	size_t size = 12 * ZSTD_CHUNK;
	char *text = text_of(size, false);
	struct message_place place;
	struct box *b;
	struct view *v;
	struct folder *f;

	(void)state;
	store_set_compression(store, 1);
	v = deliver_and_open(&b, text, size);
	assert_int_equal(box_folder(b, view_mailbox(v), &f), STORE_OK);
	place = *folder_place(b, f, 0);
	assert_int_equal(place.kind, PLACE_ZSTD | PLACE_BLOB);
	assert_part(v, text, size, 0, size);
	assert_part(v, text, size, 5 * ZSTD_CHUNK + 9, 2 * ZSTD_CHUNK);
	view_close(&v);
	box_close(&b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(sizes),
	    T(random_octets),
	    T(copies_share),
	    T(flipped_bits),
	    T(blobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
