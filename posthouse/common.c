/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "ipc/ipc.h"
#include "posthouse/commands.h"

#define CONNECT_MS 5000

static void complain(const char *command, const char *format, va_list args)
{
	fprintf(stderr, "posthouse %s: ", command);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int posthouse_fail(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(command, format, args);
	va_end(args);
	return 1;
}

int posthouse_misused(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(command, format, args);
	va_end(args);
	return EX_USAGE;
}

int posthouse_usage(const char *command)
{
	for (const struct command_row *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, command) == 0)
			fprintf(stderr, "usage: posthouse %s\n", c->usage);
	return EX_USAGE;
}

char *posthouse_path(const struct posthouse *p, const char *name)
{
	size_t size = strlen(p->config_directory) + strlen(name) + 2;
	char *path = mem_alloc(size);

	snprintf(path, size, "%s/%s", p->config_directory, name);
	return path;
}

int posthouse_conf(struct posthouse *p)
{
	struct buf errors = buf_new(65536);
	char *path;

	if (p->conf != NULL)
		return 0;
	path = posthouse_path(p, "main.cf");
	p->conf = conf_read(path, &errors);
	if (p->conf == NULL && errors.len == 0)
		buf_printf(&errors, "%s: %s\n", path, strerror(errno));
	free(path);
	if (p->conf != NULL)
		conf_fill(p->conf, house_params, &p->house, &errors);
	if (errors.len > 0)
		fprintf(stderr, "%s", buf_text(&errors));
	int failed = errors.len > 0;
	buf_free(&errors);
	return failed ? -1 : 0;
}

/*
 * Where the suite runs, for the caller to free. A main.cf with errors must not
 * keep the operator from asking what runs, or from stopping it.
 */
static char *run_directory(const struct posthouse *p)
{
	struct buf ignored = buf_new(65536);
	struct house_conf house = {0};
	struct conf *conf = NULL;
	char *path, *found = NULL;

	if (p->conf != NULL)
		return str_dup(str_from(p->house.run_directory));
	path = posthouse_path(p, "main.cf");
	conf = conf_read(path, &ignored);
	if (conf == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	} else {
		conf_fill(conf, house_params, &house, &ignored);
		found = str_dup(str_from(house.run_directory));
	}
	conf_free(&conf);
	free(path);
	buf_free(&ignored);
	return found;
}

/* The socket's directory is the working directory just for the connect:
 * a UNIX socket's path is at most 107 octets. */
struct ipc *posthouse_connect(struct posthouse *p, const char *command,
    const char *socket, const struct ipc_exchange *exchange)
{
	const char *why = NULL;
	struct ipc *c = NULL;
	bool denied = false, there = false;
	char *run = run_directory(p), *dir;

	if (run == NULL)
		return NULL;
	if (asprintf(&dir, "%s/sockets", run) < 0)
		dir = str_dup(str_from(run));
	free(run);
	there = chdir(dir) == 0;
	if (!there)
		why = strerror(errno);
	else
		c = ipc_connect(
		    socket, exchange, deadline_in(CONNECT_MS), &why);
	if (c == NULL)
		denied = errno == EACCES;
	if (denied)
		posthouse_fail(command,
		    "cannot talk to %s (%s/%s: %s); only root and the owner of "
		    "the instance may",
		    socket, dir, socket, why == NULL ? "no answer" : why);
	else if (c == NULL && there && strcmp(socket, "master") != 0 &&
	    access("master", F_OK) == 0)
		posthouse_fail(command,
		    "cannot talk to %s (%s/%s: %s); \"posthouse -c %s "
		    "status\" says whether it was stopped or fails",
		    socket, dir, socket, why == NULL ? "no answer" : why,
		    p->config_directory);
	else if (c == NULL)
		posthouse_fail(command,
		    "cannot talk to %s (%s/%s: %s); is the suite running? "
		    "\"posthouse -c %s start\" starts it",
		    socket, dir, socket, why == NULL ? "no answer" : why,
		    p->config_directory);
	free(dir);
	return c;
}

int posthouse_ask(struct posthouse *p, const struct posthouse_question *q)
{
	int64_t deadline = deadline_in(q->wait_ms);
	struct ipc *c = posthouse_connect(
	    p, q->command, q->daemon, q->exchange);
	const struct ipc_type *got = NULL;
	enum ipc_result r;
	const void *msg;

	if (c == NULL)
		return 1;
	r = ipc_put(c, q->type, q->message) < 0 ? IPC_BROKEN
						: ipc_flush(c, deadline);
	while (r == IPC_OK && got != q->last) {
		r = ipc_wait(c, &got, &msg, deadline);
		if (r == IPC_OK)
			q->take(got, msg, q->arg);
	}
	if (r != IPC_OK)
		posthouse_fail(q->command,
		    "%s did not answer; only root and its own user are heard",
		    q->daemon);
	ipc_close(&c);
	return r == IPC_OK ? 0 : 1;
}
