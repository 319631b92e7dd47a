/* SPDX-License-Identifier: ISC */
/* What the tests of lib/store share; each includes it once. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

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

#include "core/clock.h"
#include "store/box.h"
#include "store/engine_file.h"

#define ACCOUNT STR("user@example.org")

/* ---- calls that are counted, and fail when they are told to ---- */

static struct {
	unsigned syncs, writes;
	unsigned fail_sync, fail_write; /* the how manieth from now; 0: none */
	size_t fail_after; /* octets that the failing write still writes */
	int error;
} io;

static int counted_sync(int (*sync)(int), int fd)
{
	io.syncs++;
	if (io.fail_sync != 0 && --io.fail_sync == 0) {
		errno = io.error;
		return -1;
	}
	return sync(fd);
}

static int io_fdatasync(int fd)
{
	return counted_sync(fdatasync, fd);
}

static int io_fsync(int fd)
{
	return counted_sync(fsync, fd);
}

static ssize_t io_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	io.writes++;
	if (io.fail_write != 0 && --io.fail_write == 0) {
		/* What a full disk does: some of it, then no more. */
		size_t some = v->iov_len / 2;

		if (io.fail_after != 0)
			some = io.fail_after < v->iov_len ? io.fail_after
							  : v->iov_len;
		if (some > 0 && pwrite(fd, v->iov_base, some, at) < 0)
			errno = EIO;
		errno = io.error;
		return -1;
	}
	return pwritev(fd, v, n, at);
}

static struct engine_io tested_io(void)
{
	struct engine_io t = engine_io_system;

	t.fdatasync = io_fdatasync;
	t.fsync = io_fsync;
	t.pwritev = io_pwritev;
	return t;
}

/* ---- a store in a directory of its own ---- */

static char root[64];
static struct store *store;
static struct engine_io test_io;

__attribute__((unused)) static struct engine *assert_engine(struct engine *e)
{
	assert_non_null(e);
	return e;
}

static int unlink_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

__attribute__((unused)) static int setup(void **state)
{
	const char *why;

	(void)state;
	memset(&io, 0, sizeof(io));
	test_io = tested_io();
	snprintf(root, sizeof(root), "/tmp/store_test.XXXXXX");
	assert_non_null(mkdtemp(root));
	store = store_open_with(
	    assert_engine(engine_file_open(root, &test_io, &why)), NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(&store);
	return nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum store_result open_box(struct box **out)
{
	return box_open(store, ACCOUNT, DEADLINE_NEVER, out);
}

static enum store_result deliver_text(
    struct box *b, const char *id, const char *text, size_t len)
{
	struct deliver_item item = {.mailbox = STR("INBOX")};
	struct store_body *body = store_body_new(b);
	enum store_result r = STORE_ERROR;

	if (store_body_add(body, text, len) == 0)
		r = box_deliver(b, str_from(id), 0, body, 0, &item, 1);
	store_body_free(&body);
	return r;
}

__attribute__((unused)) static enum store_result deliver_id(
    struct box *b, const char *id)
{
	char text[200];
	int len = snprintf(text, sizeof(text),
	    "Subject: %s\r\nMessage-ID: <%s@x>\r\n\r\nbody of %s\r\n", id, id,
	    id);

	return deliver_text(b, id, text, (size_t)len);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
