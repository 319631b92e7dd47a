/* SPDX-License-Identifier: ISC */
/* Inside engine_copy*.c: a copy that is being made. */
#ifndef STORE_ENGINE_COPY_H
#define STORE_ENGINE_COPY_H

#include "store/engine_file.h"

#define COPY_PIECE 262144u
#define LIST_MOST  ((size_t)1 << 30)

struct copied_blob {
	unsigned char id[16];
	uint64_t octets;
};

struct copy {
	struct engine_box *from, *to;
	struct engine_pos end;   /* of what is copied */
	uint64_t oldest, begins; /* generations of from */
	struct buf snapshots;    /* their numbers, uint64_t each */
	struct buf blobs;        /* struct copied_blob each, sorted */
	uint64_t written;
	unsigned char *piece, *other; /* COPY_PIECE octets each */
};

/* The words of errno, for engine_why(to). */
enum engine_status copy_failed(struct copy *c, const char *what);
/* As said of `from`. */
enum engine_status copy_from_failed(struct copy *c, enum engine_status s);

/* ---- engine_copy_files.c ---- */
/* A file of `from`: ENGINE_GONE when it went meanwhile. */
enum engine_status copy_open(struct copy *c, const char *name, int *fd);
/* Octets into the copy, counted. -1 and errno. */
int copy_put(struct copy *c, int fd, const void *p, size_t len, uint64_t at);
/* Len octets, zeroes where the file ended before. -1 and errno. */
int copy_get(const struct engine_box *b, int fd, unsigned char *p, size_t len,
    uint64_t at);
/* [start, end) of one file to the same place in another. fresh: it has nothing
 * there, and zeroes stay holes. -1 and errno. */
int copy_range(
    struct copy *c, int from, int to, uint64_t start, uint64_t end, bool fresh);
/* Found names of snapshots, as engine_list tells them, into a buf of numbers;
 * is a number there? */
void copy_note_snapshot(void *arg, int dir, const char *name);
bool copy_listed(const struct buf *numbers, uint64_t number);
enum engine_status copy_list_blobs(struct engine_box *b, struct buf *out);
/* Those that the copy lacks. */
enum engine_status copy_blobs(struct copy *c);
enum engine_status copy_snapshots(struct copy *c);
/* Those that `from` has not any more. */
void copy_drop_blobs(struct copy *c);
void copy_drop_snapshots(struct copy *c);

/* ---- engine_copy_log.c ---- */
/* Whether the copy is one of this log, with nothing missing in it. */
enum engine_status copy_fits(struct copy *c, bool *yes);
/* What the copy lacks. */
enum engine_status copy_generations(struct copy *c);
/* Erases in a sealed generation what `from` has erased there. */
enum engine_status copy_erased(struct copy *c, uint64_t number);
enum engine_status copy_drop_generations(struct copy *c);

#endif
