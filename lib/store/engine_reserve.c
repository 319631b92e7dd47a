/* SPDX-License-Identifier: ISC */
/*
 * The reserve for full disks: one file of the store with blocks of its own. A
 * frame that frees space, and the generation that it may need, get some of
 * them when nothing else is left. It stays open, because a session that is
 * confined to one account could not open it any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "store/engine_file.h"

#define RESERVE "reserve"
#define PIECE   (UINT64_C(4) << 20) /* allocated at once */
#define LOCK_MS 1000

void engine_reserve_open(struct engine *e)
{
	if (e->reserve < 0)
		e->reserve = e->io->open(
		    e->root, RESERVE, O_RDWR | O_CLOEXEC, 0);
}

static int lock(struct engine *e)
{
	int64_t deadline = deadline_in(LOCK_MS);
	struct timespec pause = {0, 5000000};

	while (e->io->lock(e->reserve, 0, true) < 0) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) ||
		    clock_ms() >= deadline)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void unlock(struct engine *e)
{
	e->io->lock(e->reserve, 0, false);
}

static int size_of(const struct engine *e, uint64_t *size)
{
	struct stat st;

	if (fstat(e->reserve, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	/* A copy with holes is none. */
	if ((uint64_t)st.st_blocks * 512 < *size)
		*size = 0;
	return 0;
}

bool engine_reserve_spend(struct engine *e, uint64_t octets)
{
	uint64_t size;
	bool given = false;

	engine_reserve_open(e);
	if (e->reserve < 0 || lock(e) < 0)
		return false;
	/* With the sync, because some file systems give blocks back no
	 * earlier. */
	if (size_of(e, &size) == 0 && size > 0)
		given = e->io->truncate(e->reserve,
			    size > octets ? (off_t)(size - octets) : 0) == 0 &&
		    e->io->fdatasync(e->reserve) == 0;
	unlock(e);
	return given;
}

/* From size on, as far as there is room; as much again stays free. */
static int grow(struct engine *e, uint64_t octets, uint64_t *size)
{
	uint64_t room, end;

	if (e->io->room(e->reserve, &room) < 0)
		return -1;
	room = room > octets ? room - octets : 0;
	end = room < octets - *size ? *size + room : octets;
	while (*size < end) {
		uint64_t some = end - *size < PIECE ? end - *size : PIECE;

		if (e->io->allocate(e->reserve, (off_t)*size, (off_t)some) <
		    0) {
			int saved = errno;

			if (e->io->truncate(e->reserve, (off_t)*size) < 0)
				return -1;
			errno = saved;
			return saved == ENOSPC || saved == EDQUOT ? 0 : -1;
		}
		*size += some;
	}
	return 0;
}

static int bring_to(struct engine *e, uint64_t octets, uint64_t *size)
{
	if (size_of(e, size) < 0)
		return -1;
	if (*size < octets)
		return grow(e, octets, size);
	*size = octets;
	return e->io->truncate(e->reserve, (off_t)octets);
}

enum engine_status engine_reserve(
    struct engine *e, uint64_t octets, uint64_t *have)
{
	int result;

	*have = 0;
	engine_reserve_open(e);
	if (e->reserve < 0 && octets == 0)
		return ENGINE_OK;
	if (e->reserve < 0)
		e->reserve = e->io->open(
		    e->root, RESERVE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->reserve < 0 || lock(e) < 0)
		return ENGINE_DOWN;
	result = bring_to(e, octets, have);
	unlock(e);
	return result < 0 ? ENGINE_DOWN : ENGINE_OK;
}
