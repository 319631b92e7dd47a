/* SPDX-License-Identifier: ISC */
/* What the tests of the engine of local files share: system calls that are
 * counted, and fail when they are told to. Each includes it once. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include "store/testing_base.h"

#include <fcntl.h>

#include "store/engine_file.h"

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

static struct engine_io test_io;

SHARED struct engine *assert_engine(struct engine *e)
{
	assert_non_null(e);
	return e;
}

SHARED int setup(void **state)
{
	const char *why;

	(void)state;
	memset(&io, 0, sizeof(io));
	test_io = tested_io();
	make_root();
	store = store_open_with(
	    assert_engine(engine_file_open(root, &test_io, &why)), NULL);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
