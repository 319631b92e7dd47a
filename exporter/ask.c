/* SPDX-License-Identifier: ISC */
#include "exporter/ask.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/daemon.h"
#include "daemon/reading.h"
#include "exporter/metrics.h"
#include "ipc/wire.h"

#define TEXT_MOST (16u << 20)

struct waiter {
	struct waiter *next;
	void (*done)(const struct buf *text, const char *why, void *arg);
	void *arg;
};

static struct {
	const struct exporter_conf *conf;
	struct wire *wire;
	struct loop_timer *timer; /* for the answer */
	bool asking;
	struct reading reading;
	struct buf text;
	int64_t at; /* clock_ms of text; 0: there is none */
	struct waiter *waiters;
} ask;

static void tell(const char *why)
{
	struct waiter *w, *all = ask.waiters;

	ask.waiters = NULL;
	ask.asking = false;
	loop_timer_stop(ask.timer);
	reading_clear(&ask.reading);
	/* Those who come back from inside wait anew. */
	while ((w = all) != NULL) {
		all = w->next;
		w->done(why == NULL ? &ask.text : NULL, why, w->arg);
		free(w);
	}
}

static void failed(const char *why)
{
	log_warning("master: %s", why);
	wire_close(&ask.wire);
	tell("master does not answer");
}

static void timed_out(void *arg)
{
	(void)arg;
	failed("no answer in time");
}

static void message(
    struct wire *w, void *arg, const struct ipc_type *type, const void *msg)
{
	int r = ask.asking ? reading_take(&ask.reading, type, msg) : -1;

	(void)w;
	(void)arg;
	if (r < 0)
		failed("not an answer to our question");
	if (r != 1)
		return;
	buf_clear(&ask.text);
	metrics_write(&ask.reading, &ask.text);
	ask.at = clock_ms();
	tell(ask.text.overflow ? "there are too many figures" : NULL);
}

static void lost(struct wire *w, void *arg, const char *why)
{
	(void)w;
	(void)arg;
	ask.wire = NULL;
	if (ask.asking) {
		log_warning("master: %s", why[0] != '\0' ? why : "went away");
		tell("master went away");
	}
}

static int connected(void)
{
	static const struct wire_calls calls = {message, lost, NULL};
	const char *why;
	struct ipc *c;

	if (ask.wire != NULL)
		return 0;
	c = ipc_connect("figures", &master_exchange, deadline_in(0), &why);
	if (c == NULL) {
		log_warning("cannot ask master: %s", why);
		return -1;
	}
	ask.wire = wire_new(daemon_loop(), c, &calls, NULL);
	return 0;
}

static void question(void)
{
	struct master_ask m = {.verb = MASTER_FIGURES,
	    .service = STR_EMPTY,
	    .argument = STR_EMPTY};

	ask.asking = true;
	if (connected() < 0 || wire_put(ask.wire, &master_ask, &m) < 0) {
		tell("master is away");
		return;
	}
	loop_timer_set(ask.timer, daemon_house()->ipc_timeout);
	wire_push(ask.wire);
}

void ask_open(const struct exporter_conf *conf)
{
	ask.conf = conf;
	ask.text = buf_new(TEXT_MOST);
	ask.timer = loop_timer_new(daemon_loop(), timed_out, NULL);
	reading_init(&ask.reading);
}

void ask_figures(
    void (*done)(const struct buf *text, const char *why, void *arg), void *arg)
{
	struct waiter *w;

	if (!ask.asking && ask.at != 0 && !ask.text.overflow &&
	    clock_ms() - ask.at < ask.conf->exporter_cache_time) {
		done(&ask.text, NULL, arg);
		return;
	}
	w = NEW(struct waiter);
	w->done = done;
	w->arg = arg;
	w->next = ask.waiters;
	ask.waiters = w;
	if (!ask.asking)
		question();
}

void ask_forget(const void *arg)
{
	struct waiter **at = &ask.waiters;

	while (*at != NULL) {
		struct waiter *w = *at;

		if (w->arg != arg) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}
