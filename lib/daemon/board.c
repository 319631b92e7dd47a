/* SPDX-License-Identifier: ISC */
#include "daemon/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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
		who_clear(&b->who[i]);
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
	who_clear(&b->who[slot]);
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

/* Whether the entry has this name, or takes it now. */
static bool is_named(struct board_name *n, const char *name)
{
	uint32_t unused = 0;

	if (n->set == 0 &&
	    atomic_compare_exchange_strong(&n->set, &unused, 1)) {
		memcpy(n->text, name, strnlen(name, sizeof(n->text) - 1));
		n->set = 2;
	}
	return n->set == 2 && strncmp(n->text, name, sizeof(n->text) - 1) == 0;
}

/* The counter of that name; NULL when there are too many. */
static struct board_counter *counter(struct board *b, const char *name)
{
	for (int i = 0; i < BOARD_COUNTERS; i++)
		if (is_named(&b->counters[i].name, name))
			return &b->counters[i];
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

	if (c == NULL)
		return;
	c->gauge = 1;
	c->value = value;
}

uint64_t board_figure(struct board *b, const char *name)
{
	const struct board_counter *c = counter(b, name);

	return c != NULL ? c->value : 0;
}

void board_observe(struct board *b, const char *name, uint64_t us)
{
	struct board_times *t = b->times;
	uint64_t max;

	while (t < b->times + BOARD_TIMES && !is_named(&t->name, name))
		t++;
	if (t == b->times + BOARD_TIMES)
		return;
	t->buckets[histogram_bucket(us)]++;
	t->count++;
	t->sum += us;
	max = t->max;
	while (us > max && !atomic_compare_exchange_weak(&t->max, &max, us))
		;
}

unsigned long board_name_read(
    const struct board_name *n, char out[BOARD_NAME_MAX])
{
	unsigned long len = 0;

	for (; n->set == 2 && len < BOARD_NAME_MAX - 1; len++) {
		char c = ((const volatile char *)n->text)[len];

		if (c == '\0')
			break;
		out[len] = c >= ' ' && c <= '~' ? c : '?';
	}
	out[len] = '\0';
	return len;
}

void board_times_read(const struct board_times *t, struct histogram *out)
{
	out->count = t->count;
	out->sum = t->sum;
	out->max = t->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		out->buckets[i] = t->buckets[i];
}
