/* SPDX-License-Identifier: ISC */
/*
 * Inside the engine of local files. doc/store.md describes the format.
 *
 * engine_file.c opens boxes, engine_name.c knows what directories are called,
 * engine_list.c what is in them and engine_generation.c how the files of the
 * log are made. engine_frame.c knows how frames look, engine_read.c reads
 * them, engine_write.c and engine_append.c write them, engine_restart.c begins
 * anew. engine_object.c has bodies, blobs and snapshots, engine_erase.c takes
 * them away, engine_look.c has what checks ask for, engine_salvage.c what
 * repair asks for, engine_reserve.c the reserve for full disks, engine_copy*.c copies a box.
 */
#ifndef STORE_ENGINE_FILE_H
#define STORE_ENGINE_FILE_H

#include "core/buf.h"
#include "store/engine.h"
#include "store/engine_io.h"

#define HEAD_SIZE      262144u /* where the bodies begin */
#define FRAMES_AT      512u
#define MARK_AT        258048u   /* a page of its own: the end of the frames */
#define SEAL_FRAMES    196608u   /* sealed when frames reach this ... */
#define SEAL_BODIES    67108864u /* ... or bodies */
#define HEADS_INLINE   16384u    /* longer records stand in the body area */
#define HEADS_MAX      (256u << 20)
#define FRAME_FIXED    88u /* octets before the records */
#define FRAME_LEAST    (FRAME_FIXED + 8u)
#define ENGINE_VERSION 1u

#define BLOBS "b" /* their directory in the account's */
#define ACCOUNT_FILE                                                           \
	"account" /* its name, where the directory's ends in a hash */

#define DAMAGED "damaged." /* what repair keeps: a generation, or its header */

#define FRAME_EXTERN 1u /* the records stand in the body area */

/* States of a generation, in its mark; numbers that no bit flip makes. */
#define STATE_SEALING UINT64_C(0x53454c414553534f)
#define STATE_REMOVED UINT64_C(0x52454d4f56454421)
/* Its name may not be durable: who reads it syncs the directory first. */
#define STATE_LINKED UINT64_C(0x4c494e4b45442121)

struct mark {
	uint64_t at; /* where durable frames end; 0: the mark is damaged */
	uint64_t state;
	uint64_t holder_pid, holder_start; /* 0: released in good order */
};

/* Beside the mark of a sealed generation, and at the end of a snapshot: a
 * number that is another one each time that bytes were erased. */
#define ERASED_AT     (MARK_AT + 64u)
#define ERASED_OCTETS 8u

struct generation {
	uint64_t number; /* 0: free */
	int fd;
	struct engine_pos previous; /* where the one before ended */
	uint64_t begins;            /* where the log is read from nothing */
	uint64_t used;              /* for choosing which to close */
	/* Written so far, by zeroes at least; 0: not known. */
	uint64_t filled_frames, filled_bodies;
};

struct frame {
	uint32_t length, count, flags;
	uint64_t modseq, time_us, body_start, body_end;
	uint32_t body_crc, heads_len, heads_crc;
	uint64_t heads_at, chain;
	struct str heads; /* inline */
};

/* An immutable file that was read and stays open. */
struct object {
	char name[64]; /* "": none */
	int fd;
	uint64_t used; /* as of a generation */
};

#define GENERATIONS_OPEN 6
#define SNAPSHOTS_OPEN   6

struct engine {
	const struct engine_io *io;
	int root;
	int reserve; /* -1: none */
	uint64_t seal_frames, seal_bodies;
};

struct engine_box {
	struct engine *engine;
	const struct engine_io *io;
	char *account;
	char shard[3];
	char name[256]; /* of the directory */
	int dir, lock_fd;
	uint64_t incarnation; /* 0: nothing on disk as far as we know */
	uint64_t newest;
	uint64_t snapshot_seen; /* the newest one, while looked */
	bool looked;            /* just now, by engine_look_around */
	struct generation generations[GENERATIONS_OPEN];
	uint64_t clock;   /* counts uses of generations */
	bool checked;     /* what stands behind the mark was looked at */
	bool doubtful;    /* it must be completed before the next frame */
	bool session;     /* engine_session_lock */
	bool look_only;   /* engine_look_only */
	struct mark mark; /* of the newest generation when it was last read */
	uint64_t writer, sequence, pid, started;
	/* The blob or generation, then the snapshots last read. */
	struct object objects[1 + SNAPSHOTS_OPEN];
	char why[160];
};

/* A reader has enough (engine_on_frame); engine_read says ENGINE_OK to it. */
#define ENGINE_STOPPED ((enum engine_status)(ENGINE_DOWN + 1))

/* engine_open with calls of a test's own; io NULL: the system's. */
struct engine *engine_file_open(
    const char *root, const struct engine_io *io, const char **why);

/* Remember why; return the status. Errno is told with ENGINE_DOWN. */
void engine_note(struct engine_box *b, const char *what);
static inline enum engine_status engine_fail(
    struct engine_box *b, enum engine_status s, const char *what)
{
	engine_note(b, what);
	return s;
}
/* ENOSPC and EDQUOT are ENGINE_NO_SPACE, else ENGINE_DOWN. */
enum engine_status engine_fail_errno(struct engine_box *b, const char *what);

/* ---- engine_name.c ---- */
/* Where an account is: its shard and its directory in it. */
void engine_name(struct str account, char shard[3], char name[256]);
/* The account whose directory this is, appended to out; -1 when it is none. */
int engine_name_account(
    int root, const char *shard, const char *name, struct buf *out);
/* With the first generation, where the name alone does not say it; -1. */
int engine_name_write(struct engine_box *b);

/* ---- engine_list.c ---- */
/* Calls found for each name in a directory; 0, or -1 and errno. */
int engine_list(int at, const char *path,
    void (*found)(void *arg, int dir, const char *name), void *arg);
/* The number in "g.12" or "s.12"; 0 when the name is another. */
uint64_t engine_number(const char *name, char kind);
/* The id of a blob's file; -1 when the name is another. */
int engine_blob_id(const char *name, unsigned char id[16]);
/* The highest number of a kind up to most, the lowest; 0 when there is none.
 * -1 and errno. */
int engine_highest(
    struct engine_box *b, char kind, uint64_t most, uint64_t *out);
int engine_lowest(struct engine_box *b, char kind, uint64_t *out);
/* On opening: the newest generation to b->newest, and the newest snapshot, for
 * the question that comes next. */
int engine_look_around(struct engine_box *b);

/* Opens what exists on disk. ENGINE_OK with dir < 0: nothing does. */
enum engine_status engine_attach(struct engine_box *b);
void engine_detach(struct engine_box *b);
/* After ENGINE_GONE: the next call looks for the account, or for its log,
 * anew. */
void engine_lost(struct engine_box *b);
/* The directory that we hold is still the account's: it may have been
 * removed, and made again. */
bool engine_directory_is_live(const struct engine_box *b);
uint64_t engine_random(void); /* never 0 */

/* ---- engine_generation.c ---- */
/* The generation, open. ENGINE_GONE when its file is not there. */
enum engine_status engine_generation(
    struct engine_box *b, uint64_t number, struct generation **out);
/* Closes it, should it be open. */
void engine_generation_forget(struct engine_box *b, uint64_t number);
/* Where its first frame stands. */
struct engine_pos engine_generation_start(const struct generation *g);
/* Writes what belongs behind the header and says in *m where it ends. */
typedef int engine_fill(void *arg, struct generation *g, struct mark *m);
/*
 * Makes the file of *g (number, previous, begins), which fill may
 * complete, visible as a whole and durable. ENGINE_UNKNOWN: it is visible,
 * but perhaps not durable.
 */
enum engine_status engine_generation_make(
    struct engine_box *b, struct generation *g, engine_fill *fill, void *arg);
/* Makes the one behind *previous, empty, unless it is there already. */
enum engine_status engine_generation_next(
    struct engine_box *b, const struct engine_pos *previous);
/* Makes the name of a generation durable. -1 and errno. */
int engine_generation_sync_name(struct engine_box *b, uint64_t number);
/* fsync of a directory below `at`. -1 and errno. */
int engine_sync_dir(struct engine_box *b, int at, const char *path);

/* Writes the header of a generation that is open; what a header says that may
 * be damaged. */
int engine_header_write(struct engine_box *b, const struct generation *g);
uint64_t engine_header_incarnation(const unsigned char header[FRAMES_AT]);

int engine_mark_read(
    struct engine_box *b, const struct generation *g, struct mark *out);
int engine_mark_write(
    struct engine_box *b, const struct generation *g, const struct mark *m);

/* ---- engine_frame.c ---- */
/*
 * Reads the frame that stands at p with `len` octets behind it and follows
 * `seen`. Returns 0, -1 and *why when it is none, -2 when it is of a newer
 * version.
 */
int engine_frame_parse(const struct engine_box *b,
    const struct engine_pos *seen, const unsigned char *p, size_t len,
    struct frame *out, const char **why);
/* The frame that stands at p in this generation, whatever it follows. Returns
 * as engine_frame_parse. */
int engine_frame_alone(const struct engine_box *b, uint64_t generation,
    const unsigned char *p, size_t len, struct frame *out, const char **why);
/* Its chain goes on from there. */
bool engine_frame_follows(const struct engine_pos *seen, const unsigned char *p,
    const struct frame *f);
/* The records of a FRAME_EXTERN frame, in memory that the caller frees. */
enum engine_status engine_frame_heads(struct engine_box *b,
    const struct generation *g, const struct frame *f, char **out);
/* Builds the frame; f->heads are its records unless FRAME_EXTERN. Sets
 * f->length and f->chain. */
void engine_frame_build(const struct engine_box *b,
    const struct engine_pos *seen, struct frame *f, struct buf *out);
struct engine_pos engine_frame_after(
    const struct engine_pos *seen, const struct frame *f);
/* Gives a frame to the caller, with its records wherever they stand. */
enum engine_status engine_frame_tell(struct engine_box *b,
    const struct generation *g, struct engine_pos *seen, const struct frame *f,
    engine_on_frame *on_frame, void *arg);

/* ---- engine_object.c ---- */
void engine_blob_name(const unsigned char id[16], char out[64]);
void engine_snapshot_name(uint64_t number, char out[64]);
/* With the lock held: marks the account as removed, renames its directory
 * and deletes it. */
enum engine_status engine_remove_locked(struct engine_box *b);
/* Deletes an account's directory after it was renamed; any other name is left
 * alone. */
void engine_finish_removal(
    struct engine *e, const char *shard, const char *name);
/* Closes what engine_get and engine_snapshot_get keep open. */
void engine_object_forget(struct engine_box *b);

/* ---- engine_erase.c ---- */
struct engine_range {
	uint64_t start, end;
};
/*
 * Zeroes over the ranges, which rise, synced; then their space is given back.
 * erased_at: offset of the number that tells of erasures, tell: what it
 * becomes. -1 and errno.
 */
int engine_erase_ranges(struct engine_box *b, int fd, uint64_t erased_at,
    uint64_t tell, const struct engine_range *ranges, size_t count);

/* ---- engine_reserve.c ---- */
#define RESERVE_FRAME 262144u /* what is tried first, then twice as much */
#define RESERVE_SEAL  65536u
void engine_reserve_open(struct engine *e);
/* Gives so much of it back to the file system; false when nothing is left. */
bool engine_reserve_spend(struct engine *e, uint64_t octets);

/* ---- engine_write.c: -1 and errno ---- */
/* What a frame that follows seen says of itself. */
void engine_frame_begin(struct engine_box *b, const struct engine_pos *seen,
    const struct engine_frame *in, struct frame *f);
/* Bodies, and behind them records that are too many for the head. */
int engine_write_bodies(struct engine_box *b, struct generation *g,
    const struct engine_pos *seen, const struct engine_frame *in,
    struct frame *f);
/* The head, with some zeroes behind it. */
int engine_write_head(struct engine_box *b, struct generation *g,
    const struct engine_pos *seen, struct frame *f);

/* ---- engine_append.c ---- */
struct engine_work {
	struct engine_box *b;
	struct engine_pos *seen;
	engine_on_frame *on_frame;
	engine_decide *decide;
	void *arg;
	bool damaged; /* engine_restart */
};
/* Does something with the box locked. */
enum engine_status engine_locked(struct engine_work *a,
    enum engine_status (*work)(struct engine_work *a), int64_t deadline);
/* With the lock held: brings *seen to the end of the log, which is then whole,
 * and gives the mark of the newest generation. */
enum engine_status engine_to_end(struct engine_work *a, struct mark *m);

/* engine_read.c: without looking behind the mark. */
enum engine_status engine_read_marked(struct engine_box *b,
    struct engine_pos *seen, engine_on_frame *on_frame, void *arg);
/* With the lock held and everything up to the mark read: makes whole frames
 * behind it durable, and zeroes what is torn. */
enum engine_status engine_recover(struct engine_box *b, struct engine_pos *seen,
    engine_on_frame *on_frame, void *arg);
/* The bodies of a frame are what its checksum says. */
bool engine_bodies_hold(
    struct engine_box *b, const struct generation *g, const struct frame *f);
enum engine_status engine_lock(struct engine_box *b, int64_t deadline);
void engine_unlock(struct engine_box *b);

#endif
