/* SPDX-License-Identifier: ISC */
/*
 * The scoreboard of a service: memory shared by master and the service's
 * processes, so that being busy or idle costs no system call.
 *
 * A process writes its own slot. master believes none of it beyond what it
 * shows in `posthouse status` and when it starts one more process of this
 * same service: what a broken process writes here can hurt its own service
 * only.
 */
#ifndef DAEMON_BOARD_H
#define DAEMON_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/histogram.h"

#include "daemon/transcript.h"
#include "daemon/who.h"

#define BOARD_MAGIC    0x32444f42u /* "BOD2" */
#define BOARD_SLOTS    4096
#define BOARD_COUNTERS 48
#define BOARD_TIMES    16
#define BOARD_NAME_MAX 32

enum board_state {
	BOARD_FREE,
	BOARD_STARTING,
	BOARD_IDLE,   /* waits for a client */
	BOARD_BUSY,   /* serves one */
	BOARD_PARKED, /* keeps a connection whose peer has no request, or
	               * serves nobody and rests */
	BOARD_GONE    /* is about to end */
};

struct board_slot {
	_Atomic uint32_t pid, state;
	_Atomic uint64_t served; /* clients */
	_Atomic int64_t since;   /* clock_ms of the last change to PARKED */
	_Atomic uint64_t client; /* whom it serves; 0: not said */
};

/* What a figure is called; the first that tells it gives the name. */
struct board_name {
	_Atomic uint32_t set; /* 0 free, 1 being named, 2 in use */
	char text[BOARD_NAME_MAX];
};

struct board_counter {
	struct board_name name;
	_Atomic uint32_t gauge; /* it falls, too */
	_Atomic uint64_t value;
};

/* A struct histogram that many add to. */
struct board_times {
	struct board_name name;
	_Atomic uint64_t count, sum, max;
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Whose protocol is logged (transcript.h). */
struct watch {
	int64_t until; /* seconds since 1970; 0: nobody's */
	char user[WHO_USER_MAX], client[WHO_CLIENT_MAX];
};

struct board {
	uint32_t magic;
	_Atomic int32_t idle;    /* slots that are BOARD_IDLE */
	_Atomic uint32_t stress; /* master: all are busy, and clients wait */
	_Atomic uint64_t served; /* clients since master's start */
	struct board_counter counters[BOARD_COUNTERS];
	struct board_times times[BOARD_TIMES];
	struct board_slot slots[BOARD_SLOTS];
	struct who_row who[BOARD_SLOTS]; /* by slot: whom it serves */
	/* master: whose protocol is logged, and how often that changed. */
	_Atomic uint32_t watch_turn;
	struct watch watches[WATCH_COUNT];
};

/* A new one in a memfd; *fd is the caller's. NULL with errno. */
struct board *board_new(int *fd);
/* The one behind fd. NULL with errno when it is none. */
struct board *board_map(int fd);
void board_unmap(struct board **b);

/* Takes a free slot for a process; -1 when all are taken. */
int board_take(struct board *b, uint32_t pid);
/* The process of the slot has ended: corrects what it left behind. */
void board_release(struct board *b, int slot);
/* Slots that serve this client. */
unsigned board_clients(const struct board *b, uint64_t client);
/* Adds to the counter of that name; ignored when there are too many. */
void board_count(struct board *b, const char *name, uint64_t amount);
/* Sets it. */
void board_gauge(struct board *b, const char *name, uint64_t value);
/* What it is; 0 when there are too many. */
uint64_t board_figure(struct board *b, const char *name);
/* One more time in the histogram of that name; ignored when there are too
 * many. */
void board_observe(struct board *b, const char *name, uint64_t us);

/*
 * For who reads a board that others write: the name without what a terminal
 * must not see. Returns its length, 0 when there is none.
 */
unsigned long board_name_read(
    const struct board_name *n, char out[BOARD_NAME_MAX]);
void board_times_read(const struct board_times *t, struct histogram *out);

#endif
