/* SPDX-License-Identifier: ISC */
/*
 * pickup, a front: mail of local users, from sendmail(1).
 *
 * client.c has the connections of users, whom the kernel names, drop.c the
 * folder where mail lies that came while we were away; inject.c brings both
 * into the queue through cleanup-pickup, and relay.c asks qmgr for mailq(1).
 * What a user's program wrote is read by lib/queue/drop.c alone.
 */
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "pickup/client.h"
#include "pickup/drop.h"
#include "pickup/inject.h"

#define DRAIN_LOOK_MS 20

static struct pickup_conf conf;
struct pickup pickup = {.conf = &conf};
static struct loop_timer *draining;

bool user_may(const struct user_list *list, unsigned uid)
{
	return uid == 0 || uid == geteuid() || user_list_has(list, uid);
}

/* Names become numbers while /etc/passwd is there. */
static int read_list(
    struct user_list *list, const char *parameter, const char *text)
{
	struct buf odd = buf_new(65536), errors = buf_new(65536);
	int result = user_list_read(list, text, &odd, &errors);
	struct str rest = buf_str(&odd);

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		log_warning("%s: %.*s", parameter, STR_FMT(line));
	}
	if (result < 0)
		log_error("%s: %s", parameter, buf_text(&errors));
	buf_free(&odd);
	buf_free(&errors);
	return result;
}

static int before_jail(void)
{
	const struct house_conf *house = daemon_house();

	if (read_list(&pickup.submit, "authorized_submit_users",
		house->authorized_submit_users) < 0 ||
	    read_list(&pickup.mailq, "authorized_mailq_users",
		conf.authorized_mailq_users) < 0 ||
	    read_list(&pickup.flush, "authorized_flush_users",
		conf.authorized_flush_users) < 0)
		return -1;
	return drop_open(house->queue_directory);
}

static int start(void)
{
	pickup.house = daemon_house();
	pickup.loop = daemon_loop();
	drop_start();
	return 0;
}

/* Whoever waits gets an answer first. */
static void look_for_end(void *arg)
{
	(void)arg;
	client_drain();
	if (inject_count() == 0)
		daemon_done();
	else
		loop_timer_set(draining, DRAIN_LOOK_MS);
}

static void drain(void)
{
	drop_drain();
	draining = loop_timer_new(pickup.loop, look_for_end, NULL);
	look_for_end(NULL);
}

int main(int argc, char **argv)
{
	static const struct daemon daemon = {
	    .name = "pickup",
	    .kind = DAEMON_FRONT,
	    .params = pickup_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = client_accepted,
	    .drain = drain,
	};

	return daemon_main(&daemon, argc, argv);
}
