/* SPDX-License-Identifier: ISC */
#include "daemon/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

struct board *board_new(int *fd)
{
	struct board *b;

	*fd = memfd_create("posthouse-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	if (ftruncate(*fd, sizeof(*b)) < 0 ||
	    file_pwrite_full(*fd, &(uint32_t){BOARD_MAGIC}, 4, 0) < 0 ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
		0) {
		file_close(fd);
		return NULL;
	}
	b = board_map(*fd);
	if (b == NULL)
		file_close(fd);
	return b;
}

struct board *board_map(int fd)
{
	struct stat st;
	struct board *b;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size != (off_t)sizeof(*b)) {
		errno = EINVAL;
		return NULL;
	}
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (b == MAP_FAILED)
		return NULL;
	if (b->magic != BOARD_MAGIC) {
		munmap(b, sizeof(*b));
		errno = EINVAL;
		return NULL;
	}
	return b;
}

void board_unmap(struct board **b)
{
	if (*b != NULL)
		munmap(*b, sizeof(**b));
	*b = NULL;
}

int board_take(struct board *b, uint32_t pid)
{
	for (int i = 0; i < BOARD_SLOTS; i++) {
		uint32_t nobody = BOARD_FREE;

		if (!atomic_compare_exchange_strong(
			&b->slots[i].state, &nobody, BOARD_STARTING))
			continue;
		b->slots[i].pid = pid;
		b->slots[i].served = 0;
		b->slots[i].since = 0;
		b->slots[i].client = 0;
		return i;
	}
	return -1;
}

void board_release(struct board *b, int slot)
{
	if (slot < 0)
		return;
	b->slots[slot].pid = 0;
	b->slots[slot].client = 0;
	if (atomic_exchange(&b->slots[slot].state, BOARD_FREE) == BOARD_IDLE)
		b->idle--;
}

unsigned board_clients(const struct board *b, uint64_t client)
{
	unsigned n = 0;

	for (int i = 0; i < BOARD_SLOTS; i++)
		n += b->slots[i].client == client;
	return n;
}

/* The counter of that name; NULL when there are too many. */
static struct board_counter *counter(struct board *b, const char *name)
{
	for (int i = 0; i < BOARD_COUNTERS; i++) {
		struct board_counter *c = &b->counters[i];
		uint32_t unused = 0;

		if (c->set == 0 &&
		    atomic_compare_exchange_strong(&c->set, &unused, 1)) {
			memcpy(
			    c->name, name, strnlen(name, sizeof(c->name) - 1));
			c->set = 2;
		}
		if (c->set == 2 &&
		    strncmp(c->name, name, sizeof(c->name) - 1) == 0)
			return c;
	}
	return NULL;
}

void board_count(struct board *b, const char *name, uint64_t amount)
{
	struct board_counter *c = counter(b, name);

	if (c != NULL)
		c->value += amount;
}

void board_gauge(struct board *b, const char *name, uint64_t value)
{
	struct board_counter *c = counter(b, name);

	if (c != NULL)
		c->value = value;
}

uint64_t board_figure(struct board *b, const char *name)
{
	const struct board_counter *c = counter(b, name);

	return c != NULL ? c->value : 0;
}
