/* SPDX-License-Identifier: ISC */
/*
 * The queue file: one accepted message (DESIGN section 6; queue(5)).
 *
 *	0     preamble, 4096 octets: magic, version, flags, id,
 *	      arrival, extents {offset, length, CRC32C} of body, header,
 *	      envelope and slots, recipient count, CRC32C of all this; then the
 *	      slots of up to QUEUE_INLINE_SLOTS recipients
 *	4096  body octets as they stream in; behind them the final header,
 *	      then the envelope, then (many recipients) the slots
 *
 * A small message is written at once, the preamble of a large one last; the
 * name stands in queue/ only after the fsync of all. The envelope is a
 * sequence of tagged records. Every octet is described in queue(5).
 *
 * Content has CRLF line ends and no dot stuffing. The header extent ends with
 * the empty line, so that header + body is the message.
 *
 * Owners: cleanup writes it in new/ and moves it to queue/XX/ID, XX being the
 * last two characters of the id. From then on qmgr alone overwrites slots, in
 * place, unsynced. Agents read through a descriptor of their own rights.
 * Nothing here trusts a file: all offsets and counts are checked against the
 * file's size, and a bad CRC is a result.
 */
#ifndef QUEUE_QUEUE_FILE_H
#define QUEUE_QUEUE_FILE_H

#include <sys/types.h>

#include "core/arena.h"
#include "core/id.h"

#define QUEUE_PREAMBLE       4096
#define QUEUE_RECIPIENTS_MAX 50000

enum queue_state {
	QUEUE_PENDING, /* to be tried at `next` */
	QUEUE_DELIVERED,
	QUEUE_FAILED,   /* to be told to the sender */
	QUEUE_NOTIFIED, /* told; or nobody to tell */
	QUEUE_EXPIRED   /* as failed, for its age */
};

/* On disk 64 octets, little-endian, fixed. */
struct queue_slot {
	uint8_t state; /* enum queue_state */
	uint8_t hold;
	uint8_t notify;   /* bits of QUEUE_NOTIFY_* */
	uint8_t notified; /* bits of what was sent */
	uint32_t attempts;
	uint64_t next;  /* seconds since 1970 */
	uint64_t last;  /* of the last attempt, 0: none */
	uint16_t code;  /* last remote reply */
	char dsn[12];   /* last status, NUL-padded */
	uint16_t round; /* of the DSN that tells it */
	/* Not on disk: the slot's checksum was wrong; it then comes out as
	 * pending and all zero, for mail may be late or twice but not lost.
	 * The envelope still knows what to notify. */
	uint8_t damaged;
	char reserved[21];
};

#define QUEUE_NOTIFY_NEVER   1u
#define QUEUE_NOTIFY_SUCCESS 2u
#define QUEUE_NOTIFY_FAILURE 4u
#define QUEUE_NOTIFY_DELAY   8u

struct queue_recipient {
	struct str address;
	struct str original; /* ORCPT as "rfc822;addr", or "" */
	uint8_t notify;
	/* An alias sent it to a domain that is none of ours. */
	bool forwarded;
};

struct queue_envelope {
	struct id id;
	struct id session;
	uint64_t arrived_us; /* since 1970 */
	struct str sender;   /* empty: null reverse-path */
	/* The reverse-path towards those that are forwarded (SRS), "" when it
	 * is the sender; notifications go to the sender all the same. */
	struct str forward_sender;
	struct str envid, ret; /* RFC 3461 */
	struct str body;       /* "7BIT", "8BITMIME" */
	bool smtputf8;
	bool junk; /* into the mailbox Junk, where it is delivered here */
	struct str origin; /* mail_origin_names */
	struct str client; /* "name[address]" for logs and DSNs */
	struct str login;
	struct str message_id; /* for the trace; "" */
	size_t recipient_count;
	struct queue_recipient *recipients;
};

struct queue_extent {
	uint64_t offset, length; /* octets */
	uint32_t crc;
};

/* ---- writing: cleanup ---- */
struct queue_writer;

/*
 * Keeps up to 64 directories of queue/ open in this process for commits into
 * this spool, and gives new ids last characters that name one of them (61 of
 * their 65 random bits stay). Called once, by who writes many messages. The
 * descriptor must stay open.
 */
void queue_keep_dirs(int spool_fd);
void queue_forget_dirs(void); /* closes them */

/* spool_fd: the open queue_directory. NULL with errno. */
struct queue_writer *queue_create(int spool_fd);
/* The id that is free for this message (for its Received line): put it into
 * the envelope's id, or leave that empty for the same. */
const struct id *queue_writer_id(const struct queue_writer *w);
/* Body octets, any number of calls. 0 or -1 (errno; ENOSPC ...). */
int queue_add_body(struct queue_writer *w, const void *p, size_t len);
uint64_t queue_body_len(const struct queue_writer *w);
/*
 * Header (with the empty line), envelope, slots, preamble; fsync; rename into
 * queue/ (never replacing); fsync of the directory. The id is e->id when set,
 * else new and stored in e->id; with a given id that exists already returns
 * QUEUE_EXISTS (and that one is durable). On QUEUE_COMMITTED *fd is the file,
 * open read-write, the caller's. On QUEUE_FAILED_COMMIT errno says why and
 * nothing is left behind. The writer ends in any case. arrived_us of 0 is
 * replaced by now; slots start pending, with the recipient's notify bits.
 */
enum queue_commit { QUEUE_COMMITTED, QUEUE_EXISTS, QUEUE_FAILED_COMMIT };
enum queue_commit queue_commit(struct queue_writer **w, struct str header,
    struct queue_envelope *e, int *fd);
void queue_abort(struct queue_writer **w); /* removes the file */
/*
 * The same in two steps, for who asks others about the file in between.
 * queue_finish writes all of it without a sync; it is then as a queue file
 * is, but for its name, and queue_writer_fd gives it, open read-write,
 * borrowed. 0 or -1 with errno; the writer goes on. queue_publish does the
 * rest and ends the writer, as queue_commit.
 */
int queue_finish(
    struct queue_writer *w, struct str header, struct queue_envelope *e);
int queue_writer_fd(const struct queue_writer *w);
enum queue_commit queue_publish(struct queue_writer **w, int *fd);

/* ---- reading ---- */
struct queue_file {
	int fd; /* borrowed */
	struct id id;
	uint64_t arrived_us;
	struct queue_extent header, body, envelope;
	uint64_t slots_offset;
	size_t recipient_count;
	bool unlinked; /* the file has no name any more */
};

/*
 * Reads and checks the preamble. 0, or -1 and *why: "bad magic" ... With
 * errno EBADMSG the file is damaged, with another one it cannot be read now;
 * so it is with the next two as well.
 */
int queue_read(int fd, struct queue_file *out, const char **why);
/* The same for who was handed a descriptor and an id: the file of another
 * message is damage. */
int queue_read_of(
    int fd, const struct id *id, struct queue_file *out, const char **why);
/* The envelope, in the arena; checks its CRC. */
int queue_read_envelope(const struct queue_file *f, struct arena *arena,
    struct queue_envelope *out, const char **why);
/* Checks header and body against their CRCs (qmgr after a restart; check). */
int queue_verify(const struct queue_file *f, const char **why);
int queue_read_slot(
    const struct queue_file *f, size_t index, struct queue_slot *out);
/* All slots at once; out has recipient_count elements. */
int queue_read_slots(const struct queue_file *f, struct queue_slot *out);
int queue_write_slot(
    const struct queue_file *f, size_t index, const struct queue_slot *slot);

/* ---- the spool ---- */
#define QUEUE_PATH_MAX 64
/* "queue/XX/ID" */
void queue_path(const struct id *id, char out[QUEUE_PATH_MAX]);
/* "new/ID", where a file stands until it is published */
void queue_new_path(const struct id *id, char out[QUEUE_PATH_MAX]);
/* Makes new/, queue/ and all XX, corrupt/. Run by init and master. Group and
 * mode are the caller's to set on the directories it made. */
int queue_make_spool(int spool_fd, mode_t mode);
/* Calls found for each name below queue/; stops when it returns non-zero. */
int queue_walk(
    int spool_fd, int (*found)(const struct id *id, void *arg), void *arg);
/* Moves a damaged file to corrupt/ and writes the reason beside it. */
int queue_set_aside(int spool_fd, const struct id *id, const char *reason);
/* Sweeps files of new/ that are older than age seconds. */
int queue_sweep_new(int spool_fd, int64_t age);

#endif
