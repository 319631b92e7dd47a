/* SPDX-License-Identifier: ISC */
/*
 * Joins a client's stream to a session's socket, both ways, with a bound on
 * what is under way in each direction. Gives its memory back when both ends
 * are silent.
 */
#ifndef LOGIN_PROXY_H
#define LOGIN_PROXY_H

#include "net/loop.h"
#include "net/stream.h"

struct proxy;

/* Takes over client and fd. ended is called when an end has gone and all was
 * said; the proxy is then still there, for proxy_close. */
struct proxy *proxy_new(struct loop *loop, struct stream *client, int fd,
    void (*ended)(void *arg), void *arg);
/* What the client sent already goes first. */
void proxy_start(struct proxy *p);
void proxy_close(struct proxy **p);

/* The session has taken `consumed` octets, and that is all that the client
 * has said. */
bool proxy_is_quiet(const struct proxy *p, uint64_t consumed);
/* Ends the proxy with all that the session said put into the client's stream,
 * which is the caller's then. */
struct stream *proxy_give_back(struct proxy **p);

#endif
