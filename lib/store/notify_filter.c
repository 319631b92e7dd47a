/* SPDX-License-Identifier: ISC */
#include "store/notify_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/le.h"

/*
 * The file: a header of one block, then blocks of counters. An account has
 * four counters of one block. With 20,000 accounts a writer says yes in vain
 * for about one account in a hundred.
 */
#define BLOCK    64 /* octets; a counter is one */
#define BLOCKS   4096
#define COUNTERS 4 /* of an account */
#define SIZE     ((size_t)(1 + BLOCKS) * BLOCK)
#define FULL     255

/* The header: magic, version, number of blocks, seed of the hash. */
#define VERSION    1
#define AT_VERSION 4
#define AT_BLOCKS  8
#define AT_SEED    16

static const char magic[4] = {'P', 'H', 'N', 'F'};

/* The block of an account, and which counters of it. */
struct place {
	size_t block; /* from 1 on */
	unsigned char counter[COUNTERS];
};

static struct place place_of(struct str account, uint64_t seed)
{
	uint64_t h = XXH3_64bits_withSeed(account.p, account.len, seed);
	struct place p = {.block = 1 + h % BLOCKS};

	for (int i = 0; i < COUNTERS; i++)
		p.counter[i] = (unsigned char)(h >> (40 + 6 * i)) % BLOCK;
	return p;
}

/* ---- the listener's side ---- */

struct notify_filter {
	int fd;
	uint64_t seed;
	unsigned char counters[(1 + BLOCKS) * BLOCK];
};

static int write_block(const struct notify_filter *f, size_t block)
{
	ssize_t n;

	if (lseek(f->fd, (off_t)(block * BLOCK), SEEK_SET) < 0)
		return -1;
	n = write(f->fd, f->counters + block * BLOCK, BLOCK);
	if (n >= 0 && n < BLOCK)
		errno = ENOSPC;
	return n == BLOCK ? 0 : -1;
}

struct notify_filter *notify_filter_new(int dir, const char *name)
{
	struct notify_filter *f = NEW(struct notify_filter);
	unsigned char *header = f->counters;
	char file[80];
	int saved;

	snprintf(file, sizeof(file), ".%s.%d", name, (int)getpid());
	f->fd = openat(dir, file,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd >= 0 &&
	    getrandom(&f->seed, sizeof(f->seed), 0) == sizeof(f->seed)) {
		memcpy(header, magic, sizeof(magic));
		put_u32(header + AT_VERSION, VERSION);
		put_u32(header + AT_BLOCKS, BLOCKS);
		put_u64(header + AT_SEED, f->seed);
		/* Its group is the folder's, whose writers we are here for. */
		if (ftruncate(f->fd, (off_t)SIZE) == 0 &&
		    fchmod(f->fd, 0640) == 0 && write_block(f, 0) == 0)
			return f;
	}
	saved = errno;
	if (f->fd >= 0)
		unlinkat(dir, file, 0);
	notify_filter_free(&f);
	errno = saved;
	return NULL;
}

void notify_filter_free(struct notify_filter **f)
{
	if (*f == NULL)
		return;
	file_close(&(*f)->fd);
	free(*f);
	*f = NULL;
}

int notify_filter_add(struct notify_filter *f, struct str account)
{
	struct place p = place_of(account, f->seed);
	unsigned char *block = f->counters + p.block * BLOCK;
	int r;

	for (int i = 0; i < COUNTERS; i++)
		if (block[p.counter[i]] < FULL)
			block[p.counter[i]]++;
	r = write_block(f, p.block);
	atomic_thread_fence(memory_order_seq_cst);
	return r;
}

int notify_filter_remove(struct notify_filter *f, struct str account)
{
	struct place p = place_of(account, f->seed);
	unsigned char *block = f->counters + p.block * BLOCK;

	for (int i = 0; i < COUNTERS; i++)
		if (block[p.counter[i]] < FULL)
			block[p.counter[i]]--;
	return write_block(f, p.block);
}

/* ---- the writer's side ---- */

struct notify_held {
	uint64_t seed;
	const _Atomic(unsigned char) *counters;
};

static bool is_known(const unsigned char *header)
{
	return memcmp(header, magic, sizeof(magic)) == 0 &&
	    get_u32(header + AT_VERSION) == VERSION &&
	    get_u32(header + AT_BLOCKS) == BLOCKS;
}

struct notify_held *notify_held_open(int dir, const char *name)
{
	struct notify_held *h;
	struct stat st;
	char file[300];
	void *p = MAP_FAILED;
	int fd;

	snprintf(file, sizeof(file), ".%s", name);
	fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == (off_t)SIZE)
		p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	file_close(&fd);
	if (p == MAP_FAILED)
		return NULL;
	if (!is_known(p)) {
		munmap(p, SIZE);
		return NULL;
	}
	h = NEW(struct notify_held);
	h->seed = get_u64((const unsigned char *)p + AT_SEED);
	h->counters = p;
	return h;
}

void notify_held_close(struct notify_held **h)
{
	if (*h == NULL)
		return;
	munmap((void *)(uintptr_t)(*h)->counters, SIZE);
	free(*h);
	*h = NULL;
}

bool notify_held_has(const struct notify_held *h, struct str account)
{
	struct place p;

	if (h == NULL)
		return true;
	p = place_of(account, h->seed);
	atomic_thread_fence(memory_order_seq_cst);
	for (int i = 0; i < COUNTERS; i++)
		if (atomic_load(h->counters + p.block * BLOCK + p.counter[i]) ==
		    0)
			return false;
	return true;
}
