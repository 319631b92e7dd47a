/* SPDX-License-Identifier: ISC */
#include "qmgr/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/log.h"
#include "qmgr/flow.h"
#include "qmgr/hop.h"
#include "qmgr/spool_state.h"

#define HOPS_AGE   3600  /* seconds that an unused destination is remembered, */
#define HOPS_MANY  10000 /* while there are fewer than that */
#define STEP_NAMES 50    /* names of one step, then others have their turn */
/* cleanup does not offer for a second when it found nobody here; a second
 * walk soon after the first finds what it accepted meanwhile. */
#define SECOND_WALK_MS 1500

/* ---- one level of the directory ---- */

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
	*d = NULL;
}

/* The next directory below queue/. false at the end of the walk. */
static bool next_dir(struct spool *s)
{
	const struct dirent *e;

	while ((e = readdir(s->top)) != NULL) {
		if (e->d_name[0] == '.' ||
		    strlen(e->d_name) >= sizeof(s->dir_name))
			continue;
		s->dir = open_dir(dirfd(s->top), e->d_name);
		if (s->dir == NULL)
			continue;
		memcpy(s->dir_name, e->d_name, strlen(e->d_name) + 1);
		return true;
	}
	return false;
}

static void found(struct qmgr *q, const char *name)
{
	struct message *m;
	struct id id;

	if (name[0] == '.')
		return;
	if (id_parse(str_from(name), &id) < 0) {
		if (q->spool->walks == 0)
			log_warning("queue/%s/%s is not a queue file",
			    q->spool->dir_name, name);
		return;
	}
	if (messages_find(&q->messages, id_str(&id)) != NULL)
		return;
	m = spool_load(q, &id, -1, false);
	if (m == NULL)
		return;
	q->spool->found++;
	flow_take_up(q, m);
}

/* ---- the steps ---- */

static void end_walk(struct qmgr *q)
{
	struct spool *s = q->spool;

	close_dir(&s->top);
	if (s->walks == 0)
		log_info(
		    "the queue holds %zu messages", q->messages.by_id.count);
	else if (s->found > 0)
		log_info("found %llu messages that nobody had offered",
		    (unsigned long long)s->found);
	s->found = 0;
	schedule_tidy(q->schedule, loop_now(q->loop), 600000);
	hops_tidy(&q->messages.hops, qmgr_now(),
	    q->messages.hops.count < HOPS_MANY ? HOPS_AGE : 0);
	loop_timer_set(s->timer,
	    s->walks++ == 0 ? SECOND_WALK_MS : q->conf->qmgr_walk_interval);
}

static void step(void *arg)
{
	struct qmgr *q = arg;
	struct spool *s = q->spool;
	int names = 0;

	if (s->top == NULL) {
		s->top = open_dir(s->fd, "queue");
		if (s->top == NULL) {
			log_error("cannot read queue/: %s", strerror(errno));
			loop_timer_set(s->timer, q->conf->qmgr_walk_interval);
			return;
		}
	}
	if (s->dir == NULL && !next_dir(s)) {
		end_walk(q);
		return;
	}
	while (names < STEP_NAMES) {
		const struct dirent *e = readdir(s->dir);

		if (e == NULL) {
			close_dir(&s->dir);
			break;
		}
		found(q, e->d_name);
		names++;
	}
	/* Quickly at the start; a walk later is in no hurry. */
	loop_timer_set(s->timer, s->walks < 2 ? 0 : 5);
}

void scan_start(struct qmgr *q)
{
	q->spool->timer = loop_timer_new(q->loop, step, q);
	loop_timer_set(q->spool->timer, 0);
}

bool scan_is_complete(const struct qmgr *q)
{
	return q->spool->walks > 0;
}

void scan_stop(struct qmgr *q)
{
	if (q->spool->timer != NULL)
		loop_timer_free(&q->spool->timer);
	close_dir(&q->spool->dir);
	close_dir(&q->spool->top);
}
