/* SPDX-License-Identifier: ISC */
#include "auth/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/memory.h"

struct pool_job {
	struct pool_job *next;
	char *stored, *password;
	size_t stored_len, password_len;
	enum scheme_result result;
	void (*done)(enum scheme_result r, void *arg); /* NULL: cancelled */
	void *arg;
};

struct list {
	struct pool_job *first, **end;
};

struct pool {
	struct loop_watch *watch;
	int event;            /* eventfd: something is finished */
	pthread_mutex_t lock; /* of waiting, finished, ending */
	pthread_cond_t work;
	struct list waiting, finished;
	bool ending;
	size_t jobs, most; /* the loop's alone */
	int count;
	pthread_t *threads;
};

static void push(struct list *l, struct pool_job *j)
{
	j->next = NULL;
	*l->end = j;
	l->end = &j->next;
}

static struct pool_job *pop(struct list *l)
{
	struct pool_job *j = l->first;

	if (j == NULL)
		return NULL;
	l->first = j->next;
	if (l->first == NULL)
		l->end = &l->first;
	return j;
}

static void job_free(struct pool_job *j)
{
	mem_wipe(j->password, j->password_len);
	free(j->password);
	free(j->stored);
	free(j);
}

/* The next job, or NULL at the end. */
static struct pool_job *next_job(struct pool *p)
{
	struct pool_job *j = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->ending && p->waiting.first == NULL)
		pthread_cond_wait(&p->work, &p->lock);
	if (!p->ending)
		j = pop(&p->waiting);
	pthread_mutex_unlock(&p->lock);
	return j;
}

static void *worker(void *arg)
{
	static const uint64_t one = 1;
	struct pool *p = arg;
	struct pool_job *j;

	while ((j = next_job(p)) != NULL) {
		j->result = scheme_verify(str_of(j->stored, j->stored_len),
		    str_of(j->password, j->password_len));
		pthread_mutex_lock(&p->lock);
		push(&p->finished, j);
		pthread_mutex_unlock(&p->lock);
		while (write(p->event, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	return NULL;
}

static void finished(unsigned what, void *arg)
{
	struct pool *p = arg;
	struct pool_job *j;
	uint64_t count;

	(void)what;
	if (read(p->event, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;
	for (;;) {
		pthread_mutex_lock(&p->lock);
		j = pop(&p->finished);
		pthread_mutex_unlock(&p->lock);
		if (j == NULL)
			return;
		p->jobs--;
		if (j->done != NULL)
			j->done(j->result, j->arg);
		job_free(j);
	}
}

/* Signals are the loop's, not the threads'. */
static int start_threads(struct pool *p, int threads)
{
	sigset_t all, before;
	int error = 0;

	p->threads = mem_array((size_t)threads, sizeof(pthread_t));
	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* how a refused system call is answered */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->count < threads && error == 0) {
		error = pthread_create(&p->threads[p->count], NULL, worker, p);
		if (error == 0)
			p->count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return p->count > 0 ? 0 : -1;
}

struct pool *pool_new(struct loop *loop, int threads, size_t most)
{
	struct pool *p = NEW(struct pool);

	p->most = most;
	p->waiting.end = &p->waiting.first;
	p->finished.end = &p->finished.first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->event >= 0)
		p->watch = loop_watch_new(
		    loop, p->event, LOOP_READ, finished, p);
	if (p->event < 0 || start_threads(p, threads) < 0)
		pool_free(&p);
	return p;
}

void pool_free(struct pool **pp)
{
	struct pool *p = *pp;
	struct pool_job *j;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	while (
	    (j = pop(&p->waiting)) != NULL || (j = pop(&p->finished)) != NULL)
		job_free(j);
	if (p->watch != NULL)
		loop_watch_free(&p->watch);
	if (p->event >= 0)
		close(p->event);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
	*pp = NULL;
}

struct pool_job *pool_verify(struct pool *p, struct str stored,
    struct str password, void (*done)(enum scheme_result r, void *arg),
    void *arg)
{
	struct pool_job *j;

	if (p->jobs >= p->most)
		return NULL;
	p->jobs++;
	j = NEW(struct pool_job);
	j->stored = str_dup(stored);
	j->stored_len = stored.len;
	j->password = str_dup(password);
	j->password_len = password.len;
	j->done = done;
	j->arg = arg;
	pthread_mutex_lock(&p->lock);
	push(&p->waiting, j);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	return j;
}

void pool_cancel(struct pool_job *job)
{
	job->done = NULL; /* read by the loop alone */
}
