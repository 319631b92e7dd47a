/* SPDX-License-Identifier: ISC */
#include "master/certificates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"
#include "net/chain.h"

#define LOOK_MS       (60 * 1000)
#define FILES_MAX     1000
#define WARN_SECONDS  86400
#define SERVICES_MOST 1000

struct certificate {
	struct certificate *next;
	char *path;
	struct buf services;
	bool named; /* by a service, in this look */
	dev_t device;
	ino_t inode;
	struct timespec changed;
	struct chain_end end;
	const char *error; /* NULL: it could be read */
	int64_t warned;    /* seconds since 1970; 0: not yet */
};

static struct certificate *known;
static size_t count;
static struct loop_timer *timer;

static struct certificate *find(const char *path)
{
	struct certificate *c = known;

	while (c != NULL && strcmp(c->path, path) != 0)
		c = c->next;
	if (c != NULL || count == FILES_MAX)
		return c;
	c = NEW(struct certificate);
	c->path = str_dup(str_from(path));
	c->services = buf_new(SERVICES_MOST);
	c->error = "not looked at yet";
	c->next = known;
	known = c;
	count++;
	return c;
}

static void found(const struct running *s, const char *path)
{
	struct certificate *c = find(path);

	if (c == NULL)
		return;
	if (!c->named)
		buf_clear(&c->services);
	c->named = true;
	if (c->services.len + strlen(s->name) + 16 < SERVICES_MOST)
		buf_printf(&c->services, "%s%s/%s",
		    c->services.len > 0 ? " " : "", s->name,
		    config_type_name(s->type));
}

static void forget_unnamed(void)
{
	struct certificate **at = &known;

	while (*at != NULL) {
		struct certificate *c = *at;

		if (c->named) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		count--;
		buf_free(&c->services);
		free(c->path);
		free(c);
	}
}

/* Reads the file again when it is another one. */
static void read_again(struct certificate *c)
{
	struct stat st;

	if (stat(c->path, &st) < 0)
		memset(&st, 0, sizeof(st));
	else if (c->error == NULL && st.st_dev == c->device &&
	    st.st_ino == c->inode && st.st_mtim.tv_sec == c->changed.tv_sec &&
	    st.st_mtim.tv_nsec == c->changed.tv_nsec)
		return;
	c->device = st.st_dev;
	c->inode = st.st_ino;
	c->changed = st.st_mtim;
	c->warned = 0;
	if (chain_end_read(c->path, &c->end, &c->error) == 0)
		c->error = NULL;
}

static void warn(struct certificate *c)
{
	int64_t now = clock_seconds(), left;
	time_t end = (time_t)c->end.expires;
	char text[40];
	struct tm tm;

	left = c->end.expires - now;
	if (c->error != NULL ||
	    left > master.conf.certificate_warning_time / 1000 ||
	    (c->warned != 0 && now - c->warned < WARN_SECONDS))
		return;
	c->warned = now;
	if (gmtime_r(&end, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		text[0] = '\0';
	if (left <= 0)
		log_error("certificate %s (%s) of %s has expired at %s: "
			  "clients refuse it",
		    c->path, c->end.subject, buf_text(&c->services), text);
	else
		log_warning("certificate %s (%s) of %s expires at %s, in "
			    "%" PRId64 " days (certificate_warning_time)",
		    c->path, c->end.subject, buf_text(&c->services), text,
		    left / 86400);
}

static void look(void)
{
	for (struct certificate *c = known; c != NULL; c = c->next)
		c->named = false;
	files_certificates(found);
	forget_unnamed();
	for (struct certificate *c = known; c != NULL; c = c->next)
		read_again(c);
}

static void fired(void *arg)
{
	(void)arg;
	look();
	for (struct certificate *c = known; c != NULL; c = c->next)
		warn(c);
	loop_timer_set(timer, LOOK_MS);
}

void certificates_watch(void)
{
	timer = loop_timer_new(master.loop, fired, NULL);
	loop_timer_set(timer, 0);
}

void certificates_report(struct ipc *to)
{
	look();
	for (struct certificate *c = known; c != NULL; c = c->next) {
		struct master_certificate m = {.path = str_from(c->path),
		    .services = buf_str(&c->services),
		    .error = str_from(c->error)};

		if (c->error == NULL) {
			m.subject = str_from(c->end.subject);
			m.expires = (uint64_t)c->end.expires;
		}
		ipc_put(to, &master_certificate, &m);
	}
}
