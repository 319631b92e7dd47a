/* SPDX-License-Identifier: ISC */
/*
 * What master and a process tell each other, over a SEQPACKET socket pair:
 * packets of one letter, CHANNEL_FATAL with text behind it. The end of the
 * channel tells the process that master is gone, and master that the process
 * is.
 */
#ifndef DAEMON_CHANNEL_H
#define DAEMON_CHANNEL_H

/* Descriptors of a process that master starts. */
#define CHANNEL_FD  3
#define BOARD_FD    4
#define SNAPSHOT_FD 5
#define LISTENERS_FD                                                           \
	6 /* the first; behind the last one comes the lock that
	   * tells a new master that we are still there, and then
	   * the memory that the service keeps, where its role has
	   * some */

#define CHANNEL_TEXT_MAX 512

enum channel_word {
	/* process to master */
	CHANNEL_READY = 'R', /* start hook done */
	CHANNEL_BUSY = 'B',  /* the last idle worker has a client now */
	CHANNEL_FATAL = 'F', /* why it cannot start */
	/* master to process */
	CHANNEL_DRAIN = 'D',  /* no new work; end when the old is done */
	CHANNEL_LET_GO = 'L', /* others wait: release a parked peer */
	CHANNEL_KICK = 'K' /* user, LF, client, LF, protocol: send them away */
};

#endif
