/* SPDX-License-Identifier: ISC */
/* How fast mail comes in, by what becomes of it behind us. */
#include <time.h>

#include "cleanup/message.h"
#include "cleanup/offer.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"

#define ASK_AGAIN_MS 1000 /* a qmgr that does not answer */
#define SAY_AGAIN_MS 60000

static void slow_down(int64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000 * 1000000)};

	daemon_count("slowed", 1);
	nanosleep(&t, NULL);
}

/* Whether qmgr answers; asked once a second, for all that are refused. */
static bool qmgr_is_there(const struct cleanup *c)
{
	static int64_t ask_at;

	if (clock_ms() < ask_at)
		return false;
	if (offer_probe(c->spool_fd))
		return true;
	ask_at = deadline_in(ASK_AGAIN_MS);
	return false;
}

void pace_check(struct cleanup *c, struct message *m)
{
	static int64_t say_at;

	if (c->entrance == ENTRANCE_INTERNAL)
		return;
	if (c->conf->in_flow_delay > 0 && offer_is_behind())
		slow_down(c->conf->in_flow_delay);
	if (offer_unclaimed() < (uint64_t)c->conf->queue_unclaimed_limit ||
	    qmgr_is_there(c))
		return;
	if (clock_ms() >= say_at) {
		log_warning("qmgr does not answer, and %llu messages wait for "
			    "it (queue_unclaimed_limit): mail is refused",
		    (unsigned long long)offer_unclaimed());
		say_at = deadline_in(SAY_AGAIN_MS);
	}
	message_refuse(m, 451, "4.3.2",
	    "Mail cannot be delivered at the moment, try again later");
}
