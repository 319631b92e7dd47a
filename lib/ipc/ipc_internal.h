/* SPDX-License-Identifier: ISC */
/*
 * A connection: a receive buffer with the descriptors that came along, and a
 * send buffer with those that are to go along. ipc.c makes and ends it, ipc_send.c
 * and ipc_receive.c never wait, ipc_wait.c does, until a deadline at most. For
 * these four alone.
 *
 * The receive buffer starts small (a front holds thousands of connections) and
 * grows while a peer fills it.
 */
#ifndef IPC_INTERNAL_H
#define IPC_INTERNAL_H

#include "ipc/ipc.h"

#define IPC_HELLO    "posthouse-ipc"
#define IPC_FDS_MAX  16 /* descriptors that wait on one side */
#define IPC_OUT_MOST (16u << 20)

/* A descriptor and the octet of the stream that it belongs to. */
struct in_fd {
	uint64_t at;
	int fd;
};

/* A line of the send buffer that must be sent with a descriptor. */
struct out_fd {
	uint64_t from, to;
	int fd;
	bool lent; /* not to be closed */
};

struct ipc {
	const struct ipc_exchange *exchange;
	int fd;
	bool greeted; /* the version line has been seen, or is not expected */
	bool eof, broken, reset;
	bool mute; /* the peer hears no more; what it said can be read */
	const char *why;

	char *in;
	size_t capacity, start, end; /* unread input is in[start..end) */
	size_t scanned;              /* no LF in in[start..start+scanned) */
	uint64_t in_at;              /* stream position of in[start] */
	struct in_fd in_fds[IPC_FDS_MAX];
	size_t in_fd_count;
	int message_fd;  /* came with the last message */
	int64_t in_wait; /* SO_RCVTIMEO in milliseconds, 0: not set */

	struct buf out;
	size_t sent;     /* octets of out that are gone */
	uint64_t out_at; /* stream position of out.p[sent] */
	struct out_fd out_fds[IPC_FDS_MAX];
	size_t out_fd_count;

	size_t msg_size;
	void *msg; /* the last message */
};

/* What cannot be gone on with: IPC_BROKEN. */
enum ipc_result ipc_break_off(struct ipc *c, const char *why);

/* A descriptor that was sent, or will not be. */
void ipc_out_fd_close(struct out_fd *o);
/* Reads once, with the flags of recvmsg(2). IPC_OK also where what is there
 * must be taken first. */
enum ipc_result ipc_receive(struct ipc *c, int flags);
/* At the end of the stream: IPC_EOF between two messages, IPC_OK when there is
 * something to take, IPC_BROKEN within a message. */
enum ipc_result ipc_ended(struct ipc *c);
/* Input that was read goes. */
void ipc_consume(struct ipc *c, size_t n);
/* The receive buffer has at least so many octets from now on. */
void ipc_widen(struct ipc *c, size_t capacity);

#endif
