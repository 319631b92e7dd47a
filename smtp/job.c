/* SPDX-License-Identifier: ISC */
#include "smtp/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "smtp/front.h"

#define ARENA_MOST (64u << 20)

static struct str keep(struct job *j, struct str s)
{
	return arena_copy(&j->arena, s);
}

struct job *job_new(struct front *front, const struct deliver *d)
{
	struct job *j = NEW(struct job);

	j->front = front;
	j->fd = -1;
	j->arena = arena_new(ARENA_MOST);
	if (id_parse(d->queue_id, &j->queue_id) < 0) {
		job_free(&j);
		return NULL;
	}
	id_parse(d->session, &j->session_id);
	j->request = d->request;
	j->sender = keep(j, d->sender);
	j->transport = keep(j, d->transport);
	j->nexthop = keep(j, d->nexthop);
	j->envid = keep(j, d->envid);
	j->ret = keep(j, d->ret);
	j->lmtp = str_eq(d->transport, STR("lmtp"));
	j->body8 = str_case_eq(d->body, STR("8BITMIME"));
	j->smtputf8 = d->smtputf8;
	j->size = d->size;
	j->arrived = d->arrived;
	return j;
}

int job_open(struct job *j, int fd, const char **why)
{
	j->fd = fd;
	*why = "no descriptor";
	return fd < 0 ? -1 : content_open(&j->content, fd, &j->queue_id, why);
}

int job_add(struct job *j, const struct deliver_to *to)
{
	struct rcpt *r;

	if (j->count == j->room) {
		j->room = j->room == 0 ? 4 : j->room * 2;
		j->rcpts = mem_resize(j->rcpts, j->room, sizeof(j->rcpts[0]));
	}
	r = &j->rcpts[j->count];
	*r = (struct rcpt){.index = to->index,
	    .address = keep(j, to->address),
	    .original = keep(j, to->original),
	    .notify = keep(j, to->notify)};
	if (r->address.len == 0)
		return -1;
	j->count++;
	j->open++;
	return 0;
}

void job_free(struct job **jp)
{
	struct job *j = *jp;

	*jp = NULL;
	if (j == NULL)
		return;
	for (size_t i = 0; i < j->count; i++)
		free(j->rcpts[i].answer);
	free(j->rcpts);
	free(j->targets);
	file_close(&j->fd);
	arena_free(&j->arena);
	free(j);
}

/* Seconds between two times, never below 0. */
static double between(uint64_t from_us, uint64_t to_us)
{
	return from_us == 0 || to_us < from_us
	    ? 0
	    : (double)(to_us - from_us) / 1e6;
}

/* In Postfix's shape. delays: before qmgr gave it to us, waiting for a
 * session, connecting, sending. */
static void write_log(
    const struct job *j, const struct rcpt *r, const struct answer *a)
{
	static const char *const status[] = {"sent", "deferred", "bounced"};
	uint64_t now = clock_us(), arrived = j->arrived * 1000000;
	uint64_t connecting = j->connecting_us, connected = j->connected_us;

	if (connecting == 0)
		connecting = now;
	if (connected == 0)
		connected = now;
	log_info("%s: to=<%.*s>, relay=%s, delay=%.2f, "
		 "delays=%.2f/%.2f/%.2f/%.2f, dsn=%s, status=%s (%s)",
	    j->queue_id.text, STR_FMT(r->address),
	    a->remote[0] == '\0' ? "none" : a->remote, between(arrived, now),
	    between(arrived, j->started_us), between(j->started_us, connecting),
	    between(connecting, connected), between(connected, now),
	    a->dsn.code, status[a->dsn.action], a->dsn.text);
	daemon_count(status[a->dsn.action], 1);
	if (j->started_us != 0 && now > j->started_us)
		daemon_observe("delivery", now - j->started_us);
}

void job_answer(struct job *j, struct rcpt *r, const struct answer *a)
{
	if (r->answer != NULL)
		return;
	r->answer = NEW(struct answer);
	*r->answer = *a;
	j->open--;
	write_log(j, r, a);
	front_send_result(j, r);
}

void job_answer_all(struct job *j, const struct answer *a)
{
	for (size_t i = 0; i < j->count; i++)
		job_answer(j, &j->rcpts[i], a);
}

struct answer answer_make(
    enum dsn_action action, const char *dsn, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	struct answer a = {.dsn = dsn_vmake(action, dsn, format, args)};
	va_end(args);
	return a;
}
