/* SPDX-License-Identifier: ISC */
/*
 * What the service manager is told, by sd_notify(3)'s protocol: a datagram of
 * NAME=VALUE lines to the socket that $NOTIFY_SOCKET names, a path, or behind
 * an @ an abstract name. It goes unsaid when there is no manager, or when its
 * socket is full.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "master/master.h"

static bool reloading;
static struct loop_timer *watchdog;
static int64_t watchdog_ms; /* between two signs of life */

/* -1: nobody is to be told. */
static int find_manager(struct sockaddr_un *a, socklen_t *len)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t n = name != NULL ? strlen(name) : 0;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n < 2 || n >= sizeof(a->sun_path) ||
	    (name[0] != '/' && name[0] != '@'))
		return -1;
	memcpy(a->sun_path, name, n);
	if (name[0] == '@')
		a->sun_path[0] = '\0';
	/* An abstract name has no NUL behind it: its length is its end. */
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static void tell(const char *text)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd;

	if (find_manager(&a, &len) < 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
		len) < 0)
		log_warning("the service manager ($NOTIFY_SOCKET): %s",
		    strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* A service's words may have more than one line. */
static void one_line(char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\n')
			*text = ' ';
}

static void alive(void *arg)
{
	(void)arg;
	tell("WATCHDOG=1\n");
	loop_timer_set(watchdog, watchdog_ms);
}

/* WatchdogSec= of the unit. */
static void start_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *whose = getenv("WATCHDOG_PID");
	uint64_t n, pid;

	if (watchdog != NULL || usec == NULL ||
	    str_to_u64(str_from(usec), INT64_MAX, &n) < 0 || n < 2000)
		return;
	if (whose != NULL &&
	    (str_to_u64(str_from(whose), INT32_MAX, &pid) < 0 ||
		pid != (uint64_t)getpid()))
		return;
	watchdog_ms = (int64_t)(n / 2000);
	watchdog = loop_timer_new(master.loop, alive, NULL);
	alive(NULL);
}

void notify_ready(const char *fault)
{
	char text[CHANNEL_TEXT_MAX + 200], status[CHANNEL_TEXT_MAX + 100];

	snprintf(status, sizeof(status), "generation %u%s%s", master.generation,
	    fault[0] != '\0' ? "; " : "", fault);
	one_line(status);
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\nSTATUS=%s\n",
	    (int)getpid(), status);
	reloading = false;
	tell(text);
	start_watchdog();
}

void notify_reloading(void)
{
	char text[100];
	struct timespec now;

	if (reloading)
		return;
	reloading = true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	tell(text);
}

void notify_stopping(void)
{
	tell("STOPPING=1\nSTATUS=letting everybody finish\n");
}
