/* SPDX-License-Identifier: ISC */
/*
 * The way of one job: a kept connection if there is one, else the next hop's
 * addresses one after the other, until each recipient has its answer. Bounds
 * the connections.
 */
#ifndef SMTP_DELIVER_H
#define SMTP_DELIVER_H

#include "net/tls.h"
#include "smtp/job.h"
#include "smtp/route.h"
#include "smtp/smtp_conf.h"

struct delivery {
	struct loop *loop;
	const struct smtp_conf *conf;
	const struct house_conf *house;
	struct router *router;
	struct tls_client *tls;   /* NULL with smtp_tls_security_level none */
	struct session *sessions; /* all */
	size_t session_count;
	size_t starting;          /* jobs whose route is being looked up */
	struct job *first, *last; /* wait for a session */
	bool draining;
};

void deliver_start(struct delivery *d, struct job *j);
/* The job's session or route still refers to it. */
bool deliver_uses(const struct job *j);
/* Sessions that wait for work end. */
void deliver_drain(struct delivery *d);

/* ---- from a session ---- */
/* It could not deliver: a says why. The other targets are tried for the
 * recipients without an answer. met: the server had answered. */
void deliver_failed(
    struct delivery *d, struct job *j, const struct answer *a, bool met);
/* TLS failed where it may: the same target again in plaintext. */
void deliver_plain(struct delivery *d, struct job *j);
/* A kept connection was gone when it was used: a new one. */
void deliver_stale(struct delivery *d, struct job *j);
/* All recipients have their answers. */
void deliver_done(struct delivery *d, struct job *j);
/* A session ended: others may start. */
void deliver_session_ended(struct delivery *d);
/* A session waits for work: a job that waits for a session may have it. */
void deliver_session_idle(struct delivery *d);

#endif
